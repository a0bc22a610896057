"""Weather: from any file's names, units, grid and days to the cube's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.regrid import CubeWeather, cube_weather, least_certain
from mmvsf.pipeline.layers.weather.units import saturation_pressure
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather

from .stored import TILE
from .tiny_archive import LATITUDES, LEFT, LONGITUDES, TOP, WEATHER_DAYS, TinyArchive, weather_dataset

CELLS = slice(0, 2), slice(1, 3)
"""Rows and columns of the cells that hold a part of the region."""

NAMES = ("tmin", "tmax", "precipitation", "radiation", "vpd", "wind")


@pytest.fixture
def place(tmp_path: Path) -> TinyArchive:
    """The recipe and the weather, without scenes."""
    archive = TinyArchive(tmp_path)
    archive.write_recipe()
    return archive


def weather_of(archive: TinyArchive, dataset: xr.Dataset | None = None) -> CubeWeather:
    if dataset is not None:
        archive.write_weather(dataset)
    region, recipe = load_region(str(archive.recipe))
    source = ArchiveWeather(recipe.parent / region.weather.path)
    whole = cube_weather(source, region, grid_from_recipe(region, recipe, archive.data), calendar_for(region))
    return of_region(whole)


def of_region(weather: CubeWeather) -> CubeWeather:
    """The cells that hold a part of the region; the others of the tile have no weather."""
    values = {name: array[(slice(None), *CELLS)] for name, array in weather.values.items()}
    assert all(np.isfinite(array).sum() == np.isfinite(weather.values[name]).sum() for name, array in values.items())
    return replace(weather, values=values)


def cells() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lon, lat) of the centres of the 2 x 2 weather cells of 48 pixels."""
    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(*cells_in_metres())
    return lon, lat


def cells_in_metres() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(x, y) of the centres of the 2 x 2 weather cells, which are counted from the origin (0, 0)."""
    x, y = LEFT + 1440 * (np.arange(2) + 0.5), 1440 * (np.ceil(TOP / 1440) - np.arange(2) - 0.5)
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def expected() -> dict[str, NDArray[np.float64]]:
    """The formulas of the file at the centres of the cells, in the cube's units."""
    lon, lat = cells()
    tilt = 4 * (lat - 42) - 3 * (lon + 96)
    day = np.arange(WEATHER_DAYS.size, dtype=float)[:, None, None]
    return {
        "tmin": 5 + 8 * np.sin(day / 58) + tilt,
        "tmax": 16 + 8 * np.sin(day / 58) + tilt,
        "precipitation": 3 + 2 * np.cos(day) + tilt,
        "radiation": (200 + 100 * np.sin(day / 58) + 20 * tilt) * 0.0864,
        "wind": (4 + np.cos(day / 3) + tilt) * 0.748,
    }


def test_a_linear_field_comes_to_the_cells_exactly(place: TinyArchive) -> None:
    weather = weather_of(place, weather_dataset())
    start = 26  # the calendar begins on 2019-09-05, the weather on 2019-10-01
    for name, values in expected().items():
        np.testing.assert_allclose(weather.values[name][start : start + len(values)], values, rtol=3e-6, atol=1e-4)
        assert weather.values[name].dtype == np.float32


def test_vpd_is_derived_from_the_extremes_and_the_vapour_pressure(place: TinyArchive) -> None:
    weather = weather_of(place, weather_dataset())
    lon, lat = cells()
    wanted, pressure = expected(), 0.7 + 0.1 * (4 * (lat - 42) - 3 * (lon + 96))
    mean = (saturation_pressure(wanted["tmin"]) + saturation_pressure(wanted["tmax"])) / 2
    # It is derived on the source's grid, where saturation is not quite linear between the cells.
    np.testing.assert_allclose(weather.values["vpd"][26 : 26 + len(mean)], np.maximum(mean - pressure, 0), atol=5e-3)


