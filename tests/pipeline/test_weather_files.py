"""Weather files as tools write them: read as they are meant, or refused with the true reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.pipeline.layers.weather.regrid import cube_weather
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather
from mmvsf.pipeline.sources.cf.series import join

from .conftest import Command
from .test_weather import Fixed
from .tiny_archive import TinyArchive, weather_dataset
from .weather_grids import (
    BOTH,
    BOUNDS,
    FIRST,
    LAST,
    assert_tmin_in_place,
    at_times,
    by_version,
    changed,
    fetch,
    globe,
    in_calendar,
    one,
    stamped,
    widened,
    with_bounds,
)
from .weather_products import LAT, LON, degrees, lonlat, times

READ: dict[str, Callable[[], xr.Dataset]] = {
    "longitudes from 0 to 360": lambda: one(lon=lonlat(0.1)[1] + 360),
    "longitudes in float32": lambda: one(lon=np.float32(lonlat(0.1)[1] + 360), lat=np.float32(lonlat(0.1)[0])),
    "a globe from -180": lambda: globe(-181.0),
    "a globe from 0": lambda: globe(-1.0),
    "a globe that begins beside the region": lambda: globe(LON),
    "a globe that begins beyond the region": lambda: globe(LON + 5),
    "a globe with its first meridian twice": lambda: globe(-181.0, closed=True),
    "latitudes from the south": lambda: one(lat=lonlat(0.1)[0][::-1]),
    "columns in no order": lambda: one(lon=lonlat(0.1)[1][[3, 0, 4, 2, 1]]),
    "a height": lambda: widened(height=2.0),
    "one member": lambda: widened(member=[7]),
    "expver with one value": lambda: widened(expver=[1]),
    "expver with two values": by_version,
    "days at noon": lambda: one(time=times() + np.timedelta64(12, "h")),
    "days stamped at their end, with bounds": lambda: with_bounds(0, 24, 24),
    "days from 7 to 7 UTC": lambda: with_bounds(7, 31, 7),
    "dimensions in another order": lambda: one().transpose("lon", "time", "lat"),
    "rounded coordinates": lambda: one(lat=np.round(lonlat(1 / 24)[0], 3), lon=np.round(lonlat(1 / 24)[1], 3)),
    "axes by their attributes": lambda: (
        one()
        .rename(lat="row", lon="col")
        .assign_coords(
            row=("row", lonlat(0.1)[0], {"standard_name": "latitude", "units": "degrees_north"}),
            col=("col", lonlat(0.1)[1], {"standard_name": "longitude", "units": "degrees_east"}),
        )
    ),
    "a name by its standard name": lambda: one(
        name="tas_day", attributes={"units": "K", "standard_name": "air_temperature", "cell_methods": "time: minimum"}
    ),
    "no-data that is declared": lambda: one(attributes={"units": "K", "missing_value": np.float32(-9999)}),
}


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_conventions_that_are_read(tmp_path: Path, make: Callable[[], xr.Dataset]) -> None:
    make().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    series = fetch(tmp_path)
    assert_tmin_in_place(series)
    assert series.days.tolist() == (times().astype("datetime64[D]").astype(int)).tolist()


@pytest.mark.parametrize(
    ("make", "flags"),
    [
        (by_version, [0, 0, 2, 2]),
        (lambda: one().assign_coords(expver=("time", ["0001", "0001", "0001", "0005"])), [0, 0, 0, 2]),
        (lambda: one().assign_attrs(last_permanent_slice="154"), [0, 0, 2, 2]),  # 2 June 2020
        (lambda: one().assign_attrs(last_permanent_slice="200"), None),
    ],
    ids=["ERA5T by dimension", "ERA5T by row", "gridMET", "gridMET, all final"],
)
def test_provisional_days_are_flagged(tmp_path: Path, make: Callable[[], xr.Dataset], flags: list[int] | None) -> None:
    make().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    flag = fetch(tmp_path).flag
    assert (None if flag is None else flag.tolist()) == flags


def test_choices_are_noted(tmp_path: Path) -> None:
    widened(height=[2.0]).to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    (note,) = fetch(tmp_path).notes
    assert "daily.nc, tmin: the only value along 'height' (2.0) is used" in note


def test_a_rotated_grid(tmp_path: Path) -> None:
    rotated().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    series = fetch(tmp_path)
    assert_tmin_in_place(series)
    assert series.x.size < 12


@pytest.mark.parametrize("begin", [-180.0, 0.0])
@pytest.mark.parametrize("place", [-179.9, 179.9, -0.1, 0.1])
def test_a_region_across_a_seam(tmp_path: Path, begin: float, place: float) -> None:
    """Its cells come in one run, each with its own value; only their columns are read."""
    data = one(lat=np.arange(44.0, 39, -1), lon=begin + np.arange(360.0))
    data.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    bounds = (place - 0.3, LAT - 0.1, place + 0.3, LAT + 0.1)
    if bounds[2] > 180 or bounds[0] < -180:
        bounds = ((bounds[0] + 180) % 360 - 180, bounds[1], (bounds[2] + 180) % 360 - 180, bounds[3])
    series = fetch(tmp_path, bounds=bounds)
    assert_tmin_in_place(series)
    assert series.x.size <= 6 and np.abs((series.x - place + 180) % 360 - 180).max() < 4


def test_only_the_cells_of_the_region_are_read(tmp_path: Path) -> None:
    globe(-180.0, 1.0).to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    series = fetch(tmp_path)
    assert series.values["tmin"].shape[1] <= 5 and series.values["tmin"].shape[2] <= 6


def rotated() -> xr.Dataset:
    """A grid around another pole, as regional climate models have."""
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 42.5,
        "grid_north_pole_longitude": 83.0,
    }
    to_lonlat = Transformer.from_crs(CRS.from_cf(mapping), 4326, always_xy=True)
    west, south = to_lonlat.transform(LON, LAT, direction="INVERSE")
    rlat, rlon = south + 0.1 * np.arange(-5, 5), west + 0.1 * np.arange(-6, 6)
    lon, lat = to_lonlat.transform(*np.meshgrid(rlon, rlat))
    data = one(degrees(lat, lon) + 273.15, lat=rlat, lon=rlon).rename(lat="rlat", lon="rlon")
    data["tmin"].attrs["grid_mapping"] = "rotated_pole"
    for name, standard_name in (("rlat", "grid_latitude"), ("rlon", "grid_longitude")):
        data[name].attrs = {"standard_name": standard_name, "units": "degrees"}
    return data.assign(rotated_pole=xr.DataArray(0, attrs=mapping))


def without_coordinates() -> xr.Dataset:
    lat, lon = np.meshgrid(*lonlat(0.1), indexing="ij")
    curved = one().drop_vars(["lat", "lon"]).rename(lat="j", lon="i")
    return curved.assign_coords(lat=(("j", "i"), lat), lon=(("j", "i"), lon), j=range(5), i=range(5)).drop_vars(
        ["j", "i"]
    )


CENTRE = "on 2020-06-03 in the cell at x -96, y 42"
HOURS = times()[0] + np.arange(4) * np.timedelta64(6, "h")
REFUSED: dict[str, tuple[Callable[[], xr.Dataset], str]] = {
    "members": (lambda: widened(member=[1, 2, 3]), r"daily.nc, tmin: it has 3 values along 'member'"),
    "heights": (lambda: widened(height=[2.0, 10.0]), r"it has 2 values along 'height'.*select one"),
    "unknown versions": (lambda: widened(expver=[1, 7]), r"it has expver \[1, 7\]"),
    "360 days": (lambda: in_calendar("360_day"), r"calendar '360_day' has 30 days in each month"),
    "a leap day in each year": (lambda: in_calendar("all_leap"), r"calendar 'all_leap' has a 29 February in each year"),
    "the Julian calendar": (lambda: in_calendar("julian"), r"calendar 'julian' is 13 days behind"),
    "hours": (lambda: at_times(HOURS), r"4 times of day on 2020-06-01.*cdo daymin"),
    "months": (lambda: at_times(times()[0] + np.arange(4) * np.timedelta64(30, "D")), r"time steps are 30 days apart"),
    "months by bounds": (lambda: with_bounds(0, 24 * 30, 0), r"time steps are intervals of 30 days"),
    "numbers for times": (lambda: at_times(np.arange(4)), r"its time axis 'time' has no dates"),
    "an hour beyond the day": (lambda: stamped(25), r"day_ends_utc_hour is 25; it must be an hour from 0 to 24"),
    "an hour before the day": (lambda: stamped(-1), r"day_ends_utc_hour is -1"),
    "an hour in words": (lambda: stamped("noon"), r"day_ends_utc_hour is noon"),
    "a coordinate twice": (
        lambda: one(lat=np.array([42.2, 42.1, 42.1, 42.0, 41.9])),
        r"'lat' has the coordinate 42.1 twice",
    ),
    "a row that is left out": (
        lambda: one(lat=np.array([42.4, 42.2, 42.1, 42.0, 41.9])),
        r"'lat' is not evenly spaced",
    ),
    "words for coordinates": (lambda: one().assign_coords(lat=list("abcde")), r"'lat' has no coordinates, or one"),
    "no rows": (lambda: one().isel(lat=slice(0, 0)), r"'lat' has no coordinates, or one"),
    "no number": (lambda: one(lat=np.array([42.2, np.nan, 42.1, 42.0, 41.9])), r"'lat' has no coordinates, or one"),
    "a curvilinear grid": (without_coordinates, r"two-dimensional \(a curvilinear grid\)"),
    "stations": (
        lambda: one().stack(station=("lat", "lon")).reset_index("station"),
        r"its locations are along 'station'",
    ),
    "another place": (lambda: one(lon=lonlat(0.1)[1] + 20), r"does not reach the region: it covers x -76.2 to"),
    "no such days": (
        lambda: at_times(times(first=np.datetime64("2018-06-01"))),
        "has no weather between 2020-06-01 and",
    ),
    "tmin above tmax": (lambda: changed("tmin", 300.0), rf"tmin is 26.85 degrees.*above tmax, 24.5.*{CENTRE}"),
    "-9999": (lambda: changed("tmax", -9999.0), rf"daily.nc, tmax: tmax is -10272.* {CENTRE}.*fill value"),
    "1e20": (lambda: changed("tmin", 1e20), rf"daily.nc, tmin: tmin is 1e\+20 .*{CENTRE}"),
    "out of range": (lambda: changed("tmax", 400.0), rf"tmax is 126.85 degree_Celsius {CENTRE}, outside -70 to 60"),
    "no-data only": (lambda: one(np.nan), r"daily.nc, tmin has no value over the region"),
    "both extremes": (
        lambda: one(attributes={"units": "K", "cell_methods": "time: maximum"}),
        r"'tmin' is a minimum by its name and a maximum by cell_methods",
    ),
    "a temperature of unknown kind": (lambda: one(name="air_temperature"), r"lacks 'tmin'.*air_temperature"),
    "an unknown unit": (lambda: one(attributes={"units": "degF"}), r"unit 'degF' is not known"),
    "an axis in feet": (
        lambda: one().assign_coords(lat=("lat", lonlat(0.1)[0] * 1e6, {"units": "ft"})).assign_attrs(epsg=32615),
        r"axis 'lat' is in 'ft'",
    ),
    "metres without a CRS": (
        lambda: one().assign_coords(lat=("lat", lonlat(0.1)[0] * 1e6, {"units": "m"})),
        r"names no CRS",
    ),
    "metres called degrees": (
        lambda: one(lat=lonlat(0.1)[0] * 1e6, lon=lonlat(0.1)[1] * 1e6).assign_attrs(epsg=4326),
        r"is in degrees, and",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_are_refused(tmp_path: Path, make: Callable[[], xr.Dataset], message: str) -> None:
    data = make()
    data.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=message) as caught:
        fetch(tmp_path / "daily.nc", *(name for name in BOTH if name in data or name == "tmin"))
    assert "\n" not in str(caught.value) and "daily.nc" in str(caught.value)


ODD = (
    None,
    "",
    [],
    np.array([1, 2]),
    np.array([]),
    5,
    float("nan"),
    "x" * 3000,
    "[/red]",
    "\0",
    {"a": 1},
    b"K",
    "K\nK",
)
ATTRIBUTES = ("units", "cell_methods", "standard_name", "grid_mapping", "height", "nodata", "bounds", "axis")
GLOBAL = ("day_ends_utc_hour", "source", "note5", "last_permanent_slice", "epsg", "crs")


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_attributes_of_any_type(value: Any) -> None:
    """They are read or refused in one line; a temperature is never another one."""
    for place, names in (("tmin", ATTRIBUTES), ("time", ATTRIBUTES), ("lat", ATTRIBUTES), (None, GLOBAL)):
        for name in names:
            data = one()
            (data if place is None else data[place]).attrs[name] = value
            try:
                assert_tmin_in_place(
                    join({"the file": partial(nullcontext, data)}, "the file", FIRST, LAST, ("tmin",), BOUNDS)
                )
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 800


def test_years_without_29_february(tmp_path: Path) -> None:
    """The calendar `noleap`: the day is missing, and said to be one that the calendar drops."""
    in_calendar("noleap", "2020-02-27", 4).to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    series = ArchiveWeather(tmp_path, BOUNDS).fetch(date(2020, 2, 27), date(2020, 3, 2), ("tmin",))
    assert series.days.astype("datetime64[D]").astype(str).tolist() == [
        "2020-02-27",
        "2020-02-28",
        "2020-03-01",
        "2020-03-02",
    ]
    assert series.dropped_leap_day == (2, 29)


@pytest.mark.parametrize(
    ("make", "hour"),
    [(lambda: with_bounds(7, 31, 7), 7), (lambda: with_bounds(-8, 16, 0), 16), (lambda: stamped(0), 0), (one, 24)],
)
def test_the_hour_at_which_days_end(tmp_path: Path, make: Callable[[], xr.Dataset], hour: float) -> None:
    make().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    assert fetch(tmp_path).day_ends_utc_hour == hour


def test_a_dataset_in_memory() -> None:
    service = {"the service": partial(nullcontext, one())}
    assert_tmin_in_place(join(service, "the service", FIRST, LAST, ("tmin",), BOUNDS))
    with pytest.raises(InputError, match="the service lacks 'wind'"):
        join(service, "the service", FIRST, LAST, ("wind",))


SEASON = {"period__start": "2020-06-01", "period__end": "2020-06-30", "weather__start": date(2020, 6, 1)}


@pytest.mark.parametrize("begin", [-180.0, 0.0, LON], ids=["from -180", "from 0", "the seam in the region"])
def test_a_globe_regridded(tmp_path: Path, begin: float) -> None:
    """The cells of the cube lie between meridians, also between the last and the first one."""
    place = TinyArchive(tmp_path)
    place.write_recipe(**SEASON, weather__variables=["tmin"], labels=None, split=None)
    path = tmp_path / "daily.nc"
    one(time=times(30), lat=LAT - np.arange(-3.0, 4), lon=begin + np.arange(360.0)).to_netcdf(path, engine="h5netcdf")
    region, recipe = load_region(str(place.recipe))
    grid = grid_from_recipe(region, recipe, place.data)
    series = ArchiveWeather(path).fetch(region.weather_start, region.period.end, ("tmin",))
    turned = (series.x - begin) % 360  # as another source might give it
    order = np.argsort(turned)
    series = replace(series, values={"tmin": series.values["tmin"][..., order]}, x=begin + turned[order])
    weather = cube_weather(Fixed(series), region, grid, calendar_for(region))
    y, x = np.nonzero(grid.weather_mask())
    ys, xs = grid.weather_coordinates()
    lon, lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(xs[x], ys[y])
    found = weather.values["tmin"][weather.flag == 0][:, y, x]
    np.testing.assert_allclose(found, np.broadcast_to(degrees(lat, lon), found.shape), atol=1e-4)


def test_a_plan_tells_what_was_chosen(tmp_path: Path, mmvsf: Command) -> None:
    place = TinyArchive(tmp_path)
    place.write()
    place.write_weather(weather_dataset().expand_dims({"height": [2.0]}))
    facts = json.loads(mmvsf("plan", place.recipe, "--data-dir", place.data, "--json").out)
    assert any("the only value along 'height' (2.0) is used" in warning for warning in facts["warnings"])


def test_weather_that_cannot_be_right_is_refused_before_imagery_is_read(
    tmp_path: Path, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a source gives it that does not look itself."""
    place = TinyArchive(tmp_path)
    place.write()
    data = weather_dataset()
    data["temperature_min"] += 20
    place.write_weather(data)
    outcome = mmvsf("dataset", place.recipe, "--data-dir", place.data)
    assert outcome.code == 2 and "tmin is" in outcome.error and "and above tmax" in outcome.error
    monkeypatch.setattr("mmvsf.pipeline.sources.cf.series.check_inputs", lambda *_: None)
    outcome = mmvsf("dataset", place.recipe, "--data-dir", place.data)
    assert outcome.code == 2 and "tmin lies above tmax on 100% of the days" in outcome.error
    assert not place.cube.exists()
