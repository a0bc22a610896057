"""Seasonal statistics of central Iowa, and the formulas between the weather variables.

The table was computed from the daily record of Ames, Iowa (42.0 N), 2010-2019, 3652 days: temperature,
rain and radiation as distributed with the APSIM crop model. A day is wet from 0.3 mm.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.sidecars.weather_changes import daily_saturation, saturation_vapour_pressure

Array = NDArray[np.float64]


def _months(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class Climate:
    """Monthly statistics, each of shape (12,), January first."""

    # fmt: off
    tmean: Array = field(default_factory=lambda: _months(
        -6.29, -4.94, 3.39, 10.41, 16.88, 22.30, 23.86, 22.30, 19.33, 11.99, 3.25, -2.88))
    """Mean of tmin and tmax, degrees Celsius."""
    tmean_daily_sd: Array = field(default_factory=lambda: _months(
        6.55, 5.70, 5.16, 4.82, 4.25, 3.03, 2.59, 2.52, 3.95, 4.21, 4.74, 5.56))
    """Deviation of single days within one month of one year."""
    tmean_yearly_sd: Array = field(default_factory=lambda: _months(
        2.62, 4.15, 3.79, 2.41, 1.77, 0.86, 1.55, 1.02, 1.54, 1.44, 2.98, 2.62))
    """Deviation of the monthly mean between years."""
    wet_share: Array = field(default_factory=lambda: _months(
        0.17, 0.24, 0.23, 0.37, 0.40, 0.36, 0.26, 0.32, 0.32, 0.25, 0.19, 0.17))
    """Share of wet days."""
    wet_after_wet: Array = field(default_factory=lambda: _months(
        0.31, 0.32, 0.39, 0.55, 0.55, 0.47, 0.41, 0.46, 0.53, 0.41, 0.36, 0.33))
    """Probability of a wet day after a wet day."""
    rain_per_wet_day: Array = field(default_factory=lambda: _months(
        3.34, 4.19, 5.85, 8.43, 10.02, 12.96, 11.79, 14.28, 11.69, 9.45, 6.99, 8.19))
    """mm."""
    range_dry: Array = field(default_factory=lambda: _months(
        10.11, 10.82, 12.00, 14.64, 13.67, 11.94, 11.40, 11.77, 13.57, 13.94, 11.26, 9.10))
    """tmax - tmin of dry days, degrees Celsius."""
    range_wet: Array = field(default_factory=lambda: _months(
        7.47, 7.85, 7.44, 9.55, 9.92, 9.97, 10.31, 9.68, 10.93, 10.00, 8.23, 6.28))
    """tmax - tmin of wet days."""
    range_sd: Array = field(default_factory=lambda: _months(
        4.4, 4.0, 4.6, 4.1, 3.2, 2.5, 2.2, 2.4, 3.2, 4.1, 4.2, 3.9))
    """Deviation of tmax - tmin among days of one kind."""
    wet_shift: Array = field(default_factory=lambda: _months(
        -0.37, -0.86, 1.17, -0.52, -1.19, -0.66, 0.60, 0.30, 1.20, 1.53, 1.59, 1.59))
    """Mean temperature of wet days minus that of dry days."""
    clearness_dry: Array = field(default_factory=lambda: _months(
        0.70, 0.72, 0.70, 0.70, 0.73, 0.74, 0.75, 0.73, 0.71, 0.71, 0.72, 0.69))
    """Radiation at the surface over radiation above the atmosphere, dry days."""
    clearness_wet: Array = field(default_factory=lambda: _months(
        0.54, 0.51, 0.49, 0.49, 0.56, 0.63, 0.65, 0.62, 0.55, 0.53, 0.53, 0.42))
    clearness_dry_sd: Array = field(default_factory=lambda: _months(
        0.14, 0.12, 0.14, 0.13, 0.10, 0.09, 0.07, 0.09, 0.12, 0.14, 0.14, 0.14))
    clearness_wet_sd: Array = field(default_factory=lambda: _months(
        0.17, 0.17, 0.19, 0.19, 0.17, 0.13, 0.12, 0.15, 0.19, 0.23, 0.21, 0.19))
    wind: Array = field(default_factory=lambda: _months(
        3.4, 3.4, 3.6, 3.7, 3.3, 2.8, 2.3, 2.2, 2.5, 3.0, 3.4, 3.3))
    """m/s at 2 m. Not in the record: typical airport means of Iowa at 10 m times 0.748."""
    # fmt: on


LATITUDE = 42.0
"""Of the table, degrees north."""


def by_day(monthly: Array, days: NDArray[np.datetime64]) -> Array:
    """Monthly values spread over days: linear between mid-months, around the year. Shape of `days`."""
    mid_months = (np.arange(-1, 13) + 0.5) * 365.25 / 12
    return np.interp(day_of_year(days), mid_months, monthly[np.arange(-1, 13) % 12])


def day_of_year(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """1 on 1 January. Shape of `days` (datetime64[D])."""
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.int64) + 1)


def extraterrestrial_radiation(day: NDArray[np.int64], latitude: Array | float) -> Array:
    """MJ m-2 per day above the atmosphere, of days of the year and degrees north (FAO-56, eqs 21-25)."""
    phi = np.radians(latitude)
    angle = 2 * np.pi * day / 365
    distance = 1 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(-np.tan(phi) * np.tan(declination))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24 * 60 / np.pi * 0.0820 * distance * height)


def reference_evapotranspiration(
    tmin: Array, tmax: Array, radiation: Array, vpd: Array, wind: Array, day: NDArray[np.int64], latitude: float
) -> Array:
    """mm per day of short grass, never negative (Penman-Monteith, FAO-56 eq. 6, sea-level pressure, albedo 0.23).

    `radiation` MJ m-2 per day, `vpd` kPa, `wind` m/s at 2 m; all of shape (days,).
    """
    tmean = (tmin + tmax) / 2
    slope = 4098 * saturation_vapour_pressure(tmean) / (tmean + 237.3) ** 2
    psychrometric = 0.0665
    clear_sky = 0.75 * extraterrestrial_radiation(day, latitude)
    saturated = daily_saturation(tmin, tmax)
    actual = np.maximum(saturated - vpd, 0.01)
    emitted = 4.903e-9 * ((tmin + 273.16) ** 4 + (tmax + 273.16) ** 4) / 2
    cloudiness = 1.35 * np.clip(radiation / clear_sky, 0.25, 1.0) - 0.35
    net = 0.77 * radiation - emitted * (0.34 - 0.14 * np.sqrt(actual)) * cloudiness
    numerator = 0.408 * slope * net + psychrometric * 900 / (tmean + 273) * wind * vpd
    return np.maximum(numerator / (slope + psychrometric * (1 + 0.34 * wind)), 0.0)