def test_days_stand_where_the_calendar_puts_them(place: TinyArchive) -> None:
    """Each value tells its own date."""
    dataset = weather_dataset()
    days = WEATHER_DAYS.astype(int)
    dataset["precipitation_flux"][:] = (days % 1500)[:, None, None]
    weather = weather_of(place, dataset)
    first = calendar_for(load_region(str(place.recipe))[0]).first_day
    found = weather.values["precipitation"][:, 0, 0]
    known = np.flatnonzero(~np.isnan(found))
    np.testing.assert_array_equal(found[known], (first + known) % 1500)
    assert first + known[0] == (date(2019, 10, 1) - date(1970, 1, 1)).days
    assert first + known[-1] == (date(2021, 6, 30) - date(1970, 1, 1)).days


def test_rows_in_any_order_and_at_any_hour(place: TinyArchive) -> None:
    straight = weather_of(place, weather_dataset())
    mixed = weather_dataset().isel(time=slice(None, None, -1), lat=slice(None, None, -1), lon=slice(None, None, -1))
    mixed = mixed.assign_coords(time=mixed.time + np.timedelta64(12, "h"))
    turned = weather_of(place, mixed.transpose("lon", "lat", "time"))
    for name in NAMES:
        np.testing.assert_array_equal(turned.values[name], straight.values[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hour", "begin", "end"),
    [
        (24, 0.0, 1.0),  # UTC days
        (None, 0.0, 1.0),  # nothing said
        (7, 7 / 24, 1 + 7 / 24),  # gridMET: ends at 07 UTC of the next date
        (0, 0.0, 1.0),  # the same as 24
        (12, -0.5, 0.5),  # New Zealand: ends at noon UTC of the same date
        (6, 0.25, 1.25),
        (16, -1 / 3, 2 / 3),  # eight hours east of Greenwich: ends at 16 UTC of the same date
    ],
)
def test_bounds_say_when_a_local_day_begins_and_ends(
    place: TinyArchive, hour: int | None, begin: float, end: float
) -> None:
    dataset = weather_dataset()
    del dataset.attrs["day_ends_utc_hour"]
    if hour is not None:
        dataset.attrs["day_ends_utc_hour"] = hour
    weather = weather_of(place, dataset)
    days = calendar_for(load_region(str(place.recipe))[0]).days
    np.testing.assert_allclose(weather.bounds, np.stack([days + begin, days + end], axis=1))


def without(dataset: xr.Dataset, first: str, count: int) -> xr.Dataset:
    start = int((np.datetime64(first) - WEATHER_DAYS[0]).astype(int))
    return dataset.drop_isel(time=np.arange(start, start + count))


def flagged(flag: NDArray[np.uint8]) -> list[int]:
    """Positions of the days with weather that is not as observed."""
    return np.flatnonzero((flag != WeatherFlag.OBSERVED) & (flag != WeatherFlag.NONE)).tolist()


def test_a_short_gap_is_filled_between_its_neighbours_and_flagged(place: TinyArchive) -> None:
    whole = weather_of(place, weather_dataset())
    holed = weather_of(place, without(weather_dataset(), "2020-12-30", 3))
    at = 26 + int((np.datetime64("2020-12-30") - WEATHER_DAYS[0]).astype(int))
    for name in ("tmin", "precipitation", "radiation"):
        before, after = whole.values[name][at - 1], whole.values[name][at + 3]
        for step in range(3):
            between = before + (after - before) * (step + 1) / 4
            np.testing.assert_allclose(holed.values[name][at + step], between, rtol=1e-5, atol=1e-4)
        others = np.delete(np.arange(len(whole.values[name])), np.arange(at, at + 3))
        np.testing.assert_array_equal(holed.values[name][others], whole.values[name][others])
    assert flagged(holed.flag) == [at, at + 1, at + 2] and set(holed.flag[at : at + 3]) == {1}
    assert flagged(whole.flag) == []


def test_a_day_without_values_is_a_gap_like_a_missing_row(place: TinyArchive) -> None:
    dataset = weather_dataset()
    dataset["temperature_min"][100] = np.nan
    holed = weather_of(place, dataset)
    assert flagged(holed.flag) == [126]
    assert not np.isnan(holed.values["tmin"][126]).any()


@pytest.mark.parametrize(
    ("first", "count"),
    [("2020-12-30", 4), ("2019-10-01", 1), ("2021-06-30", 1)],
    ids=["too long", "at the start", "at the end"],
)
def test_a_gap_that_cannot_be_filled_is_refused(place: TinyArchive, first: str, count: int) -> None:
    with pytest.raises(InputError, match=rf"misses {count} days from {first}.*fill_gaps allows 3"):
        weather_of(place, without(weather_dataset(), first, count))


def daymet_of(archive: TinyArchive, dataset: xr.Dataset) -> CubeWeather:
    """Daymet's calendar: 31 December 2020 does not exist."""
    return weather_of(archive, without(dataset, "2020-12-31", 1).assign_attrs(source="Daymet Software Version 4.0"))


def test_the_last_day_of_a_leap_year_that_daymet_drops_is_filled_whatever_the_recipe_says(place: TinyArchive) -> None:
    place.write_recipe(weather__fill_gaps=0)
    weather = daymet_of(place, weather_dataset())
    at = 26 + int((np.datetime64("2020-12-31") - WEATHER_DAYS[0]).astype(int))
    assert flagged(weather.flag) == [at]
    assert weather.flag[at] == WeatherFlag.FILLED
    tmin = weather.values["tmin"]
    np.testing.assert_allclose(tmin[at], (tmin[at - 1] + tmin[at + 1]) / 2, rtol=1e-5)
    with pytest.raises(InputError, match="misses 1 days from 2020-12-30"):
        daymet_of(place, without(weather_dataset(), "2020-12-30", 1))


@pytest.mark.parametrize(
    "period",
    [{"end": "2020-12-31", "months": [6]}, {"start": "2020-12-31", "end": "2021-06-30"}],
    ids=["last", "first"],
)
def test_a_dropped_day_at_an_end_takes_its_only_neighbour(place: TinyArchive, period: dict[str, Any]) -> None:
    changes: dict[str, Any] = {f"period__{key}": value for key, value in period.items()}
    if "start" in period:
        changes |= {"weather__start": date(2020, 12, 31), "labels": None, "split__years": None}
    else:
        changes |= {"labels": None, "split__years": None}
    place.write_recipe(weather__fill_gaps=0, **changes)
    weather = daymet_of(place, weather_dataset())
    region = load_region(str(place.recipe))[0]
    at = calendar_for(region).index((date(2020, 12, 31) - date(1970, 1, 1)).days)
    neighbour = at - 1 if "start" not in period else at + 1
    assert weather.flag[at] == WeatherFlag.FILLED
    np.testing.assert_array_equal(weather.values["tmax"][at], weather.values["tmax"][neighbour])


@dataclass(frozen=True)
class Fixed(WeatherSource):
    """A source that returns one series."""

    series: WeatherSeries

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Fixed:
        raise NotImplementedError

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        return self.series

    def origin(self) -> Origin:
        return Origin("tests")


def test_a_day_has_the_flag_of_its_least_certain_variable(place: TinyArchive) -> None:
    """Filled before estimated before provisional."""
    region, recipe = load_region(str(place.recipe))
    grid = grid_from_recipe(region, recipe, place.data)
    place.write_weather(weather_dataset())
    series = ArchiveWeather(place.root / "weather/daily.nc").fetch(
        region.weather_start, region.period.end, region.weather.variables
    )
    flag = np.zeros(series.days.size, np.uint8)
    flag[10:14] = WeatherFlag.PROVISIONAL
    flag[14:18] = WeatherFlag.ESTIMATED
    series.values["tmin"][13:15] = np.nan
    series.values["wind"][40] = np.nan
    kept = np.delete(np.arange(flag.size), 30)
    values = {name: array[kept] for name, array in series.values.items()}
    series = replace(series, values=values, days=series.days[kept], flag=flag[kept])
    weather = cube_weather(Fixed(series), region, grid, calendar_for(region))
    found = weather.flag[26 : 26 + flag.size]
    wanted = {10: 2, 11: 2, 12: 2, 13: 1, 14: 1, 15: 3, 16: 3, 17: 3, 30: 1, 40: 1}
    assert {int(day): int(found[day]) for day in np.flatnonzero(found)} == wanted
    assert weather.flag.dtype == np.uint8


@pytest.mark.parametrize(
    ("flags", "counts"), [((0, 2), 2), ((2, 3), 3), ((3, 1), 1), ((1, 2), 1), ((0, 0), 0), ((2, 3, 1, 0), 1)]
)
def test_precedence_of_flags(flags: tuple[int, ...], counts: int) -> None:
    assert least_certain(*(np.array([flag]) for flag in flags)).tolist() == [counts]


def test_no_gap_is_filled_where_the_recipe_says_so(place: TinyArchive) -> None:
    place.write_recipe(weather__fill_gaps=0)
    with pytest.raises(InputError, match="fill_gaps allows 0"):
        weather_of(place, without(weather_dataset(), "2020-12-30", 1))


def test_a_cell_without_data_takes_no_part(place: TinyArchive) -> None:
    """The sea has no weather; its neighbours on land stand for it."""
    dataset = weather_dataset()
    for name in dataset.data_vars:
        dataset[name][:, :, -1] = np.nan
    assert not np.isnan(weather_of(place, dataset).values["tmin"][26 : 26 + WEATHER_DAYS.size]).any()
    for name in dataset.data_vars:
        dataset[name][:] = np.where(np.arange(5) < 1, dataset[name], np.nan)
    with pytest.raises(InputError, match="without data"):
        weather_of(place, dataset)


@pytest.mark.parametrize("part", [{"lat": slice(2, None)}, {"lon": slice(0, 1)}, {"lon": slice(3, None)}])
def test_weather_that_does_not_reach_the_region_is_refused(place: TinyArchive, part: dict[str, slice]) -> None:
    shifted = weather_dataset().isel(part)
    if part == {"lat": slice(2, None)}:
        shifted = shifted.assign_coords(lat=shifted.lat + 0.1)
    if part == {"lon": slice(0, 1)}:
        shifted = shifted.assign_coords(lon=shifted.lon - 1)
    with pytest.raises(InputError, match="does not reach the whole region"):
        weather_of(place, shifted)


def test_one_cell_stands_for_its_surroundings(place: TinyArchive) -> None:
    single = weather_of(place, weather_dataset().isel(lat=[1], lon=[2]))
    assert (single.values["tmin"][26] == single.values["tmin"][26, 0, 0]).all()


def test_a_grid_in_metres(place: TinyArchive) -> None:
    """The CRS comes from a CF grid mapping; the field is linear in its coordinates."""
    lambert = "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-96 +datum=WGS84"
    x, y = np.arange(-2e4, 2e4, 1000.0), np.arange(-8e4, -4e4, 1000.0)
    field = np.broadcast_to(280 + y[:, None] * 1e-4 + x[None] * 2e-4, (WEATHER_DAYS.size, y.size, x.size))
    place.write_recipe(weather__variables=["tmin"])
    dataset = xr.Dataset(
        {"tmin": (("time", "y", "x"), field, {"units": "K"})},
        {"time": WEATHER_DAYS.astype("datetime64[ns]"), "y": y, "x": x},
    )
    dataset["spatial_ref"] = xr.DataArray(0, attrs={"crs_wkt": CRS(lambert).to_wkt()})
    weather = weather_of(place, dataset)
    cx, cy = Transformer.from_crs(32615, lambert, always_xy=True).transform(*cells_in_metres())
    np.testing.assert_allclose(weather.values["tmin"][30], 280 + cy * 1e-4 + cx * 2e-4 - 273.15, atol=1e-3)


def test_a_grid_in_metres_without_a_crs_is_refused(place: TinyArchive) -> None:
    dataset = weather_dataset().assign_coords(lat=LATITUDES * 1e5, lon=LONGITUDES * 1e5)
    with pytest.raises(InputError, match="names no CRS"):
        weather_of(place, dataset)


def only(**variables: tuple[float, str]) -> xr.Dataset:
    """The same value everywhere and every day."""
    shape = (WEATHER_DAYS.size, 4, 5)
    return xr.Dataset(
        {n: (("time", "lat", "lon"), np.full(shape, v), {"units": u}) for n, (v, u) in variables.items()},
        {"time": WEATHER_DAYS.astype("datetime64[ns]"), "lat": LATITUDES, "lon": LONGITUDES},
    )


@pytest.mark.parametrize(
    ("variable", "dataset", "answer"),
    [
        ("tmin", only(tmmn=(280.15, "K")), 7.0),  # gridMET
        ("precipitation", only(pr=(4.0, "mm")), 4.0),
        ("radiation", only(srad=(250.0, "W m-2")), 21.6),  # gridMET: a mean over 24 hours
        ("radiation", only(srad=(400.0, "W m-2"), dayl=(43200.0, "s")), 17.28),  # Daymet: over the daylight
        ("wind", only(vs=(5.0, "m/s")), 3.74),  # at 10 m
        ("wind", only(wind=(5.0, "m/s")), 5.0),  # at 2 m
        ("vpd", only(vpd=(8.0, "hPa")), 0.8),
        ("vpd", only(tmin=(15.0, "degC"), tmax=(24.5, "degC"), vp=(1700.0, "Pa")), 0.69),
        ("vpd", only(tmin=(15.0, "degC"), tmax=(24.5, "degC"), dewpoint=(14.96, "degC")), 0.69),
        ("relative_humidity", only(hurs=(0.68, "1")), 68.0),  # CF
        ("relative_humidity", only(rmin=(40.0, "%"), rmax=(90.0, "%")), 65.0),  # gridMET
        # 1.70 kPa of a mean saturation pressure of 2.39 [FAO-56, example 3]
        ("relative_humidity", only(tmin=(15.0, "degC"), tmax=(24.5, "degC"), vp=(1700.0, "Pa")), 71.135),  # Daymet
        ("pressure", only(sp=(98_000.0, "Pa")), 98.0),  # ERA5-Land
        ("pressure", only(ps=(980.0, "hPa")), 98.0),  # CF
        ("soil_moisture", only(swvl1=(0.31, "m**3 m**-3")), 0.31),  # ERA5-Land
        ("snow", only(swe=(120.0, "kg m-2")), 120.0),  # Daymet
        ("snow", only(snw=(120.0, "kg m-2")), 120.0),  # CF
        ("snow", only(snow_thickness_lwe=(12.0, "cm")), 120.0),  # AgERA5
    ],
)
def test_names_of_known_products(place: TinyArchive, variable: str, dataset: xr.Dataset, answer: float) -> None:
    place.write_recipe(weather__variables=[variable])
    assert weather_of(place, dataset).values[variable][300, 0, 0] == pytest.approx(answer, abs=6e-3)


@pytest.mark.parametrize("name", ["snow", "relative_humidity"])
def test_a_known_variable_that_a_file_lacks_is_named(place: TinyArchive, name: str) -> None:
    place.write_recipe(weather__variables=[name])
    with pytest.raises(InputError, match=rf"daily\.nc lacks '{name}'"):
        weather_of(place, only(wind=(5.0, "m/s")))


def test_an_unknown_variable_is_refused(place: TinyArchive) -> None:
    place.write_weather(weather_dataset())
    source = ArchiveWeather(place.root / "weather/daily.nc")
    with pytest.raises(InputError, match="there is no weather variable 'moonlight'; choose from tmin, "):
        source.fetch(date(2020, 1, 1), date(2020, 1, 2), ("moonlight",))


def test_a_missing_variable_is_named_with_its_remedy(place: TinyArchive) -> None:
    with pytest.raises(InputError, match=r"daily\.nc lacks 'wind'.*leave it out of weather\.variables"):
        weather_of(place, weather_dataset().drop_vars("wind_speed"))


def test_a_variable_without_units_is_refused(place: TinyArchive) -> None:
    dataset = weather_dataset()
    del dataset["temperature_min"].attrs["units"]
    with pytest.raises(InputError, match="'temperature_min' has no units"):
        weather_of(place, dataset)


def test_a_wrong_unit_is_seen_by_its_range(place: TinyArchive) -> None:
    dataset = weather_dataset()
    dataset["temperature_min"].attrs["units"] = "degC"
    with pytest.raises(InputError, match=r"temperature_min: tmin is .* on 20.* in the cell at .* units attribute"):
        weather_of(place, dataset)


def test_a_day_that_occurs_twice(place: TinyArchive) -> None:
    """Equal rows are one, others are refused."""
    dataset = weather_dataset()
    once, twice = (weather_of(place, part) for part in (dataset, xr.concat([dataset, dataset.isel(time=[5])], "time")))
    np.testing.assert_array_equal(once.values["tmin"], twice.values["tmin"])
    with pytest.raises(InputError, match=r"daily.nc has two rows for 'temperature_min' on 2019-10-06"):
        weather_of(place, xr.concat([dataset, dataset.isel(time=[5]) + 1], "time", combine_attrs="override"))


def folder_of_years(place: TinyArchive) -> Path:
    folder = place.root / "weather/by-year"
    folder.mkdir()
    for year, part in weather_dataset().groupby("time.year"):
        part.to_netcdf(folder / f"{year}.nc", engine="h5netcdf")
    return folder


def zarr_store(place: TinyArchive) -> Path:
    path = place.root / "weather/daily.zarr"
    weather_dataset().to_zarr(path, consolidated=False)
    return path


def classic_netcdf(place: TinyArchive) -> Path:
    path = place.root / "weather/classic.nc"
    weather_dataset().to_netcdf(path, engine="scipy")
    return path


@pytest.mark.parametrize("kind", [folder_of_years, zarr_store, classic_netcdf])
def test_other_forms_of_the_same_weather(place: TinyArchive, kind: Any) -> None:
    wanted = weather_of(place, weather_dataset())
    place.write_recipe(weather__path=str(kind(place)))
    found = weather_of(place)
    for name in NAMES:
        np.testing.assert_array_equal(found.values[name], wanted.values[name])


def test_the_cube_carries_units_bounds_and_flags(built: TinyArchive) -> None:
    weather = xr.open_datatree(built.cube, engine="zarr")[f"{TILE}/weather"]
    units = ("degree_Celsius", "degree_Celsius", "mm", "MJ m-2", "kPa", "m s-1")
    assert {name: weather[name].attrs["units"] for name in NAMES} == dict(zip(NAMES, units, strict=True))
    assert weather["tmin"].attrs["cell_methods"] == "time: minimum"
    assert weather["precipitation"].attrs["cell_methods"] == "time: sum"
    assert weather["time"].attrs["bounds"] == "time_bnds"
    assert weather.attrs["source"] == "made for the tests"
    for name, values in expected().items():
        found = weather[name].values[(slice(26, 26 + len(values)), *CELLS)]
        np.testing.assert_allclose(found, values, rtol=3e-6, atol=1e-4)
    begin, end = weather["utc_bnds"].sel(time="2021-05-05").values.ravel()
    assert (str(begin)[:16], str(end)[:16]) == ("2021-05-05T06:00", "2021-05-06T06:00")
