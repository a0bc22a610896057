"""The race of builds: this project and what a user would take instead, on the same scenes, each written as Zarr.

Every run is a process of its own, from its start to its end. CPU time is that of all its processes; memory is that of
the largest one. What was written is compared with what the first contender wrote.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
import yaml
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import load_region

from .archive import RACES, Race, ensure_archive
from .entrants import Choice, Contender, contenders

CONTENDERS = Path(__file__).parent / "contenders"
DELAY, MEGABYTES = 0.08, 50.0
"""The slow network: seconds before an answer, megabytes a second of all connections together"""

LONGEST = 1500
"""Seconds after which a run is given up"""


@dataclass(frozen=True)
class Run:
    """What one run took."""

    contender: Contender
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """of the largest process"""
    counts: dict[str, Any] | None = None
    """of the slow network"""
    failure: str = ""


@dataclass(frozen=True)
class Result:
    """All runs of one race."""

    race: Race
    network: bool
    megapixels: float
    """of bands: scenes x pixels x 6"""
    needed_bytes: int
    """of the 256-pixel tiles that the region meets, in all files"""
    runs: dict[str, list[Run]]
    """name of the contender -> its runs"""


class Course:
    """A race on the archive of a folder: local, or behind the slow network."""

    def __init__(self, race: Race, folder: Path, network: bool) -> None:
        folder = folder.absolute()  # a recipe counts paths from its own folder
        self.race, self.folder, self.network = race, folder, network
        self.recipe = ensure_archive(folder, race)
        region, path = load_region(str(self.recipe))
        grid = grid_from_recipe(region, path, folder)
        rows, columns = ({block[axis] for block in grid.blocks} for axis in (0, 1))
        box = grid.geobox[
            min(rows) * grid.block : (max(rows) + 1) * grid.block,
            min(columns) * grid.block : (max(columns) + 1) * grid.block,
        ]
        self.box = box
        self.items = json.loads((folder / race.family / "items.json").read_text())["features"]
        self.megapixels = len(self.items) * box.shape[0] * box.shape[1] * 6 / 1e6

    @property
    def needed_bytes(self) -> int:
        """Bytes of the internal tiles that the region meets, in all files."""
        total, sizes = 0, dict[int, int]()
        for item in self.items:
            for asset in item["assets"].values():
                path = self.folder / self.race.family / asset["href"]
                number = path.stat().st_ino  # granules are links to a few files
                if number not in sizes:
                    sizes[number] = _tile_bytes(path, self.box)
                total += sizes[number]
        return total

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        """Serve the archive where it is behind the network; gives the variables that lead there."""
        if not self.network:
            yield {}
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        root = self.folder / self.race.family
        command = [
            "-m",
            "tests.servers.slow",
            "--root",
            root,
            "--port",
            port,
            "--delay",
            DELAY,
            "--megabytes",
            MEGABYTES,
        ]
        server = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True)
        try:
            if server.stdout is None:
                raise RuntimeError("the server has no output")
            yield json.loads(server.stdout.readline())
        finally:
            server.kill()
            server.wait()

    def run(self, contender: Contender, environment: dict[str, str]) -> Run:
        """One run in an empty folder."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        if contender.script:
            command = [
                contender.python,
                str(CONTENDERS / f"{contender.script}.py"),
                str(self._job(contender, environment)),
            ]
        else:
            command = [
                sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(self.own_recipe()),
                "--data-dir", str(out), "--workers", str(contender.threads),
            ]  # fmt: skip
        if self.network:
            ask(environment, "/__reset")
        started = time.perf_counter()
        with (self.folder / "run.log").open("w") as log:
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
            usage = _wait(process)
        seconds = time.perf_counter() - started
        counts = ask(environment, "/__counts") if self.network else None
        failure = (self.folder / "run.log").read_text()[-300:] if process.returncode else ""
        peak = usage.ru_maxrss * 1024
        return Run(contender, seconds, usage.ru_utime + usage.ru_stime, peak, counts, failure)

    def own_recipe(self) -> Path:
        """The recipe; behind the network its imagery is the catalogue's."""
        if not self.network:
            return self.recipe
        content = yaml.safe_load(self.recipe.read_text())
        del content["imagery"]["path"]
        content["imagery"] |= {"source": "stac", "catalog": "planetary-computer"}
        path = self.recipe.with_name(f"{self.race.name}-network.yaml")
        path.write_text(yaml.safe_dump(content))
        return path

    def _job(self, contender: Contender, environment: dict[str, str]) -> Path:
        """Write what a script is given: the items with the names of their bands and whole addresses."""
        token = "?" + ask(environment, "/sas/account/container")["token"] if self.network else ""
        base = f"{_root(environment)}/account/container" if self.network else str(self.folder / self.race.family)
        items = []
        for item in self.items:
            assets = dict(
                zip(("blue", "green", "red", "nir", "swir1", "swir2", "mask"), item["assets"].values(), strict=True)
            )
            renamed = {name: {**asset, "href": f"{base}/{asset['href']}{token}"} for name, asset in assets.items()}
            items.append({**item, "collection": "scenes", "assets": renamed})
        (self.folder / "job-items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        sentinel = self.race.family != "hls"
        job = {
            "items": str(self.folder / "job-items.json"), "crs": str(self.box.crs), "resolution": self.race.resolution,
            "bounds": list(self.box.boundingbox), "shape": list(self.box.shape),
            "out": str(self.folder / "out/out.zarr"),
            "style": contender.style, "threads": contender.threads, "dtype": "uint16" if sentinel else "int16",
            "nodata": 0 if sentinel else -9999,
        }  # fmt: skip
        path = self.folder / "job.json"
        path.write_text(json.dumps(job))
        return path


def _tile_bytes(path: Path, box: GeoBox) -> int:
    """Bytes of the internal tiles of a file that a box meets."""
    with rasterio.open(path) as file:
        bounds = transform_bounds(str(box.crs), file.crs, *box.boundingbox)
        window = from_bounds(*bounds, transform=file.transform)
        rows, columns = (
            range(int(start // 256), int((start + length - 1e-6) // 256) + 1)
            for start, length in ((window.row_off, window.height), (window.col_off, window.width))
        )
        sizes = [file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1) for row in rows for column in columns]
    return sum(int(size) for size in sizes if size)


def _wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """The resources of a process and of the children it waited for. Ends it after LONGEST seconds."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        number, status, usage = os.wait4(process.pid, os.WNOHANG)
        if number:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.02)
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _root(environment: dict[str, str]) -> str:
    return environment["MMVSF_SAS_URL"].removesuffix("/sas")


def ask(environment: dict[str, str], path: str) -> Any:
    with urllib.request.urlopen(_root(environment) + path) as answer:
        return json.load(answer)


def race(name: str, folder: Path, network: bool, choice: Choice) -> Result:
    """Run the contenders in turn, so many times; prints each run."""
    course = Course(RACES[name], folder, network)
    runs: dict[str, list[Run]] = {}
    with course.open() as environment:
        for _ in range(choice.repeats):
            for contender in contenders(course.race, network, choice):
                run = course.run(contender, environment)
                runs.setdefault(contender.name, []).append(run)
                print(line(run, course.megapixels), flush=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    return Result(course.race, network, course.megapixels, course.needed_bytes, runs)


def line(run: Run, megapixels: float) -> str:
    """One run in words."""
    if run.failure:
        return f"{run.contender.name}: failed: {run.failure}"
    counts = ""
    if run.counts:
        share = run.counts["bytes"] / 1e6 / max(run.counts["seconds"], 1e-9) / MEGABYTES
        counts = (
            f", {run.counts['bytes'] / 1e6:.0f} MB in {run.counts['requests']} requests for {run.counts['files']} files"
            f" ({share:.0%} of the bandwidth, at most {run.counts['most_at_once']} at once)"
        )
    return (
        f"{run.contender.name}: {run.seconds:.1f} s, {megapixels / run.seconds:.1f} Mpx/s, {run.cpu_seconds:.1f} CPU s,"
        f" peak {run.peak_bytes / 2**30:.2f} GiB{counts}"
    )
