"""Daily weather of the region on a 0.125 degree grid: real seasonal statistics, years that differ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter
from scipy.special import expit, gammaincinv, logit, ndtr, ndtri

from .climate import LATITUDE, Climate, by_day, day_of_year, extraterrestrial_radiation, saturation_vapour_pressure
from .spec import WorldSpec

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

LATITUDES = np.arange(41.25, 42.76, 0.125)
LONGITUDES = np.arange(-98.0, -94.99, 0.125)
DAY_ENDS_UTC_HOUR = 6

_SEASON_OF_MONTH = np.array([3, 3, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3])  # spring, summer, autumn, winter
_SEASON_TEMPERATURE_SD = np.array([1.5, 0.4, 0.8, 1.5])  # degrees Celsius between years
_SEASON_WETNESS_SD = np.array([0.25, 0.40, 0.25, 0.15])  # of the log odds of rain; half of it of the log amount
_PERSISTENCE = 0.64  # lag-1 correlation of daily temperature, the mean of the months of the record
_GAMMA_SHAPE = 0.70  # of the rain of wet days


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
            raise ValueError(f"weather from {self.days[0]} to {self.days[-1]} doesn't hold {first} to {last}")
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
        own = self.days.astype("datetime64[Y]")
        passed = np.minimum((self.days - own.astype("datetime64[D]")).astype(int), 364)
        there = (own + np.timedelta64(other - year, "Y")).astype("datetime64[D]") + passed
        rows = (there - self.days[0]).astype(int).clip(0, len(self.days) - 1)
        return SiteWeather(self.days, self.values[rows], self.latitude)

    def until(self, day: np.datetime64, then: "SiteWeather") -> "SiteWeather":
        """This weather up to the day before `day`, and that of `then`, which has the same days, from it on."""
        known = (self.days < day)[:, None]
        return SiteWeather(self.days, np.where(known, self.values, then.values), self.latitude)

    def dosed(self, dose: float) -> "SiteWeather":
        """climatology + dose * (weather - climatology); with 0 nothing of a single year is left."""
        if dose == 1.0:
            return self
        mean = self.climatology().values
        values = mean if dose == 0.0 else mean + dose * (self.values - mean)
        return SiteWeather(self.days, values, self.latitude)


def generate(spec: WorldSpec) -> xr.Dataset:
    """Weather of the whole region, 1 October before the first season to 31 December of the last.

    Dimensions (time, lat, lon), float32, variables and units of `VARIABLES`. Temperature is a seasonal
    mean plus anomalies of season, month and day; wet days come from a correlated latent field under a
    threshold, so that they persist and cluster; rain amounts are gamma distributed; dry days are wider
    in temperature range and clearer.
    """
    climate = Climate()
    days = np.arange(np.datetime64(f"{spec.first_year - 1}-10-01"), np.datetime64(f"{spec.last_year + 1}-01-01"))
    lat, lon = (axis.ravel() for axis in np.meshgrid(LATITUDES, LONGITUDES, indexing="ij"))
    regional, local = _spatial_root(lat, lon, 600.0), _spatial_root(lat, lon, 60.0)

    def latent(name: str, memory: float, local_share: float) -> Array:
        """(days, cells) standard normal, correlated in space and from day to day."""
        rng = spec.generator("weather", name)
        shocks = rng.standard_normal((2, len(days) + 60, lat.size))
        mixed = np.sqrt(1 - local_share) * shocks[0] @ regional.T + np.sqrt(local_share) * shocks[1] @ local.T
        series = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], mixed, axis=0)
        return np.asarray(series[60:], dtype=np.float64)

    def daily(monthly: Array) -> Array:
        return by_day(monthly, days)[:, None]

    warm, wetter = _anomalies(spec, climate, days, lat, lon)

    wet_share = expit(logit(daily(climate.wet_share)) + wetter)
    wet = ndtr(latent("occurrence", 0.42, 0.15)) < wet_share
    quantile = np.clip(ndtr(latent("amount", 0.0, 0.5)), 1e-6, 1 - 1e-6)
    rain = gammaincinv(_GAMMA_SHAPE, quantile) / _GAMMA_SHAPE * daily(climate.rain_per_wet_day)
    rain = np.where(wet, np.maximum(rain * np.exp(0.5 * wetter), 0.3), 0.0)

    shift = daily(climate.wet_shift) * (wet - daily(climate.wet_share))
    northward = -0.9 * (lat - LATITUDE)  # degrees Celsius per degree of latitude
    tmean = daily(climate.tmean) + northward + warm + shift
    tmean = tmean + daily(climate.tmean_daily_sd) * latent("temperature", _PERSISTENCE, 0.05)
    spread = np.where(wet, daily(climate.range_wet), daily(climate.range_dry))
    spread = np.maximum(spread + daily(climate.range_sd) * latent("range", 0.3, 0.2), 2.0)
    tmin, tmax = tmean - spread / 2, tmean + spread / 2

    clearness = np.where(wet, daily(climate.clearness_wet), daily(climate.clearness_dry))
    clearness_sd = np.where(wet, daily(climate.clearness_wet_sd), daily(climate.clearness_dry_sd))
    clearness = np.clip(clearness + clearness_sd * latent("clearness", 0.1, 0.25), 0.08, 0.82)
    radiation = clearness * extraterrestrial_radiation(day_of_year(days)[:, None], lat)

    depression = np.maximum(np.where(wet, 0.3, 2.0) + 1.0 * latent("dryness", 0.6, 0.2), -0.5)
    saturated = (saturation_vapour_pressure(tmin) + saturation_vapour_pressure(tmax)) / 2
    vpd = np.maximum(saturated - saturation_vapour_pressure(tmin - depression), 0.02)
    wind = daily(climate.wind) * np.exp(0.33 * latent("wind", 0.35, 0.1) - 0.33**2 / 2)

    shape = (len(days), LATITUDES.size, LONGITUDES.size)
    fields = dict(zip(VARIABLES, (tmin, tmax, rain, radiation, vpd, wind), strict=True))
    return xr.Dataset(
        {
            name: (
                ("time", "lat", "lon"),
                fields[name].reshape(shape).astype(np.float32),
                {"units": unit, "long_name": long_name},
            )
            for name, (unit, long_name) in VARIABLES.items()
        },
        coords={
            "time": days.astype("datetime64[ns]"),
            "lat": ("lat", LATITUDES, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", LONGITUDES, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={
            "Conventions": "CF-1.11",
            "title": "Simulated daily weather of the sandbox region",
            "day_ends_utc_hour": DAY_ENDS_UTC_HOUR,
        },
    )


def at_point(weather: xr.Dataset, lon: float, lat: float) -> SiteWeather:
    """The delivered grid, interpolated bilinearly. Raises ValueError for a point outside it."""
    inside = LATITUDES[0] <= lat <= LATITUDES[-1] and LONGITUDES[0] <= lon <= LONGITUDES[-1]
    if not inside:
        raise ValueError(f"({lon:.3f}, {lat:.3f}) lies outside the simulated weather grid")
    y, x = (lat - LATITUDES[0]) / 0.125, (lon - LONGITUDES[0]) / 0.125
    row, column = min(int(y), LATITUDES.size - 2), min(int(x), LONGITUDES.size - 2)
    wy, wx = np.array([row + 1 - y, y - row]), np.array([column + 1 - x, x - column])
    corners = [weather[name].values[:, row : row + 2, column : column + 2].astype(np.float64) for name in VARIABLES]
    values = np.stack([np.einsum("tyx,y,x->t", corner, wy, wx) for corner in corners], axis=1)
    return SiteWeather(weather["time"].values.astype("datetime64[D]"), values, lat)


def write(weather: xr.Dataset, path: Path) -> None:
    """NetCDF 4, compressed. Raises OSError where it can't."""
    encoding: dict[str, dict[str, Any]] = {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in VARIABLES}
    encoding["time"] = {"units": "days since 1970-01-01", "dtype": "int32"}
    weather.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def _anomalies(
    spec: WorldSpec, climate: Climate, days: NDArray[np.datetime64], lat: Array, lon: Array
) -> tuple[Array, Array]:
    """Anomalies of seasons and months: degrees Celsius, and log odds of rain. Each (days, cells).

    The seasons of the years are a stratified sample (each year takes another n-th of the normal
    distribution), so that a handful of years spans the climate: one late spring, one dry summer.
    """
    years = range(spec.first_year - 1, spec.last_year + 2)
    n = len(spec.years)
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    seasons = np.zeros((2, len(years), 4))
    for kind in range(2):
        for season in range(4):
            rng = spec.generator("weather", "season", kind, season)
            seasons[kind, 1 : n + 1, season] = quantiles[rng.permutation(n)]
    temperature = seasons[0] * _SEASON_TEMPERATURE_SD
    wetness = seasons[1] * _SEASON_WETNESS_SD
    temperature[:, 1] -= 0.4 * seasons[1, :, 1]  # dry summers are hot

    # What seasons and daily persistence leave of the variance between years is each month's own.
    effective_days = 30 * (1 - _PERSISTENCE) / (1 + _PERSISTENCE)
    explained = climate.tmean_daily_sd**2 / effective_days + _SEASON_TEMPERATURE_SD[_SEASON_OF_MONTH] ** 2
    own_sd = np.sqrt(np.maximum(climate.tmean_yearly_sd**2 - explained, 0.1))

    rng = spec.generator("weather", "months")
    root = _spatial_root(lat, lon, 100.0)
    months = len(years) * 12
    local_warm = 0.5 * rng.standard_normal((months, lat.size)) @ root.T
    local_wet = 0.25 * rng.standard_normal((months, lat.size)) @ root.T
    own = (own_sd * rng.standard_normal((len(years), 12))).reshape(months, 1)
    warm = temperature[:, _SEASON_OF_MONTH].reshape(months, 1) + own + local_warm
    wetter = wetness[:, _SEASON_OF_MONTH].reshape(months, 1) + local_wet + 0.06 * (lon - lon.mean())  # drier west

    position = (days - np.datetime64(f"{years[0]}-01-01")).astype(np.float64) / (365.25 / 12) - 0.5
    low = np.floor(position).astype(int)
    part = (position - low)[:, None]
    return warm[low] * (1 - part) + warm[low + 1] * part, wetter[low] * (1 - part) + wetter[low + 1] * part


def _spatial_root(lat: Array, lon: Array, length_km: float) -> Array:
    """Cholesky root of an exponential covariance over the cells, (cells, cells)."""
    y, x = lat * 111.2, lon * 111.2 * np.cos(np.radians(LATITUDE))
    distance = np.hypot(y[:, None] - y, x[:, None] - x)
    return np.linalg.cholesky(np.exp(-distance / length_km) + 1e-9 * np.eye(lat.size))
