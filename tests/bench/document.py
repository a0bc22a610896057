"""`docs/performance.md`, written from the results of a race."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .race import DELAY, MEGABYTES, Result, Run

PACKAGES = ("odc-stac", "dask", "rasterio", "zarr", "tensorstore", "numpy")

HEAD = """# Performance

Written by `make bench ARGS="race --document docs/performance.md"`; nothing here is edited by hand.

Each contender builds one region from one archive: granules of true size (3660 x 3660 pixels in cloud-optimised GeoTIFFs
with 256-pixel tiles) under 25 % cloud, 30 of 24 days. It writes six bands and the mask as Zarr. A run is a process from
its start to its end, imports and worker processes included; the median of the runs is shown. CPU time is that of all
its processes, memory that of the largest one. This project writes more than the others: checksums, summaries, weather,
overviews and a manifest; it syncs to disk, and checks the cube before it says that it is complete.
"""

TITLES = {
    "own": "The grid of the scenes: pixels are copied",
    "other": "The next UTM zone: pixels are resampled",
    "sentinel-2": "Sentinel-2, bands of 10 and 20 m on a grid of 10 m",
}


def write_document(path: Path, machine: str, results: Sequence[Result], repeats: int) -> None:
    """Write the document."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    lines = [
        HEAD,
        f"{day}, commit {_commit()}, {machine}. {_versions()}. Runs of each, in turn: {repeats}.",
        "",
    ]
    for result in results:
        lines += _section(result)
    path.write_text("\n".join(lines), encoding="utf-8")


def _section(result: Result) -> list[str]:
    title = TITLES[result.race.name]
    if result.network:
        title += f", over a slow network ({1000 * DELAY:.0f} ms before each answer, {MEGABYTES:.0f} MB/s)"
    network = " | fetched / needed | requests a file | share of the bandwidth" if result.network else ""
    best = min(_median(runs, "seconds") for name, runs in result.runs.items() if _competes(name, runs))
    rows = [
        f"## {title}",
        "",
        f"{result.race.blocks} x {result.race.blocks} blocks of 256 pixels, {result.megapixels:.0f} Mpx of bands.",
        "",
        f"| contender | seconds | Mpx/s | the best peer's time / its time | CPU seconds | peak GiB{network} | note |",
        "|---|---|---|---|---|---|" + ("---|---|---|" if result.network else "") + "---|",
    ]
    return [*rows, *(_row(name, runs, result, best) for name, runs in result.runs.items()), ""]


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


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _versions() -> str:
    installed = []
    for package in PACKAGES:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(installed)
