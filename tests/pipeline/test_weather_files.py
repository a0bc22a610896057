"""Weather files as products and tools write them: read as they are meant, or refused with the true reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import WeatherSeries
from mmvsf.pipeline.sources.archive import weather
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather
from mmvsf.pipeline.sources.cf.series import series_of

from . import weather_products as products
from .weather_products import ANSWERS, DAYS, LAT, LON, dataset, degrees, kelvin, lonlat, times

BOUNDS = (LON - 0.03, LAT - 0.03, LON + 0.03, LAT + 0.03)
FIRST, LAST = date(2020, 6, 1), date(2020, 6, DAYS)
MINIMUM = {"units": "K", "cell_methods": "time: minimum"}
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


@pytest.mark.parametrize(
    ("write", "variables", "end"),
    [
        (products.gridmet, ANSWERS, 7),
        (lambda folder: products.gridmet(folder, told=False), ANSWERS, 7),
        (products.daymet, [name for name in ANSWERS if name != "wind"], 6),
        (lambda folder: products.daymet(folder, unit="m", only=("tmin", "tmax")), ["tmax"], 6),
        (products.agera5, ANSWERS, 6),
        (lambda folder: products.agera5(folder, suffix="_24h"), ANSWERS, 6),
        (products.era5_land, ["tmax", "precipitation", "radiation", "vpd", "wind"], 24),
        (products.eobs, ["tmax", "precipitation", "radiation", "wind", "relative_humidity"], 24),
        (products.power, ANSWERS, 24),
    ],
    ids=[
        "gridMET",
        "gridMET by file name",
        "Daymet",
        "Daymet in m",
        "AgERA5",
        "AgERA5 2",
        "ERA5-Land",
        "E-OBS",
        "POWER",
    ],
)
def test_files_of_products(tmp_path: Path, write: Callable[[Path], None], variables: Any, end: float) -> None:
    write(tmp_path)
    series = fetch(tmp_path, "tmin", *variables)
    assert_tmin_in_place(series, atol=6e-3)  # E-OBS is packed at .01
    centre = (slice(None), np.abs(series.y - series.y.mean()).argmin(), np.abs(series.x - series.x.mean()).argmin())
    for name in variables:
        # vpd and humidity are derived from tmin in some products, which is 15 only near the centre of the window
        assert series.values[name][centre].tolist() == pytest.approx([ANSWERS[name]] * DAYS, rel=0.01), name
    assert series.day_ends_utc_hour == end


def test_rain_of_chirps(tmp_path: Path) -> None:
    products.chirps(tmp_path)
    assert (fetch(tmp_path, "precipitation").values["precipitation"] == 3.0).all()


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


def test_choices_are_noted(tmp_path: Path) -> None:
    widened(height=[2.0]).to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    (note,) = fetch(tmp_path).notes
    assert "daily.nc, tmin: the only value along 'height' (2.0) is taken" in note


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
    "months": (lambda: at_times(times()[0] + np.arange(4) * np.timedelta64(30, "D")), r"rows are 30 days apart"),
    "months by bounds": (lambda: with_bounds(0, 24 * 30, 0), r"rows are intervals of 30 days"),
    "numbers for times": (lambda: at_times(np.arange(4)), r"its time axis 'time' holds no dates"),
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
    "no number": (lambda: one(lat=np.array([42.2, np.nan, 42.1, 42.0, 41.9])), r"'lat' has no coordinates, or one"),
    "a curvilinear grid": (without_coordinates, r"two-dimensional \(a curvilinear grid\)"),
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


Two = dict[str, xr.Dataset]


def shifted(by: float) -> Two:
    lat, lon = lonlat(0.1)
    return {"tmin": one(), "tmax": one(24.5 + 273.15, name="tmax", lat=lat + by, lon=lon)}


def two_days(step: float) -> Two:
    """The same day in two files, the second warmer by `step`."""
    return {"a": one(), "b": one(kelvin(step), time=times(1))}


def projected(epsg: int) -> Two:
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(LON, LAT)
    steps = (np.arange(5) - 2) * 5000.0
    axes = {"lat": y - steps, "lon": x + steps}
    return {
        "a": one(280.0, **axes).assign_attrs(epsg=epsg),
        "b": one(290.0, name="tmax", **axes).assign_attrs(epsg=epsg + 1),
    }


DIFFERENT: dict[str, tuple[Two, str]] = {
    "half a cell": (shifted(0.05), r"tmax.nc and .*tmin.nc are on different grids: 'y' lies 0.05 apart"),
    "a tenth of a cell": (shifted(0.01), r"are on different grids: 'y' lies 0.01 apart, where a cell is 0.1"),
    "another resolution": (
        {"tmin": one(), "tmax": one(290.0, name="tmax", lat=lonlat(0.05)[0], lon=lonlat(0.05)[1])},
        r"tmax.nc and .*tmin.nc are on different grids",
    ),
    "another CRS": (
        projected(32614),
        r"a.nc and .*b.nc are on different grids: their CRS are 'WGS 84 / UTM zone 14N' and",
    ),
    "a day with other values": (
        two_days(0.5),
        r"a.nc and .*b.nc have different values for 'tmin' on 2020-06-01, up to 0.5",
    ),
    "another end of days": (
        {"a": stamped(6), "b": one(290.0, name="tmax").assign_attrs(day_ends_utc_hour=7)},
        r"days end at 6 UTC in .*a.nc and at 7 UTC in .*b.nc",
    ),
}


@pytest.mark.parametrize(("files", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_files_that_do_not_belong_together(tmp_path: Path, files: Two, message: str) -> None:
    for name, data in files.items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    variables = [name for name in BOTH if any(name in data for data in files.values())]
    with pytest.raises(InputError, match=message):
        fetch(tmp_path, *variables)


@pytest.mark.parametrize("by", [1e-7, 5e-4, 0.0019])
def test_coordinates_that_differ_in_their_last_digits_are_one_grid(tmp_path: Path, by: float) -> None:
    """An outer join would hold each row twice, and interpolate between two grids with gaps."""
    for name, data in shifted(by).items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    series = fetch(tmp_path, *BOTH)
    assert series.y.size == 5 and not any(np.isnan(values).any() for values in series.values.values())


def test_longitudes_of_two_kinds_in_two_files_are_one_grid(tmp_path: Path) -> None:
    one().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    one(290.0, name="tmax", lon=np.float32(lonlat(0.1)[1] + 360)).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path, *BOTH))


def test_a_day_that_two_files_agree_on_is_taken_once(tmp_path: Path) -> None:
    for name, data in two_days(0.0).items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path))


def test_a_mask_beside_the_weather_is_left_alone(tmp_path: Path) -> None:
    one().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    xr.Dataset({"mask": (("row", "column"), np.ones((3, 3)))}).to_netcdf(tmp_path / "mask.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path))


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


def test_daymet_drops_the_end_of_leap_years(tmp_path: Path) -> None:
    products.daymet(tmp_path, only=("tmin",))
    assert fetch(tmp_path).dropped_leap_day == (12, 31)


def test_srad_of_daymet_needs_its_day_length(tmp_path: Path) -> None:
    """Taken for a mean over 24 hours it would be nearly twice too high."""
    products.daymet(tmp_path, only=("srad",))
    with pytest.raises(InputError, match=r"\(srad\) is a mean over the daylight.*\(dayl\)"):
        fetch(tmp_path, "radiation")


def test_a_mean_of_hourly_sums_is_no_sum(tmp_path: Path) -> None:
    """The data store's daily mean of `tp` is a twenty-fourth of the day's rain."""
    data = one(0.003 / 24, {"units": "m"}, "tp")
    data.to_netcdf(tmp_path / "total_precipitation_0_daily-mean.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="tp: it is a mean over the day of amounts in 'm'"):
        fetch(tmp_path, "precipitation")


def test_one_file_a_day_is_opened_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, and none while another is open: time and memory grow with the days, not with their square."""
    for day in range(8):
        data = one(time=times(1, products.FIRST + day))
        data.to_netcdf(tmp_path / f"{day:02}.nc", engine="h5netcdf")
    real, opened, present = xr.open_dataset, [], []

    def counted(path: Path, **options: Any) -> xr.Dataset:
        opened.append(path)
        present[:] = [dataset for dataset in present if dataset._close is not None]
        assert not present
        present.append(real(path, **options))
        return present[-1]

    monkeypatch.setattr(weather.xr, "open_dataset", counted)
    series = fetch(tmp_path, last=date(2020, 6, 5))
    assert series.days.size == 5 and len(opened) == 8


def test_a_dataset_in_memory() -> None:
    series = series_of(one(), "the service", FIRST, LAST, ("tmin",), BOUNDS)
    assert_tmin_in_place(series)
    with pytest.raises(InputError, match="the service lacks 'wind'"):
        series_of(one(), "the service", FIRST, LAST, ("wind",))
