"""What a build will do, told before it does it: where, how much, how long, and what is missing."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Period
from mmvsf.datasets.variables import BANDS
from mmvsf.pipeline.build.layers import cube_bytes
from mmvsf.pipeline.build.plan import BuildPlan
from mmvsf.pipeline.disk_space import free_bytes, megabytes
from mmvsf.pipeline.layers.imagery.plan import BYTES_PER_PIXEL, ImageryPlan, shard_tasks
from mmvsf.pipeline.ledger import Ledger

from .cost import EARTH_ENGINE_BYTES_PER_PIXEL, HEADER_BYTES, build_seconds, overhead, requests_of

REMOTE = {"http", "https", "s3", "gs", "earthengine"}
"""Schemes of addresses beyond this machine."""

MOST_DAYS_WITHOUT_A_SCENE = 30
"""A product whose last scene lies further before the end of the period is reported to end early."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Preview:
    """The facts of a plan, for people and programs."""

    facts: dict[str, Any]
    scenes: Counter[tuple[str, int, int]]
    """(product, year, month) -> scenes"""
    warnings: tuple[str, ...] = field(default=())


def preview(plan: BuildPlan, workers: int) -> Preview:
    """Count and estimate; asks nothing of a source that `build_plan` did not ask."""
    imagery, grid, region = plan.imagery, plan.grid, plan.region
    scenes = Counter((scene.product, scene.acquired.year, scene.acquired.month) for scene in imagery.scenes)
    weather_days = (region.period.end - region.weather_start).days + 1
    if plan.weather is not None:
        weather_days = int((~np.isnan(next(iter(plan.weather.values.values()))).all(axis=(1, 2))).sum())
    label_years, layers = plan.spec.label_years, plan.spec.static_layers
    fetched, requests = _bytes_fetched(imagery, grid), requests_for(imagery, grid)
    seconds = imagery.seconds(workers)
    if is_remote(imagery):
        seconds = build_seconds(imagery.pixels, requests, fetched, workers)
    standing, stale = what_stands(plan)
    disk = cube_bytes(plan.spec, imagery.block_days)
    warnings = [*early_ends(imagery, region.period, region.imagery.products)]
    free = free_bytes(plan.cube)
    left = plan.bytes_to_write(len(imagery.units) - standing)
    if free is not None and free < left:
        more = " more" if standing else ""
        warnings.append(f"the cube will need about {megabytes(left)}{more}, and {megabytes(free)} are free")
    warnings += [f"{need.name} is missing: {need.remedy}" for need in plan.requirements if not need.present]
    facts = {
        "region": region.name,
        "cube": str(plan.cube),
        "crs": grid.crs,
        "resolution": grid.resolution,
        "blocks": len(grid.blocks),
        "block_pixels": grid.block,
        "square_kilometres": round(len(grid.blocks) * (grid.block * grid.resolution / 1000) ** 2, 1),
        "scenes": len(imagery.scenes),
        "scenes_by_month": {
            product: {f"{y}-{m:02d}": n for (name, y, m), n in sorted(scenes.items()) if name == product}
            for product in region.imagery.products
        },
        "block_days": imagery.block_days,
        "shards": len(imagery.units),
        "shards_done": standing,
        "shards_stale": stale,
        "remote": is_remote(imagery),
        "read_megabytes": round(fetched / 1e6, 1),
        "requests": requests,
        "disk_megabytes": round(disk / 1e6, 1),
        "free_megabytes": None if free is None else round(free / 1e6),
        "minutes": round(seconds / 60, 1),
        "seconds": round(seconds),
        "label_years": list(label_years),
        "label_classes": [entry.name for entry in plan.legend.classes] if plan.legend else [],
        "static_layers": list(layers),
        "static_rasters": plan.static_rasters,
        "weather_days": weather_days,
        "requirements": [
            {"name": need.name, "present": need.present, "remedy": need.remedy} for need in plan.requirements
        ],
        "warnings": warnings,
    }
    return Preview(facts, scenes, tuple(warnings))


def what_stands(plan: BuildPlan) -> tuple[int, int]:
    """How many shards of the plan stand in the cube as they would be made today, and how many as they would not: those
    are made anew."""
    ledger = Ledger.of_cube(plan.cube)
    digests = plan.imagery.entries
    begun = ledger.names("imagery")
    entries = ledger.entries(name for name in begun if name in digests)
    current = [entry.get("digest") == digests[name] for name, entry in entries if entry is not None]
    return sum(current), len(current) - sum(current)


def _bytes_fetched(imagery: ImageryPlan, grid: Grid) -> float:
    if _scheme(imagery) == "earthengine":
        return imagery.pixels / len(BANDS) * EARTH_ENGINE_BYTES_PER_PIXEL
    if not is_remote(imagery):
        return imagery.bytes_to_read
    fetched = 0.0
    for task in shard_tasks(imagery, grid, set(imagery.units)):
        height, width = (len(set(side)) * grid.block for side in zip(*task.blocks, strict=True))
        pixels = len({scene.day for scene in task.scenes}) * height * width
        fetched += pixels * BYTES_PER_PIXEL * overhead(height, width, task.scenes[0].product)
        fetched += len(task.scenes) * (len(BANDS) + 1) * HEADER_BYTES
    return fetched


