"""The simulated truth: the appearance of each site on each day, before sensors and clouds.

`truth` gives it to tests, plots and oracle forecasts: all chance is fixed in a site's parameters, so
`SiteWorld.season` with other weather (say, real up to the last image and climatology after) is the
forecast by the true model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from .climate import day_of_year
from .crops import Canopy, grow
from .drivers import surface_wetness
from .fields import FieldMap, lay_out
from .management import Hidden, draw_hidden
from .parcels import CELL
from .placement import REGION_EPSG
from .reflectance import reflect
from .spec import Site, WorldSpec, check_sites
from .tiles import PIXEL, reproject
from .weather import SiteWeather, at_point
from .weather_generator import generate

Array = NDArray[np.float64]

_SUBPOINTS = 6  # per side: every pixel is the mean of 36 points; on the site's own grid that is exact
_BLUR = 0.11
"""Of a neighbour's reflectance in a pixel: a Gaussian of 1.2 pixels at half height, as the modulation transfer of
Landsat 8 and Sentinel-2 after resampling (Radoux et al. 2016, Remote Sensing 8, 488)."""
_IOWA_HEAT = 1740.0
"""degree days: the average of the climate table between mid-April and mid-October"""
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

    @cached_property
    def maturity(self) -> float:
        """Heat of the mean growing season (base 10 C, cap 30, mid-April to mid-October) over that of central Iowa."""
        usual, days = self.weather.climatology(), day_of_year(self.weather.days)
        heat = (usual["tmin"].clip(10, 30) + usual["tmax"].clip(10, 30)) / 2 - 10
        first = usual.days.astype("datetime64[Y]") == usual.days[-1].astype("datetime64[Y]")
        return float(heat[first & (days > 105) & (days < 289)].sum() / _IOWA_HEAT)

    def hidden(self, year: int, *draw: int) -> Hidden:
        """The hidden parameters of a year; with a number, another draw of their prior."""
        return draw_hidden(self.spec, self.site, self.field_map, year, self.maturity, *draw)

    def season(
        self, year: int, crop_weather: SiteWeather | None = None, soil_weather: SiteWeather | None = None
    ) -> SimulatedSeason:
        """The season of `year` under the world's weather, or under other weather (full length, 1 October on)."""
        return self.forward(self.hidden(year), year, crop_weather, soil_weather)

    def forward(
        self,
        hidden: Hidden,
        year: int,
        crop_weather: SiteWeather | None = None,
        soil_weather: SiteWeather | None = None,
    ) -> SimulatedSeason:
        """The season that hidden parameters and weather make; nothing in it is left to chance."""
        first, last = np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-31")
        whole = grow(hidden.fields, (crop_weather or self.crop_weather).between(first, last), self.spec.stress_dose)
        soil = (soil_weather or self.soil_weather).between(first, last)
        # A satellite passes in the morning: it sees the effect of the weather up to the day before.
        start = int((np.datetime64(f"{year}-04-01") - first).astype(int))
        seen = slice(start - 1, -1)
        canopy = Canopy(whole.green[seen], whole.brown[seen], whole.residue[seen], whole.stress[seen])
        reflectance = reflect(canopy, surface_wetness(soil)[seen], hidden.surface)
        return SimulatedSeason(soil.days[start:], reflectance, canopy.green)

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
        mixing = csr_array(_point_spread(inside.reshape(height, width), _BLUR * self.spec.blur_dose) @ mixing)
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


def _point_spread(inside: NDArray[np.bool_], part: float) -> csr_array:
    """(pixels inside, pixels inside): what each takes from itself and its neighbours, of which those in a row give
    `part` each and those across the corner its square; less where some lie outside."""
    count = int(inside.sum())
    number = np.full(np.add(inside.shape, 2), -1)
    number[1:-1, 1:-1][inside] = np.arange(count)
    line = np.array([part, 1 - 2 * part, part])
    kernel = np.outer(line, line)
    height, width = inside.shape
    rows, columns, weights = [], [], []
    for (i, j), weight in np.ndenumerate(kernel):
        neighbour = number[i : i + height, j : j + width][inside]
        seen = (neighbour >= 0) & (weight > 0)
        rows.append(np.flatnonzero(seen))
        columns.append(neighbour[seen])
        weights.append(np.full(seen.sum(), weight))
    spread = csr_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count))
    return csr_array(spread.multiply(1 / spread.sum(axis=1)[:, None]))


def _window(low: float, high: float, size: int) -> slice:
    """Whole pixels within 0..size that cover low..high."""
    return slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)), size))
