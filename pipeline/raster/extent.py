"""The overlap of rasters: the rectangles of two grids compared in the CRS of one of them, without reading a pixel."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.exceptions import ProjError

from mmvsf.datasets.cube.grid import Grid

from .crs import in_degrees, same_crs
from .scene import RasterGrid

Bounds = tuple[float, float, float, float]
"""left, bottom, right, top; in degrees, right lies beyond 180 where the rectangle crosses the antimeridian"""

WHOLE_TURN = 360.0


def lonlat_bounds(grid: Grid, margin: int = 0) -> Bounds:
    """The rectangle in degrees around a grid's blocks and so many pixels more on each side: west, south, east, north.
    Across 180 degrees `east` is above 180, so that `west` is always below `east`."""
    boxes = shapely.box(*np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks]).T)
    area = shapely.buffer(shapely.union_all(boxes), margin * grid.resolution, join_style="mitre")
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    left, bottom, right, top = area.bounds
    west, south, east, north = to_lonlat.transform_bounds(left, bottom, right, top, densify_pts=21)
    return west, south, east + 360 if east < west else east, north


def bounds_of(grid: RasterGrid) -> Bounds:
    """The rectangle of a grid in its own CRS."""
    (a, _, x, _, e, y), (rows, columns) = grid.transform, grid.shape
    left, right = sorted((x, x + a * columns))
    bottom, top = sorted((y, y + e * rows))
    return left, bottom, right, top


def bounds_in(grid: RasterGrid, crs: str) -> Bounds:
    """The rectangle of a grid in another CRS. Raises ProjError where there is no way from one to the other."""
    bounds = bounds_of(grid)
    if same_crs(grid.crs, crs):
        return bounds
    left, bottom, right, top = _transformer(grid.crs, crs).transform_bounds(*bounds)
    return left, bottom, right + WHOLE_TURN if right < left else right, top


def overlapping(raster: RasterGrid, targets: Iterable[RasterGrid]) -> list[bool]:
    """For each target whether its rectangle shares ground with that of a raster: touching is not enough.

    All False for a raster in a CRS that the targets cannot be brought to.
    """
    left, bottom, right, top = bounds_of(raster)
    turns = (-WHOLE_TURN, 0.0, WHOLE_TURN) if in_degrees(raster.crs) else (0.0,)

    def overlaps(west: float, south: float, east: float, north: float) -> bool:
        beside = any(left + turn < east and west < right + turn for turn in turns)
        return beside and bottom < north and south < top

    try:
        return [overlaps(*bounds_in(target, raster.crs)) for target in targets]
    except ProjError:
        return [False for _ in targets]


@lru_cache(maxsize=16)  # a Transformer takes less than 100 KB: 2 MB at most
def _transformer(crs: str, other: str) -> Transformer:
    return Transformer.from_crs(crs, other, always_xy=True)
