"""Polygons and points as codes on a fine grid, from which the shares of a pixel are counted."""

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from mmvsf.pipeline.raster.scene import RasterGrid

NONE = np.iinfo(np.uint16).max
"""In the array of least codes: no feature. Where it is a code, the greatest is that too."""


def burn(
    shapes: NDArray[Any], codes: NDArray[np.int64], grid: RasterGrid, window: tuple[slice, slice], points: int
) -> NDArray[np.uint16]:
    """The codes of a window of a grid that has points x points cells in each pixel, 0 where there is no feature.

    A polygon counts in the cells whose centre it holds, a point in the whole pixel that it lies in. Where features of
    two classes meet, neither is right: those cells are 0.
    """
    a, _, left, _, e, top = grid.transform
    rows, columns = window
    shape = rows.stop - rows.start, columns.stop - columns.start
    least, greatest = np.full(shape, NONE, np.uint16), np.zeros(shape, np.uint16)
    is_point = shapely.get_type_id(shapes) == shapely.GeometryType.POINT
    order = np.argsort(codes[~is_point], kind="stable")
    polygons = list(zip(shapes[~is_point][order], codes[~is_point][order].tolist(), strict=True))
    if polygons:
        transform = Affine(a, 0.0, left + columns.start * a, 0.0, e, top + rows.start * e)
        rasterize(polygons, out=greatest, transform=transform)
        rasterize(polygons[::-1], out=least, transform=transform)
    x, y = shapely.get_coordinates(shapes[is_point]).T
    row = np.floor((y - top) / (e * points)).astype(np.int64) * points - rows.start
    column = np.floor((x - left) / (a * points)).astype(np.int64) * points - columns.start
    for r, c, code in zip(row.tolist(), column.tolist(), codes[is_point].tolist(), strict=True):
        pixel = slice(max(r, 0), max(r + points, 0)), slice(max(c, 0), max(c + points, 0))
        least[pixel] = np.minimum(least[pixel], code)
        greatest[pixel] = np.maximum(greatest[pixel], code)
    return np.where(least == greatest, greatest, 0).astype(np.uint16)
