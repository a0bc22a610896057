"""NASA POWER: daily weather of the whole world from 1981 to a few days ago, from Zarr stores that anyone may read.

Meteorology is MERRA-2 (0.5 x 0.625 degrees), with GEOS-IT, on the same grid, for the last weeks; radiation is CERES
SYN1deg (1 degree), with SRB before 2001 and FLASHFlux for the last months. Days are those of the local sun. One chunk
of a store holds 16 years of 15 x 15 cells.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Bounds, Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.units import saturation_pressure, vapour_pressure_deficit
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from .days import days_of
from .formulas import Floats, Formula, computed, inputs_of
from .store import RETRY_POLICY, WebStore
from .window import LonLatWindow, local_midnight

SERVICE = "NASA POWER"
SOURCE = (
    "NASA POWER (MERRA-2, GEOS-IT, CERES SYN1deg, SRB and FLASHFlux): data obtained from the NASA Langley Research"
    " Center POWER Project, funded through the NASA Earth Science Applied Science Program"
)
LICENCE = "CC-BY-4.0"
FIRST_DAY = date(1981, 1, 1)


class Product(NamedTuple):
    """One store of the bucket."""

    name: str
    provisional: bool
    """whether its days are replaced by those of the product before it"""

    @property
    def path(self) -> str:
        """Of its daily store with days of the local sun, in chunks that are long in time."""
        return f"{self.name}/temporal/power_{self.name}_daily_temporal_lst.zarr"


METEOROLOGY = (Product("merra2", False), Product("geosit", True))
RADIATION = (Product("syn1deg", False), Product("srb", False), Product("flashflux", True))
"""The first that has a day is taken."""


class Input(NamedTuple):
    """A variable of the stores."""

    units: str
    """the canonical unit it is converted to"""
    products: tuple[Product, ...] = METEOROLOGY


INPUTS: dict[str, Input] = {
    "T2M_MIN": Input("degree_Celsius"),
    "T2M_MAX": Input("degree_Celsius"),
    "T2MDEW": Input("degree_Celsius"),
    "PRECTOTCORR": Input("mm"),
    "WS2M": Input("m s-1"),
    "RH2M": Input("%"),
    "PS": Input("kPa"),
    "ALLSKY_SFC_SW_DWN": Input("MJ m-2", RADIATION),
}

FORMULAS: dict[str, Formula] = {
    "tmin": Formula(("T2M_MIN",)),
    "tmax": Formula(("T2M_MAX",)),
    "precipitation": Formula(("PRECTOTCORR",)),
    "radiation": Formula(("ALLSKY_SFC_SW_DWN",)),
    "vpd": Formula(
        ("T2M_MIN", "T2M_MAX", "T2MDEW"),
        lambda tmin, tmax, dew: vapour_pressure_deficit(tmin, tmax, saturation_pressure(dew)),
    ),
    "wind": Formula(("WS2M",)),
    "relative_humidity": Formula(("RH2M",)),
    "pressure": Formula(("PS",)),
}


@register_source("power")
@dataclass(frozen=True)
class Power(WeatherSource):
    """NASA POWER over a rectangle."""

    bounds: Bounds
    """west, south, east, north in degrees"""
    cache: Path
    """folder of the fetched chunks"""
    url: str = ENDPOINTS["power"].url
    retry_policy: RetryPolicy = RETRY_POLICY

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.weather_bounds, site.cache("power"), address("power"))

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        return Origin("power", plain_url(self.url), source=SOURCE, licence=LICENCE)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. On the grid of the meteorology, to which radiation is interpolated."""
        inputs = inputs_of(FORMULAS, variables, SERVICE)
        if first < FIRST_DAY:
            raise InputError(f"{SERVICE} begins on {FIRST_DAY}, but weather is needed from {first} on")
        days = np.arange(day_number(first), day_number(last) + 1)
        stores = _Stores(self)
        window = stores.open(METEOROLOGY[0]).window
        flag = np.full(days.size, WeatherFlag.OBSERVED, np.uint8)
        daily = {}
        for name in inputs:
            daily[name], provisional = stores.read(name, days, window)
            flag[provisional] = WeatherFlag.PROVISIONAL
        values = computed(FORMULAS, variables, daily)
        return WeatherSeries(values, days, window.y, window.x, "EPSG:4326", local_midnight(self.bounds), flag)


class _Opened(NamedTuple):
    store: WebStore
    dataset: xr.Dataset
    days: NDArray[np.int64]
    window: LonLatWindow


@dataclass
class _Stores:
    """The stores of one fetch, each opened when it is first needed."""

    source: Power
    opened: dict[Product, _Opened] = field(default_factory=dict)

    def open(self, product: Product) -> _Opened:
        if product not in self.opened:
            source = self.source
            store = WebStore(SERVICE, f"{source.url}/{product.path}", source.cache, retry_policy=source.retry_policy)
            dataset = store.open()
            window = LonLatWindow.over(dataset, source.bounds, SERVICE)
            self.opened[product] = _Opened(store, dataset, days_of(dataset, SERVICE), window)
        return self.opened[product]

    def read(self, name: str, days: NDArray[np.int64], window: LonLatWindow) -> tuple[Floats, NDArray[np.bool_]]:
        """((day, y, x) of a variable on a window's cells, which days are provisional): each day from the first product
        that has it, NaN where none has."""
        values = np.full((days.size, window.y.size, window.x.size), np.nan)
        provisional = np.zeros(days.size, bool)
        for product in INPUTS[name].products:
            missing = np.isnan(values).all(axis=(1, 2))
            for position, part in self._days(name, product, days[missing], window):
                values[position - days[0]] = part
                provisional[position - days[0]] = product.provisional & ~np.isnan(part).all(axis=(1, 2))
        return values, provisional

    def _days(
        self, name: str, product: Product, days: NDArray[np.int64], window: LonLatWindow
    ) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """(days, (day, y, x) of a variable) of what a product's axis holds of some days; nothing where that is none."""
        if not days.size:
            return
        opened = self.open(product)
        start, stop = np.searchsorted(opened.days, (days[0], days[-1] + 1))
        if start == stop:
            return
        with opened.store.reading(name):
            steps = slice(int(start), int(stop))
            values = opened.window.read(opened.dataset, name, steps, INPUTS[name].units, SERVICE)
        wanted = np.isin(opened.days[start:stop], days)
        yield opened.days[start:stop][wanted], _on_cells(values[wanted], opened.window, window)


def _on_cells(values: Floats, given: LonLatWindow, wanted: LonLatWindow) -> Floats:
    """(day, y, x) of one window, interpolated to the cells of another."""
    if np.array_equal(given.y, wanted.y) and np.array_equal(given.x, wanted.x):
        return values
    # At 180 degrees the longitudes of two grids may be counted in different turns.
    x = given.x + 360 * np.rint((wanted.x.mean() - given.x.mean()) / 360)
    array = xr.DataArray(values, {"lat": given.y, "lon": x}, ("time", "lat", "lon"))
    return np.asarray(array.interp(lat=wanted.y, lon=wanted.x).values)
