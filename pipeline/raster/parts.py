"""Large grids in parts, so that their relation to finer rasters takes a bounded amount of memory."""

import math
from collections.abc import Iterator

from .scene import RasterGrid

Window = tuple[slice, slice]
"""rows and columns of a grid"""


def parts_of(grid: RasterGrid, points: int, most: int) -> Iterator[tuple[Window, RasterGrid]]:
    """A grid in rectangles of much the same size, each of at most `most` points, of which a pixel has points x points,
    and at least of a pixel: (rows and columns, their grid).

    Rectangles need fewer rows and columns of a raster twice than strips do. They begin at pixels, whose corners are
    exact numbers where the grid's origin and pixel size are, so a pixel's points lie where they lie in the whole grid.
    """
    side = max(1, math.isqrt(most) // points)
    a, b, c, d, e, f = grid.transform
    for rows in _cut(grid.shape[0], side):
        for columns in _cut(grid.shape[1], side):
            corner = (a, b, c + a * columns.start, d, e, f + e * rows.start)
            yield (rows, columns), RasterGrid(grid.crs, corner, (rows.stop - rows.start, columns.stop - columns.start))


def _cut(count: int, longest: int) -> Iterator[slice]:
    """As few and as equal pieces as possible."""
    pieces = math.ceil(count / longest)
    for piece in range(pieces):
        yield slice(count * piece // pieces, count * (piece + 1) // pieces)
