"""Windows read from a cube of true size, from disk and from a bucket behind a delay: `WindowReader` and other readers.

All read the same windows in the same order in one process, in turn. What they give is compared: the bands as stored,
or for `WindowReader`, which checks, masks and normalises too, what these become by that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.storage.location import Location, location
from mmvsf.datasets.storage.store import CACHE_BYTES, open_pixels, read_pixels
from mmvsf.datasets.variables import REFLECTANCE_FILL, Status, is_clear

from . import window_readers as readers
from .archive import RACES, ensure_archive
from .document import Section, stamp
from .window_readers import AT_ONCE, Job, Place, Reading

DAYS, SIDE = 20, 64
DELAY = 0.02
"""Seconds before the bucket answers"""

PACKAGES = ("xbatcher", "xarray", "zarr", "zarrs", "tensorstore", "obstore", "numpy")
ALONE, TOGETHER = "WindowReader", f"WindowReader, {AT_ONCE} at a time"
RAW, RAW_TOGETHER = "tensorstore", f"tensorstore, {AT_ONCE} at a time"
OURS = (ALONE, TOGETHER)
FROM_A_BUCKET = (*OURS, "xbatcher", "zarr-python", RAW, RAW_TOGETHER)
FROM_DISK = (*FROM_A_BUCKET, "zarrs", "memory map")


class Course:
    """The windows of a cube, on disk or in a bucket."""

    def __init__(self, cube: Path, folder: Path) -> None:
        opened = Cube.open(cube)
        self.folder, self.cube = folder, opened
        grid, status = opened.grid, opened.array("blocks/status")
        blocks = {tile: [block for block in grid.blocks if grid.tile_of(block) == tile] for tile in grid.tiles}
        tile = max(blocks, key=lambda tile: len(blocks[tile]))
        stored = np.flatnonzero(np.all([status[:, *block] == Status.STORED for block in blocks[tile]], axis=0))
        days = np.sort(np.random.default_rng(0).choice(stored, DAYS, replace=False))
        self.job = Job(cube, tile, SIDE, days.astype(np.int64))
        corners = [((by - tile.row) * grid.block, (bx - tile.column) * grid.block) for by, bx in blocks[tile]]
        steps = range(0, grid.block, SIDE)
        places = [(top + y, left + x) for top, left in corners for y in steps for x in steps]
        self.places = [places[i] for i in np.random.default_rng(1).permutation(len(places))]

    def rates(self, where: Location, names: Sequence[str], repeats: int) -> dict[str, tuple[float, float]]:
        """Windows a second and CPU milliseconds a window of readers, in turn; medians. Raises ValueError where the
        results of two readers differ."""
        job = Job(where, self.job.tile, SIDE, self.job.days)
        opened = {name: self._open(name, job) for name in names}
        for name, read in opened.items():  # shards are checked for the first time, modules and connections made
            self._compare(name, read)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _ in range(repeats):
            for name, read in opened.items():
                taken[name].append(_measure(read, self.places))
        count = len(self.places)
        medians = {name: [statistics.median(run) for run in zip(*runs, strict=True)] for name, runs in taken.items()}
        rates = {name: (count / wall, 1000 * cpu / count) for name, (wall, cpu) in medians.items()}
        for name, (rate, cpu) in rates.items():
            print(f"{where}: {name}: {rate:.1f} windows/s, {cpu:.2f} ms of CPU each", flush=True)
        return rates

    def _open(self, name: str, job: Job) -> Reading:
        open_reader = {
            ALONE: readers.window_reader,
            TOGETHER: readers.window_reader_together,
            RAW: readers.tensorstore_one_by_one,
            RAW_TOGETHER: readers.tensorstore_together,
            "zarr-python": readers.zarr_python,
            "zarrs": readers.zarrs,
            "xbatcher": readers.xbatcher,
            "memory map": partial(readers.memory_map, path=self.folder / "windows.npy"),
        }[name]
        return open_reader(job)

    def _compare(self, name: str, read: Reading) -> None:
        """Raises ValueError where a reader gives other values than the cube holds."""
        job, normalisation = self.job, Normalisation.of([self.cube])
        bands, quality = (
            open_pixels(self.cube.path, f"tiles/{job.tile.name}/imagery/{array}")
            for array in ("reflectance", "quality")
        )
        for place, values in _each(read, self.places):
            days, _, rows, columns = job.index(place)
            stored = read_pixels(bands.oindex, (days, slice(None), rows, columns))
            expected: tuple[Any, ...] = (stored,)
            if name in OURS:
                clear = is_clear(read_pixels(quality.oindex, (days, rows, columns)))
                valid = clear & (stored != REFLECTANCE_FILL).all(1)
                expected = normalisation.images(stored, valid), valid
            for values_of, expected_of in zip(values if name in OURS else (values,), expected, strict=True):
                if not np.array_equal(values_of, expected_of):
                    raise ValueError(f"{name} gives other values for the window at {place}")


def _each(read: Reading, places: Sequence[Place]) -> Iterator[tuple[Place, Any]]:
    """Windows and what is read for them, so many at a time."""
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        yield from zip(some, read(some), strict=True)


def _measure(read: Reading, places: Sequence[Place]) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in _each(read, places):
        pass
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def slow_bucket(root: Path) -> Iterator[str]:
    """The address of the folder `root` as a bucket of S3 behind a delay."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "tests.servers.slow_bucket", "--root", root.parent, "--port", port, "--delay", DELAY]
    server = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None:
            raise RuntimeError("the server has no output")
        os.environ.update(json.loads(server.stdout.readline()))
        yield f"s3://{root.name}"
    finally:
        server.kill()
        server.wait()


