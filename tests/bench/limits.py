"""What limits a build: where its time goes, and what other ways to compress would gain and cost."""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numcodecs
import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from mmvsf.datasets.command import build_app
from mmvsf.datasets.cube.cube import Cube

from .archive import RACES
from .document import Section, stamp
from .race import Course

PACKAGES = ("numpy", "numcodecs", "zarr", "tensorstore", "rasterio")

PHASES = {
    "mmvsf.pipeline.build.plan:build_plan": "recipe, sources, search, plan and weather",
    "mmvsf.pipeline.build.run:_run_layer": "tasks",
    "mmvsf.pipeline.build.run:draw_overviews": "overviews",
    "mmvsf.pipeline.cli.build:refuse_unsound": "check of the cube",
}
"""Functions of a build, as the modules that call them name them, and what they are"""

FIRST, REST = "Python and its packages", "everything else: summaries, metadata, manifest, ledger, card"

PHASES_TEXT = """The build of the race's region on the grid of its scenes, by one worker, so that every phase runs in
one thread. With more workers, only tasks and overviews are divided among them.
"""

IN_USE = "zstd 3 (in use)"

CODECS: dict[str, tuple[str, int, int]] = {
    "zstd 1": ("zstd", 1, Blosc.SHUFFLE),
    IN_USE: ("zstd", 3, Blosc.SHUFFLE),
    "zstd 5": ("zstd", 5, Blosc.SHUFFLE),
    "zstd 3, bits": ("zstd", 3, Blosc.BITSHUFFLE),
    "lz4 5": ("lz4", 5, Blosc.SHUFFLE),
}
"""name -> codec of blosc, level, filter"""

CODECS_TEXT = """The reflectance of four blocks in the chunks of the cube, compressed and decompressed by one
thread, the fastest of three times. Another codec changes the digest of every cube.
"""

TRIED = """The goals that the tables of this document miss: what limits them, and what was tried. Seconds are CPU
time, measured at the time of each trial.

**The grid of the scenes** (goal: twice the best peer, 60 % of decoding alone) **and the second worker** (1.85 times as
fast). Work that only one thread does limits both: the start, the plan, summaries, metadata and the check.

- Packages are imported where they are used, so that scipy and the STAC client are not needed here. Kept. What remains
  is mostly pandas and xarray for weather and the check, zarr, rasterio and odc-geo.
- Arrays are encoded once, at the end, rather than also before the first task, and all workers draw the overviews.
  Together with the imports, this reduced 6.0 s in one thread to 3.9 s. Kept.
- Worker processes in place of threads took 4 to 5 s each before the first pixel. Not kept.
- zstd at level 1 in place of 3: see "Other ways to compress". Not kept: it changes the digest of every cube.

**The next UTM zone** (goal: three times the best peer). In addition to the above, the product of weights and pixels.

- Weights in strips that stay in the CPU cache for all bands of a scene. Kept.
- The mapping between two grids, with the sums of its weights, computed once for all dates and bands. Kept.
- Sums of clear pixels in short integers, band by band. Kept.

**A slow network** (goal: 80 % of the bandwidth, twice the best peer). A build makes no requests while it
starts, plans and finishes, and requests headers and masks before bands.

- Own connections in place of GDAL's reduced 20 requests per file to 5.6, in two rounds. Kept.
- Merging ranges of neighbouring tiles, and opening files once per task: fetched / needed fell from 1.52 to 1.02. Kept.
- Sixteen days of a task in flight rather than eight. Kept.
- One more task than workers, so that the next is read while one is written. Kept: the network is no longer idle between
  tasks.

**Windows from a bucket** (goal: half as fast as from disk). A window waits for the responses to its checks and its
chunks, 20 ms each.

- The windows of a batch are started together, which is four times as fast as one by one. Kept.
- One request rather than two to check a shard, in parallel with the read. Kept.
- The chunks of a window fetched in one batch, neighbours in one request. Kept.
"""


