"""A scene: one acquisition on its own grid, as every source describes it to the planner and the reader."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from affine import Affine
from odc.geo.geobox import GeoBox

from mmvsf.datasets.cube.calendar import day_number

FOOTPRINT_MARGIN_DEGREES = 0.01
"""Outlines in catalogues are simplified; a kilometre more costs a mask read and loses no pixel."""


class RasterGrid(NamedTuple):
    """The grid of one raster: CRS, the six numbers of its affine transform (a b c d e f), (rows, columns)."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]

    @property
    def geobox(self) -> GeoBox:
        return GeoBox(self.shape, Affine(*self.transform), self.crs)

    @property
    def resolution(self) -> float:
        """Pixel width in the CRS's unit."""
        return self.transform[0]

    def refined(self, points: int) -> "RasterGrid":
        """The grid with points x points cells in each pixel."""
        a, b, c, d, e, f = self.transform
        rows, columns = self.shape
        return RasterGrid(self.crs, (a / points, b, c, d, e / points, f), (rows * points, columns * points))

    @classmethod
    def of(cls, geobox: GeoBox) -> "RasterGrid":
        """The grid of a GeoBox."""
        a, b, c, d, e, f = list(geobox.transform)[:6]
        rows, columns = geobox.shape
        return cls(str(geobox.crs), (a, b, c, d, e, f), (int(rows), int(columns)))


@dataclass(frozen=True)
class Asset:
    """One raster file of a scene."""

    href: str
    grid: RasterGrid
    band: int = 1
    """of the file, counted from 1; 0 for the only one of a file that must not have several"""


@dataclass(frozen=True)
class Scene:
    """What the reader needs of one acquisition; small enough to be sent to a worker."""

    id: str
    product: str
    """name of a `Product`"""
    acquired: datetime
    """UTC"""
    version: str
    """processing version or baseline; of two versions of one acquisition the greater is newer"""
    bands: tuple[Asset, ...]
    """in the order of the cube's bands"""
    quality: Asset
    """the mask, in the product's own codes"""
    offset: int
    """added to the stored numbers before the product's own scale and offset, 0 where all scenes of the product have
    the same (Sentinel-2 processing baseline 04.00 and later: -1000)"""
    footprint: tuple[tuple[float, float], ...]
    """outline of the data in degrees (longitude, latitude)"""

    @cached_property
    def day(self) -> int:
        """Day number of `solar_day`."""
        return day_number(solar_day(self.acquired, self.footprint))


def solar_day(acquired: datetime, footprint: Sequence[tuple[float, float]]) -> date:
    """The day of an acquisition (UTC) by the sun at the centre of its outline (longitude, latitude in degrees).

    The sun moves 15 degrees an hour, so that one overpass is one day also where it crosses midnight UTC.
    """
    longitudes = [x for x, _ in footprint]
    if max(longitudes) - min(longitudes) > 180:  # across the antimeridian
        longitudes = [x % 360 for x in longitudes]
    return (acquired.astimezone(UTC) + timedelta(hours=_centre(longitudes) / 15)).date()


def _centre(longitudes: Sequence[float]) -> float:
    """The middle of the span of some longitudes, -180 to 180."""
    return (((min(longitudes) + max(longitudes)) / 2 + 180) % 360) - 180


def granule_time(identity: str) -> datetime | None:
    """The moment in the name of an HLS granule, `HLS.S30.T15TVG.2022152T170100.v2.0`; None for any other name.

    Catalogues differ by seconds to minutes in what they call the time of one granule (the first of its scenes, the
    middle of the tile, the take of the whole orbit); its name is the same in all of them.
    """
    found = re.fullmatch(r"HLS\.[LS]30\.T\w{5}\.(\d{7}T\d{6})\.v[\d.]+", identity)
    return datetime.strptime(found.group(1), "%Y%jT%H%M%S").replace(tzinfo=UTC) if found else None
