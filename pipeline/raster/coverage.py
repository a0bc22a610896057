"""Where rasters lie on the earth: the blocks of a cube that one reaches, and the day by the sun over it."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.grid import Grid

from .resample import pixel_positions
from .scene import RasterGrid

POINTS = 5
"""Points of a block, along each side, that are looked up in a raster."""

MARGIN = 0.01
"""Part of a block's extent in a raster by which it may be larger than its points show: edges become curves."""


class Coverage:
    """The blocks of a cube, to be compared with rasters in any CRS. A raster is judged by its own extent; nothing is
    compared in degrees, so that 180 degrees of longitude is a place like any other."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        steps = np.linspace(0, grid.block * grid.resolution, POINTS)
        corners = np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks])
        right, down = (step.ravel() for step in np.meshgrid(steps, steps))
        self._x, self._y = corners[:, :1] + right, corners[:, 3:] - down
        """(block, point), metres"""
        west, east, south, north = self._x.min(), self._x.max(), self._y.min(), self._y.max()
        self.meridian = _longitude((west + east) / 2, (south + north) / 2, grid.crs)
        """of the middle of the blocks, degrees"""
        self._reached: dict[RasterGrid, NDArray[np.intp]] = {}
        self._longitudes: dict[RasterGrid, float] = {}

    def blocks(self, raster: RasterGrid) -> NDArray[np.intp]:
        """Positions in `grid.blocks` of all blocks with a pixel that a raster reaches, and perhaps of a few beside it.

        Raises pyproj's ProjError for a CRS that has nothing to do with places on the earth.
        """
        if raster not in self._reached:
            column, row = pixel_positions(raster, self._x, self._y, self.grid.crs)
            sides = zip((column, row), raster.shape[::-1], strict=True)
            inside = np.logical_and.reduce([_overlaps(position, size) for position, size in sides])
            self._reached[raster] = np.flatnonzero(inside)
        return self._reached[raster]

    def day(self, acquired: datetime, raster: RasterGrid) -> int:
        """Day number of the solar day of an acquisition (UTC) at the middle of a raster.

        Longitudes are counted from the cube's own, so that an overpass is one day also across 180 degrees.
        """
        if raster not in self._longitudes:
            a, _, c, _, e, f = raster.transform
            rows, columns = raster.shape
            self._longitudes[raster] = _longitude(c + a * columns / 2, f + e * rows / 2, raster.crs)
        longitude = self._longitudes[raster]
        return day_number(solar_day(acquired, longitude - 360 * round((longitude - self.meridian) / 360)))


def solar_day(acquired: datetime, longitude: float) -> date:
    """The day of an acquisition (UTC) by the sun at a longitude in degrees, which may lie beyond 180.

    The sun moves 15 degrees an hour, so that one overpass is one day also where it crosses midnight UTC.
    """
    moment = acquired.astimezone(UTC)
    try:
        return (moment + timedelta(hours=longitude / 15)).date()
    except OverflowError:  # at the first or the last day that Python knows
        return moment.date()


def _overlaps(position: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """(block,) whether the span of each block's positions (block, point), pixels from the middle of the first one, and
    a raster of that many pixels have a part in common."""
    known = np.isfinite(position)
    low = np.where(known, position, np.inf).min(axis=1)
    high = np.where(known, position, -np.inf).max(axis=1)
    slack = 1 + MARGIN * np.where(known.any(axis=1), high - low, 0)
    overlaps: NDArray[np.bool_] = (low - slack <= size - 0.5) & (high + slack >= -0.5)
    return overlaps


def _longitude(x: float, y: float, crs: str) -> float:
    """The longitude of a point in degrees, 0 where it has none."""
    longitude, _ = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return float(longitude) if np.isfinite(longitude) else 0.0
