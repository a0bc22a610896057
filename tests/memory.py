"""Peak memory of a worker that reads a region of many block groups from another projection.

python -m tests.memory [--groups 300] [--seconds 600]

The scenes are drawn in memory: tiles of 3660 x 3660 pixels, 100 km apart, in the UTM zone beside the cube's. The first
two groups are built whole, with 16 acquisitions a shard that are read in eight threads, as those of a public archive
are; of the others only what maps their scenes is read. What is printed for the last group is the peak of all.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import SHARD_DAYS, calendar_for, day_number
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.layer import ImageryLayer
from mmvsf.pipeline.layers.imagery.mosaic_day import read_shard
from mmvsf.pipeline.layers.imagery.plan import ShardTask, block_groups
from mmvsf.pipeline.layers.imagery.table import ProductTable, SceneReader
from mmvsf.pipeline.layers.source import ImagerySource, Origin, SourceSite
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

BLOCK, SIDE, PIXEL = 256, 4, 30.0
"""Pixels on the side of a block, blocks on the side of a group, metres."""
LEFT, TOP = 230_400.0, 4_700_160.0
"""Upper left corner of the region in EPSG:32615."""
TILE, STEP = 3660, 100_000.0
"""Pixels on the side of a tile, and metres from one to the next."""
OTHER_ZONE = "EPSG:32614"
FIRST_DAY = datetime(2021, 6, 6, 17, tzinfo=UTC)
"""The first day of a shard."""
CLOUD = np.uint8(2)


@dataclass(frozen=True)
class Drawn(ImagerySource):
    """Numbers that do not compress well, and masks: clear, or `cloudy` for a scene of which only its mask is read."""

    days_at_once: int = 16

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        return cls()

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        raise NotImplementedError

    def origin(self, product: str) -> Origin:
        return Origin("drawn")

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        shape = tuple(part.stop - part.start for part in window)
        if asset.href.startswith("mask"):
            return np.full(shape, CLOUD if asset.href.endswith("cloudy") else 0, np.uint8)
        return np.random.default_rng(len(asset.href)).integers(0, 5000, shape, np.int16)


def region_of(groups: int) -> Grid:
    """A region of so many groups, in rows of 20."""
    columns = min(groups, 20)
    rows = -(-groups // columns)
    blocks = tuple(
        (by, bx)
        for by in range(rows * SIDE)
        for bx in range(columns * SIDE)
        if by // SIDE * columns + bx // SIDE < groups
    )
    return Grid(
        "EPSG:32615", PIXEL, LEFT, TOP, rows * SIDE, columns * SIDE, BLOCK, 64, BLOCK, blocks, origin=(LEFT, TOP)
    )


def tiles_over(grid: Grid, blocks: list[BlockIndex]) -> list[RasterGrid]:
    """The tiles of the other zone that meet some blocks."""
    boxes = [grid.block_geobox(block).boundingbox for block in blocks]
    bounds = (
        min(box.left for box in boxes),
        min(box.bottom for box in boxes),
        max(box.right for box in boxes),
        max(box.top for box in boxes),
    )
    to_other = Transformer.from_crs(grid.crs, OTHER_ZONE, always_xy=True)
    west, south, east, north = to_other.transform_bounds(*bounds)
    size = TILE * PIXEL
    columns = range(int((west - size) // STEP) + 1, int(east // STEP) + 1)
    rows = range(int(south // STEP), int((north + size) // STEP))
    return [
        RasterGrid(OTHER_ZONE, (PIXEL, 0.0, column * STEP, 0.0, -PIXEL, row * STEP + STEP), (TILE, TILE))
        for row in rows
        for column in columns
        if row * STEP + STEP - size < north and row * STEP + STEP > south
    ]


def scenes_over(grid: Grid, blocks: list[BlockIndex], days: int, mask: str) -> Iterator[Scene]:
    """One scene a tile and day."""
    first = day_number(FIRST_DAY.date())
    for day in range(days):
        for number, tile in enumerate(tiles_over(grid, blocks)):
            moment = FIRST_DAY + timedelta(days=day, seconds=number)
            bands = tuple(Asset(f"band {band}", tile) for band in range(6))
            yield Scene(f"{day}.{number}", "hls-s30", moment, "2.0", bands, Asset(mask, tile), 0, first + day)


def task_of(grid: Grid, blocks: list[BlockIndex], days: int, mask: str) -> ShardTask:
    scenes = tuple(scenes_over(grid, blocks, days, mask))
    met = tuple(frozenset(scene.key for scene in scenes) for _ in blocks)
    return ShardTask(scenes[0].day // SHARD_DAYS, tuple(blocks), scenes, ("",) * len(blocks), met)


def peak_bytes() -> int:
    """The most memory that this process has had at a time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(groups: int, whole: int, seconds: float, folder: Path) -> Iterator[tuple[int, int]]:
    """(groups done, peak bytes) after each group, of which the first `whole` are built; stops after `seconds`."""
    grid, (region, _) = region_of(groups), load_region("iowa")
    spec = CubeSpec(region, grid, calendar_for(region), None)
    layer = ImageryLayer(spec, folder / "memory.zarr", Drawn())
    reader = SceneReader(layer.source, ProductTable.of(region.imagery))
    until = time.monotonic() + seconds
    for number, blocks in enumerate(block_groups(grid.blocks, BLOCK, len(spec.bands))):
        if number < whole:
            layer.run(task_of(grid, blocks, 16, "mask"))
        else:
            read_shard(task_of(grid, blocks, 1, "mask cloudy"), grid, reader, 0.05)
        yield number + 1, peak_bytes()
        if time.monotonic() > until:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=300)
    parser.add_argument("--whole", type=int, default=2, help="groups that are built whole, with compression")
    parser.add_argument("--seconds", type=float, default=600.0, help="stop after this time")
    options = parser.parse_args()
    print(f"before the first group: {peak_bytes() / 1e9:.2f} GB")
    with tempfile.TemporaryDirectory() as folder:
        for done, peak in measure(options.groups, options.whole, options.seconds, Path(folder)):
            if done <= options.whole or done % 25 == 0 or done == options.groups:
                print(f"{done} of {options.groups} groups: peak {peak / 1e9:.2f} GB", flush=True)
    print(f"peak of {done} groups: {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
