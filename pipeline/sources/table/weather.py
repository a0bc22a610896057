"""The table source of weather: what stations beside the sites of a recipe measured, day by day."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.place import SitePoint
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import weather_variable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.stations import distances_km
from mmvsf.pipeline.layers.weather.units import convert
from mmvsf.pipeline.layers.weather_series import WeatherSeries

from .rows import DATE, LATITUDE, LONGITUDE, SITE, days_of, numbers_of, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame

REACH_KM = 100.0
"""How far from a station its weather is taken for a cell."""

Floats = NDArray[np.float64]


@register_source("table")
@dataclass(frozen=True)
class TableWeather(WeatherSource):
    """Each cell that holds a block has the weather of the nearest station; a station may begin late or end early."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "stations": True, "units": False}
    path: Path
    stations: Path
    """table with the columns site, longitude and latitude"""
    grid: Grid
    sites: tuple[SitePoint, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    """(variable, unit of its column), where that is not the cube's"""

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(
            site.path(section.path or ""),
            site.path(section.stations or ""),
            site.grid,
            site.sites,
            tuple((section.units or {}).items()),
        )

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        return Origin("table", source=self.path.name)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. The columns of the table have the names and units of the cube's variables."""
        rows = read_rows(self.path, SITE, (DATE, *variables), "weather.path")
        table, names, days = rows.table, rows.sites, days_of(rows.table, self.path)
        start, stop = day_number(first), day_number(last) + 1
        inside = (days >= start) & (days < stop)
        nearest = self._nearest(set(names.tolist()))
        ys, xs = self.grid.weather_coordinates()
        mask = self.grid.weather_mask()
        values = {name: np.full((stop - start, *mask.shape), np.nan, np.float32) for name in variables}
        numbers = {name: self._numbers(table, name) for name in variables}
        for station in sorted(set(nearest.ravel().tolist()) - {""}):
            own = np.flatnonzero(inside & (names == station))
            if len(np.unique(days[own])) < len(own):
                raise InputError(f"{self.path} has two rows of {station} on one day; leave one of each")
            cells = np.nonzero(nearest == station)
            for name, array in values.items():
                array[(days[own] - start)[:, None], *cells] = numbers[name][own, None]
        flipped = {name: array[:, ::-1] for name, array in values.items()}
        return WeatherSeries(
            flipped,
            np.arange(start, stop),
            ys[::-1],
            xs,
            self.grid.crs,
            day_ends_utc_hour=24,
            notes=(f"{self.path.name}: {rows.nameless} rows without a site are left out",) if rows.nameless else (),
            may_lack_days=True,
        )

    def _numbers(self, table: "DataFrame", name: str) -> Floats:
        """(row,) a variable in the cube's unit."""
        canonical = weather_variable(name).units
        unit = dict(self.units).get(name, canonical)
        return convert(numbers_of(table, name, self.path), unit, canonical, f"{self.path}: {name}")

    def _nearest(self, present: set[str]) -> NDArray[np.object_]:
        """(y, x) the station of each weather cell that holds a block, empty for the others. Raises InputError where
        there is none within reach."""
        rows = read_rows(self.stations, SITE, (LONGITUDE, LATITUDE), "weather.stations")
        table, names = rows.table, rows.sites
        known = np.isin(names, list(present))
        if not known.any():
            raise InputError(f"none of the stations in {self.stations} appears in the column {SITE} of {self.path}")
        longitude, latitude = (numbers_of(table, name, self.stations)[known] for name in (LONGITUDE, LATITUDE))
        mask = self.grid.weather_mask()
        lat, lon = (place[mask] for place in self._places())
        km = distances_km(lat, lon, latitude, longitude)
        far = km.min(axis=1) > REACH_KM
        if far.any():
            at = int(np.flatnonzero(far)[0])
            raise InputError(
                f"{self.stations} has no station within {REACH_KM:g} km of {lat[at]:.2f} N, {lon[at]:.2f} E"
            )
        stations = np.full(mask.shape, "", object)
        stations[mask] = names[known][km.argmin(axis=1)]
        return stations

    def _places(self) -> tuple[Floats, Floats]:
        """(y, x) latitude and longitude of each weather cell: of the first site in it, or of its centre."""
        ys, xs = self.grid.weather_coordinates()
        to_degrees = Transformer.from_crs(self.grid.crs, "EPSG:4326", always_xy=True)
        lon, lat = (np.array(axis) for axis in to_degrees.transform(*np.meshgrid(xs, ys)))
        for site in reversed(self.sites):
            row, column = self.grid.block_of_point(site.lon, site.lat)
            middle = (row * self.grid.block + self.grid.block // 2, column * self.grid.block + self.grid.block // 2)
            cell = self.grid.weather_cell_of(*middle)
            lat[cell], lon[cell] = site.lat, site.lon
        return lat, lon
