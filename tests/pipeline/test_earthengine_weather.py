"""Weather of Earth Engine: every conversion against an answer worked by hand; days, cells and flags.

Saturation vapour pressure by 0.6108 exp(17.27 T / (T + 237.3)): 0.8723 kPa at 5 C, 1.2280 at 10 C, 2.3383 at 20 C.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import CRS

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.variables import DEFAULT_WEATHER, WeatherFlag
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.layers.weather.regrid import cube_weather
from mmvsf.pipeline.sources.earthengine import weather as earthengine_weather
from mmvsf.pipeline.sources.earthengine.weather import EarthEngineWeather
from mmvsf.pipeline.sources.gridmet import GridMet

from ..servers.earthengine import EarthEngine, Grid, Image, array_band
from ..servers.earthengine_public import gridmet_images
from ..servers.weather import WeatherServer
from .conftest import weather_source
from .earthengine_session import serving
from .tiny_archive import recipe
from .weather_series import at_point

pytestmark = pytest.mark.stand_in

BOUNDS = (-96.05, 41.95, -95.95, 42.02)
DEGREES = Grid("EPSG:4326", (0.1, 0.0, -97.0, 0.0, -0.1, 43.0), (20, 20))
LAMBERT = CRS.from_proj4("+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +ellps=WGS84 +units=m").to_wkt()
KILOMETRES = Grid(LAMBERT, (1000.0, 0.0, 300000.0, 0.0, -1000.0, 50000.0), (120, 80))

Day = dict[str, float]
GRIDMET: Day = {"tmmn": 283.15, "tmmx": 293.15, "pr": 5.0, "srad": 200.0, "vpd": 1.2, "vs": 4.0}
DAYMET: Day = {"tmin": 10.0, "tmax": 20.0, "prcp": 3.0, "srad": 400.0, "dayl": 36000.0, "vp": 1000.0}
ERA5: Day = {
    "temperature_2m_min": 283.15, "temperature_2m_max": 293.15, "dewpoint_temperature_2m": 278.15,
    "total_precipitation_sum": 0.0042, "surface_solar_radiation_downwards_sum": 18e6,
    "u_component_of_wind_10m": 3.0, "v_component_of_wind_10m": -4.0,
}  # fmt: skip


def image(collection: str, day: date, numbers: Day, grid: Grid, **properties: Any) -> Image:
    """A day whose numbers grow to the east by a thousandth a column, and to the south by a tenth of that."""
    row, column = np.indices(grid.shape)
    slope = 1 + 1e-3 * column + 1e-4 * row
    bands = {name: array_band((value * slope).astype(np.float32), grid) for name, value in numbers.items()}
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Image(f"{collection}/{day:%Y%m%d}", start, bands, properties)


def flat(collection: str, day: date, numbers: Day, grid: Grid, **properties: Any) -> Image:
    """A day that is the same everywhere."""
    bands = {name: array_band(np.full(grid.shape, value, np.float32), grid) for name, value in numbers.items()}
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Image(f"{collection}/{day:%Y%m%d}", start, bands, properties)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngine]:
    with serving([], monkeypatch) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collection", "asset", "numbers", "grid", "wanted", "ends"),
    [
        # 200 W m-2 x 86400 s = 17.28 MJ; 4 m/s at 10 m x 0.748
        ("gridmet", "IDAHO_EPSCOR/GRIDMET", GRIDMET, DEGREES, (10, 20, 5, 17.28, 1.2, 2.992), 7),
        # 400 W m-2 x 36000 s of daylight = 14.4 MJ; (1.2280 + 2.3383) / 2 - 1.0 = 0.7831; no wind
        ("daymet", "NASA/ORNL/DAYMET_V4", DAYMET, KILOMETRES, (10, 20, 3, 14.4, 0.7831), 6),
        # 4.2 mm; 18 MJ; (1.2280 + 2.3383) / 2 - 0.8723 = 0.9108; 5 m/s x 0.748
        ("era5-land", "ECMWF/ERA5_LAND/DAILY_AGGR", ERA5, DEGREES, (10, 20, 4.2, 18, 0.9108, 3.74), 24),
    ],
)
def test_conversions(
    server: EarthEngine, collection: str, asset: str, numbers: Day, grid: Grid, wanted: tuple[float, ...], ends: float
) -> None:
    server.images += [flat(asset, day, numbers, grid) for day in days(date(2021, 5, 1), 3)]
    names = DEFAULT_WEATHER[: len(wanted)]
    source = EarthEngineWeather(collection, BOUNDS)
    series = source.fetch(date(2021, 5, 1), date(2021, 5, 3), names)
    assert series.days.tolist() == [day_number(day) for day in days(date(2021, 5, 1), 3)]
    for name, value in zip(names, wanted, strict=True):
        np.testing.assert_allclose(series.values[name], value, rtol=1e-4, err_msg=name)
        assert series.values[name].dtype == np.float32
    assert series.day_ends_utc_hour == ends and source.origin().source and source.origin().licence
    assert CRS(series.crs) == CRS(grid.crs)


@pytest.mark.parametrize(
    ("collection", "asset", "numbers", "grid", "expected"),
    [
        ("gridmet", "IDAHO_EPSCOR/GRIDMET", {"rmin": 40.0, "rmax": 90.0}, DEGREES, {"relative_humidity": 65.0}),
        # 1.0 / ((1.2280 + 2.3383) / 2)
        ("daymet", "NASA/ORNL/DAYMET_V4", DAYMET | {"swe": 85.0}, KILOMETRES, {"relative_humidity": 56.08, "snow": 85}),
        (
            "era5-land",
            "ECMWF/ERA5_LAND/DAILY_AGGR",
            # 0.8723 kPa at the dew point of 5 C, 1.7053 at 15 C
            {"temperature_2m": 288.15, "dewpoint_temperature_2m": 278.15, "surface_pressure": 97_500.0,
             "volumetric_soil_water_layer_1": 0.31, "snow_depth_water_equivalent": 0.085},
            DEGREES,
            {"relative_humidity": 51.15, "pressure": 97.5, "soil_moisture": 0.31, "snow": 85},
        ),
    ],
)  # fmt: skip
def test_conversions_beyond_the_default_variables(
    server: EarthEngine, collection: str, asset: str, numbers: Day, grid: Grid, expected: Day
) -> None:
    server.images.append(flat(asset, date(2021, 5, 1), numbers, grid))
    series = EarthEngineWeather(collection, BOUNDS).fetch(date(2021, 5, 1), date(2021, 5, 1), tuple(expected))
    for name, value in expected.items():
        np.testing.assert_allclose(series.values[name], value, rtol=2e-4, err_msg=name)


def test_flows_a_little_below_zero_are_zero(server: EarthEngine) -> None:
    night = ERA5 | {"total_precipitation_sum": -1e-7, "surface_solar_radiation_downwards_sum": -3.0}
    server.images.append(flat("ECMWF/ERA5_LAND/DAILY_AGGR", date(2021, 1, 1), night, DEGREES))
    series = EarthEngineWeather("era5-land", BOUNDS).fetch(
        date(2021, 1, 1), date(2021, 1, 1), ("precipitation", "radiation")
    )
    assert series.values["precipitation"].max() == 0 and series.values["radiation"].max() == 0


def test_cells_stand_where_they_belong(server: EarthEngine) -> None:
    """The window of native cells, its centres, south first; masked cells (the sea) are missing."""
    day = image("IDAHO_EPSCOR/GRIDMET", date(2021, 5, 1), {"pr": 100.0}, DEGREES)
    values = day.bands["pr"].read(slice(0, 20), slice(0, 20))[0]
    land = np.ones((20, 20), bool)
    land[8, 10] = False
    day.bands["pr"] = array_band(values, DEGREES, land)
    server.images.append(day)
    series = EarthEngineWeather("gridmet", BOUNDS).fetch(date(2021, 5, 1), date(2021, 5, 1), ("precipitation",))
    # -96.05 to -95.95 lies in columns 9 and 10, 41.95 to 42.02 in rows 9 and 10; two cells more on each side
    np.testing.assert_allclose(series.x, -97 + 0.1 * (np.arange(7, 13) + 0.5))
    np.testing.assert_allclose(series.y, 43 - 0.1 * (np.arange(12, 6, -1) + 0.5))
    wanted = np.where(land, values, np.nan)[7:13, 7:13][::-1]
    np.testing.assert_array_equal(series.values["precipitation"][0], wanted)
    assert np.isnan(at_point(series, "precipitation", 42.15, -95.95)).all()


def test_many_days_come_in_few_requests(server: EarthEngine) -> None:
    """1,024 bands a request: 400 days of six bands are three, and each day is its own."""
    span = days(date(2020, 1, 1), 400)
    server.images += [
        flat("IDAHO_EPSCOR/GRIDMET", day, GRIDMET | {"pr": float(number)}, DEGREES) for number, day in enumerate(span)
    ]
    series = EarthEngineWeather("gridmet", BOUNDS).fetch(span[0], span[-1], DEFAULT_WEATHER)
    np.testing.assert_array_equal(series.values["precipitation"][:, 0, 0], np.arange(400))
    assert len(server.asked("computePixels")) == 3


def test_days_that_may_still_change_are_flagged(server: EarthEngine) -> None:
    states = ("permanent", "provisional", "early")
    server.images += [
        flat("IDAHO_EPSCOR/GRIDMET", day, {"pr": 1.0}, DEGREES, status=state)
        for day, state in zip(days(date(2021, 5, 1), 3), states, strict=True)
    ]
    series = EarthEngineWeather("gridmet", BOUNDS).fetch(date(2021, 5, 1), date(2021, 5, 3), ("precipitation",))
    assert series.flag is not None and series.flag.tolist() == [
        WeatherFlag.OBSERVED, WeatherFlag.PROVISIONAL, WeatherFlag.PROVISIONAL
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["2020-12-31", "2021-01-02"], ids=["at the end of the span", "between years"])
def test_the_last_day_of_daymets_leap_years_is_filled_and_flagged(
    server: EarthEngine, tmp_path: Path, end: str
) -> None:
    content = recipe()
    content["period"] = {"start": "2020-12-01", "end": end}
    content["weather"] = {
        "source": "earthengine", "collection": "daymet", "start": "2020-12-29", "fill_gaps": 0, "variables": ["tmin"]
    }  # fmt: skip
    content["weather"]["start"] = "2020-11-20"
    del content["labels"]
    content["split"] = {}
    region = parse_region(content, "test")
    span = [day for day in days(date(2020, 11, 20), 44) if day != date(2020, 12, 31)]
    server.images += [flat("NASA/ORNL/DAYMET_V4", day, {"tmin": float(day.day)}, KILOMETRES) for day in span]
    grid, calendar = grid_from_recipe(region, tmp_path, tmp_path), calendar_for(region)
    weather = cube_weather(
        weather_source(region, SourceSite(grid, tmp_path, tmp_path)),
        region,
        grid,
        calendar,
    )
    at = calendar.index(day_number(date(2020, 12, 31)))
    wanted = 30.0 if end == "2020-12-31" else (30.0 + 1.0) / 2
    assert np.nanmin(weather.values["tmin"][at]) == np.nanmax(weather.values["tmin"][at]) == wanted
    assert weather.flag[at] == WeatherFlag.FILLED and (weather.flag == WeatherFlag.FILLED).sum() == 1


def test_what_a_collection_lacks_is_said(server: EarthEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = last = date(2021, 5, 1)
    with pytest.raises(InputError, match=r"daymet has no wind; leave it out of weather.variables"):
        EarthEngineWeather("daymet", BOUNDS).fetch(first, last, ("tmin", "wind"))
    with pytest.raises(InputError, match="no day of NASA/ORNL/DAYMET_V4 between 2021-05-01"):
        EarthEngineWeather("daymet", BOUNDS).fetch(first, last, ("tmin",))
    server.images.append(flat("IDAHO_EPSCOR/GRIDMET", first, GRIDMET, DEGREES))
    with pytest.raises(InputError, match="does not cover this region"):
        EarthEngineWeather("gridmet", (3.0, 50.0, 3.1, 50.1)).fetch(first, last, ("tmin",))
    monkeypatch.setattr(earthengine_weather, "MOST_NUMBERS", 10)
    with pytest.raises(InputError, match=r"take a coarser weather\.collection"):
        EarthEngineWeather("gridmet", BOUNDS).fetch(first, last, ("tmin",))


def test_gridmet_is_the_same_from_both_of_its_homes(server: EarthEngine, tmp_path: Path) -> None:
    """Earth Engine's gridMET against THREDDS', whose files are packed into 16 bits."""
    first, last = date(2020, 12, 30), date(2021, 1, 3)
    server.images += gridmet_images(first, last)
    series = EarthEngineWeather("gridmet", BOUNDS).fetch(first, last, DEFAULT_WEATHER)
    with WeatherServer() as thredds:
        other = GridMet(BOUNDS, tmp_path, thredds.gridmet_url).fetch(first, last, DEFAULT_WEATHER)
    # The server's rectangle is wider: the same cells of it.
    rows, columns = (
        np.abs(axis - mine[:, None]).argmin(axis=1) for mine, axis in ((series.y, other.y), (series.x, other.x))
    )
    np.testing.assert_allclose(series.y, other.y[rows], atol=1e-6)
    np.testing.assert_allclose(series.x, other.x[columns], atol=1e-6)
    np.testing.assert_array_equal(series.days, other.days)
    for name in DEFAULT_WEATHER:
        np.testing.assert_allclose(
            series.values[name], other.values[name][:, rows][:, :, columns], atol=1e-4, err_msg=name
        )
    assert (series.day_ends_utc_hour, series.crs) == (other.day_ends_utc_hour, other.crs)
