"""Weather stations of meteostat, worldwide, gridded here; no account is needed.

Stations measure no radiation: it is estimated from the range of the temperature, and such days are flagged.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Weather
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.stations import Stations, distances_km, station_fields
from mmvsf.pipeline.layers.weather.units import convert
from mmvsf.pipeline.layers.weather_series import WeatherCells, WeatherSeries
from mmvsf.pipeline.sources.transport.endpoints import public_address
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.progress import report_progress

from .client import meteostat_client, station_series

SOURCE = (
    "weather stations from meteostat.net (among others of NOAA, DWD and ECCC), gridded by inverse distance with a lapse"
    " rate of 6.5 K/km; radiation estimated from the temperature range (Hargreaves and Samani, FAO-56 eq. 50)"
)
AT_ELEVATION = "temperatures brought to the mean elevation of each cell's ground (static/elevation)"
LICENCE = "by the weather service of each station, see https://dev.meteostat.net; NOAA: CC0, DWD: CC BY 4.0"

RETRY_POLICY = RetryPolicy()
STEP = 0.1
"""Degrees between the points of the grid that stations are brought to; they are much farther apart."""
REACH_KM = 80.0
"""How far beyond the region's rectangle stations are taken from."""
MOST_STATIONS = 60
"""If there are more, those are taken that cover the area most evenly."""
FEWEST_STATIONS = 3
"""Fewer with temperatures, or with precipitation, give no field."""
LEAST_SHARE = 0.5
"""A station with values on a smaller share of the days is left out: its effect on the field would come and go."""


@dataclass(frozen=True)
class Need:
    """What a variable is made from, as meteostat's parameters."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    """used where stations measure them"""
    fewest: int = FEWEST_STATIONS
    """stations that must measure all that is required"""


NEEDS: dict[str, Need] = {
    "tmin": Need(("tmin", "tmax")),
    "tmax": Need(("tmin", "tmax")),
    "precipitation": Need(("prcp",)),
    "radiation": Need(("tmin", "tmax")),
    "vpd": Need(("tmin", "tmax"), ("rhum",)),
    "wind": Need(("wspd",), fewest=1),
    "relative_humidity": Need(("rhum",)),
    # The temperature brings it from sea level to the surface.
    "pressure": Need(("pres", "tmin", "tmax")),
}
"""canonical name -> what it needs. Stations measure no soil moisture, and of snow only the depth, whose density and so
water equivalent is unknown."""

PARAMETERS = ("tmin", "tmax", "prcp", "rhum", "wspd", "pres")
"""all of meteostat's parameters that are used"""

Floats = NDArray[np.float64]


