"""From stations to fields: inverse-distance weighting, with a lapse rate for temperature."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WeatherFlag

from .units import (
    LAPSE_RATE,
    WIND_10M_TO_2M,
    extraterrestrial_radiation,
    pressure_of_humidity,
    radiation_of_temperature_range,
    saturation_pressure,
    surface_pressure,
    vapour_pressure_deficit,
)

EARTH_RADIUS_KM = 6371.0
REACH_KM = 100.0
"""Scale of the Gaussian by which weights fall off beyond 1/d2: far stations count only
where the near ones have no value."""
NEAREST_KM = 1.0
"""A station counts as no nearer than this."""

Floats = NDArray[np.float64]


def distances_km(lat: Floats, lon: Floats, station_lat: Floats, station_lon: Floats) -> Floats:
    """(point, station) great-circle distances; degrees, each pair of arrays of equal length."""
    a, b = np.radians(lat)[:, None], np.radians(station_lat)
    half = np.sin((a - b) / 2) ** 2
    half = half + np.cos(a) * np.cos(b) * np.sin(np.radians(lon[:, None] - station_lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def distance_weights(km: Floats) -> Floats:
    """(point, station) weights that sum to 1 per point: exp(-(d/R)^2) / d^2."""
    near = np.maximum(km, NEAREST_KM)
    # From the nearest station on, so that the weights of a point far from all of them do not underflow.
    fall = (near**2 - near.min(axis=1, keepdims=True) ** 2) / REACH_KM**2
    weights = np.maximum(np.exp(-fall), 1e-100) / near**2
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def interpolate(values: Floats, weights: Floats) -> Floats:
    """(day, station), NaN where a station has no value -> (day, point). The weight of a station without a value goes to
    the others; NaN on days without any."""
    measured = ~np.isnan(values)
    total = np.where(measured, values, 0.0) @ weights.T
    share = measured.astype(np.float64) @ weights.T
    return np.divide(total, share, out=np.full_like(total, np.nan), where=share > 0)


def interpolate_temperature(values: Floats, elevation: Floats, weights: Floats, point_elevation: Floats) -> Floats:
    """As `interpolate`, for temperatures: they are reduced to sea level by the lapse rate, and then brought to the
    points' elevation. `elevation` (station) and `point_elevation` (point) in metres."""
    return interpolate(values + LAPSE_RATE * elevation, weights) - LAPSE_RATE * point_elevation


@dataclass(frozen=True)
class Stations:
    """What stations measured: (day, station) arrays, NaN where there is no value."""

    lat: Floats
    """(station,) degrees"""
    lon: Floats
    elevation: Floats
    """(station,) metres; NaN where it is unknown"""
    day_of_year: Floats
    """(day,) from 1"""
    tmin: Floats
    """degrees Celsius"""
    tmax: Floats
    precipitation: Floats
    """mm"""
    humidity: Floats
    """daily mean relative humidity, percent"""
    wind_10m: Floats
    """m s-1"""
    sea_level_pressure: Floats
    """kPa, reduced to sea level by each station"""


@dataclass(frozen=True)
class _Points:
    """Points that stations are interpolated to, with their temperatures."""

    stations: Stations
    weights: Floats
    """(point, station)"""
    lat: Floats
    """(point,) degrees"""
    elevation: Floats
    """(point,) metres"""
    tmin: Floats
    """(day, point) degrees Celsius"""
    tmax: Floats

    def at(self, values: Floats) -> Floats:
        """Measurements (day, station), interpolated to (day, point)."""
        return interpolate(values, self.weights)


@dataclass(frozen=True)
class _Field:
    values: Floats
    """(day, point)"""
    estimated: NDArray[np.bool_] | None = None
    """(day,): which days are estimated from other variables; None: none is"""


def _vpd(points: _Points) -> _Field:
    """Where no station measures humidity the dew point is taken to be the minimum temperature [FAO-56 eq. 48]."""
    humidity = points.at(points.stations.humidity)
    unknown = np.isnan(humidity)
    actual = np.where(
        unknown, saturation_pressure(points.tmin), pressure_of_humidity(points.tmin, points.tmax, humidity)
    )
    return _Field(vapour_pressure_deficit(points.tmin, points.tmax, actual), np.asarray(unknown.any(axis=1)))


def _radiation(points: _Points) -> _Field:
    days = points.stations.day_of_year
    above = extraterrestrial_radiation(points.lat, days[:, None])
    estimate = radiation_of_temperature_range(points.tmin, points.tmax, above)
    return _Field(estimate, np.ones(days.size, bool))


def _pressure(points: _Points) -> _Field:
    """From sea level, where stations report it, to the elevation of each point."""
    at_sea_level = points.at(points.stations.sea_level_pressure)
    return _Field(surface_pressure(at_sea_level, (points.tmin + points.tmax) / 2, points.elevation))


FIELDS: dict[str, Callable[[_Points], _Field]] = {
    "tmin": lambda points: _Field(points.tmin),
    "tmax": lambda points: _Field(points.tmax),
    "precipitation": lambda points: _Field(points.at(points.stations.precipitation)),
    "radiation": _radiation,
    "vpd": _vpd,
    "wind": lambda points: _Field(points.at(points.stations.wind_10m) * WIND_10M_TO_2M),
    "relative_humidity": lambda points: _Field(points.at(points.stations.humidity)),
    "pressure": _pressure,
}
"""canonical name -> how it follows from measurements"""


def station_fields(
    stations: Stations,
    lat: Floats,
    lon: Floats,
    variables: tuple[str, ...],
    point_elevation: Floats | None = None,
) -> tuple[dict[str, Floats], NDArray[np.uint8]]:
    """Canonical variables at points (degrees): name -> (day, point), and a `WeatherFlag` per day.

    Where the elevation of a point (metres) is None or NaN, it is the weighted mean of its stations' elevations. Days
    with estimated radiation, or with an estimated dew point, are flagged as estimated. Raises InputError for a
    variable that stations do not give.
    """
    if lacking := [name for name in variables if name not in FIELDS]:
        raise InputError(
            f"stations give no {' and no '.join(lacking)}; leave it out of weather.variables, or take another weather"
            " source, such as era5-land"
        )
    points = _interpolated(stations, lat, lon, point_elevation)
    fields, estimated = {}, np.zeros(stations.day_of_year.size, bool)
    for name in variables:
        field = FIELDS[name](points)
        fields[name] = field.values
        if field.estimated is not None:
            estimated |= field.estimated
    flag = np.where(estimated, WeatherFlag.ESTIMATED, WeatherFlag.OBSERVED).astype(np.uint8)
    return fields, flag


def _interpolated(stations: Stations, lat: Floats, lon: Floats, point_elevation: Floats | None) -> _Points:
    """Weights, elevation and temperatures of points (degrees)."""
    weights = distance_weights(distances_km(lat, lon, stations.lat, stations.lon))
    surveyed = ~np.isnan(stations.elevation)
    mean = stations.elevation[surveyed].mean() if surveyed.any() else 0.0
    height = np.where(surveyed, stations.elevation, mean)
    elevation = weights @ height
    if point_elevation is not None:
        elevation = np.where(np.isnan(point_elevation), elevation, point_elevation)
    # Only days with both: otherwise the minimum could exceed the maximum.
    both = np.where(np.isnan(stations.tmin) | np.isnan(stations.tmax), np.nan, 0.0)
    tmin, tmax = (
        interpolate_temperature(values + both, height, weights, elevation) for values in (stations.tmin, stations.tmax)
    )
    return _Points(stations, weights, lat, elevation, tmin, tmax)
