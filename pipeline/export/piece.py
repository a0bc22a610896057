"""The pieces in which an export is computed: one per block, so that no area is too large."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.place import PIXELS
from mmvsf.datasets.cube.select import geobox_of, window_of
from mmvsf.datasets.errors import InputError

from .area import Area
from .content import ExportArray


@dataclass(frozen=True)
class Frame:
    """The pixels of an export: a window of the grid of a group, in pieces."""

    cube: Cube
    group: str
    area: Area
    window: tuple[slice, slice]
    """rows and columns of the whole grid of the group"""

    @classmethod
    def of(cls, cube: Cube, group: str, area: Area) -> "Frame":
        """Raises InputError where the area holds no pixel."""
        window = window_of(geobox_of(cube.grid, group), area.box)
        if window is None:
            raise InputError(f"the area holds no pixel of {cube.path}; give a larger one")
        return cls(cube, group, area, window)

    @property
    def geobox(self) -> GeoBox:
        return geobox_of(self.cube.grid, self.group)[self.window]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.window
        return rows.stop - rows.start, columns.stop - columns.start

    def cuts(self) -> tuple[list[slice], list[slice]]:
        """Rows and columns of the pieces, in the whole grid: each lies in one block. Weather is one piece."""
        if self.group not in PIXELS:
            return [self.window[0]], [self.window[1]]
        rows, columns = (_cut(part, self.cube.grid.block) for part in self.window)
        return rows, columns

    def pieces(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns, in the whole grid, of the pieces that hold data."""
        side = self.cube.grid.block
        rows, columns = self.cuts()
        for part in rows:
            for other in columns:
                if self.group not in PIXELS or (part.start // side, other.start // side) in self.area.blocks:
                    yield part, other

    def inside(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Rows and columns of a piece in the frame."""
        top, left = self.window[0].start, self.window[1].start
        return slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)

    def read(self, array: ExportArray, rows: slice, columns: slice) -> NDArray[Any]:
        """The values of a piece, no data outside the polygon."""
        values = array.read(rows, columns)
        if self.area.polygon is None:
            return values
        piece = geobox_of(self.cube.grid, self.group)[rows, columns]
        touched = self.group not in PIXELS  # a weather cell is larger than many polygons
        outside = geometry_mask([self.area.polygon], piece.shape, piece.affine, all_touched=touched)
        return np.where(outside, np.asarray(array.nodata, values.dtype), values)


def _cut(part: slice, side: int) -> list[slice]:
    edges = [part.start, *range((part.start // side + 1) * side, part.stop, side), part.stop]
    return [slice(start, stop) for start, stop in pairwise(edges)]
