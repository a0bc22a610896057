"""Polygons and points as numbers on a fine grid, from which the shares of a pixel are counted."""

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from mmvsf.pipeline.raster.scene import RasterGrid


def burn(
    shapes: NDArray[Any], values: NDArray[np.float64], grid: RasterGrid, window: tuple[slice, slice], points: int
) -> NDArray[np.float64]:
    """The numbers of a window of a grid that has points x points cells in each pixel, NaN where there is no feature.

    A polygon counts in the cells whose centre it holds, a point in the whole pixel that it lies in. Where features with
    different numbers meet, none is right: those cells are NaN.
    """
    a, _, left, _, e, top = grid.transform
    rows, columns = window
    shape = rows.stop - rows.start, columns.stop - columns.start
    least, greatest = np.full(shape, np.inf), np.full(shape, -np.inf)
    is_point = shapely.get_type_id(shapes) == shapely.GeometryType.POINT
    order = np.argsort(values[~is_point], kind="stable")
    polygons = list(zip(shapes[~is_point][order], values[~is_point][order].tolist(), strict=True))
    if polygons:
        transform = Affine(a, 0.0, left + columns.start * a, 0.0, e, top + rows.start * e)
        rasterize(polygons, out=greatest, transform=transform)
        rasterize(polygons[::-1], out=least, transform=transform)
    x, y = shapely.get_coordinates(shapes[is_point]).T
    row = np.floor((y - top) / (e * points)).astype(np.int64) * points - rows.start
    column = np.floor((x - left) / (a * points)).astype(np.int64) * points - columns.start
    for r, c, value in zip(row.tolist(), column.tolist(), values[is_point].tolist(), strict=True):
        pixel = slice(max(r, 0), max(r + points, 0)), slice(max(c, 0), max(c + points, 0))
        least[pixel] = np.minimum(least[pixel], value)
        greatest[pixel] = np.maximum(greatest[pixel], value)
    return np.where(least == greatest, greatest, np.nan)
