"""Where rasters meet: the rectangles of two grids compared in the CRS of one of them, without reading a pixel."""

from collections.abc import Iterable
from functools import lru_cache

from pyproj import Transformer
from pyproj.exceptions import ProjError

from .resample import same_crs
from .scene import RasterGrid

Bounds = tuple[float, float, float, float]
"""left, bottom, right, top; left is greater than right across the antimeridian"""

WHOLE_TURN = 360.0


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
    return left, bottom, right, top


def overlapping(raster: RasterGrid, targets: Iterable[RasterGrid]) -> list[bool]:
    """For each target whether its rectangle shares ground with that of a raster: touching is not enough.

    All False for a raster in a CRS that the targets cannot be brought to.
    """
    bounds = bounds_of(raster)
    try:
        return [_overlap(bounds, bounds_in(target, raster.crs)) for target in targets]
    except ProjError:
        return [False for _ in targets]


def _overlap(one: Bounds, other: Bounds) -> bool:
    if other[0] > other[2]:
        left, bottom, right, top = other
        return _overlap(one, (left, bottom, right + WHOLE_TURN, top)) or _overlap(
            one, (left - WHOLE_TURN, bottom, right, top)
        )
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@lru_cache(maxsize=16)
def _transformer(crs: str, other: str) -> Transformer:
    return Transformer.from_crs(crs, other, always_xy=True)
