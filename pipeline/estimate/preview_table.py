"""The preview of a build, for a terminal."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.words import plural
from mmvsf.pipeline.build.plan import BuildPlan
from mmvsf.pipeline.disk_space import megabytes

from .preview import Preview

MOST_CLASSES = 12
"""Names of classes that are listed, at most."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def block_map(grid: Grid, width: int = 76, height: int = 24) -> str:
    """The blocks as text, north up, two rows of blocks per line; a character is one block or, where more do not fit, a
    square of several of which at least one is covered."""
    mask = grid.block_mask()
    step = max(1, -(-mask.shape[1] // width), -(-mask.shape[0] // (2 * height)))
    rows, columns = -(-mask.shape[0] // step), -(-mask.shape[1] // step)
    padded = np.zeros((-(-rows // 2) * 2 * step, columns * step), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    cells = np.any(padded.reshape(-1, step, columns, step), axis=(1, 3)).astype(int)
    characters = np.array([[" ", "▄"], ["▀", "█"]])
    return "\n".join("".join(line).rstrip() for line in characters[cells[::2, :], cells[1::2, :]])


def tables(plan: BuildPlan, shown: Preview, workers: int) -> Group:
    """The plan for a terminal."""
    table = Table("plan", plan.region.title, title=None)
    rows = [*_imagery_rows(plan, shown), *_effort_rows(shown.facts, workers), *_layer_rows(plan, shown.facts)]
    for name, value in rows:
        table.add_row(name, value)
    for need in plan.requirements:
        table.add_row("needs", f"{need.name}: {'present' if need.present else 'missing'}; {need.remedy}")
    if not plan.requirements:
        table.add_row("needs", "no account, no key")
    for quota in plan.quotas:
        table.add_row("quota", quota)
    return Group(table, *(Text(f"warning: {line}", style="yellow") for line in shown.warnings))


def _imagery_rows(plan: BuildPlan, shown: Preview) -> Iterator[tuple[str, str]]:
    grid = plan.grid
    blocks = f"{plural(len(grid.blocks), 'block')} of {plural(grid.block, 'pixel')} per side"
    yield "grid", f"{grid.crs}, {grid.resolution:g} m, {blocks}"
    for product in sorted({product for product, _, _ in shown.by_season}):
        years = Counter[int]()
        for (name, year, _), count in shown.by_season.items():
            years[year] += count * (name == product)
        yield f"{product} scenes", ", ".join(f"{year}: {n}" for year, n in sorted(years.items()) if n)
    if left_out := shown.facts["left_out"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        yield "items", f"{sum(left_out.values()):,} of {plural(shown.facts['items'], 'item')} left out: {reasons}"
    if plan.acquisitions.expected:
        yield "acquisitions", plan.acquisitions.count
    yield "(day, block) units", f"{shown.facts['block_days']:,} by the extents of scenes, an upper bound"


def _effort_rows(facts: dict[str, Any], workers: int) -> Iterator[tuple[str, str]]:
    remote = facts["remote"]
    requests = f" in {facts['requests']:,} requests" if remote else ""
    yield "to download" if remote else "to read", f"about {megabytes(facts['read_megabytes'] * 1e6)}{requests}"
    disk, free = megabytes(facts["disk_megabytes"] * 1e6), facts["free_megabytes"]
    if free is None:
        yield "in the bucket", f"about {disk}"
    else:
        yield "on disk", f"about {disk}; {megabytes(free * 1e6)} are free"
    pace = " at 100 Mbit/s" if remote else ""
    yield "time", f"about {duration(facts['seconds'])} with {plural(workers, 'worker')}{pace}"
    done, stale = facts["shards_done"], facts["shards_stale"]
    if done or stale:
        rebuilt = f"; {plural(stale, 'shard')} built from other scenes or options will be rebuilt" if stale else ""
        yield "already built", f"{done:,} of {plural(facts['shards'], 'shard')}{rebuilt}"


def _layer_rows(plan: BuildPlan, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if scenes := facts["radar_scenes"]:
        yield "radar", ", ".join(f"{plural(count, 'scene')} of {name}" for name, count in sorted(scenes.items()))
    yield "weather", weather_words(plan, facts)
    classes = f": {', '.join(facts['label_classes'])}" if 0 < len(facts["label_classes"]) <= MOST_CLASSES else ""
    yield "labels", (", ".join(map(str, facts["label_years"])) + classes) or "none"
    if targets := facts["targets"]:
        yield "targets", "; ".join(f"{name}: {', '.join(map(str, years))}" for name, years in targets.items())
    if layers := facts["static_layers"]:
        yield "static layers", f"{', '.join(layers)} from {plural(facts['static_rasters'], 'raster')}"


def weather_words(plan: BuildPlan, facts: dict[str, Any]) -> str:
    """Days and variables of the weather."""
    days, variables = plural(facts["weather_days"], "day"), ", ".join(plan.spec.weather)
    return f"{days} of {variables}" if variables else "none"


def month_table(shown: Preview) -> Table:
    """Scenes by product and season, one column per month; twelve fit in 80 columns."""
    months = shown.months
    names = (Column(MONTHS[month - 1], justify="right") for month in months)
    table = Table("scenes", "year", *names, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for product, year in sorted({(product, year) for product, year, _ in shown.by_season}):
        table.add_row(product, str(year), *(str(shown.by_season[product, year, month] or "–") for month in months))
    return table


def duration(seconds: float) -> str:
    """A time as text, in seconds, minutes or hours."""
    if seconds < 90:
        return plural(max(1, round(seconds)), "second")
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
