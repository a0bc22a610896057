"""ERA5-Land: hourly weather on a grid of 0.1 degrees, the whole world's land from 1950 on, summed up to days here.

The ECMWF data stores serve it as Zarr stores (ARCO), to whoever has a free token; accumulated variables hold the sum of
the hour that ends at their time. One chunk holds 33,792 hours of 4 x 8 cells. doi:10.24381/cds.e2161bac. A day is one
of UTC: states are those of its hours 0 to 23, sums those of the hours that end at 1 to 24.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.weather.units import (
    WIND_10M_TO_2M,
    relative_humidity,
    saturation_pressure,
    vapour_pressure_deficit,
)
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.transport.http import Bearer

from . import token
from .data_store import DataStoreWeather
from .days import hours_of, provisional_flags
from .formulas import Floats, Formula, computed, inputs_of
from .store import WebStore
from .window import LonLatWindow

SERVICE = "ERA5-Land"
DATASET = "reanalysis-era5-land"
SOURCE = (
    "ERA5-Land (Muñoz Sabater 2019, Copernicus Climate Change Service, doi:10.24381/cds.e2161bac), from the ECMWF data"
    " stores; contains modified Copernicus Climate Change Service information"
)
HOURS = 24
NUMBERS_AT_ONCE = 25_000_000
"""Hours x cells that are read at a time: 200 MB."""
MOST_NUMBERS = 100_000_000
"""Days x cells x inputs of one request of the recipe: 800 MB in memory."""

STORES: dict[str, str] = {
    "temperature": "cadl-arco-geo-007/arco/reanalysis_era5_land/sfc-2m-temperature/geoChunked.zarr",
    "wind": "cadl-arco-geo-008/arco/reanalysis_era5_land/sfc-wind/geoChunked.zarr",
    "water": "cadl-arco-geo-009/arco/reanalysis_era5_land/sfc-pressure-precipitation/geoChunked.zarr",
    "radiation": "cadl-arco-geo-010/arco/reanalysis_era5_land/sfc-radiation-heat/geoChunked.zarr",
    "soil": "cadl-arco-geo-005/arco/reanalysis_era5_land/sfc-soil-water/geoChunked.zarr",
}
"""short name -> path of the store"""


class Daily(NamedTuple):
    """A daily value of hourly variables of one store."""

    store: str
    """a key of `STORES`"""
    hourly: tuple[str, ...]
    units: str
    """the canonical unit that they are converted to"""
    over_day: Callable[..., Floats]
    """takes the variables, each (day, hour, y, x)"""
    accumulated: bool = False


DAILY: dict[str, Daily] = {
    "t2m min": Daily("temperature", ("t2m",), "degree_Celsius", lambda hours: hours.min(axis=1)),
    "t2m max": Daily("temperature", ("t2m",), "degree_Celsius", lambda hours: hours.max(axis=1)),
    "t2m mean": Daily("temperature", ("t2m",), "degree_Celsius", lambda hours: hours.mean(axis=1)),
    "d2m mean": Daily("temperature", ("d2m",), "degree_Celsius", lambda hours: hours.mean(axis=1)),
    "wind mean": Daily("wind", ("u10", "v10"), "m s-1", lambda u, v: np.hypot(u, v).mean(axis=1)),
    "tp sum": Daily("water", ("tp",), "mm", lambda hours: np.maximum(hours.sum(axis=1), 0.0), accumulated=True),
    "ssrd sum": Daily("radiation", ("ssrd",), "MJ m-2", lambda hours: np.maximum(hours.sum(axis=1), 0.0), True),
    "sp mean": Daily("water", ("sp",), "kPa", lambda hours: hours.mean(axis=1)),
    "swvl1 mean": Daily("soil", ("swvl1",), "m3 m-3", lambda hours: hours.mean(axis=1)),
}
"""Sums may fall a little below zero: they are differences of packed numbers."""

FORMULAS: dict[str, Formula] = {
    "tmin": Formula(("t2m min",)),
    "tmax": Formula(("t2m max",)),
    "precipitation": Formula(("tp sum",)),
    "radiation": Formula(("ssrd sum",)),
    "vpd": Formula(
        ("t2m min", "t2m max", "d2m mean"),
        lambda tmin, tmax, dew: vapour_pressure_deficit(tmin, tmax, saturation_pressure(dew)),
    ),
    "wind": Formula(("wind mean",), lambda at_ten: at_ten * WIND_10M_TO_2M),
    "relative_humidity": Formula(
        ("t2m mean", "d2m mean"), lambda mean, dew: relative_humidity(saturation_pressure(dew), mean)
    ),
    "pressure": Formula(("sp mean",)),
    "soil_moisture": Formula(("swvl1 mean",)),
}


@register_source("era5-land")
@dataclass(frozen=True)
class Era5Land(DataStoreWeather):
    """ERA5-Land over a rectangle."""

    name: ClassVar[str] = "era5-land"
    dataset: ClassVar[str] = DATASET
    source: ClassVar[str] = SOURCE

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError without a token that is accepted, and for too large an area."""
        names = inputs_of(FORMULAS, variables, SERVICE)
        days = np.arange(day_number(first), day_number(last) + 1)
        stores = _Stores(self, token.bearer(self.url))
        window = stores.open(DAILY[names[0]].store).window
        if days.size * window.cells * len(names) > MOST_NUMBERS:
            raise InputError(
                f"{SERVICE} over the whole area is {window.cells} cells a day; take a coarser weather source (power), a"
                " shorter period or a smaller area"
            )
        daily = {name: stores.read(DAILY[name], days) for name in names}
        if all(np.isnan(values).all() for values in daily.values()):
            raise InputError(
                f"{SERVICE} has no value over this region between {first} and {last}; check the period and the area"
            )
        values = computed(FORMULAS, variables, daily)
        return WeatherSeries(values, days, window.y, window.x, "EPSG:4326", HOURS, provisional_flags(days))


