"""The sections of `docs/performance.md` about the race of builds."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

from .document import Section, stamp
from .race import DELAY, MEGABYTES, Choice, Result, Run, race

PACKAGES = ("odc-stac", "dask", "rasterio", "zarr", "tensorstore", "numpy")

INTRODUCTION = """Each contender builds the same region from the same archive: 30 full-size granules (3660 x 3660
pixels in cloud-optimised GeoTIFFs with 256-pixel tiles) from 24 days, under 25 % cloud. It writes six bands
and the mask as Zarr. A run is a process from start to end, including imports and worker processes; the
median of the runs is shown. CPU time is that of all its processes, memory that of the largest one. This
project writes more than the others: checksums, summaries, weather, overviews and a manifest; it syncs to
disk, and checks the cube before it marks it as complete."""

TITLES = {
    "own": "The grid of the scenes: pixels are copied",
    "other": "The next UTM zone: pixels are resampled",
    "sentinel-2": "Sentinel-2, bands of 10 and 20 m on a grid of 10 m",
}


def course(options: argparse.Namespace) -> list[Section]:
    """Run the races of `options.courses`, on disk and over the slow network, or as `options.network` says."""
    sections = [Section("Whole builds", INTRODUCTION)]
    choice = Choice(options.repeats, options.contenders, options.stackstac)
    for network in {"without": (False,), "with": (False, True), "only": (True,)}[options.network]:
        for name in options.courses:
            result = race(name, options.data_dir / "archive/race", network, choice)
            sections.append(_section(result, stamp(f"race --courses {name}", PACKAGES, options.repeats)))
    return sections


def _section(result: Result, measured: str) -> Section:
    title = TITLES[result.race.name]
    if result.network:
        title += f", over a slow network ({1000 * DELAY:.0f} ms before each answer, {MEGABYTES:.0f} MB/s)"
    network = " | fetched / needed | requests per file | share of the bandwidth" if result.network else ""
    peers = [_median(runs, "seconds") for name, runs in result.runs.items() if _competes(name, runs)]
    best = min(peers, default=math.nan)
    rows = [
        measured,
        "",
        f"{result.race.blocks} x {result.race.blocks} blocks of 256 pixels, {result.megapixels:.0f} Mpx of bands.",
        "",
        f"| contender | seconds | Mpx/s | the best peer's time / its time | CPU seconds | peak GiB{network} | note |",
        "|---|---|---|---|---|---|" + ("---|---|---|" if result.network else "") + "---|",
    ]
    rows += [_row(name, runs, result, best) for name, runs in result.runs.items()]
    return Section(title, "\n".join(rows))


def _competes(name: str, runs: Sequence[Run]) -> bool:
    """Whether a contender is a tool that a user would take, and finished."""
    return not name.startswith(("mmvsf", "decoding", "rasterio")) and not any(run.failure for run in runs)


def _row(name: str, runs: Sequence[Run], result: Result, best: float) -> str:
    if any(run.failure for run in runs):
        return f"| {name} | failed |" + " |" * (4 + 3 * result.network) + " |"
    seconds = _median(runs, "seconds")
    cells = [
        name,
        f"{seconds:.1f}",
        f"{result.megapixels / seconds:.1f}",
        f"{best / seconds:.2f}",
        f"{_median(runs, 'cpu_seconds'):.1f}",
        f"{_median(runs, 'peak_bytes') / 2**30:.2f}",
    ]
    if result.network:
        counts = [run.counts for run in runs if run.counts]
        fetched = statistics.median(each["bytes"] for each in counts)
        cells += [
            f"{fetched / result.needed_bytes:.2f}",
            f"{statistics.median(each['requests'] / max(each['files'], 1) for each in counts):.1f}",
            f"{fetched / seconds / MEGABYTES / 1e6:.0%}",
        ]
    return "| " + " | ".join([*cells, runs[0].contender.lacks]) + " |"


def _median(runs: Sequence[Run], name: str) -> float:
    return statistics.median(float(getattr(run, name)) for run in runs)
