"""The grid of a cube: its pixels, its blocks and chunks, and the coarser grid of its weather."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import area_shape, from_lonlat
from mmvsf.datasets.recipe.place import Area, ClusterSampling
from mmvsf.datasets.recipe.region import Region

BlockIndex = tuple[int, int]
"""(block_y, block_x), counted from the upper left corner of the grid."""


@dataclass(frozen=True)
class Grid:
    """Blocks of square pixels in one projected CRS; rows run from north to south."""

    crs: str
    resolution: float
    """metres"""
    left: float
    """x of the left edge, metres"""
    top: float
    """y of the upper edge, metres"""
    blocks_y: int
    blocks_x: int
    block: int
    """pixels per side"""
    chunk: int
    """pixels per side; divides `block`"""
    weather_cell: int
    """image pixels per side of a weather cell"""
    blocks: tuple[BlockIndex, ...]
    """the blocks that the recipe covers, sorted"""

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """The grid in a cube's root attribute `grid`. Raises KeyError, TypeError or ValueError if it is damaged."""
        return cls(**{**attributes, "blocks": tuple((int(y), int(x)) for y, x in attributes["blocks"])})

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) in pixels."""
        return self.blocks_y * self.block, self.blocks_x * self.block

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """(rows, columns) in chunks."""
        return self.shape[0] // self.chunk, self.shape[1] // self.chunk

    @property
    def weather_shape(self) -> tuple[int, int]:
        """(rows, columns) in weather cells; the last ones may reach beyond the image grid."""
        return math.ceil(self.shape[0] / self.weather_cell), math.ceil(self.shape[1] / self.weather_cell)

    @property
    def chunks_per_block(self) -> int:
        return self.block // self.chunk

    @cached_property
    def geobox(self) -> GeoBox:
        return _geobox(self.crs, self.left, self.top, self.resolution, self.shape)

    @cached_property
    def weather_geobox(self) -> GeoBox:
        return _geobox(self.crs, self.left, self.top, self.resolution * self.weather_cell, self.weather_shape)

    def block_slices(self, block: BlockIndex) -> tuple[slice, slice]:
        """Rows and columns of a block in the pixel grid."""
        by, bx = block
        return (
            slice(by * self.block, (by + 1) * self.block),
            slice(bx * self.block, (bx + 1) * self.block),
        )

    def block_geobox(self, block: BlockIndex) -> GeoBox:
        return self.geobox[self.block_slices(block)]

    def block_mask(self) -> NDArray[np.bool_]:
        """(blocks_y, blocks_x), True for the blocks that the recipe covers."""
        mask = np.zeros((self.blocks_y, self.blocks_x), bool)
        for by, bx in self.blocks:
            mask[by, bx] = True
        return mask

    def weather_mask(self) -> NDArray[np.bool_]:
        """(weather_y, weather_x), True for the cells that hold a part of a block."""
        mask = np.zeros(self.weather_shape, bool)
        cell = self.weather_cell
        for block in self.blocks:
            rows, columns = (slice(s.start // cell, (s.stop - 1) // cell + 1) for s in self.block_slices(block))
            mask[rows, columns] = True
        return mask

    def weather_cell_of(self, row: int, column: int) -> tuple[int, int]:
        """The weather cell that an image pixel lies in."""
        return row // self.weather_cell, column // self.weather_cell

    def block_of_point(self, lon: float, lat: float) -> BlockIndex:
        """The block that a point in degrees lies in (it may lie outside the grid)."""
        x, y = from_lonlat(self.crs).transform(lon, lat)
        side = self.block * self.resolution
        return math.floor((self.top - y) / side), math.floor((x - self.left) / side)

    def coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(y, x) of the pixel centres in metres."""
        return _centres(self.top, self.left, self.resolution, self.shape)

    def weather_coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(y, x) of the centres of the weather cells in metres."""
        return _centres(self.top, self.left, self.resolution * self.weather_cell, self.weather_shape)


def grid_from_recipe(region: Region, recipe: Path, data_dir: Path) -> Grid:
    """The grid of a recipe: the smallest rectangle of blocks that covers its area.

    Raises InputError if the area holds no block or its file cannot be read.
    """
    spec, area = region.grid, region.area
    side = spec.block * spec.resolution
    ox, oy = spec.origin
    shape = area_shape(area, spec.crs, recipe, data_dir)
    west, south, east, north = shape.bounds
    if not all(map(math.isfinite, (west, south, east, north))):
        raise InputError(f"{recipe}: the area cannot be projected to {spec.crs}; choose the UTM zone that it lies in")
    left = ox + math.floor((west - ox) / side) * side
    top = oy + math.ceil((north - oy) / side) * side
    # A point on a block's edge belongs to the block east and south of it.
    blocks_x = max(1, math.ceil((east - left) / side + (1e-9 if area.sites else 0)))
    blocks_y = max(1, math.ceil((top - south) / side + (1e-9 if area.sites else 0)))
    boxes = {
        (by, bx): shapely.box(left + bx * side, top - (by + 1) * side, left + (bx + 1) * side, top - by * side)
        for by in range(blocks_y)
        for bx in range(blocks_x)
    }
    blocks = _covered_blocks(area, shape, boxes, recipe)
    if not blocks:
        raise InputError(f"{recipe}: the area covers no block of {spec.block} pixels; make it larger")
    return Grid(
        spec.crs,
        spec.resolution,
        left,
        top,
        blocks_y,
        blocks_x,
        spec.block,
        spec.chunk,
        spec.weather_cell,
        tuple(blocks),
    )


def _covered_blocks(
    area: Area, shape: BaseGeometry, boxes: dict[BlockIndex, shapely.Polygon], recipe: Path
) -> list[BlockIndex]:
    """The blocks that a recipe's area takes, sorted. Raises InputError where a sample does not fit."""
    shapely.prepare(shape)
    if area.sites:
        blocks = sorted({block for block, box in boxes.items() if shape.intersects(box) and _holds_site(box, shape)})
    else:
        blocks = [block for block, box in boxes.items() if shape.intersects(box) and not shape.touches(box)]
        if area.sample is not None and area.blocks != "all":
            blocks = draw_clusters(set(blocks), area.sample, recipe)
    return blocks[: area.blocks] if isinstance(area.blocks, int) else blocks


def _holds_site(box: shapely.Polygon, points: BaseGeometry) -> bool:
    """Whether one of the points lies in a block, its left and upper edges included."""
    west, south, east, north = box.bounds
    return any(west <= x < east and south < y <= north for x, y in shapely.get_coordinates(points))


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


def _geobox(crs: str, left: float, top: float, resolution: float, shape: tuple[int, int]) -> GeoBox:
    return GeoBox(shape, Affine(resolution, 0.0, left, 0.0, -resolution, top), crs)


def _centres(
    top: float, left: float, step: float, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = (np.arange(size, dtype=np.float64) for size in shape)
    return top - (rows + 0.5) * step, left + (columns + 0.5) * step
