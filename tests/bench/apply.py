"""Maps, embeddings and forecasts of 64 blocks: pixels a second with one worker and with two, and the same bytes after a
kill."""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from tests.cubes import CubeBuilder

from .document import Section, stamp

SITES, BLOCK, CHUNK, FIELD = 64, 64, 32, 16
YEARS = (2020, 2021)
STEPS = 20
"""Of training: the time of a map does not depend on what its network learned."""
PACKAGES = ("torch", "zarr", "numpy", "rasterio")
MODEL = ("--model", "runs/small/pretrain")
COMMANDS = {
    "map": ("map", "large.zarr", "--mapper", "runs/small", "--year", "2021"),
    "embed": ("embed", "large.zarr", *MODEL),
    "forecast": ("forecast", "large.zarr", *MODEL, "--issued", "2021-07-01", "--days", "2021-07-15"),
}
"""Each applied to all blocks of the cube: a season's map, its embeddings of both seasons, one forecast day."""

INTRODUCTION = f"""{SITES} blocks of {BLOCK} pixels a side, each a place of its own, with an image every four days in
the seasons {YEARS[0]} and {YEARS[1]}; the size `compact`, trained for {STEPS} steps on three other blocks. Whole
commands, with their start and the files that they write at the end. Embeddings are of both seasons, so their pixels
count twice. After a SIGKILL in the middle of a run, and a second run that completes it, the files are those of
undisturbed runs with one and with two workers.
"""


@dataclass(frozen=True)
class Measured:
    """A run of a command."""

    seconds: float
    cpu_seconds: float
    digest: str
    """Of the files that it wrote."""


def course(options: argparse.Namespace) -> list[Section]:
    """Measure each command with one worker and with two in turn, and kill one run. Prints the table.

    Raises RuntimeError where the files of two runs differ.
    """
    rows = [
        "| command | pixels, 1 worker, per second | 2 workers | ratio | pixels per CPU second | after a kill |",
        "|---|---|---|---|---|---|",
    ]
    options.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.data_dir) as name:
        folder = Path(name)
        cube = _prepare(folder)
        for command in COMMANDS:
            rows.append(_row(folder, command, _pixels(cube, command), options.repeats))
            print(rows[-1], flush=True)
    text = "\n".join((INTRODUCTION, stamp("apply", PACKAGES, options.repeats), "", *rows))
    return [Section("Maps, embeddings and forecasts of 64 blocks", text)]


def _prepare(folder: Path) -> Cube:
    """The cube, and a model and a mapper that were trained on a smaller one."""
    small = CubeBuilder(years=YEARS, block=BLOCK, chunk=CHUNK, field=FIELD, validation_sites=1, seed=1)
    small.write(folder / "small.zarr")
    large = CubeBuilder(sites=SITES, years=YEARS, block=BLOCK, chunk=CHUNK, field=FIELD, labels=False)
    cube = large.write(folder / "large.zarr")
    for command in ("pretrain", "cropmap"):
        _finish(_mmvsf(folder, command, "small.zarr", "--steps", str(STEPS)), folder)
    return cube


def _row(folder: Path, command: str, pixels: int, repeats: int) -> str:
    runs: dict[int, list[Measured]] = {1: [], 2: []}
    for _ in range(repeats):
        for workers, measured in runs.items():
            measured.append(_measure(folder, command, workers))
    one, two = (statistics.median(run.seconds for run in measured) for measured in runs.values())
    cpu = statistics.median(run.cpu_seconds for run in runs[1])
    killed = _killed(folder, command, after=0.6 * two)
    digests = {run.digest for measured in runs.values() for run in measured} | {killed}
    if len(digests) > 1:
        raise RuntimeError(f"mmvsf {command} wrote other files with another number of workers or after a kill")
    rates = f"{pixels / one:,.0f} | {pixels / two:,.0f} | {one / two:.2f} | {pixels / cpu:,.0f}"
    return f"| `mmvsf {command}` | {rates} | same bytes |"


def _measure(folder: Path, command: str, workers: int) -> Measured:
    """One run from nothing."""
    shutil.rmtree(folder / "runs/large", ignore_errors=True)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    _finish(_mmvsf(folder, *COMMANDS[command], "--workers", str(workers)), folder)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, _digest(folder / "runs/large"))


def _killed(folder: Path, command: str, after: float) -> str:
    """The digest of what a run writes that is killed after so many seconds and begun again."""
    shutil.rmtree(folder / "runs/large", ignore_errors=True)
    first = _mmvsf(folder, *COMMANDS[command], "--workers", "2")
    time.sleep(after)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    _finish(_mmvsf(folder, *COMMANDS[command], "--workers", "1"), folder)
    return _digest(folder / "runs/large")


def _mmvsf(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A command in a process group of its own, in a folder; its output goes to a file there."""
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "mmvsf.datasets.command", *arguments], cwd=folder, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "DATA_DIR": ".", "RUNS_DIR": "runs"},
        )  # fmt: skip


def _finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.wait():
        raise RuntimeError(f"{' '.join(map(str, process.args))} failed:\n{(folder / 'output.txt').read_text()[-2000:]}")


def _digest(folder: Path) -> str:
    """Of the rasters, tables and Zarr chunks in a folder: all that a command writes but records of when it ran."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".tif", ".csv", ""))
    content = hashlib.sha256()
    for path in files:
        content.update(str(path.relative_to(folder)).encode())
        content.update(path.read_bytes())
    if not files:
        raise RuntimeError(f"{folder} has no result")
    return content.hexdigest()


def _pixels(cube: Cube, command: str) -> int:
    """Pixels that a command gives: of one season, or of all for embeddings."""
    seasons = cube.years if command == "embed" else (YEARS[-1],)
    return len(cube.grid.blocks) * cube.grid.block**2 * len(seasons)
