"""Scenes are matched to blocks in groups, with the result of matching them pair by pair."""

from __future__ import annotations

import numpy as np

from mmvsf.datasets.cube.calendar import Calendar, day_number
from mmvsf.pipeline.layers.imagery.match import matches, scene_order
from mmvsf.pipeline.layers.imagery.plan import plan_scenes
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

from ..bench.planning import FIRST, grid_of, scenes_of

CALENDAR = Calendar(day_number(FIRST.date()) // 32 * 32, 36)
GRID = grid_of(12)


def scattered(number: int) -> list[Scene]:
    """Scenes that all have a grid of their own, as those of Landsat."""
    rng = np.random.default_rng(1)

    def moved(scene: Scene) -> Scene:
        right, down = 30.0 * rng.integers(-3000, 3000, 2)
        mask = RasterGrid("EPSG:32615", (30.0, 0.0, 300_000.0 + right, 0.0, -30.0, 4_800_000.0 - down), (2000, 2500))
        return Scene(scene.id, scene.product, scene.acquired, scene.version, scene.bands, Asset("", mask), 0, scene.day)

    return [moved(scene) for scene in scenes_of(number)]


def test_groups_hold_what_pairs_do() -> None:
    for scenes in (scenes_of(2000), scattered(500)):
        coverage = Coverage(GRID)
        pairs: dict[tuple[int, tuple[int, int]], list[Scene]] = {}
        for scene in scenes:
            for position in coverage.blocks(scene.quality.grid).tolist():
                pairs.setdefault((CALENDAR.shard_of(scene.day), GRID.blocks[position]), []).append(scene)
        grouped = {
            (match.shard, block): match.scenes
            for match in matches(scenes, coverage, CALENDAR)
            for block in match.blocks
        }
        assert pairs
        assert grouped == {key: tuple(sorted(pairs[key], key=scene_order)) for key in pairs}


def test_a_plan_counts_days_of_blocks_once() -> None:
    scenes = scenes_of(1000)
    plan = plan_scenes(scenes, GRID, CALENDAR, 0.05)
    days = {(scene.day, block) for (_, block), meeting in plan.units.items() for scene in meeting}
    assert plan.block_days == len(days)
    assert list(plan.units) == sorted(plan.units)


def test_units_that_the_same_scenes_meet_share_them() -> None:
    """Otherwise ten million pairs take a gigabyte."""
    plan = plan_scenes(scenes_of(2000), GRID, CALENDAR, 0.05)
    assert len({id(meeting) for meeting in plan.units.values()}) < len(plan.units) / 5
