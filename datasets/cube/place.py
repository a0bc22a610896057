"""Where the arrays of a tile lie in those of the whole grid."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid, Tile

PIXELS = ("imagery", "radar", "labels", "static", "targets")
"""Groups of which y and x are the pixels of the grid"""


def whole_shape(grid: Grid, group: str) -> tuple[int, int]:
    """(rows, columns) of the whole grid in the pixels of a group: pixels, blocks, chunks or weather cells."""
    if group in PIXELS:
        return grid.shape
    return {
        "blocks": (grid.blocks_y, grid.blocks_x),
        "chunks": grid.chunk_shape,
        "weather": grid.weather_shape,
    }[group]


def corner_of(whole: Grid, tile: Tile, group: str) -> tuple[int, int]:
    """(row, column) of a tile's upper left member in the whole grid."""
    if group == "blocks":
        return tile.row, tile.column
    if group == "chunks":
        return tile.row * whole.chunks_per_block, tile.column * whole.chunks_per_block
    row, column = tile.row * whole.block, tile.column * whole.block
    return whole.weather_cell_of(row, column) if group == "weather" else (row, column)


def slices_of(whole: Grid, tile: Tile, group: str) -> tuple[slice, slice]:
    """Rows and columns of a tile in the whole grid, in the pixels of a group."""
    row, column = corner_of(whole, tile, group)
    height, width = whole_shape(tile.grid, group)
    return slice(row, row + height), slice(column, column + width)


def cut(whole: Grid, values: NDArray[Any], dims: tuple[str, ...], group: str, tile: Tile) -> NDArray[Any]:
    """A tile's part of an array over the whole grid; the array itself if it has no y and x."""
    if "y" not in dims:
        return values
    rows, columns = slices_of(whole, tile, group)
    index: list[slice] = [slice(None)] * len(dims)
    index[dims.index("y")], index[dims.index("x")] = rows, columns
    return values[tuple(index)]


def join(whole: Grid, shape: tuple[int, ...], dims: tuple[str, ...], group: str, fill: Any, dtype: Any) -> NDArray[Any]:
    """An array over the whole grid full of `fill`, for an array of these dimensions that has `shape` in a tile."""
    size = list(shape)
    if "y" in dims:
        size[dims.index("y")], size[dims.index("x")] = whole_shape(whole, group)
    return np.full(size, fill, dtype)
