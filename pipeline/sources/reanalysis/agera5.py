"""AgERA5: daily weather for agriculture from ERA5 on a grid of 0.1 degrees, the whole world's land from 1979 on.

The ECMWF data stores serve version 2.0 as a Zarr store (ARCO), to whoever has a free token. Days are those of local
time. One chunk holds 2,112 days of 16 x 32 cells. doi:10.24381/cds.6c68c9bb.
"""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.weather.units import WIND_10M_TO_2M, vapour_pressure_deficit
from mmvsf.pipeline.layers.weather_series import WeatherSeries

from . import token
from .data_store import DataStoreWeather
from .days import days_of, provisional_flags
from .formulas import Formula, computed, inputs_of
from .store import WebStore
from .window import LonLatWindow, local_midnight

SERVICE = "AgERA5"
PATH = "cadl-arco-geo-001/arco/sis_agrometeorological_indicators/all/geoChunked.zarr"
DATASET = "sis-agrometeorological-indicators"
SOURCE = (
    "AgERA5 version 2.0 (Boogaard et al. 2020, Copernicus Climate Change Service, doi:10.24381/cds.6c68c9bb), from the"
    " ECMWF data stores; contains modified Copernicus Climate Change Service information"
)

UNITS: dict[str, str] = {
    "Temperature_Air_2m_Min_24h": "degree_Celsius",
    "Temperature_Air_2m_Max_24h": "degree_Celsius",
    "Precipitation_Flux": "mm",
    "Solar_Radiation_Flux": "MJ m-2",
    "Vapour_Pressure_Mean_24h": "kPa",
    "Wind_Speed_10m_Mean_24h": "m s-1",
    "Derived_Relative_Humidity_2m_Min_24h": "%",
    "Derived_Relative_Humidity_2m_Max_24h": "%",
    "Snow_Thickness_LWE_Mean_24h": "mm",
}
"""variable of the store -> the canonical unit it is converted to"""

FORMULAS: dict[str, Formula] = {
    "tmin": Formula(("Temperature_Air_2m_Min_24h",)),
    "tmax": Formula(("Temperature_Air_2m_Max_24h",)),
    "precipitation": Formula(("Precipitation_Flux",)),
    "radiation": Formula(("Solar_Radiation_Flux",)),
    "vpd": Formula(
        ("Temperature_Air_2m_Min_24h", "Temperature_Air_2m_Max_24h", "Vapour_Pressure_Mean_24h"),
        vapour_pressure_deficit,
    ),
    "wind": Formula(("Wind_Speed_10m_Mean_24h",), lambda at_ten: at_ten * WIND_10M_TO_2M),
    "relative_humidity": Formula(
        ("Derived_Relative_Humidity_2m_Min_24h", "Derived_Relative_Humidity_2m_Max_24h"),
        lambda lowest, highest: (lowest + highest) / 2,
    ),
    "snow": Formula(("Snow_Thickness_LWE_Mean_24h",)),
}


@register_source("agera5")
@dataclass(frozen=True)
class AgEra5(DataStoreWeather):
    """AgERA5 over a rectangle."""

    name: ClassVar[str] = "agera5"
    dataset: ClassVar[str] = DATASET
    source: ClassVar[str] = SOURCE

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError without a token that is accepted."""
        inputs = inputs_of(FORMULAS, variables, SERVICE)
        store = WebStore(
            SERVICE,
            f"{self.url}/{PATH}",
            self.cache,
            token.bearer(self.url),
            token.refused(DATASET),
            self.retry_policy,
        )
        dataset = store.open()
        window = LonLatWindow.over(dataset, self.bounds, SERVICE)
        axis = days_of(dataset, SERVICE)
        start, stop = np.searchsorted(axis, (day_number(first), day_number(last) + 1))
        if start == stop:
            raise InputError(f"{SERVICE} has no day between {first} and {last}; check the period")
        daily = {}
        for name in inputs:
            with store.reading(name):
                daily[name] = window.read(dataset, name, slice(int(start), int(stop)), UNITS[name], SERVICE)
        days = axis[start:stop]
        return WeatherSeries(
            computed(FORMULAS, variables, daily),
            days,
            window.y,
            window.x,
            "EPSG:4326",
            local_midnight(self.bounds),
            provisional_flags(days),
        )
