"""The position of rasters on the earth: the blocks of a cube that one overlaps, and its solar day."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.grid import Grid

from .resample import pixel_positions
from .scene import RasterGrid

POINTS = 3
"""Points of a block, along each side, that are looked up in a raster."""

MARGIN = 0.01
"""Part of a block's extent in a raster by which it may be larger than its points show: edges become curves."""

WIDER = 1.1
"""Factor by which a raster's radius may exceed the distance from its middle to its corners and edges."""


class Coverage:
    """The blocks of a cube, to be compared with rasters in any CRS. A raster is judged by its own extent; nothing is
    compared in degrees, so that 180 degrees of longitude is a place like any other."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        side = grid.block * grid.resolution
        rows, columns = np.array(grid.blocks).T
        down, right = (step.ravel() for step in np.meshgrid(*[np.linspace(0, side, POINTS)] * 2, indexing="ij"))
        self._x = (grid.left + columns * side)[:, None] + right
        self._y = (grid.top - rows * side)[:, None] - down
        """(block, point), metres"""
        on_sphere = _on_sphere(self._x, self._y, grid.crs)
        self._middles = on_sphere[:, POINTS**2 // 2]
        """(block, 3)"""
        self._radius = float(np.linalg.norm(on_sphere - on_sphere[:, [POINTS**2 // 2]], axis=-1).max())
        middle = on_sphere.mean(axis=(0, 1))
        self.meridian = float(np.degrees(np.arctan2(middle[1], middle[0])))
        """of the middle of the blocks, degrees"""
        self._reached: dict[RasterGrid, NDArray[np.intp]] = {}
        self._longitudes: dict[RasterGrid, float] = {}

    def blocks(self, raster: RasterGrid) -> NDArray[np.intp]:
        """Positions in `grid.blocks` of all blocks with a pixel that a raster reaches, and perhaps of a few beside it.

        Raises pyproj's ProjError for a CRS that has nothing to do with places on the earth.
        """
        if raster not in self._reached:
            near = self._near(raster)
            column, row = pixel_positions(raster, self._x[near], self._y[near], self.grid.crs)
            sides = zip((column, row), raster.shape[::-1], strict=True)
            self._reached[raster] = near[np.logical_and.reduce([_overlaps(position, size) for position, size in sides])]
        return self._reached[raster]

    def _near(self, raster: RasterGrid) -> NDArray[np.intp]:
        """Positions of the blocks within the circle around a raster: few of many are then compared exactly."""
        a, _, c, _, e, f = raster.transform
        rows, columns = raster.shape
        down, right = np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], indexing="ij")
        points = _on_sphere(c + a * columns * right, f + e * rows * down, raster.crs).reshape(-1, 3)
        middle = points[len(points) // 2]
        if not np.isfinite(points).all():
            return np.arange(len(self._x))
        radius = WIDER * (float(np.linalg.norm(points - middle, axis=-1).max()) + self._radius)
        # Points of a sphere of radius 1 at distance r from each other have the scalar product 1 - r^2 / 2.
        return np.flatnonzero(self._middles @ middle >= 1 - radius**2 / 2)

    def day(self, acquired: datetime, raster: RasterGrid) -> int:
        """Day number of the solar day of an acquisition (UTC) at the middle of a raster.

        Longitudes are counted from the cube's own, so that an overpass is one day also across 180 degrees.
        """
        if raster not in self._longitudes:
            self._longitudes[raster] = middle_longitude(raster)
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


def solar_noon(day: date, raster: RasterGrid | None) -> datetime:
    """Noon (UTC) by the sun at the middle of a raster: where only the date of a scene is known, that date is then its
    solar day everywhere. Noon in Greenwich without a raster."""
    longitude = middle_longitude(raster) if raster is not None else 0.0
    noon = datetime.combine(day, time(12), UTC)
    try:
        return noon - timedelta(hours=longitude / 15)
    except OverflowError:  # at the first or the last day that Python knows
        return noon


def _overlaps(position: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """(block,) whether the span of each block's positions (block, point), pixels from the middle of the first one, and
    a raster of that many pixels have a part in common."""
    known = np.isfinite(position)
    low = np.where(known, position, np.inf).min(axis=1)
    high = np.where(known, position, -np.inf).max(axis=1)
    slack = 1 + MARGIN * np.where(known.any(axis=1), high - low, 0)
    overlaps: NDArray[np.bool_] = (low - slack <= size - 0.5) & (high + slack >= -0.5)
    return overlaps


def _on_sphere(x: NDArray[np.float64], y: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """(..., 3) places on a sphere of radius 1, not finite for points that the CRS does not hold."""
    lonlat = np.array(Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y))
    longitude, latitude = np.radians(np.where(np.isfinite(lonlat), lonlat, np.nan))
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=-1)


def middle_longitude(raster: RasterGrid) -> float:
    """The longitude of the middle of a raster in degrees, 0 where it has none. The middle is that of its own CRS: an
    outline in degrees may cross 180."""
    a, _, c, _, e, f = raster.transform
    rows, columns = raster.shape
    to_lonlat = Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True)
    longitude, _ = to_lonlat.transform(c + a * columns / 2, f + e * rows / 2)
    return float(longitude) if np.isfinite(longitude) else 0.0
