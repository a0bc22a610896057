"""Pixels finer than the target's are averaged over its size before they are interpolated: a bilinear pick would alias.

Pixels that fit a target pixel by a whole number, with edges in line, need none of this: their mean is exact.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from .crs import in_degrees
from .scene import RasterGrid

FINER = 1.25
"""Pixels along the side of a target pixel from which on they are averaged. Below it, images would lose sharpness to a
small difference of scales."""

METRES_PER_DEGREE = 111_320.0
"""Of latitude, approximately: for the pixel size of a raster in degrees."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Weights of a box as wide as a target pixel, of odd length and with the sum 1, along both axes of a raster."""

    down: tuple[float, ...]
    across: tuple[float, ...]

    @classmethod
    def of(cls, source: RasterGrid, target: RasterGrid) -> Self | None:
        """None where the source is about as coarse as the target, or coarser. It depends on the sizes of pixels alone,
        so that it is the same in every block."""
        height, width = (there / here for there, here in zip(pixel_metres(target), pixel_metres(source), strict=True))
        if max(height, width) < FINER:
            return None
        return cls(_box(height), _box(width))

    @property
    def margin(self) -> tuple[int, int]:
        """Rows and columns beyond a pixel that count for it."""
        return len(self.down) // 2, len(self.across) // 2

    def apply(self, window: NDArray[np.int16], fill: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The means around the pixels of a window (rows, columns), and whether one of these is `fill` or lies beyond
        the window; both of the window's shape."""
        from scipy import ndimage  # long to import, and not needed where pixels are copied

        missing, means = window == fill, window.astype(np.float32)
        for axis, weights in enumerate((self.down, self.across)):
            ndimage.correlate1d(means, weights, axis, output=means, mode="nearest")
            ndimage.maximum_filter1d(missing, len(weights), axis, output=missing, mode="constant", cval=1)
        return means, missing


def _box(width: float) -> tuple[float, ...]:
    """Shares of a box of so many pixels, around the middle of one, that lie in each."""
    width = max(round(width, 2), 1.0)
    radius = math.ceil((width - 1) / 2)
    if not radius:
        return (1.0,)
    inner, edge = 1 / width, (width - 2 * radius + 1) / 2 / width
    return (edge, *(inner,) * (2 * radius - 1), edge)


def pixel_metres(grid: RasterGrid) -> tuple[float, float]:
    """Roughly the height and the width of a raster's pixels in metres; in degrees, the width in the raster's middle."""
    crs = CRS(grid.crs)
    width, height = abs(grid.transform[0]), abs(grid.transform[4])
    if in_degrees(grid.crs):
        middle = grid.transform[5] + grid.transform[4] * grid.shape[0] / 2
        return height * METRES_PER_DEGREE, width * METRES_PER_DEGREE * math.cos(math.radians(middle))
    unit = crs.axis_info[0].unit_conversion_factor
    return height * unit, width * unit
