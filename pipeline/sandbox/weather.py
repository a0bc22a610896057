"""The weather of a site: the values of the delivered grid of 0.25 degrees at its centre."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from .climate import day_of_year

Array = NDArray[np.float64]

VARIABLES = {
    "tmin": ("degree_Celsius", "daily minimum air temperature"),
    "tmax": ("degree_Celsius", "daily maximum air temperature"),
    "precipitation": ("mm", "daily precipitation"),
    "radiation": ("MJ m-2", "daily sum of shortwave radiation"),
    "vpd": ("kPa", "daily mean vapour pressure deficit"),
    "wind": ("m s-1", "daily mean wind speed at 2 m"),
}
"""Name -> (unit, long name), in the order of the last axis of `SiteWeather.values`."""

CELL = 0.25
"""degrees"""
LATITUDES = np.arange(38.5, 45.51, CELL)
LONGITUDES = np.arange(-98.0, -94.99, CELL)


@dataclass(frozen=True)
class SiteWeather:
    """The weather of one point."""

    days: NDArray[np.datetime64]
    """datetime64[D], consecutive, shape (days,)."""
    values: Array
    """Shape (days, 6), the variables and units of `VARIABLES`."""
    latitude: float

    def __getitem__(self, variable: str) -> Array:
        column: Array = self.values[:, list(VARIABLES).index(variable)]
        return column

    def between(self, first: np.datetime64, last: np.datetime64) -> "SiteWeather":
        """The days from `first` to `last`, both included. Raises ValueError if some are missing."""
        start, stop = int((first - self.days[0]).astype(int)), int((last - self.days[0]).astype(int)) + 1
        if start < 0 or stop > len(self.days):
            raise ValueError(f"weather from {self.days[0]} to {self.days[-1]} does not include {first} to {last}")
        return SiteWeather(self.days[start:stop], self.values[start:stop], self.latitude)

    def climatology(self) -> "SiteWeather":
        """The same days with the mean of this series by day of the year, smoothed (Gaussian, 10 days)."""
        day = np.minimum(day_of_year(self.days), 365) - 1
        count = np.bincount(day, minlength=365)
        sums = np.stack([np.bincount(day, column, minlength=365) for column in self.values.T], axis=1)
        smooth = gaussian_filter1d(sums, 10, axis=0, mode="wrap")
        smooth /= gaussian_filter1d(count.astype(np.float64), 10, mode="wrap")[:, None]
        return SiteWeather(self.days, smooth[day], self.latitude)

    def as_in(self, year: int, other: int) -> "SiteWeather":
        """The same days with the values of the season `other` in the season `year` (1 October before to 31 October), by
        day of the calendar year; the nearest day where the series does not reach."""
        calendar_years = self.days.astype("datetime64[Y]")
        day = np.minimum((self.days - calendar_years.astype("datetime64[D]")).astype(int), 364)
        other_days = (calendar_years + np.timedelta64(other - year, "Y")).astype("datetime64[D]") + day
        rows = (other_days - self.days[0]).astype(int).clip(0, len(self.days) - 1)
        return SiteWeather(self.days, self.values[rows], self.latitude)

    def until(self, day: np.datetime64, then: "SiteWeather") -> "SiteWeather":
        """This weather up to the day before `day`, and that of `then`, which has the same days, from it on."""
        before = (self.days < day)[:, None]
        return SiteWeather(self.days, np.where(before, self.values, then.values), self.latitude)

    def dosed(self, dose: float, around: "SiteWeather | None" = None) -> "SiteWeather":
        """climatology + dose * (weather - climatology), of this weather or of that of `around`, which has the same
        days; with 0 all years are alike."""
        if dose == 1.0:
            return self
        mean = (around or self).climatology().values
        values = mean if dose == 0.0 else mean + dose * (self.values - mean)
        return SiteWeather(self.days, values, self.latitude)


def at_point(weather: xr.Dataset, lon: float, lat: float) -> SiteWeather:
    """The delivered grid, interpolated bilinearly. Raises ValueError for a point outside it."""
    inside = LATITUDES[0] <= lat <= LATITUDES[-1] and LONGITUDES[0] <= lon <= LONGITUDES[-1]
    if not inside:
        raise ValueError(f"({lon:.3f}, {lat:.3f}) is outside the simulated weather grid")
    y, x = (lat - LATITUDES[0]) / CELL, (lon - LONGITUDES[0]) / CELL
    row, column = min(int(y), LATITUDES.size - 2), min(int(x), LONGITUDES.size - 2)
    wy, wx = np.array([row + 1 - y, y - row]), np.array([column + 1 - x, x - column])
    corners = [weather[name].values[:, row : row + 2, column : column + 2].astype(np.float64) for name in VARIABLES]
    values = np.stack([np.einsum("tyx,y,x->t", corner, wy, wx) for corner in corners], axis=1)
    return SiteWeather(weather["time"].values.astype("datetime64[D]"), values, lat)
