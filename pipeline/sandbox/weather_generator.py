"""Generates the daily weather of the region: seasonal statistics of Iowa, years that differ."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import expit, gammaincinv, logit, ndtr, ndtri

from mmvsf.datasets.sidecars.weather_changes import daily_saturation, saturation_vapour_pressure

from .climate import LATITUDE, Climate, by_day, day_of_year, extraterrestrial_radiation
from .spec import WorldSpec
from .weather import LATITUDES, LONGITUDES, VARIABLES

Array = NDArray[np.float64]


_SEASON_OF_MONTH = np.array([3, 3, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3])  # spring, summer, autumn, winter
_SEASON_TEMPERATURE_SD = np.array([1.5, 0.4, 0.8, 1.5])  # degrees Celsius between years
_SEASON_WETNESS_SD = np.array([0.25, 0.40, 0.25, 0.15])  # of the log odds of rain; half of it of the log amount
_PERSISTENCE = 0.64  # lag-1 correlation of daily temperature, the mean of the months of the record
_GAMMA_SHAPE = 0.70  # of the rain of wet days


_NORTHWARD = -1.12 - 0.38 * np.cos(2 * np.pi * np.arange(12) / 12)
"""Degrees Celsius per degree of latitude, by month: continents cool northwards twice as fast in January as in July. On
the plains between Kansas and Minnesota the mean of January falls by about 1.5 and that of July by 0.75."""
_SPIN_UP_DAYS = 60


def generate(spec: WorldSpec) -> xr.Dataset:
    """Weather of the whole region, 1 October before the first season to 31 December of the last.

    Dimensions (time, lat, lon), float32, variables and units of `VARIABLES`. Temperature is a seasonal mean plus
    anomalies of season, month and day; wet days come from a correlated latent field under a threshold, so that they
    persist and cluster; rain amounts are gamma distributed; dry days are wider in temperature range and clearer.
    """
    generator = _Generator(spec)
    warmth, wetness = _anomalies(spec, generator.climate, generator.days, generator.lat, generator.lon)
    wet, rain = generator.rain(wetness)
    tmin, tmax = generator.temperature(warmth, wet)
    radiation = generator.radiation(wet)
    fields = (tmin, tmax, rain, radiation, generator.vapour_pressure_deficit(wet, tmin, tmax), generator.wind())
    shape = (len(generator.days), LATITUDES.size, LONGITUDES.size)
    return xr.Dataset(
        {
            name: (
                ("time", "lat", "lon"),
                values.reshape(shape).astype(np.float32),
                {"units": unit, "long_name": long_name},
            )
            for (name, (unit, long_name)), values in zip(VARIABLES.items(), fields, strict=True)
        },
        coords={
            "time": generator.days.astype("datetime64[ns]"),
            "lat": ("lat", LATITUDES, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", LONGITUDES, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={
            "Conventions": "CF-1.11",
            "title": "Simulated daily weather of the sandbox region",
        },
    )


@dataclass(frozen=True)
class _Generator:
    """The variables one by one; every array (days, cells). Each draws from a generator of its own name."""

    spec: WorldSpec
    climate: Climate = field(default_factory=Climate)

    @cached_property
    def days(self) -> NDArray[np.datetime64]:
        first, end = f"{self.spec.first_year - 1}-10-01", f"{self.spec.last_year + 1}-01-01"
        return np.arange(np.datetime64(first), np.datetime64(end))

    @cached_property
    def lat(self) -> Array:
        """(cells,), degrees"""
        return np.repeat(LATITUDES, LONGITUDES.size)

    @cached_property
    def lon(self) -> Array:
        """(cells,), degrees"""
        return np.tile(LONGITUDES, LATITUDES.size)

    @cached_property
    def roots(self) -> tuple[Array, Array]:
        """Of the covariances over the region and nearby."""
        return _spatial_root(self.lat, self.lon, 600.0), _spatial_root(self.lat, self.lon, 60.0)

    def latent(self, name: str, memory: float, local_share: float) -> Array:
        """Standard normal, correlated in space and from day to day."""
        from scipy.signal import lfilter  # it takes most of a second to import

        rng, (regional, local) = self.spec.generator("weather", name), self.roots
        shocks = rng.standard_normal((2, len(self.days) + _SPIN_UP_DAYS, self.lat.size))
        mixed = np.sqrt(1 - local_share) * shocks[0] @ regional.T + np.sqrt(local_share) * shocks[1] @ local.T
        series = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], mixed, axis=0)
        return np.asarray(series[_SPIN_UP_DAYS:], dtype=np.float64)

    def daily(self, monthly: Array) -> Array:
        """Monthly values as (days, 1)."""
        return by_day(monthly, self.days)[:, None]

    def rain(self, wetness: Array) -> tuple[NDArray[np.bool_], Array]:
        """(whether a day is wet, mm)."""
        climate = self.climate
        wet_share = expit(logit(self.daily(climate.wet_share)) + wetness)
        wet = ndtr(self.latent("occurrence", 0.42, 0.15)) < wet_share
        quantile = np.clip(ndtr(self.latent("amount", 0.0, 0.5)[wet]), 1e-6, 1 - 1e-6)
        scale = (self.daily(climate.rain_per_wet_day) * np.exp(0.5 * wetness))[wet]
        rain = np.zeros(wet.shape)
        rain[wet] = np.maximum(gammaincinv(_GAMMA_SHAPE, quantile) / _GAMMA_SHAPE * scale, 0.3)
        return wet, rain

    def temperature(self, warmth: Array, wet: NDArray[np.bool_]) -> tuple[Array, Array]:
        """(tmin, tmax), degrees Celsius."""
        climate, daily = self.climate, self.daily
        shift = daily(climate.wet_shift) * (wet - daily(climate.wet_share))
        northward = daily(_NORTHWARD) * self.spec.climate_dose * (self.lat - LATITUDE)
        tmean = daily(climate.tmean) + northward + warmth + shift
        tmean = tmean + daily(climate.tmean_daily_sd) * self.latent("temperature", _PERSISTENCE, 0.05)
        spread = np.where(wet, daily(climate.range_wet), daily(climate.range_dry))
        spread = np.maximum(spread + daily(climate.range_sd) * self.latent("range", 0.3, 0.2), 2.0)
        return tmean - spread / 2, tmean + spread / 2

    def radiation(self, wet: NDArray[np.bool_]) -> Array:
        """MJ m-2 per day."""
        climate, daily = self.climate, self.daily
        clearness = np.where(wet, daily(climate.clearness_wet), daily(climate.clearness_dry))
        sd = np.where(wet, daily(climate.clearness_wet_sd), daily(climate.clearness_dry_sd))
        clearness = np.clip(clearness + sd * self.latent("clearness", 0.1, 0.25), 0.08, 0.82)
        return clearness * extraterrestrial_radiation(day_of_year(self.days)[:, None], self.lat)

    def vapour_pressure_deficit(self, wet: NDArray[np.bool_], tmin: Array, tmax: Array) -> Array:
        """kPa."""
        depression = np.maximum(np.where(wet, 0.3, 2.0) + 1.0 * self.latent("dryness", 0.6, 0.2), -0.5)
        saturated = daily_saturation(tmin, tmax)
        return np.maximum(saturated - saturation_vapour_pressure(tmin - depression), 0.02)

    def wind(self) -> Array:
        """m/s at 2 m."""
        return self.daily(self.climate.wind) * np.exp(0.33 * self.latent("wind", 0.35, 0.1) - 0.33**2 / 2)


def write(weather: xr.Dataset, path: Path) -> None:
    """NetCDF 4, compressed. Raises OSError if the disk refuses."""
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

    # The variance between years that seasons and daily persistence do not explain belongs to single months.
    effective_days = 30 * (1 - _PERSISTENCE) / (1 + _PERSISTENCE)
    explained = climate.tmean_daily_sd**2 / effective_days + _SEASON_TEMPERATURE_SD[_SEASON_OF_MONTH] ** 2
    month_sd = np.sqrt(np.maximum(climate.tmean_yearly_sd**2 - explained, 0.1))

    rng = spec.generator("weather", "months")
    root = _spatial_root(lat, lon, 100.0)
    months = len(years) * 12
    local_warm = 0.5 * rng.standard_normal((months, lat.size)) @ root.T
    local_wet = 0.25 * rng.standard_normal((months, lat.size)) @ root.T
    monthly = (month_sd * rng.standard_normal((len(years), 12))).reshape(months, 1)
    warm = temperature[:, _SEASON_OF_MONTH].reshape(months, 1) + monthly + local_warm
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
