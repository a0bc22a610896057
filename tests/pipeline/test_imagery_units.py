"""The imagery's plan and its reader at their limits, on scenes made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS, Calendar, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.datasets.variables import REFLECTANCE_FILL, SCENE_FILL, Status
from mmvsf.pipeline.layers.imagery.block_shard import BlockShard
from mmvsf.pipeline.layers.imagery.mosaic_day import read_shard
from mmvsf.pipeline.layers.imagery.plan import OLDER, ShardTask, plan_scenes
from mmvsf.pipeline.layers.imagery.preference import newest_versions
from mmvsf.pipeline.layers.imagery.shard_summary import shard_summary
from mmvsf.pipeline.layers.imagery.table import SIX_BANDS, SceneReader
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

GRID = Grid("EPSG:32615", 30.0, 480_000.0, 4_650_000.0, 1, 2, 32, 16, 32, ((0, 0), (0, 1)))
RASTER = RasterGrid.of(GRID.geobox)
MOMENT = datetime(2021, 6, 1, 17, tzinfo=UTC)
CLOUDY = 0b10
Pixels = Callable[[str], NDArray[Any]]


def scene(name: str, acquired: datetime = MOMENT, version: str = "2.0") -> Scene:
    """A scene that covers the grid, on its pixels."""
    bands = tuple(Asset(f"{name}/{band}", RASTER) for band in range(6))
    day = day_number(acquired.date())
    return Scene(name, "hls-s30", acquired, version, bands, Asset(f"{name}/mask", RASTER), 0, day)


class HandMade:
    """A source whose files are what `pixels` gives for their href."""

    days_at_once = 1

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def places(self, asset: Asset) -> tuple[Asset, ...]:
        return (asset,)

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        return self.pixels(asset.href)[window]


def shards(scenes: list[Scene], pixels: Pixels, skip_below_clear: float = 0.0) -> list[BlockShard]:
    """The first shard of both blocks."""
    plan = plan_scenes(scenes, GRID, Calendar(scenes[0].day // SHARD_DAYS * SHARD_DAYS, 2), skip_below_clear)
    (task,) = plan.tasks(set(plan.entries))
    return read(task, pixels, skip_below_clear)


def read(task: ShardTask, pixels: Pixels, skip_below_clear: float) -> list[BlockShard]:
    found = read_shard(task, GRID, SceneReader(cast(ImagerySource, HandMade(pixels)), SIX_BANDS), skip_below_clear)
    return [found[block] for block in GRID.blocks]


def constant(mask: NDArray[np.uint8] | None = None) -> Pixels:
    """Bands of 1000; a mask that is clear, or the given one."""
    clear = np.zeros(RASTER.shape, np.uint8) if mask is None else mask
    return lambda href: clear if href.endswith("mask") else np.full(RASTER.shape, 1000, np.int16)


def test_as_many_scenes_of_a_day_as_the_cube_can_number() -> None:
    calendar = Calendar(scene("x").day // SHARD_DAYS * SHARD_DAYS, 1)
    scenes = [scene(f"s{number:03}", MOMENT + timedelta(seconds=number)) for number in range(SCENE_FILL + 1)]
    assert plan_scenes(scenes[:SCENE_FILL], GRID, calendar, 0.0).block_days == 2
    with pytest.raises(InputError, match=f"{SCENE_FILL + 1} scenes of 2021-06-01 overlap block 0,0"):
        plan_scenes(scenes, GRID, calendar, 0.0)


def test_what_the_digest_of_a_shard_depends_on() -> None:
    calendar = Calendar(scene("x").day // SHARD_DAYS * SHARD_DAYS, 1)
    first = scene("a")

    def digests(found: Scene, skip_below_clear: float = 0.1, reading: str = "") -> list[str]:
        return list(plan_scenes([found], GRID, calendar, skip_below_clear, lambda _: reading).digests.values())

    moved = Asset("another/mask", RASTER)
    assert digests(replace(first, quality=moved)) == digests(first)
    others = [
        digests(replace(first, version="2.1")),
        digests(replace(first, offset=-1000)),
        digests(replace(first, quality=Asset(moved.href, RASTER.refined(2)))),
        digests(first, 0.2),
        digests(first, reading="other bands"),
    ]
    for other in others:
        assert not set(other) & set(digests(first))
    assert len(set(digests(first))) == 2  # where a block lies is part of it


def test_a_block_that_is_just_clear_enough_is_stored() -> None:
    mask = np.zeros(RASTER.shape, np.uint8)
    mask[:16, :32] = CLOUDY  # half of the left block
    mask[:16, 32:] = mask[16, 32] = CLOUDY  # a pixel more of the right one
    left, right = shards([scene("a")], constant(mask), skip_below_clear=0.5)
    position = scene("a").day % SHARD_DAYS
    assert (left.status[position], right.status[position]) == (Status.STORED, Status.SKIPPED_CLOUDY)
    assert left.days == (position,)
    assert (left.reflectance == 1000).all() and (right.reflectance == REFLECTANCE_FILL).all()


def test_a_block_takes_nothing_of_a_scene_that_the_plan_gives_to_another() -> None:
    first, second = scene("a"), scene("b")
    met = (frozenset({first.key, second.key}), frozenset({second.key}))
    task = ShardTask(first.day // SHARD_DAYS, GRID.blocks, (first, second), ("", ""), met)
    left, right = read(task, constant(), 0.0)
    assert [entry[2].id for entry in left.scenes] == ["a", "b"] and (left.scene == 0).all()
    assert [entry[2].id for entry in right.scenes] == ["b"] and (right.scene == 0).all()


def test_the_newer_version_wins_where_both_are_clear() -> None:
    old, new = scene("a", MOMENT - timedelta(minutes=1), "2.9"), scene("b", version="2.10")
    left, _ = shards([old, new], constant())
    assert [entry[2].version for entry in left.scenes] == ["2.10", "2.9"]
    assert (left.scene == 0).all()


def test_only_the_newest_version_of_an_acquisition_counts() -> None:
    """Its mask replaces the older one. Without a version, or with one of several parts, nothing is older."""
    old, new = scene("a", version="02.12"), scene("b", version="05.00")
    later, faulty = scene("c", datetime(2021, 6, 2, 18, tzinfo=UTC)), replace(scene("d", version="9"), fault="broken")
    elsewhere = replace(old, quality=replace(old.quality, grid=RASTER._replace(crs="EPSG:32614")))
    other = replace(old, product="hls-l30")
    assert newest_versions([old, new]) == newest_versions([new, old]) == [new]
    assert newest_versions([old, faulty]) == [old, faulty]
    for both in ([new, later], [old, other], [old, elsewhere], [new, replace(new, id="part")]):
        assert newest_versions(both) == both
    calendar = Calendar(old.day // SHARD_DAYS * SHARD_DAYS, 2)
    plan = plan_scenes([old, new, later], GRID, calendar, 0.0)
    assert {found.id for found in plan.scenes} == {"b", "c"} and plan.left_out[OLDER] == 1
    assert plan.digests == plan_scenes([new, later], GRID, calendar, 0.0).digests


def test_each_year_of_a_shard_over_new_year_has_its_own_sums() -> None:
    scenes = [scene("a", datetime(2021, 12, 31, 17, tzinfo=UTC)), scene("b", datetime(2022, 1, 1, 17, tzinfo=UTC))]
    number = scenes[0].day // SHARD_DAYS
    assert number == scenes[1].day // SHARD_DAYS
    numbers = {"a": 1000, "b": 2000}

    def pixels(href: str) -> NDArray[Any]:
        if href.endswith("mask"):
            return np.zeros(RASTER.shape, np.uint8)
        return np.full(RASTER.shape, numbers[href.split("/")[0]], np.int16)

    left, _ = shards(scenes, pixels)
    chunk = GRID.chunk**2
    assert shard_summary(left, number, GRID, SeasonSpec())["sums"] == {
        year: [[chunk] * 4, [[chunk * value] * 4] * 6, [[chunk * value**2] * 4] * 6]
        for year, value in (("2021", 1000), ("2022", 2000))
    }
