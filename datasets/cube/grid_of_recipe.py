"""From a recipe to its grid: which blocks its area covers, and the tiles around them."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import area_shape
from mmvsf.datasets.recipe.limits import refuse_endless, refuse_endless_days
from mmvsf.datasets.recipe.place import ClusterSampling
from mmvsf.datasets.recipe.region import Region

from .grid import TILE, BlockIndex, Grid


def grid_from_recipe(region: Region, recipe: Path, data_dir: Path) -> Grid:
    """The grid of a recipe: the smallest rectangle of tiles that covers its area.

    Raises InputError if the area holds no block or its file cannot be read.
    """
    spec, area = region.grid, region.area
    side = spec.block * spec.resolution
    ox, oy = spec.origin
    shape = area_shape(area, spec.crs, recipe, data_dir)
    west, south, east, north = shape.bounds
    if not all(map(math.isfinite, (west, south, east, north))):
        raise InputError(f"{recipe}: the area cannot be projected to {spec.crs}; choose the UTM zone that it lies in")
    refuse_endless(region, (north - south) / side, (east - west) / side, recipe)
    left = ox + math.floor((west - ox) / side) * side
    top = oy + math.ceil((north - oy) / side) * side
    # A point on a block's edge belongs to the block east and south of it.
    blocks_x = max(1, math.ceil((east - left) / side + (1e-9 if area.sites else 0)))
    blocks_y = max(1, math.ceil((top - south) / side + (1e-9 if area.sites else 0)))
    if area.sites:
        blocks = _blocks_of_sites(shape, left, top, side)
    else:
        blocks = list(_covered_blocks(shape, left, top, side, (blocks_y, blocks_x)))
        if area.sample is not None and area.blocks != "all":
            blocks = draw_clusters(set(blocks), area.sample, recipe)
    blocks = blocks[: area.blocks] if isinstance(area.blocks, int) else blocks
    if not blocks:
        raise InputError(f"{recipe}: the area covers no block of {spec.block} pixels; make it larger")
    refuse_endless_days(region, len(blocks), recipe)
    # From the edges of the area to those of tiles.
    above, before = round((oy - top) / side) % TILE, round((left - ox) / side) % TILE
    return Grid(
        spec.crs,
        spec.resolution,
        left - before * side,
        top + above * side,
        math.ceil((above + blocks_y) / TILE) * TILE,
        math.ceil((before + blocks_x) / TILE) * TILE,
        spec.block,
        spec.chunk,
        spec.weather_cell,
        tuple((by + above, bx + before) for by, bx in blocks),
        (ox, oy),
    )


def _blocks_of_sites(points: BaseGeometry, left: float, top: float, side: float) -> list[BlockIndex]:
    """The blocks that points lie in, sorted; the left and upper edges of a block belong to it."""
    x, y = shapely.get_coordinates(points).T
    rows, columns = np.floor((top - y) / side).astype(int), np.floor((x - left) / side).astype(int)
    return sorted(set(zip(rows.tolist(), columns.tolist(), strict=True)))


def _covered_blocks(
    shape: BaseGeometry, left: float, top: float, side: float, lattice: tuple[int, int]
) -> Iterator[BlockIndex]:
    """The blocks of a lattice of (rows, columns) that an area covers a part of, sorted; row by row, since a large area
    has many."""
    shapely.prepare(shape)
    bx = np.arange(lattice[1])
    for by in range(lattice[0]):
        upper, lower = top - by * side, top - (by + 1) * side
        boxes = shapely.box(left + bx * side, lower, left + (bx + 1) * side, upper)
        covered = shapely.intersects(shape, boxes)
        covered[covered] = ~shapely.touches(shape, boxes[covered])
        yield from ((by, int(column)) for column in bx[covered])


def draw_clusters(candidates: set[BlockIndex], sample: ClusterSampling, recipe: object) -> list[BlockIndex]:
    """Clusters of size x size candidates, at least one block apart, sorted. Raises InputError if they do not fit."""
    size = sample.size
    corners = sorted(corner for corner in candidates if candidates.issuperset(_square(corner, size)))
    order = np.random.default_rng(sample.seed).permutation(len(corners))
    chosen: list[BlockIndex] = []
    for index in order:
        by, bx = corners[index]
        if all(max(abs(by - cy), abs(bx - cx)) > size for cy, cx in chosen):
            chosen.append((by, bx))
        if len(chosen) == sample.clusters:
            break
    else:
        raise InputError(
            f"{recipe}: the area has room for {len(chosen)} clusters of {size} x {size} blocks,"
            f" the recipe asks for {sample.clusters}"
        )
    return sorted(block for corner in chosen for block in _square(corner, size))


def _square(corner: BlockIndex, size: int) -> list[BlockIndex]:
    """The blocks of a square by its upper left one."""
    return [(corner[0] + dy, corner[1] + dx) for dy in range(size) for dx in range(size)]
