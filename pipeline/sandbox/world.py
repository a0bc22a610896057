"""The simulated truth: the appearance of each site on each day, before sensors and clouds.

`truth` gives it to tests, plots and oracle forecasts: all chance is fixed in a site's parameters, so
`SiteWorld.season` with other weather (say, real up to the last image and climatology after) is the
forecast of somebody who knows the true model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from .crops import grow
from .drivers import surface_wetness
from .fields import CELL, FieldMap, field_year, lay_out
from .placement import REGION_EPSG
from .reflectance import reflect
from .spec import Site, WorldSpec, check_sites
from .tiles import PIXEL, reproject
from .weather import SiteWeather, at_point
from .weather_generator import generate

Array = NDArray[np.float64]

_SUBPOINTS = 6  # per side: every pixel is the mean of 36 points; on the site's own grid that is exact
_MARGIN_PIXELS = 1  # as far as bilinear interpolation onto the site's own pixels reaches


@dataclass(frozen=True)
class SimulatedSeason:
    """One site, 1 April to 31 October, at the hour of overflight."""

    days: NDArray[np.datetime64]
    """datetime64[D]."""
    reflectance: NDArray[np.float32]
    """(days, fields, 6): free of noise and clouds; it depends on the weather up to the day before."""
    green_leaf_area: Array
    """(days, fields)."""

    def on(self, day: np.datetime64) -> NDArray[np.float32]:
        """Reflectance of the fields on one day, (fields, 6)."""
        row: NDArray[np.float32] = self.reflectance[int((day - self.days[0]).astype(int))]
        return row


@dataclass(frozen=True)
class View:
    """How a grid sees a site: which pixels, and of which fields each is mixed."""

    rows: slice
    columns: slice
    """Window of the grid that holds the pixels."""
    inside: NDArray[np.bool_]
    """Shape of the window: pixels on the site (with its margin); the others are never seen."""
    mixing: csr_array
    """(pixels inside, fields): share of each field in each pixel; rows sum to 1."""
    texture: NDArray[np.float32]
    """(pixels inside, 6)."""
    x: Array
    y: Array
    """Pixel centres in EPSG:32615, (pixels inside,)."""

    def mix(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reflectance of the pixels, (pixels inside, 6), from that of the fields, (fields, 6)."""
        return np.asarray((self.mixing @ fields) * self.texture, dtype=np.float32)


@dataclass(frozen=True)
class SiteWorld:
    """A site with its fields and weather."""

    spec: WorldSpec
    site: Site
    field_map: FieldMap
    weather: SiteWeather
    """The real weather, as delivered; crops and soil respond to `crop_weather` and `soil_weather`."""

    @cached_property
    def crop_weather(self) -> SiteWeather:
        return self.weather.dosed(self.spec.crop_dose)

    @cached_property
    def soil_weather(self) -> SiteWeather:
        return self.weather.dosed(self.spec.soil_dose)

    def season(
        self, year: int, crop_weather: SiteWeather | None = None, soil_weather: SiteWeather | None = None
    ) -> SimulatedSeason:
        """The season of `year` under the world's weather, or under other weather (full length, 1 October on)."""
        first, last = np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-31")
        fields, surface = field_year(self.spec, self.site, self.field_map, year)
        canopy = grow(fields, (crop_weather or self.crop_weather).between(first, last))
        soil = (soil_weather or self.soil_weather).between(first, last)
        reflectance = reflect(canopy, surface_wetness(soil), surface)
        # A satellite passes in the morning: it sees the effect of the weather up to the day before.
        start = int((np.datetime64(f"{year}-04-01") - first).astype(int))
        return SimulatedSeason(soil.days[start:], reflectance[start - 1 : -1], canopy.green[start - 1 : -1])

    def view(self, grid: GeoBox) -> View | None:
        """How `grid` (north up, 30 m) sees this site, None if not at all. Raises ValueError without an EPSG code."""
        epsg = grid.crs.epsg if grid.crs is not None else None
        if epsg is None:
            raise ValueError("the grid needs a coordinate system with an EPSG code")
        left, bottom, right, top = self.site.geobox.extent.to_crs(f"EPSG:{epsg}").boundingbox.bbox
        a = grid.affine
        margin = _MARGIN_PIXELS
        rows = _window((a.f - top) / PIXEL - margin, (a.f - bottom) / PIXEL + margin, grid.shape[0])
        columns = _window((left - a.c) / PIXEL - margin, (right - a.c) / PIXEL + margin, grid.shape[1])
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        step = PIXEL / _SUBPOINTS
        x = a.c + columns.start * PIXEL + (np.arange((columns.stop - columns.start) * _SUBPOINTS) + 0.5) * step
        y = a.f - rows.start * PIXEL - (np.arange((rows.stop - rows.start) * _SUBPOINTS) + 0.5) * step
        east, north = reproject(epsg, REGION_EPSG, *np.meshgrid(x, y))
        return self._view(rows, columns, east, north)

    def _view(self, rows: slice, columns: slice, east: Array, north: Array) -> View | None:
        height, width, k = rows.stop - rows.start, columns.stop - columns.start, _SUBPOINTS

        def by_pixel(points: NDArray[np.float64]) -> Array:
            """(height * k, width * k) -> (pixels, k * k)."""
            return points.reshape(height, k, width, k).swapaxes(1, 2).reshape(height * width, k * k)

        east, north = by_pixel(east), by_pixel(north)
        box = self.site.geobox.affine
        reach = _MARGIN_PIXELS * PIXEL
        site_height, site_width = (side * PIXEL for side in self.site.geobox.shape)
        x, y = east.mean(axis=1), north.mean(axis=1)
        inside = (x > box.c - reach) & (x < box.c + site_width + reach)
        inside &= (y < box.f + reach) & (y > box.f - site_height - reach)
        if not inside.any():
            return None

        field_map = self.field_map
        column = ((east[inside] - field_map.geobox.affine.c) // CELL).astype(int)
        row = ((field_map.geobox.affine.f - north[inside]) // CELL).astype(int)
        field = field_map.field[row, column]
        pixels = len(field)
        index = (np.repeat(np.arange(pixels), k * k), field.ravel())
        weights = np.full(field.size, 1 / (k * k))
        mixing = csr_array((weights, index), shape=(pixels, field_map.fields))
        mixing.sum_duplicates()
        texture = field_map.texture[:, row, column].mean(axis=2).T
        return View(rows, columns, inside.reshape(height, width), mixing, texture, x[inside], y[inside])


def site_world(spec: WorldSpec, site: Site, weather: xr.Dataset) -> SiteWorld:
    """A site of the world of the generated `weather`. Raises ValueError outside its grid."""
    lon, lat = spec.placement.point(site.geobox)
    return SiteWorld(spec, site, lay_out(spec, site), at_point(weather, lon, lat))


def truth(spec: WorldSpec, sites: Sequence[Site]) -> dict[str, SiteWorld]:
    """The sites by name. Raises ValueError for sites that cannot be simulated."""
    check_sites(sites)
    weather = generate(spec)
    return {site.name: site_world(spec, site, weather) for site in sites}


def _window(low: float, high: float, size: int) -> slice:
    """Whole pixels within 0..size that cover low..high."""
    return slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)), size))
