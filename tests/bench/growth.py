"""What a block costs in builds of more and more blocks, from one archive on disk."""

from __future__ import annotations

import argparse
import shutil
import statistics

from .archive import CRS, Race
from .document import Section, stamp
from .entrants import Contender
from .race import Course, line

SIDES = (2, 4, 8, 16)
"""Blocks on each side of the region"""

BLOCK, END = 192, "2022-06-30"
"""Pixels on the side of a block, so that all regions lie in one tile of the archive; the last day"""

PACKAGES = ("rasterio", "zarr", "tensorstore", "numpy")

INTRODUCTION = f"""Regions of blocks of {BLOCK} pixels in the middle of one tile of the race's archive, on the grid of
its scenes, June only, by one worker. *Added blocks* are those that a region has in addition to the region before it;
their time excludes what every build takes, such as its start. Goal: constant time per block, and constant memory.
"""


def course(options: argparse.Namespace) -> list[Section]:
    """Build each region so many times in turn. Prints the table."""
    folder = options.data_dir / "archive/race"
    rows = [
        "| blocks | seconds | CPU seconds | CPU ms per block | CPU ms per added block | peak GiB |",
        "|---|---|---|---|---|---|",
    ]
    before, taken = 0, 0.0
    for side in SIDES:
        region = Course(Race(f"growth-{side**2}", "hls", CRS, 30, side, BLOCK, END), folder, network=False)
        runs = [region.run(Contender("mmvsf", threads=1), {}) for _ in range(options.repeats)]
        if any(run.failure for run in runs):
            raise RuntimeError(line(next(run for run in runs if run.failure), region.megapixels))
        seconds, cpu, peak = (
            statistics.median(float(getattr(run, name)) for run in runs)
            for name in ("seconds", "cpu_seconds", "peak_bytes")
        )
        blocks = side**2
        last = f"{1000 * (cpu - taken) / (blocks - before):.0f}" if before else ""
        rows.append(
            f"| {blocks} | {seconds:.1f} | {cpu:.1f} | {1000 * cpu / blocks:.0f} | {last} | {peak / 2**30:.2f} |"
        )
        print(rows[-1], flush=True)
        before, taken = blocks, cpu
    shutil.rmtree(folder / "out", ignore_errors=True)
    measured = stamp("growth", PACKAGES, options.repeats)
    return [Section("From 4 to 256 blocks", "\n".join((INTRODUCTION, measured, "", *rows)))]
