"""Adjacent rasters on one lattice, as one raster."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .crs import in_degrees, same_crs
from .scene import Asset, RasterGrid

IN_LINE = 1e-3
"""Pixels. Tiles whose edges are in line to this are on one lattice: catalogues round their transforms."""

Read = Callable[[Asset, tuple[slice, slice]], NDArray[Any]]
"""(tile, window of it) -> numbers; see `sources.protocols`"""


@dataclass(frozen=True)
class Mosaic:
    """Tiles on the lattice of `grid`, which may be larger than what they cover."""

    grid: RasterGrid
    tiles: tuple[Asset, ...]
    """in order of precedence, where they overlap"""

    def read(self, window: tuple[slice, slice], read: Read, fill: Any, dtype: Any) -> NDArray[Any]:
        """Numbers of a (rows, columns) window of the grid, `fill` where there is no tile. Raises what `read` raises."""
        rows, columns = window
        values = np.full((rows.stop - rows.start, columns.stop - columns.start), fill, dtype)
        for tile in reversed(self.tiles):
            row, column = _offset(tile.grid, self.grid)
            inner = tuple(
                slice(max(wanted.start - first, 0), min(wanted.stop - first, count))
                for wanted, first, count in zip(window, (row, column), tile.grid.shape, strict=True)
            )
            if all(part.start < part.stop for part in inner):
                place = tuple(
                    slice(part.start + first - wanted.start, part.stop + first - wanted.start)
                    for part, first, wanted in zip(inner, (row, column), window, strict=True)
                )
                values[place] = read(tile, (inner[0], inner[1]))
        return values


def mosaics(tiles: Iterable[Asset]) -> tuple[Mosaic, ...]:
    """The tiles by lattice, each lattice with the smallest grid that holds them; by href within one.

    Tiles of one data set need not share a lattice: those of the Copernicus DEM are wider towards the poles.
    """
    lattices: list[list[Asset]] = []
    for tile in sorted(tiles, key=lambda asset: asset.href):
        own = next((members for members in lattices if _in_line(tile.grid, members[0].grid)), None)
        if own is None:
            lattices.append([tile])
        else:
            own.append(tile)
    return tuple(Mosaic(_around([tile.grid for tile in members]), tuple(members)) for members in lattices)


def _around(grids: list[RasterGrid]) -> RasterGrid:
    """The smallest grid on the lattice of the first that holds all of them."""
    a, b, c, d, e, f = grids[0].transform
    places = [(*_offset(grid, grids[0]), *grid.shape) for grid in grids]
    top, left = min(row for row, *_ in places), min(column for _, column, *_ in places)
    bottom = max(row + height for row, _, height, _ in places)
    right = max(column + width for _, column, _, width in places)
    return RasterGrid(grids[0].crs, (a, b, c + left * a, d, e, f + top * e), (bottom - top, right - left))


def _offset(grid: RasterGrid, origin: RasterGrid) -> tuple[int, int]:
    """(row, column) of a grid's first pixel, counted from that of another one on the same lattice, the short way round
    the earth from the middle of one to that of the other."""
    a, _, c, _, e, f = origin.transform
    right = grid.transform[2] - c
    if in_degrees(origin.crs):
        right -= 360 * round((right + a * (grid.shape[1] - origin.shape[1]) / 2) / 360)
    return round((grid.transform[5] - f) / e), round(right / a)


def _in_line(one: RasterGrid, other: RasterGrid) -> bool:
    a, _, c, _, e, f = other.transform
    same_size = np.allclose([one.transform[0], one.transform[4]], [a, e], rtol=1e-6, atol=0)
    steps = np.array([(one.transform[2] - c) / a, (one.transform[5] - f) / e])
    return bool(same_size and np.all(np.abs(steps - np.rint(steps)) < IN_LINE) and same_crs(one.crs, other.crs))