def ensure_cube(data_dir: Path) -> Path:
    """The cube of the race of builds on the grid of the scenes; built where it is missing."""
    folder = data_dir / "archive/race"
    recipe, target = ensure_archive(folder, RACES["own"]), folder / "cubes"
    cube = target / "race-own.zarr"
    if not (cube / "manifest.json").is_file():
        shutil.rmtree(target, ignore_errors=True)
        command = ["-m", "mmvsf.datasets.command", "dataset", str(recipe), "--data-dir", str(target), "--workers", "1"]
        subprocess.run([sys.executable, *command], check=True)
    return cube


def course(options: argparse.Namespace) -> list[Section]:
    """Read the windows from disk and from the bucket."""
    cube = ensure_cube(options.data_dir)
    windows = Course(cube, options.data_dir / "archive/race")
    local = windows.rates(cube, FROM_DISK, options.repeats)
    with slow_bucket(cube.parent) as address:
        remote = windows.rates(
            location(f"{address}/{cube.name}"), (*OURS, "xbatcher", "zarr-python", RAW, RAW_TOGETHER), options.repeats
        )
    return [Section("Windows", "\n".join(_lines(windows, local, remote, options.repeats)))]


NOTES = {
    **dict.fromkeys(OURS, "checks objects against the manifest, masks, normalises"),
    "zarrs": "reads all days of the period: it cannot select days",
    "memory map": "not compressed",
}


def _lines(
    windows: Course, local: dict[str, tuple[float, float]], remote: dict[str, tuple[float, float]], repeats: int
) -> Iterator[str]:
    yield stamp("windows", PACKAGES, repeats)
    yield ""
    yield (
        f"{len(windows.places)} windows of {DAYS} days x {len(windows.cube.bands)} bands x {SIDE} x {SIDE} pixels in"
        f" random order, from the cube of the race of builds; the bucket answers after {1000 * DELAY:.0f} ms. Readers"
        " without a note return the bands as stored; all results were compared. Objects had been checked in an earlier"
        f" pass. Readers with a cache have {CACHE_BYTES // 2**20} MiB."
    )
    yield ""
    yield "| reader | windows/s | CPU ms per window | times xbatcher | bucket, windows/s | bucket / disk | note |"
    yield "|---|---|---|---|---|---|---|"
    for name, (rate, cpu) in local.items():
        far = remote[name][0] if name in remote else None
        cells = [name, f"{rate:.0f}", f"{cpu:.2f}", f"{rate / local['xbatcher'][0]:.1f}"]
        cells += [f"{far:.1f}", f"{far / rate:.2f}"] if far else ["", ""]
        yield "| " + " | ".join([*cells, NOTES.get(name, "")]) + " |"