def requests_for(imagery: ImageryPlan, grid: Grid) -> int:
    """Requests to the server of the files, if no scene is overcast; 0 where the pixels come over no network."""
    if not is_remote(imagery):
        return 0
    tasks = shard_tasks(imagery, grid, set(imagery.units))
    if _scheme(imagery) == "earthengine":
        return sum(len(task.scenes) for task in tasks)
    return sum(
        (len(BANDS) + 1) * requests_of(len({by for by, _ in task.blocks}) * grid.block, scene.product)
        for task in tasks
        for scene in task.scenes
    )


def _scheme(imagery: ImageryPlan) -> str:
    """The scheme of the scenes' addresses; a path has none."""
    return imagery.scenes[0].quality.href.split(":")[0] if imagery.scenes else ""


def is_remote(imagery: ImageryPlan) -> bool:
    """Whether the pixels come over a network."""
    return _scheme(imagery) in REMOTE


def early_ends(imagery: ImageryPlan, period: Period, products: tuple[str, ...]) -> list[str]:
    """One line for each product that has no scene, or none towards the end of the period."""
    wanted = period.end
    while wanted.month not in period.months:
        wanted -= timedelta(days=1)
    lines = []
    for product in products:
        days = [scene.acquired.date() for scene in imagery.scenes if scene.product == product]
        last: date | None = max(days, default=None)
        if last is None:
            lines.append(f"{product}: no scene was found")
        elif (wanted - last).days > MOST_DAYS_WITHOUT_A_SCENE:
            lines.append(f"{product}: the collection ends early; its last scene is of {last}, the period of {wanted}")
    return lines


def block_map(grid: Grid, width: int = 76, height: int = 24) -> str:
    """The blocks as text, north up, two rows of blocks a line; a character is one block or, where there are more
    than fit, a square of several of which one at least is covered."""
    mask = grid.block_mask()
    step = max(1, -(-mask.shape[1] // width), -(-mask.shape[0] // (2 * height)))
    rows, columns = -(-mask.shape[0] // step), -(-mask.shape[1] // step)
    padded = np.zeros((-(-rows // 2) * 2 * step, columns * step), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    cells = np.any(padded.reshape(-1, step, columns, step), axis=(1, 3)).astype(int)
    signs = np.array([[" ", "▄"], ["▀", "█"]])
    return "\n".join("".join(line).rstrip() for line in signs[cells[::2, :], cells[1::2, :]])


def tables(plan: BuildPlan, shown: Preview, workers: int) -> Group:
    """The plan for a terminal."""
    facts, grid = shown.facts, plan.grid
    table = Table("plan", plan.region.title, title=None)
    table.add_row(
        "grid", f"{grid.crs}, {grid.resolution:g} m, {plural(len(grid.blocks), 'block')} of {grid.block} pixels a side"
    )
    for product in sorted({product for product, _, _ in shown.scenes}):
        years = Counter[int]()
        for (name, year, _), count in shown.scenes.items():
            years[year] += count * (name == product)
        table.add_row(f"{product} scenes", ", ".join(f"{year}: {n}" for year, n in sorted(years.items()) if n))
    table.add_row("(day, block) units", f"{facts['block_days']:,} by the outlines of scenes, an upper bound")
    asked = f" in {facts['requests']:,} requests" if facts["remote"] else ""
    size = f"about {megabytes(facts['read_megabytes'] * 1e6)}{asked}"
    table.add_row("to download" if facts["remote"] else "to read", size)
    disk, free = megabytes(facts["disk_megabytes"] * 1e6), facts["free_megabytes"]
    if free is None:
        table.add_row("in the bucket", f"about {disk}")
    else:
        table.add_row("on disk", f"about {disk}; {megabytes(free * 1e6)} are free")
    pace = " at 100 Mbit/s" if facts["remote"] else ""
    table.add_row("time", f"about {duration(facts['seconds'])} with {plural(workers, 'worker')}{pace}")
    if facts["shards_done"] or facts["shards_stale"]:
        stale = facts["shards_stale"]
        anew = f"; {plural(stale, 'other')} of other scenes or options will be made anew" if stale else ""
        table.add_row("stands already", f"{facts['shards_done']:,} of {plural(facts['shards'], 'shard')}{anew}")
    table.add_row("weather", f"{plural(facts['weather_days'], 'day')} of {', '.join(plan.region.weather.variables)}")
    classes = f": {', '.join(facts['label_classes'])}" if 0 < len(facts["label_classes"]) <= 12 else ""
    table.add_row("labels", (", ".join(map(str, facts["label_years"])) + classes) or "none")
    if layers := facts["static_layers"]:
        table.add_row("ground", f"{', '.join(layers)} from {plural(facts['static_rasters'], 'raster')}")
    for need in plan.requirements:
        table.add_row("needs", f"{need.name}: {'present' if need.present else 'missing'}; {need.remedy}")
    if not plan.requirements:
        table.add_row("needs", "no account, no key")
    return Group(table, *(Text(f"warning: {line}", style="yellow") for line in shown.warnings))


def month_table(shown: Preview) -> Table:
    """Scenes by product and year, a column a month."""
    months = sorted({month for _, _, month in shown.scenes})
    table = Table("scenes", "year", *(MONTHS[month - 1] for month in months))
    for product, year in sorted({(product, year) for product, year, _ in shown.scenes}):
        table.add_row(product, str(year), *(str(shown.scenes[product, year, month] or "–") for month in months))
    return table


def plural(count: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """A time for people: seconds, minutes or hours."""
    if seconds < 90:
        return plural(max(1, round(seconds)), "second")
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