class _Opened(NamedTuple):
    store: WebStore
    dataset: xr.Dataset
    hours: NDArray[np.int64]
    window: LonLatWindow


@dataclass
class _Stores:
    """The stores of one fetch, each opened when it is first needed."""

    source: Era5Land
    auth: Bearer
    opened: dict[str, _Opened] = field(default_factory=dict)

    def open(self, name: str) -> _Opened:
        if name not in self.opened:
            source, refused = self.source, token.refused(DATASET)
            url = f"{source.url}/{STORES[name]}"
            store = WebStore(SERVICE, url, source.cache / name, self.auth, refused, source.retry_policy)
            dataset = store.open()
            window = LonLatWindow.over(dataset, source.bounds, SERVICE)
            self.opened[name] = _Opened(store, dataset, hours_of(dataset, SERVICE), window)
        return self.opened[name]

    def read(self, daily: Daily, days: NDArray[np.int64]) -> Floats:
        """(day, y, x) of a daily value; NaN on days of which the store lacks an hour."""
        opened = self.open(daily.store)
        parts = []
        for some in _slabs(days, opened.window.cells):
            first = int(some[0]) * HOURS + (1 if daily.accumulated else 0)
            hourly = (_hours(opened, name, daily.units, first, some.size * HOURS) for name in daily.hourly)
            shape = (some.size, HOURS, opened.window.y.size, opened.window.x.size)
            parts.append(daily.over_day(*(values.reshape(shape) for values in hourly)))
        return np.concatenate(parts)


def _slabs(days: NDArray[np.int64], cells: int) -> Iterator[NDArray[np.int64]]:
    """The days in parts whose hours fit into memory."""
    size = max(NUMBERS_AT_ONCE // (HOURS * cells), 1)
    yield from (days[start : start + size] for start in range(0, days.size, size))


def _hours(opened: _Opened, name: str, units: str, first: int, count: int) -> Floats:
    """(hour, y, x) of so many hours from the first on, in hours since 1970-01-01; NaN beyond the store's axis."""
    values = np.full((count, opened.window.y.size, opened.window.x.size), np.nan)
    start, stop = np.searchsorted(opened.hours, (first, first + count))
    if start < stop:
        offset = int(opened.hours[start]) - first
        with opened.store.reading(name):
            part = opened.window.read(opened.dataset, name, slice(int(start), int(stop)), units, SERVICE)
        values[offset : offset + part.shape[0]] = part
    return values
