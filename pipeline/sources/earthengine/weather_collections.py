"""The weather collections of Earth Engine: gridMET, Daymet and ERA5-Land, and how variables follow from their bands.

Units are those of Earth Engine's catalogue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.pipeline.layers.weather.units import (
    KELVIN_OFFSET,
    SECONDS_PER_DAY,
    WIND_10M_TO_2M,
    relative_humidity,
    saturation_pressure,
    vapour_pressure_deficit,
)

Bands = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class WeatherCollection:
    """A collection, and how each of the cube's variables follows from its bands."""

    id: str
    source: str
    licence: str
    formulas: dict[str, tuple[tuple[str, ...], Callable[[Bands], NDArray[np.float64]]]]
    """variable -> (bands, the variable from those bands)"""
    day_ends_utc_hour: float | None
    """None: the day is that of the local sun"""
    dropped_leap_day: tuple[int, int] | None = None
    """month and day that leap years lack, where the year always has 365 days"""
    has_status: bool = False
    """True where the property `status` of images says whether their values are final (`permanent`)"""


DEFAULT_COLLECTION = "era5-land"
"""It covers the world."""

COLLECTIONS: dict[str, WeatherCollection] = {
    "gridmet": WeatherCollection(
        "IDAHO_EPSCOR/GRIDMET",
        "gridMET (Abatzoglou 2013), through Earth Engine",
        "public domain (CC0)",
        {
            "tmin": (("tmmn",), lambda b: b["tmmn"] - KELVIN_OFFSET),
            "tmax": (("tmmx",), lambda b: b["tmmx"] - KELVIN_OFFSET),
            "precipitation": (("pr",), lambda b: b["pr"]),
            # srad is the mean over 24 hours, W m-2
            "radiation": (("srad",), lambda b: b["srad"] * SECONDS_PER_DAY * 1e-6),
            "vpd": (("vpd",), lambda b: b["vpd"]),
            "wind": (("vs",), lambda b: b["vs"] * WIND_10M_TO_2M),
            "relative_humidity": (("rmin", "rmax"), lambda b: (b["rmin"] + b["rmax"]) / 2),
        },
        day_ends_utc_hour=7,
        has_status=True,
    ),
    "daymet": WeatherCollection(
        "NASA/ORNL/DAYMET_V4",
        "Daymet version 4 (Thornton et al. 2022, doi:10.3334/ORNLDAAC/2129), through Earth Engine",
        "NASA open data",
        {
            "tmin": (("tmin",), lambda b: b["tmin"]),
            "tmax": (("tmax",), lambda b: b["tmax"]),
            "precipitation": (("prcp",), lambda b: b["prcp"]),
            # srad is the mean over the daylight hours, W m-2; dayl their length in seconds
            "radiation": (("srad", "dayl"), lambda b: b["srad"] * b["dayl"] * 1e-6),
            # vp is the mean vapour pressure in Pa
            "vpd": (
                ("tmin", "tmax", "vp"),
                lambda b: vapour_pressure_deficit(b["tmin"], b["tmax"], b["vp"] * 1e-3),
            ),
            "relative_humidity": (
                ("tmin", "tmax", "vp"),
                lambda b: relative_humidity(b["vp"] * 1e-3, b["tmin"], b["tmax"]),
            ),
            # kg m-2
            "snow": (("swe",), lambda b: b["swe"]),
        },
        day_ends_utc_hour=None,
        dropped_leap_day=(12, 31),
    ),
    "era5-land": WeatherCollection(
        "ECMWF/ERA5_LAND/DAILY_AGGR",
        "ERA5-Land daily aggregates (Muñoz Sabater 2019, Copernicus Climate Change Service), through Earth Engine",
        "Copernicus licence: free use with attribution",
        {
            "tmin": (("temperature_2m_min",), lambda b: b["temperature_2m_min"] - KELVIN_OFFSET),
            "tmax": (("temperature_2m_max",), lambda b: b["temperature_2m_max"] - KELVIN_OFFSET),
            # metres; sums of differences of forecasts may fall a little below zero
            "precipitation": (
                ("total_precipitation_sum",),
                lambda b: np.maximum(b["total_precipitation_sum"] * 1000.0, 0.0),
            ),
            # J m-2
            "radiation": (
                ("surface_solar_radiation_downwards_sum",),
                lambda b: np.maximum(b["surface_solar_radiation_downwards_sum"] * 1e-6, 0.0),
            ),
            "vpd": (
                ("temperature_2m_min", "temperature_2m_max", "dewpoint_temperature_2m"),
                lambda b: vapour_pressure_deficit(
                    b["temperature_2m_min"] - KELVIN_OFFSET,
                    b["temperature_2m_max"] - KELVIN_OFFSET,
                    saturation_pressure(b["dewpoint_temperature_2m"] - KELVIN_OFFSET),
                ),
            ),
            # the speed of the mean wind vector, which is below the mean speed where the wind turns
            "wind": (
                ("u_component_of_wind_10m", "v_component_of_wind_10m"),
                lambda b: np.hypot(b["u_component_of_wind_10m"], b["v_component_of_wind_10m"]) * WIND_10M_TO_2M,
            ),
            "relative_humidity": (
                ("temperature_2m", "dewpoint_temperature_2m"),
                lambda b: relative_humidity(
                    saturation_pressure(b["dewpoint_temperature_2m"] - KELVIN_OFFSET),
                    b["temperature_2m"] - KELVIN_OFFSET,
                ),
            ),
            # Pa
            "pressure": (("surface_pressure",), lambda b: b["surface_pressure"] * 1e-3),
            # layer 1 is 0 to 7 cm deep
            "soil_moisture": (("volumetric_soil_water_layer_1",), lambda b: b["volumetric_soil_water_layer_1"]),
            # metres
            "snow": (
                ("snow_depth_water_equivalent",),
                lambda b: np.maximum(b["snow_depth_water_equivalent"] * 1000.0, 0.0),
            ),
        },
        day_ends_utc_hour=24,
    ),
}