def course(options: argparse.Namespace) -> list[Section]:
    """Build the race's own region once, and compress some of it in several ways. Prints the tables."""
    region = Course(RACES["own"], options.data_dir / "archive/race", network=False)
    out = region.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "tests.bench.limits", str(region.recipe), str(out)]
    phases = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    measured = stamp("limits", PACKAGES, 1)
    total = sum(phases.values())
    rows = ["| phase | CPU seconds | share |", "|---|---|---|"]
    rows += [f"| {name} | {seconds:.2f} | {seconds / total:.0%} |" for name, seconds in phases.items()]
    sections = [Section("Where the time of a build goes", "\n".join((PHASES_TEXT, measured, "", *rows)))]
    sections.append(_codecs(Cube.open(next(out.glob("*.zarr"))), measured))
    sections.append(Section("Goals that are missed", TRIED))
    shutil.rmtree(out, ignore_errors=True)
    for section in sections:
        print(f"{section.title}\n\n{section.body}\n")
    return sections


def _codecs(cube: Cube, measured: str) -> Section:
    chunks = list(_chunks(cube))
    megabytes = sum(chunk.nbytes for chunk in chunks) / 1e6
    numcodecs.blosc.set_nthreads(1)
    results = {}
    for name, (codec, level, shuffle) in CODECS.items():
        blosc = Blosc(codec, level, shuffle)
        bodies, packing = _fastest(blosc.encode, chunks)
        _, unpacking = _fastest(blosc.decode, bodies)
        results[name] = sum(map(len, bodies)), megabytes / packing, megabytes / unpacking
    standard = results[IN_USE][0]
    rows = ["| codec | MB/s compressed | MB/s decompressed | size |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {packed:.0f} | {unpacked:.0f} | {size / standard - 1:+.1%} |"
        for name, (size, packed, unpacked) in results.items()
    ]
    return Section("Other ways to compress", "\n".join((CODECS_TEXT, measured, "", *rows)))


def _fastest(work: Callable[[Any], bytes], parts: Sequence[Any]) -> tuple[list[bytes], float]:
    """The results of some work on all parts, and the least processor time that it took."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        results = [work(part) for part in parts]
        times.append(time.thread_time() - began)
    return results, min(times)


def _chunks(cube: Cube) -> Iterator[NDArray[Any]]:
    """The chunks of four blocks that are stored."""
    pixels, side = cube.pixels("imagery/reflectance"), cube.grid.chunk
    lengths = pixels.spec.chunks or ()
    row, column = (index * cube.grid.block for index in cube.grid.blocks[0])
    for day in range(0, len(cube.calendar), lengths[0]):
        values = pixels.read(
            (
                slice(day, day + lengths[0]),
                slice(None),
                slice(row, row + 2 * cube.grid.block),
                slice(column, column + 2 * cube.grid.block),
            )
        )
        for top in range(0, values.shape[-2], side):
            for left in range(0, values.shape[-1], side):
                column_of_chunks = values[..., top : top + side, left : left + side]
                for first in range(0, values.shape[1], lengths[1]):
                    chunk = np.ascontiguousarray(column_of_chunks[:, first : first + lengths[1]])
                    if (chunk != pixels.spec.fill).any():  # others are not stored
                        yield chunk


def _taken() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _counted(function: Callable[..., Any], title: str, phases: dict[str, float]) -> Callable[..., Any]:
    """The function, adding the processor time of its calls to a phase. Of a generator it makes a list."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        began = _taken()
        try:
            result = function(*arguments, **options)
            return list(result) if isinstance(result, Iterator) else result
        finally:
            phases[title] = phases.get(title, 0.0) + _taken() - began

    return run


def build(recipe: str, out: str) -> None:
    """Build with the command line in this process, and print what each phase took as JSON."""
    phases: dict[str, float] = {}
    for place, title in PHASES.items():
        module, _, name = place.partition(":")
        owner = importlib.import_module(module)
        setattr(owner, name, _counted(getattr(owner, name), title, phases))
    started = _taken()
    build_app()(["dataset", recipe, "--data-dir", out, "--workers", "1"], standalone_mode=False)
    phases = {FIRST: started, **phases}
    phases[REST] = _taken() - sum(phases.values())
    print(json.dumps(phases))


if __name__ == "__main__":
    build(*sys.argv[1:])
