"""What a build will do, before it does it: where, how much, how long, and what is missing."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.build.layers import cube_bytes
from mmvsf.pipeline.build.plan import BuildPlan
from mmvsf.pipeline.build.unseen import describe_unseen
from mmvsf.pipeline.disk_space import free_bytes, megabytes
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan, bytes_per_pixel, shard_tasks
from mmvsf.pipeline.layers.imagery.rectangles import extent
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.ledger import Ledger

from .cost import HEADER_BYTES, build_seconds, earth_engine_bytes, overhead, requests_of
from .radar import planned_effort

REMOTE = {"http", "https", "s3", "gs", "earthengine"}
"""Schemes of addresses that are read over a network."""

MOST_DAYS_WITHOUT_A_SCENE = 30
"""A product whose last scene is earlier than that before the end of the period is reported to end early."""


@dataclass(frozen=True)
class Preview:
    """The facts of a plan, for people and programs."""

    facts: dict[str, Any]
    scenes: Counter[tuple[str, int, int]]
    """(product, calendar year, month) -> scenes"""
    by_season: Counter[tuple[str, int, int]]
    """(product, season, month) -> scenes"""
    months: tuple[int, ...]
    """months with scenes, in the order of a season"""
    warnings: tuple[str, ...] = field(default=())


def preview(plan: BuildPlan, workers: int) -> Preview:
    """Count and estimate, without further requests to a source."""
    season = plan.region.period.season
    days = [(scene.product, date_of(scene.day)) for scene in plan.imagery.scenes]
    scenes = Counter((product, day.year, day.month) for product, day in days)
    by_season = Counter((product, season.season_of(day).name, day.month) for product, day in days)
    months = tuple(month for month in season.months if any(day.month == month for _, day in days))
    done, stale = shards_in_cube(plan)
    free = free_bytes(plan.cube)
    warnings = _warnings(plan, done, free)
    facts = {
        **_grid_facts(plan),
        "scenes": len(plan.imagery.scenes),
        "items": plan.imagery.items,
        "left_out": dict(plan.imagery.left_out),
        "faulty_items": len(plan.imagery.faults),
        "scenes_by_month": {
            product: {f"{y}-{m:02d}": n for (name, y, m), n in sorted(scenes.items()) if name == product}
            for product in plan.region.imagery.products
        },
        "acquisitions": plan.acquisitions.record(),
        "block_days": plan.imagery.block_days,
        "shards": len(plan.imagery.units),
        "shards_done": done,
        "shards_stale": stale,
        **_effort_facts(plan, workers),
        "free_megabytes": None if free is None else round(free / 1e6),
        **_layer_facts(plan),
        "requirements": [
            {"name": need.name, "present": need.present, "remedy": need.remedy} for need in plan.requirements
        ],
        "quotas": list(plan.quotas),
        "warnings": warnings,
    }
    return Preview(facts, scenes, by_season, months, tuple(warnings))


def _grid_facts(plan: BuildPlan) -> dict[str, Any]:
    grid = plan.grid
    return {
        "region": plan.region.name,
        "cube": str(plan.cube),
        "crs": grid.crs,
        "resolution": grid.resolution,
        "blocks": len(grid.blocks),
        "block_pixels": grid.block,
        "square_kilometres": round(len(grid.blocks) * (grid.block * grid.resolution / 1000) ** 2, 1),
    }


def _effort_facts(plan: BuildPlan, workers: int) -> dict[str, Any]:
    """What a build reads, writes and takes."""
    imagery = plan.imagery
    table = ProductTable.of(plan.region.imagery)
    fetched, requests = _bytes_and_requests(imagery, plan.grid, table)
    remote = is_remote(imagery)
    if plan.radar_layer:
        radar = planned_effort(plan.radar_layer.plan, plan.grid)
        fetched += radar.bytes
        if is_remote(plan.radar_layer.plan):
            remote, requests = True, requests + round(radar.requests)
    seconds = build_seconds(imagery.pixels, requests, fetched, workers) if remote else imagery.seconds(workers)
    disk = cube_bytes(plan.spec, imagery.block_days)
    return {
        "remote": remote,
        "read_megabytes": round(fetched / 1e6, 1),
        "requests": requests,
        "disk_megabytes": round(disk / 1e6, 1),
        "minutes": round(seconds / 60, 1),
        "seconds": round(seconds),
    }


def _layer_facts(plan: BuildPlan) -> dict[str, Any]:
    """The layers beside the imagery."""
    return {
        "label_years": list(plan.spec.label_years),
        "label_classes": [entry.name for entry in plan.legend.classes] if plan.legend else [],
        "targets": {name: list(target.years) for name, target in sorted(plan.region.targets.items())},
        "static_layers": list(plan.spec.static_layers),
        "static_rasters": plan.static_rasters,
        "radar_scenes": _radar_scenes(plan),
        "weather_days": _weather_days(plan),
    }


def _radar_scenes(plan: BuildPlan) -> dict[str, int]:
    """Scenes of each direction; empty for a recipe without radar."""
    return dict(Counter(scene.product for scene in plan.radar_layer.plan.scenes)) if plan.radar_layer else {}


def _weather_days(plan: BuildPlan) -> int:
    """Days with weather, 0 for a recipe without; those of the period where the weather was not read."""
    if plan.weather_layer is None:
        return 0
    if plan.weather is None:
        return (plan.region.period.end - plan.region.weather_start).days + 1
    return int((~np.isnan(next(iter(plan.weather.values.values()))).all(axis=(1, 2))).sum())


def _warnings(plan: BuildPlan, done: int, free: int | None) -> list[str]:
    """One line per reason why a build may fail or fall short; `free` bytes, None where nothing limits them."""
    warnings = [] if plan.weather is None else list(plan.weather.notes)
    answer = plan.acquisitions
    warnings += plan.imagery.unanswered
    judged = {gap.product for gap in answer.gaps}
    unknown = tuple(product for product in plan.region.imagery.products if product not in judged)
    warnings += [str(answer)] if answer.gaps else []
    warnings += early_ends(plan.imagery, plan.region.period, unknown)
    if plan.radar_layer:
        warnings += early_ends(plan.radar_layer.plan, plan.region.period, plan.radar_layer.layer.products)
    for scenes in (plan.imagery, *([plan.radar_layer.plan] if plan.radar_layer else [])):
        if faults := scenes.faults:
            count = f"{len(faults)} of {scenes.items} items"
            warnings.append(f"{count} cannot be used and will count as failed, for example {faults[0]}")
        warnings += filter(None, [describe_unseen(scenes)])
    needed = plan.bytes_to_write(len(plan.imagery.units) - done)
    if free is not None and free < needed:
        more = " more" if done else ""
        warnings.append(f"the cube will need about {megabytes(needed)}{more}, and {megabytes(free)} are free")
    for layer in (plan.label_layer, plan.target_layer):
        warnings += layer.plan.notes if layer else ()
    missing = [f"{need.name} is missing: {need.remedy}" for need in plan.requirements if not need.present]
    return [*warnings, *missing]


def shards_in_cube(plan: BuildPlan) -> tuple[int, int]:
    """(current, stale): shards of the plan that the cube has as they would be built today, and shards that it has
    from other scenes or options, which will be rebuilt."""
    ledger = Ledger.of_cube(plan.cube)
    names = ledger.names("imagery")
    if not names:
        return 0, 0
    digests = plan.imagery.entries
    entries = ledger.entries(name for name in names if name in digests)
    current = [entry.get("digest") == digests[name] for name, entry in entries if entry is not None]
    return sum(current), len(current) - sum(current)


def _bytes_and_requests(imagery: ImageryPlan, grid: Grid, table: ProductTable) -> tuple[float, int]:
    """What is fetched, and the requests to the server of the files, if no scene is overcast; none for files on disk."""
    if not is_remote(imagery):
        return imagery.bytes_to_read, 0
    earth_engine = _scheme(imagery) == "earthengine"
    products = {name: table.named(name) for name in {scene.product for scene in imagery.scenes}}
    fetched, requests = 0.0, 0
    for task in shard_tasks(imagery, grid, set(imagery.units)):
        if earth_engine:
            requests += len(task.scenes)
            continue
        height, width = (side * grid.block for side in extent(task.blocks))
        opened = Counter(scene.product for scene in task.scenes)
        requests += sum(
            count * (imagery.bands + 1) * requests_of(height, products[name]) for name, count in opened.items()
        )
        pixels = len({scene.day for scene in task.scenes}) * height * width
        fetched += pixels * bytes_per_pixel(imagery.bands) * overhead(height, width, products[task.scenes[0].product])
        fetched += len(task.scenes) * (imagery.bands + 1) * HEADER_BYTES
    if earth_engine:
        fetched = imagery.block_days * grid.block**2 * earth_engine_bytes(imagery.bands)
    return fetched, requests


def _scheme(imagery: ImageryPlan) -> str:
    """The scheme of the scenes' addresses; a path has none."""
    sound = (scene for scene in imagery.scenes if not scene.fault)
    return next((scene.quality.href.split(":")[0] for scene in sound), "")


def is_remote(imagery: ImageryPlan) -> bool:
    """Whether the pixels are read over a network."""
    return _scheme(imagery) in REMOTE


def early_ends(imagery: ImageryPlan, period: Period, products: tuple[str, ...]) -> list[str]:
    """One line for each product that has no scene, or none near the end of the period."""
    wanted = period.end
    while wanted.month not in period.months:
        wanted -= timedelta(days=1)
    lines = []
    for product in products:
        days = [date_of(scene.day) for scene in imagery.scenes if scene.product == product]
        last: date | None = max(days, default=None)
        if last is None:
            lines.append(f"{product}: no scenes")
        elif (wanted - last).days > MOST_DAYS_WITHOUT_A_SCENE:
            lines.append(
                f"{product}: the catalogue's last scene is of {last}, the period ends on {wanted}; if it has stopped,"
                f" another {imagery.layer}.catalog may have later scenes"
            )
    return lines
