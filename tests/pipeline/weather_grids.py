"""Small weather datasets around one place, as tools write them, and how they are read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pyproj import Transformer

from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather

from .weather_products import DAYS, LAT, LON, dataset, degrees, kelvin, lonlat, times

BOUNDS = (LON - 0.03, LAT - 0.03, LON + 0.03, LAT + 0.03)
FIRST, LAST = date(2020, 6, 1), date(2020, 6, DAYS)
BOTH = ("tmin", "tmax")


def fetch(folder: Path, *variables: str, bounds: Any = BOUNDS, last: date = LAST) -> WeatherSeries:
    return ArchiveWeather(folder, bounds).fetch(FIRST, last, variables or ("tmin",))


def assert_tmin_in_place(series: WeatherSeries, atol: float = 1e-4) -> None:
    """Each cell has the value of its own place."""
    x, y = np.meshgrid(series.x, series.y)
    lon, lat = Transformer.from_crs(series.crs, 4326, always_xy=True).transform(x, y)
    wanted = np.broadcast_to(degrees(lat, lon), series.values["tmin"].shape)
    np.testing.assert_allclose(series.values["tmin"], wanted, atol=atol)
    assert (np.diff(series.y) > 0).all() and (np.diff(series.x) > 0).all()


def one(values: Any = None, attributes: dict[str, Any] | None = None, name: str = "tmin", **axes: Any) -> xr.Dataset:
    """`tmin` in K on (time, lat, lon) around the place; any part otherwise."""
    lat, lon = lonlat(0.1)
    data = {"time": times(), "lat": lat, "lon": lon} | axes
    return dataset(name, kelvin() if values is None else values, attributes or {"units": "K"}, data)


def globe(begin: float, step: float = 5.0, *, closed: bool = False) -> xr.Dataset:
    """All around the globe from a longitude on, the place being on a meridian; `closed` repeats the first one."""
    lon = begin + step * np.arange(round(360 / step) + closed)
    return one(lat=LAT - step * np.arange(-3, 4), lon=lon)


def widened(**other: Any) -> xr.Dataset:
    """With one more dimension of the variable: its coordinates, or their number."""
    ((name, values),) = other.items()
    labels = np.atleast_1d(values)
    return one().expand_dims({name: labels}, axis=1)


def by_version() -> xr.Dataset:
    """ERA5 on the first two days and ERA5T on the others, as the old data store merged them."""
    data = one()
    final = data.where(data["time"] < data["time"][2])
    preliminary = data.where(data["time"] >= data["time"][2])
    merged = xr.concat([final, preliminary], "expver").assign_coords(expver=[1, 5])
    merged["tmin"].attrs["units"] = "K"
    return merged.transpose("time", "expver", "lat", "lon")


def with_bounds(begin: int, end: int, stamp: int) -> xr.Dataset:
    """Days whose interval begins and ends so many hours after midnight, stamped by another hour."""
    hours = np.array([begin, end]).astype("timedelta64[h]")
    data = one(time=times() + np.timedelta64(stamp, "h"))
    data["time"].attrs["bounds"] = "time_bnds"
    data["time_bnds"] = (("time", "nv"), times()[:, None] + hours[None])
    data["time"].encoding = {"units": "hours since 1900-01-01", "dtype": "int64"}
    return data


def changed(variable: str, values: Any, **attributes: Any) -> xr.Dataset:
    """tmin and tmax, with a number on 3 June in the cell of the centre."""
    data = xr.merge([one(), one(24.5 + 273.15, name="tmax")])
    data[variable][2, 2, 2] = values
    data[variable].attrs |= attributes
    return data


def stamped(hour: Any) -> xr.Dataset:
    return one().assign_attrs(day_ends_utc_hour=hour)


def at_times(moments: Any, **encoding: Any) -> xr.Dataset:
    data = one(time=np.asarray(moments))
    data["time"].encoding = encoding
    return data


def in_calendar(calendar: str, first: str = "2020-06-01", days: int = DAYS) -> xr.Dataset:
    moments = xr.date_range(first, periods=days, calendar=calendar, use_cftime=True)
    return one(time=np.asarray(moments))
