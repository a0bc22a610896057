"""The grid of a cube: its pixels, its blocks and chunks, and the coarser grid of its weather."""

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat

BlockIndex = tuple[int, int]
"""(block_y, block_x), counted from the upper left corner of the grid."""

TILE = 4
"""Blocks per side of a tile, the unit of storage: `xarray.open_zarr` of a tile of 256-pixel blocks makes 16,000 Dask
chunks a year, so that ten years stay below 200,000."""


@dataclass(frozen=True)
class Grid:
    """Blocks of square pixels in one projected CRS; rows run from north to south.

    The edges lie on edges of tiles of the recipe's lattice, which is counted from `origin`.
    """

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
    origin: tuple[float, float] | None = None
    """(x, y) of the corner from which blocks, tiles and weather cells are counted, metres; None for the grid's own"""
    tile: int = TILE
    """blocks per side of a tile"""

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """The grid in a cube's root attribute `grid`. Raises KeyError, TypeError or ValueError if it is damaged."""
        blocks = tuple((int(y), int(x)) for y, x in attributes["blocks"])
        x, y = attributes["origin"]
        return cls(**{**attributes, "blocks": blocks, "origin": (x, y)})

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
        """(rows, columns) in weather cells; those at the edges may reach beyond the image grid."""
        rows, columns = (
            math.ceil((size + beyond) / self.weather_cell)
            for size, beyond in zip(self.shape, self._beyond, strict=True)
        )
        return rows, columns

    @property
    def corner(self) -> BlockIndex:
        """(row, column) of the upper left block in the lattice: blocks south and east of the origin."""
        x, y = self.origin or (self.left, self.top)
        side = self.block * self.resolution
        return round((y - self.top) / side), round((self.left - x) / side)

    @property
    def _beyond(self) -> tuple[int, int]:
        """Pixels by which the first weather cells reach beyond the upper and left edge."""
        row, column = self.corner
        return row * self.block % self.weather_cell, column * self.block % self.weather_cell

    @property
    def chunks_per_block(self) -> int:
        return self.block // self.chunk

    @cached_property
    def geobox(self) -> GeoBox:
        return _geobox(self.crs, self.left, self.top, self.resolution, self.shape)

    @cached_property
    def weather_geobox(self) -> GeoBox:
        left, top = self._weather_corner
        return _geobox(self.crs, left, top, self.resolution * self.weather_cell, self.weather_shape)

    @property
    def _weather_corner(self) -> tuple[float, float]:
        """(left, top) of the weather grid, metres."""
        down, right = self._beyond
        return self.left - right * self.resolution, self.top + down * self.resolution

    @cached_property
    def tiles(self) -> "tuple[Tile, ...]":
        """The tiles in which the recipe covers a block, sorted by place."""
        members: dict[BlockIndex, list[BlockIndex]] = {}
        for by, bx in self.blocks:
            members.setdefault((by // self.tile, bx // self.tile), []).append((by % self.tile, bx % self.tile))
        return tuple(self._tile(place, tuple(members[place])) for place in sorted(members))

    def _tile(self, place: BlockIndex, blocks: tuple[BlockIndex, ...]) -> "Tile":
        row, column = place[0] * self.tile, place[1] * self.tile
        side = self.block * self.resolution
        part = replace(
            self,
            left=self.left + column * side,
            top=self.top - row * side,
            blocks_y=self.tile,
            blocks_x=self.tile,
            blocks=blocks,
        )
        down, right = part.corner
        return Tile(f"x{right // self.tile}_y{-(down // self.tile) - 1}", row, column, part)

    def tile_of(self, block: BlockIndex) -> "Tile":
        """The tile that a block lies in. Raises KeyError where the recipe covers none of the tile's blocks."""
        return self._tile_at[block[0] // self.tile, block[1] // self.tile]

    @cached_property
    def _tile_at(self) -> "dict[BlockIndex, Tile]":
        return {(tile.row // self.tile, tile.column // self.tile): tile for tile in self.tiles}

    def block_name(self, block: BlockIndex) -> str:
        """The name of a block by its place in the lattice, which stays when the grid grows."""
        row, column = self.corner
        return f"x{column + block[1]}_y{-(row + block[0]) - 1}"

    def block_named(self, name: str) -> BlockIndex:
        """The block of a name, see `block_name`. Raises KeyError for a name of another form."""
        match = re.fullmatch(r"x(-?\d+)_y(-?\d+)", name, re.ASCII)
        if match is None:
            raise KeyError(name)
        row, column = self.corner
        return -int(match[2]) - 1 - row, int(match[1]) - column

    def find_block(self, text: str) -> BlockIndex:
        """The block that a user names: `x12_y-3`, see `block_name`, or ROW,COLUMN counted from the upper left corner.

        Raises InputError for a text of another form, and for a block that the grid does not have.
        """
        place = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text, re.ASCII)
        try:
            block = (int(place[1]), int(place[2])) if place else self.block_named(text.strip())
        except (KeyError, ValueError):  # of another form, or more digits than Python converts
            raise InputError(f"'{text}' is not a block; write its name, such as x12_y-3, or ROW,COLUMN") from None
        if block not in self.blocks:
            names = ", ".join(self.block_name(block) for block in self.blocks[:4])
            more = ", ..." if len(self.blocks) > 4 else ""
            raise InputError(f"there is no block {text}; the blocks are named {names}{more}")
        return block

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
            rows, columns = (
                slice((s.start + beyond) // cell, (s.stop - 1 + beyond) // cell + 1)
                for s, beyond in zip(self.block_slices(block), self._beyond, strict=True)
            )
            mask[rows, columns] = True
        return mask

    def weather_cell_of(self, row: int, column: int) -> tuple[int, int]:
        """The weather cell that an image pixel lies in."""
        down, right = self._beyond
        return (row + down) // self.weather_cell, (column + right) // self.weather_cell

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
        left, top = self._weather_corner
        return _centres(top, left, self.resolution * self.weather_cell, self.weather_shape)

    @cached_property
    def blocks_geobox(self) -> GeoBox:
        """The grid with one pixel a block."""
        return _geobox(self.crs, self.left, self.top, self.resolution * self.block, (self.blocks_y, self.blocks_x))

    @cached_property
    def chunks_geobox(self) -> GeoBox:
        """The grid with one pixel a chunk."""
        return _geobox(self.crs, self.left, self.top, self.resolution * self.chunk, self.chunk_shape)


@dataclass(frozen=True)
class Tile:
    """A square of blocks that is stored by itself."""

    name: str
    """x<column>_y<row> in the lattice, counted eastwards and northwards from its origin"""
    row: int
    """of its upper left block in the whole grid"""
    column: int
    grid: Grid
    """its own part of the grid: all of its blocks, those that the recipe covers in `grid.blocks`"""


def _geobox(crs: str, left: float, top: float, resolution: float, shape: tuple[int, int]) -> GeoBox:
    return GeoBox(shape, Affine(resolution, 0.0, left, 0.0, -resolution, top), crs)


def _centres(
    top: float, left: float, step: float, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = (np.arange(size, dtype=np.float64) for size in shape)
    return top - (rows + 0.5) * step, left + (columns + 0.5) * step
