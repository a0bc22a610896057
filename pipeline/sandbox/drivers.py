"""The effect of the weather on fields: demand for water, wetness of the soil, heat, frost, days of field work."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .climate import day_of_year, reference_evapotranspiration
from .crop_types import COVERS
from .weather import SiteWeather

Array = NDArray[np.float64]


def evapotranspiration(weather: SiteWeather) -> Array:
    """Reference evapotranspiration by day, mm, (days,)."""
    tmin, tmax, radiation, vpd, wind = (weather[name] for name in ("tmin", "tmax", "radiation", "vpd", "wind"))
    return reference_evapotranspiration(tmin, tmax, radiation, vpd, wind, day_of_year(weather.days), weather.latitude)


def surface_wetness(weather: SiteWeather) -> Array:
    """Wetness of the top of the soil at the end of each day, 0 dry to 1, (days,).

    14 mm of rain fill it; it loses 12 % a day and 9 % more for each mm of evaporative demand.
    """
    rain, keep = weather["precipitation"], np.exp(-0.12 - 0.09 * evapotranspiration(weather))
    wetness = np.zeros(len(rain))
    level = 0.5
    for day in range(len(rain)):
        level = min(1.0, level * keep[day] + rain[day] / 14)
        wetness[day] = level
    return wetness


@dataclass(frozen=True)
class Drivers:
    """The effect of the weather on fields; arrays of shape (days,), `heat` (covers, days)."""

    doy: NDArray[np.int64]
    in_season: NDArray[np.bool_]
    """From 1 January of the season's year."""
    rain: Array
    evaporation: Array
    wetness: Array
    ten_days: Array
    """Mean temperature of the last ten days."""
    workable: Array
    """0..1: share of a day of field work that the wet soil allows."""
    heat: Array
    frost: NDArray[np.bool_]
    """A killing frost of autumn."""
    tmin: Array
    tmax: Array

    def on(self, number: int) -> "DayDrivers":
        """The drivers of one day, by its position."""
        return DayDrivers(
            number,
            self.doy[number],
            self.in_season[number],
            self.rain[number],
            self.evaporation[number],
            self.wetness[number],
            self.ten_days[number],
            self.workable[number],
            self.heat[:, number],
            self.frost[number],
            self.tmin[number],
            self.tmax[number],
        )


@dataclass(frozen=True)
class DayDrivers:
    """One day of `Drivers`."""

    number: int
    """days since the first"""
    doy: np.int64
    in_season: np.bool_
    rain: np.float64
    evaporation: np.float64
    wetness: np.float64
    ten_days: np.float64
    workable: np.float64
    heat: Array
    """(covers,)"""
    frost: np.bool_
    tmin: np.float64
    tmax: np.float64


def field_drivers(weather: SiteWeather) -> Drivers:
    """The drivers of every day of `weather`, whose last year is the season's."""
    tmin, tmax = weather["tmin"], weather["tmax"]
    doy, year = day_of_year(weather.days), weather.days.astype("datetime64[Y]")
    in_season = np.asarray(year == year[-1])
    wetness = surface_wetness(weather)
    sums = np.concatenate([[0.0], np.cumsum((tmin + tmax) / 2)])
    last = np.arange(1, len(doy) + 1)
    length = np.minimum(last, 10)
    base = np.array([cover.base for cover in COVERS])[:, None]
    return Drivers(
        doy=doy,
        in_season=in_season,
        rain=weather["precipitation"],
        evaporation=evapotranspiration(weather),
        wetness=wetness,
        ten_days=(sums[last] - sums[last - length]) / length,
        workable=np.clip(1.35 - wetness, 0.0, 1.0),
        heat=(np.clip(tmax, base, 30.0) + np.clip(tmin, base, 30.0)) / 2 - base,
        frost=in_season & (doy > 240) & (tmin < -1.5),
        tmin=tmin,
        tmax=tmax,
    )
