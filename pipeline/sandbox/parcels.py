"""The outlines of fields: sections of the land survey, rotated and bent, cut into fields of 0.5 to 60 ha, with roads, a
wooded stream and its meadow, and grassed terraces.

Sizes are log-normal as measured in the United States (Yan and Roy 2016, Remote Sensing of Environment 172: most fields
of the Corn Belt have 5 to 60 ha, a tail of small ones).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from .spec import Site, WorldSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CELL = 10.0
"""Side of a cell of the field map, metres."""
_QUARTER = 804.67  # side of a quarter section, metres (half a mile)
_ROAD = 10.0  # half of the width of a road with its ditches, metres
_LEAST, _MOST, _MEDIAN, _SPREAD = 0.5e4, 60e4, 11e4, 0.9  # square metres; the deviation of the logarithm
_REGULAR = 25e4  # largest field of the regular world, square metres


@dataclass(frozen=True)
class Parcels:
    """Which parcel each cell belongs to."""

    number: Index
    """(height, width), from 0 without gaps"""
    meadow: int
    forest: int
    road: int
    """numbers of the parcels that are no fields; -1 where there is none"""

    @property
    def shares(self) -> Array:
        """Share of the site that each parcel covers, (parcels,)."""
        return np.asarray(np.bincount(self.number.ravel()) / self.number.size)


def draw_parcels(spec: WorldSpec, site: Site, box: GeoBox) -> Parcels:
    """The parcels of a site on its grid of cells of 10 m."""
    rng, dose = spec.generator(site.name, "parcels"), spec.geometry_dose
    x, y = _survey_coordinates(box, rng, dose)
    number = _fields(x, y, rng, dose)
    stream = _stream_distance(x, y, rng)
    forest_width, meadow_width = rng.uniform(45, 70), rng.uniform(95, 140)
    forest = stream < forest_width
    meadow = (stream < meadow_width) & ~forest
    terraced = rng.random(number.max() + 1) < 0.12 * dose
    height = x * np.cos(0.8) + y * np.sin(0.8) + 40 * np.sin(x / 170) + 25 * np.sin(y / 110)
    meadow |= terraced[number] & (height % 90.0 < CELL) & ~forest
    section = 2 * _QUARTER
    near = np.minimum.reduce([x % section, section - x % section, y % section, section - y % section])
    road = near < _ROAD * dose
    number = np.select([road, forest, meadow], [number.max() + np.int64(k) for k in (3, 2, 1)], number)
    unique, number = np.unique(number, return_inverse=True)
    last = len(unique) - 1 - road.any()
    return Parcels(number.reshape(box.shape), int(last - 1), int(last), int(last + 1) if road.any() else -1)


def _survey_coordinates(box: GeoBox, rng: np.random.Generator, dose: float) -> tuple[Array, Array]:
    """Metres east and north in a survey grid, from a random corner; shape of `box`. Without dose it is true to north;
    with it, half of the sites are turned as land along rivers and old trails is, and lines bend."""
    x = box.affine.c + (np.arange(box.shape[1]) + 0.5) * CELL
    y = box.affine.f - (np.arange(box.shape[0]) + 0.5) * CELL
    # UTM's north differs from true north by about (lon - central meridian) sin(lat): 2 degrees here.
    lon, lat = box.geographic_extent.centroid.coords[0]
    turn = rng.choice([0.0, 1.0]) * rng.uniform(-45, 45)
    angle = np.radians((lon + 93.0) * np.sin(np.radians(lat)) + dose * turn)
    dx, dy = np.meshgrid(x - x.mean(), y - y.mean())
    corner = rng.uniform(0, 2 * _QUARTER, 2) + 20 * _QUARTER
    east = dx * np.cos(angle) + dy * np.sin(angle) + corner[0]
    north = dy * np.cos(angle) - dx * np.sin(angle) + corner[1]
    for wavelength, amplitude in ((2300, 35.0), (900, 14.0)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        bend = dose * amplitude * np.sin(2 * np.pi * np.stack([north, east]) / wavelength + phase[:, None, None])
        east, north = east + bend[0], north + bend[1]
    return east, north


def _fields(x: Array, y: Array, rng: np.random.Generator, dose: float) -> Index:
    """Quarter sections (64 ha), cut again and again until the fields have the size drawn for them."""
    column, row = (x // _QUARTER).astype(int).ravel(), (y // _QUARTER).astype(int).ravel()
    u, v = x.ravel() % _QUARTER, y.ravel() % _QUARTER
    number = np.zeros(x.size, dtype=np.int64)
    quarter = column * 1000 + row
    order = np.argsort(quarter, kind="stable")
    todo = np.split(order, np.flatnonzero(np.diff(quarter[order])) + 1)
    done = 0
    while todo:
        cells = todo.pop()
        drawn = np.clip(_MEDIAN * np.exp(_SPREAD * rng.normal()), _LEAST, _MOST)
        most = drawn if dose * rng.random() > 0.1 else _REGULAR
        if len(cells) * CELL**2 <= max(most, 2 * _LEAST):
            number[cells] = done
            done += 1
            continue
        a, b = (u[cells], v[cells]) if np.ptp(u[cells]) > np.ptp(v[cells]) else (v[cells], u[cells])
        slant = dose * rng.choice([0.0, 0.0, rng.uniform(-0.6, 0.6)])  # some follow a creek or a railway
        along = a + slant * (b - b.mean())
        first = along < along.min() + np.ptp(along) * rng.uniform(0.35, 0.65)
        todo += [cells[first], cells[~first]]
    return number.reshape(x.shape)


def _stream_distance(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Metres to a meandering stream that crosses the site."""
    heading = rng.uniform(0, np.pi)
    dx, dy = x - x.mean(), y - y.mean()
    along, across = dx * np.cos(heading) + dy * np.sin(heading), dy * np.cos(heading) - dx * np.sin(heading)
    course = rng.uniform(-600, 600)
    for wavelength, amplitude in ((4000, 250), (1400, 110), (500, 45)):
        course = course + amplitude * np.sin(2 * np.pi * (along / wavelength + rng.random()))
    return np.asarray(np.abs(across - course), dtype=np.float64)
