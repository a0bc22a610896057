"""From stations to fields: inverse-distance weighting, with a lapse rate for temperature. Days and places at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import WeatherFlag

from .units import (
    WIND_10M_TO_2M,
    extraterrestrial_radiation,
    pressure_of_humidity,
    radiation_of_temperature_range,
    saturation_pressure,
    vapour_pressure_deficit,
)

LAPSE_RATE = 0.0065
"""K a metre by which air cools upwards, of the ICAO Standard Atmosphere (ISO 2533:1975)"""
EARTH_RADIUS_KM = 6371.0
REACH_KM = 100.0
"""Scale of the Gaussian by which weights fall off beyond 1/d2: near stations decide, and far ones only where the near
ones do not know."""
NEAREST_KM = 1.0
"""A station counts as no nearer than this."""

Floats = NDArray[np.float64]


def distances_km(lat: Floats, lon: Floats, station_lat: Floats, station_lon: Floats) -> Floats:
    """(place, station) great-circle distances; degrees, each pair of arrays of one length."""
    a, b = np.radians(lat)[:, None], np.radians(station_lat)
    half = np.sin((a - b) / 2) ** 2
    half = half + np.cos(a) * np.cos(b) * np.sin(np.radians(lon[:, None] - station_lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def distance_weights(km: Floats) -> Floats:
    """(place, station) weights that sum to 1 a place: exp(-(d/R)^2) / d^2."""
    near = np.maximum(km, NEAREST_KM)
    # From the nearest station on, so that a place far from all of them does not lose its weights to underflow.
    fall = (near**2 - near.min(axis=1, keepdims=True) ** 2) / REACH_KM**2
    weights = np.maximum(np.exp(-fall), 1e-100) / near**2
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def interpolate(values: Floats, weights: Floats) -> Floats:
    """(day, station) with NaN where a station does not know -> (day, place): the others take over its weight. NaN on
    days that no station knows."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0) @ weights.T
    share = known.astype(np.float64) @ weights.T
    return np.divide(total, share, out=np.full_like(total, np.nan), where=share > 0)


def interpolate_temperature(values: Floats, elevation: Floats, weights: Floats, place_elevation: Floats) -> Floats:
    """As `interpolate`, for temperatures: they are brought to sea level by the lapse rate, and from there to the
    places. `elevation` (station) and `place_elevation` (place) in metres."""
    return interpolate(values + LAPSE_RATE * elevation, weights) - LAPSE_RATE * place_elevation


@dataclass(frozen=True)
class Stations:
    """What stations measured: (day, station) arrays, NaN where one does not know."""

    lat: Floats
    """(station,) degrees"""
    lon: Floats
    elevation: Floats
    """(station,) metres; NaN where it is not known"""
    day_of_year: Floats
    """(day,) from 1"""
    tmin: Floats
    """degrees Celsius"""
    tmax: Floats
    precipitation: Floats
    """mm"""
    humidity: Floats
    """relative, mean of the day, percent"""
    wind_10m: Floats
    """m s-1"""


def station_fields(
    stations: Stations,
    lat: Floats,
    lon: Floats,
    variables: tuple[str, ...],
    place_elevation: Floats | None = None,
) -> tuple[dict[str, Floats], NDArray[np.uint8]]:
    """Canonical variables at places (degrees): name -> (day, place), and a `WeatherFlag` a day.

    The elevation of a place (metres) is taken to be the weighted mean of its stations' where it is not given, or NaN.
    Radiation is estimated from the range of
    temperature (see `units.radiation_of_temperature_range`), and so is, where no station knows the humidity, the dew
    point: as the minimum temperature [FAO-56 eq. 48]. Days with either are flagged as estimated.
    """
    weights = distance_weights(distances_km(lat, lon, stations.lat, stations.lon))
    known = ~np.isnan(stations.elevation)
    height = np.where(known, stations.elevation, stations.elevation[known].mean() if known.any() else 0.0)
    ground = weights @ height
    if place_elevation is not None:
        ground = np.where(np.isnan(place_elevation), ground, place_elevation)
    # One without the other would let the minimum rise above the maximum.
    both = np.where(np.isnan(stations.tmin) | np.isnan(stations.tmax), np.nan, 0.0)
    tmin, tmax = (interpolate_temperature(t + both, height, weights, ground) for t in (stations.tmin, stations.tmax))
    fields = {"tmin": tmin, "tmax": tmax}
    estimated = np.zeros(stations.day_of_year.size, bool)
    if "precipitation" in variables:
        fields["precipitation"] = interpolate(stations.precipitation, weights)
    if "wind" in variables:
        fields["wind"] = interpolate(stations.wind_10m, weights) * WIND_10M_TO_2M
    if "vpd" in variables:
        humidity = interpolate(stations.humidity, weights)
        unknown = np.isnan(humidity)
        actual = np.where(unknown, saturation_pressure(tmin), pressure_of_humidity(tmin, tmax, humidity))
        fields["vpd"] = vapour_pressure_deficit(tmin, tmax, actual)
        estimated |= unknown.any(axis=1)
    if "radiation" in variables:
        above = extraterrestrial_radiation(lat, stations.day_of_year[:, None])
        fields["radiation"] = radiation_of_temperature_range(tmin, tmax, above)
        estimated[:] = True
    flag = np.where(estimated, WeatherFlag.ESTIMATED, WeatherFlag.OBSERVED).astype(np.uint8)
    return {name: fields[name] for name in variables}, flag