@register_source("meteostat")
@dataclass(frozen=True)
class MeteostatStations(WeatherSource):
    """A `WeatherSource` over a rectangle."""

    uses_elevation: ClassVar[bool] = True
    depends_on_period: ClassVar[bool] = True
    bounds: tuple[float, float, float, float]
    """west, south, east, north in degrees"""
    cache: Path
    """folder of the downloaded files"""
    retry_policy: RetryPolicy = RETRY_POLICY
    cells: WeatherCells | None = None
    """points of known elevation to interpolate to, instead of a grid of STEP degrees"""

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.weather_bounds, site.cache("meteostat"))

    def at_cells(self, cells: WeatherCells) -> Self:
        """See `WeatherSource`."""
        return replace(self, cells=cells)

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        source = SOURCE if self.cells is None else f"{SOURCE}; {AT_ELEVATION}"
        return Origin("meteostat", public_address("meteostat"), source=source, licence=LICENCE)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError where too few stations measure something, IncompleteError if a file
        of a station cannot be had; what was fetched until then is kept."""
        if lacking := [name for name in variables if name not in NEEDS]:
            raise InputError(
                f"meteostat has no {' and no '.join(lacking)}; leave it out of weather.variables, or take another"
                " weather source, such as era5-land"
            )
        needs = [NEEDS[name] for name in variables]
        parameters = tuple(dict.fromkeys(p for need in needs for p in (*need.required, *need.optional)))
        with meteostat_client(self.cache, self.retry_policy) as client:
            stations = _stations(client, self.bounds, first, last)
            series = []
            for name in stations.index:
                series.append(station_series(client, stations, str(name), first, last, parameters, self.retry_policy))
                report_progress("weather, stations of meteostat", len(series), len(stations))
        days = pd.date_range(first, last)
        measured = {parameter: _matrix(series, parameter, days) for parameter in PARAMETERS}
        _refuse_too_few(measured, variables)
        cells = self.cells or _regular(self.bounds)
        y, x = (axis[cells.wanted] for axis in np.meshgrid(cells.y, cells.x, indexing="ij"))
        lon, lat = Transformer.from_crs(cells.crs, "EPSG:4326", always_xy=True).transform(x, y)
        fields, flag = station_fields(
            _stations_of(measured, stations, days), lat, lon, variables, cells.elevation[cells.wanted]
        )

        def spread(field: Floats) -> NDArray[np.float32]:
            values = np.full((len(days), *cells.wanted.shape), np.nan, np.float32)
            values[:, cells.wanted] = field
            return values

        return WeatherSeries(
            {name: spread(field) for name, field in fields.items()},
            days.values.astype("datetime64[D]").astype(np.int64),
            cells.y,
            cells.x,
            cells.crs,
            _day_ends(stations),
            flag,
        )


def _stations(client: ModuleType, bounds: tuple[float, float, float, float], first: date, last: date) -> pd.DataFrame:
    """Stations around the rectangle that report in the period, by id. Raises InputError if there are too few."""
    west, south, east, north = bounds
    lat, lon = np.array([(south + north) / 2]), np.array([((west + east) / 2 + 180) % 360 - 180])
    radius = float(distances_km(lat, lon, np.array([south, north]), np.array([west, west])).max()) + REACH_KM
    near = client.stations.nearby(client.Point(float(lat[0]), float(lon[0])), radius=radius * 1000, limit=5000)
    reports = client.stations.inventory(list(near.index)).df if len(near) else None
    if reports is not None:
        rows = reports.reset_index()
        in_time = (rows["start"] <= str(last)) & (rows["end"] >= str(first))
        near = near[near.index.isin(rows.loc[in_time, "station"])]
    if len(near) < FEWEST_STATIONS:
        raise InputError(
            f"meteostat knows {len(near)} stations within {radius:.0f} km of {lat[0]:.2f} N, {lon[0]:.2f} E that report"
            f" between {first} and {last}, at least {FEWEST_STATIONS} are needed; take another weather source, such as"
            " era5-land"
        )
    chosen = near.iloc[_evenly(near["latitude"].to_numpy(float), near["longitude"].to_numpy(float), MOST_STATIONS)]
    result: pd.DataFrame = chosen.sort_index()
    return result


def _evenly(lat: Floats, lon: Floats, count: int) -> list[int]:
    """Positions of `count` places, the first and then always the one farthest from those already chosen."""
    if lat.size <= count:
        return list(range(lat.size))
    chosen, distance = [0], np.full(lat.size, np.inf)
    while len(chosen) < count:
        at = slice(chosen[-1], chosen[-1] + 1)
        distance = np.minimum(distance, distances_km(lat[at], lon[at], lat, lon)[0])
        chosen.append(int(distance.argmax()))
    return chosen


def _matrix(series: list[pd.DataFrame], parameter: str, days: pd.DatetimeIndex) -> Floats:
    """(day, station) of a parameter in meteostat's unit, NaN where there is no value. A station with too few days is
    left out altogether."""
    nothing = np.full(len(days), np.nan)
    columns = [
        table[parameter].reindex(days).to_numpy(float) if parameter in table else nothing.copy() for table in series
    ]
    values = np.stack(columns, axis=1)
    values[:, (~np.isnan(values)).mean(axis=0) < LEAST_SHARE] = np.nan
    return values


def _stations_of(measured: dict[str, Floats], stations: pd.DataFrame, days: pd.DatetimeIndex) -> Stations:
    """The measurements in the units of `Stations`."""
    return Stations(
        stations["latitude"].to_numpy(float),
        stations["longitude"].to_numpy(float),
        stations["elevation"].to_numpy(float),
        days.day_of_year.to_numpy(float),
        measured["tmin"],
        measured["tmax"],
        measured["prcp"],
        measured["rhum"],
        convert(measured["wspd"], "km/h", "m s-1", "meteostat, wspd"),
        convert(measured["pres"], "hPa", "kPa", "meteostat, pres"),
    )


def _refuse_too_few(measured: dict[str, Floats], variables: tuple[str, ...]) -> None:
    """Raise InputError where too few stations measure what a variable needs."""
    for name in variables:
        need = NEEDS[name]
        values = np.sum([measured[parameter] for parameter in need.required], axis=0)
        count = int((~np.isnan(values)).any(axis=0).sum())
        if count < need.fewest:
            raise InputError(
                f"meteostat: of {values.shape[1]} stations around the region {count} measured what '{name}' needs on at"
                f" least {LEAST_SHARE:.0%} of the days, {need.fewest} are needed; leave it out of weather.variables, or"
                " take another weather source, such as era5-land"
            )


def _regular(bounds: tuple[float, float, float, float]) -> WeatherCells:
    """A grid of STEP degrees over a rectangle, of unknown elevation."""
    west, south, east, north = bounds
    y, x = _axis(south, north), _axis(west, east)
    return WeatherCells("EPSG:4326", y, x, np.ones((y.size, x.size), bool), np.full((y.size, x.size), np.nan))


def _axis(low: float, high: float) -> Floats:
    """Round degrees that hold an interval, with a step to spare on either side."""
    return np.arange(np.floor(low / STEP) - 1, np.ceil(high / STEP) + 2) * STEP


def _day_ends(stations: pd.DataFrame) -> float:
    """Hour (UTC) at which the days of most stations end: midnight of their standard time."""
    hours = []
    for zone, lon in zip(stations["timezone"], stations["longitude"], strict=True):
        try:
            new_year = datetime(2001, 1, 1, tzinfo=ZoneInfo(zone))
            offset = (new_year.utcoffset() or timedelta()) - (new_year.dst() or timedelta())
            hours.append(offset.total_seconds() / 3600)
        except (ZoneInfoNotFoundError, TypeError, ValueError):
            hours.append(round(lon / 15))
    values, counts = np.unique(hours, return_counts=True)
    return float((24 - values[counts.argmax()]) % 24)
