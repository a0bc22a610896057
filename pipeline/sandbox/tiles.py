"""The four tiles of the region, the satellites' passes over them, and which points a pass sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

if TYPE_CHECKING:
    from .spec import WorldSpec

Array = NDArray[np.float64]

PIXEL = 30.0
"""Side of a pixel of the archive, in metres."""

TILE_SIDE = 3660


@dataclass(frozen=True)
class Tile:
    """A tile of the Sentinel-2 tiling grid: 109.8 km per side, 3660 pixels of 30 m."""

    name: str
    epsg: int
    left: int
    top: int

    @property
    def geobox(self) -> GeoBox:
        return GeoBox((TILE_SIDE, TILE_SIDE), Affine(PIXEL, 0, self.left, 0, -PIXEL, self.top), f"EPSG:{self.epsg}")


TILES = (
    Tile("14TPM", 32614, 600000, 4700040),
    Tile("15TTG", 32615, 199980, 4700040),
    Tile("15STD", 32615, 199980, 4400040),
    Tile("15TTK", 32615, 199980, 5000040),
)
"""The first two overlap by about 13 km around 96.5 W; the others lie 300 km to the south and to the north."""


@dataclass(frozen=True)
class Orbit:
    """A ground track that repeats every `repeat` days, with the edges of its swath.

    An edge is the easting (km, EPSG:32615) where it crosses northing 4645 km; it runs from north-northeast
    to south-southwest, as the track of a descending, sun-synchronous satellite does at 42 degrees north.
    """

    sensor: str
    platforms: tuple[str, ...]
    repeat: int
    phase: int
    minutes: int
    """Minutes after 16:00 UTC."""
    west: float
    east: float


ORBITS = (
    Orbit("S30", ("sentinel-2a", "sentinel-2b"), 5, 1, 70, -np.inf, 203.0),
    Orbit("S30", ("sentinel-2a", "sentinel-2b"), 5, 4, 60, 202.0, np.inf),
    Orbit("L30", ("landsat-8", "landsat-9"), 8, 3, 64, -np.inf, 202.0),
    Orbit("L30", ("landsat-8", "landsat-9"), 8, 4, 58, 200.0, np.inf),
)

_TILT = np.tan(np.radians(14.0))
_EDGE_NORTHING = 4645e3
_EDGE_JITTER = 2.5e3  # metres; tracks drift a little


@dataclass(frozen=True)
class Pass:
    """One overflight, with the edges of its swath."""

    orbit: Orbit
    time: np.datetime64
    """UTC, datetime64[s]."""
    platform: str
    west: float
    east: float
    """Edges in metres, as in `Orbit`."""

    @property
    def day(self) -> np.datetime64:
        day: np.datetime64 = self.time.astype("datetime64[D]")
        return day

    @property
    def name(self) -> str:
        return f"{self.orbit.sensor}.{self.time}"

    def sees(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """Whether points of EPSG:32615 lie in the swath; shape of x."""
        across = x - _TILT * (y - _EDGE_NORTHING)
        return np.asarray((across >= self.west) & (across < self.east))

    def swath(self) -> list[tuple[float, float]]:
        """Corners of the swath in EPSG:32615, cut to 1000 km around the region."""
        west, east = max(self.west, -1e6), min(self.east, 1e6)
        south, north = _EDGE_NORTHING - 6e5, _EDGE_NORTHING + 6e5
        return [
            (edge + _TILT * (y - _EDGE_NORTHING), y)
            for edge, y in ((west, north), (east, north), (east, south), (west, south))
        ]


def passes(spec: WorldSpec, year: int) -> Iterator[Pass]:
    """Every overflight of the season, 1 April to 31 October, orbit by orbit."""
    days = np.arange(np.datetime64(f"{year}-04-01"), np.datetime64(f"{year}-11-01"))
    for number, orbit in enumerate(ORBITS):
        rng = spec.generator("pass", year, number)
        for day in days[(days.astype(int) - orbit.phase) % orbit.repeat == 0]:
            cycle = (int(day.astype(int)) - orbit.phase) // orbit.repeat
            seconds = orbit.minutes * 60 + int(rng.integers(-120, 120))
            drift = rng.normal(0, _EDGE_JITTER, 2)
            yield Pass(
                orbit=orbit,
                time=(day + np.timedelta64(16, "h")).astype("datetime64[s]") + np.timedelta64(seconds, "s"),
                platform=orbit.platforms[cycle % len(orbit.platforms)],
                west=orbit.west * 1e3 + drift[0],
                east=orbit.east * 1e3 + drift[1],
            )


def reproject(source: int, target: int, x: Array, y: Array) -> tuple[Array, Array]:
    """Points between coordinate systems by EPSG number, exact (PROJ), x or longitude first; shape of x."""
    if source == target:
        return x, y
    east, north = _transformer(source, target).transform(x, y)
    return np.asarray(east, dtype=np.float64), np.asarray(north, dtype=np.float64)


@cache  # a transformer for each pair of the few systems of a world
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
