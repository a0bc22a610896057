"""gridMET, from a stand-in for its THREDDS server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.variables import DEFAULT_WEATHER, WeatherFlag
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.layers.weather.regrid import CubeWeather, cube_weather
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.gridmet import FILES, GridMet
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.progress import progress_listener

from ..servers.base import Fault, Response, corrupt, empty, hang, reset, status, truncated
from ..servers.weather import WeatherServer, gridmet_truth
from .conftest import Command, build_tiny, weather_source
from .tiny_archive import TinyArchive
from .weather_series import assert_same_series

pytestmark = pytest.mark.stand_in

BOUNDS = (-93.9, 41.9, -93.6, 42.2)
FIRST, LAST = date(2020, 12, 1), date(2021, 1, 31)
ALL = DEFAULT_WEATHER
QUICK = RetryPolicy(attempts=3, first_wait=0.02, request=5.0)

# Canonical values from the files' own units, by hand: K - 273.15; mm; W m-2 over 86,400 s are 0.0864 MJ m-2; kPa;
# 0.748 of the wind at 10 m. The tolerance is half of what the files are packed in.
CANONICAL = {
    "tmin": (1.0, -273.15, 0.051),
    "tmax": (1.0, -273.15, 0.051),
    "precipitation": (1.0, 0.0, 0.051),
    "radiation": (0.0864, 0.0, 0.0864 * 0.051),
    "vpd": (1.0, 0.0, 0.0051),
    "wind": (0.748, 0.0, 0.748 * 0.051),
}


@pytest.fixture
def server() -> Iterator[WeatherServer]:
    with WeatherServer() as running:
        yield running


@dataclass
class Fetch:
    """gridMET from the stand-in, into one cache."""

    server: WeatherServer
    cache: Path
    retry_policy: RetryPolicy = QUICK

    def __call__(
        self,
        variables: tuple[str, ...] = ("tmin",),
        first: date = FIRST,
        last: date = LAST,
        bounds: tuple[float, float, float, float] = BOUNDS,
    ) -> WeatherSeries:
        return self.source(bounds).fetch(first, last, variables)

    def source(self, bounds: tuple[float, float, float, float] = BOUNDS) -> GridMet:
        return GridMet(bounds, self.cache, self.server.gridmet_url, self.retry_policy)

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.cache.rglob("*") if path.is_file())


@pytest.fixture
def fetch(server: WeatherServer, tmp_path: Path) -> Fetch:
    return Fetch(server, tmp_path / "cache")


def test_every_variable_comes_in_canonical_units(fetch: Fetch) -> None:
    series = fetch(ALL)
    days = np.arange(day_number(FIRST), day_number(LAST) + 1)
    assert series.days.tolist() == days.tolist()
    assert (np.diff(series.y) > 0).all() and (np.diff(series.x) > 0).all()
    for name, (scale, offset, tolerance) in CANONICAL.items():
        truth = gridmet_truth(FILES[name][0].name, days[:, None, None], series.y[:, None], series.x)
        np.testing.assert_allclose(series.values[name], truth * scale + offset, atol=tolerance)
        assert series.values[name].dtype == np.float32
    origin = fetch.source().origin()
    assert series.day_ends_utc_hour == 7
    assert "Abatzoglou" in origin.source and origin.licence == "public domain"


def test_relative_humidity_is_the_mean_of_the_days_extremes(fetch: Fetch) -> None:
    """The stand-in's formulas, 30 + 5 sin(day) and 80 + 5 cos(day) percent; both files are packed in tenths."""
    series = fetch(("relative_humidity", "tmin"))
    tilt = 0.8 * (series.y[:, None] - 42) - 0.6 * (series.x + 93)
    expected = 55 + 2.5 * (np.sin(series.days) + np.cos(series.days))[:, None, None] + tilt
    np.testing.assert_allclose(series.values["relative_humidity"], expected, atol=0.051)
    assert series.values["relative_humidity"].dtype == np.float32


@pytest.mark.parametrize("name", ["snow", "pressure", "moonlight"])
def test_a_variable_that_gridmet_lacks_is_refused(fetch: Fetch, name: str) -> None:
    with pytest.raises(InputError, match=rf"gridMET has no {name}; leave it out of weather\.variables"):
        fetch(("tmin", name))
    assert not fetch.server.requests


def test_only_the_rectangle_and_the_days_are_asked_for(fetch: Fetch) -> None:
    series = fetch(("tmin", "wind"))
    asked = {request.path.rpartition("/")[2]: request.query for request in fetch.server.requests}
    assert set(asked) == {"tmmn_2020.nc", "tmmn_2021.nc", "vs_2020.nc", "vs_2021.nc"}
    assert asked["vs_2020.nc"]["var"] == "wind_speed"
    assert asked["vs_2020.nc"]["time_start"][:10] == "2020-12-01"
    assert asked["vs_2020.nc"]["time_end"][:10] == "2020-12-31"
    assert float(asked["tmmn_2021.nc"]["west"]) == pytest.approx(-94.0)
    west, south, east, north = BOUNDS
    assert series.x.min() < west < east < series.x.max() < east + 0.15
    assert series.y.min() < south < north < series.y.max() < north + 0.15
    assert fetch.server.busiest <= 3


def test_nothing_is_fetched_twice(fetch: Fetch) -> None:
    first = fetch(("tmin", "tmax"))
    again = fetch(("tmin", "tmax"))
    assert_same_series(first, again)
    assert len(fetch.server.requests) == 4


def test_a_failure_loses_nothing(fetch: Fetch) -> None:
    fetch.server.fail("vs_2021", status(500))
    with pytest.raises(IncompleteError, match="gridMET vs of 2021"):
        fetch(ALL)
    fetch.server.clear_faults()
    before = len(fetch.server.requests)
    fetch(ALL)
    assert [request.path[-10:] for request in fetch.server.requests[before:]] == ["vs_2021.nc"]


def test_two_servers_do_not_share_files(fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    with WeatherServer() as other:
        Fetch(other, fetch.cache)()
        assert len(other.requests) == 2


def test_a_file_damaged_on_disk_is_fetched_again(fetch: Fetch) -> None:
    good = fetch()
    fetch.files[0].write_bytes(fetch.files[0].read_bytes()[:300])
    assert_same_series(fetch(), good)
    assert len(fetch.server.requests) == 3


def test_days_after_the_last_permanent_slice_are_provisional(fetch: Fetch) -> None:
    fetch.server.weather.permanent_until = date(2021, 1, 20)
    series = fetch(("tmin", "wind"))
    flag = series.flag
    assert flag is not None
    provisional = series.days[flag == WeatherFlag.PROVISIONAL]
    assert (provisional[0], len(provisional)) == (day_number(date(2021, 1, 21)), 11)
    assert set(np.unique(flag)) == {WeatherFlag.OBSERVED, WeatherFlag.PROVISIONAL}


def test_where_the_file_does_not_tell_young_days_are_provisional(fetch: Fetch) -> None:
    today = date.today()
    fetch.server.weather.until = today
    flag = fetch(first=today - timedelta(100), last=today - timedelta(80)).flag
    assert flag is not None and flag.tolist() == [WeatherFlag.OBSERVED] * 11 + [WeatherFlag.PROVISIONAL] * 10


def test_young_files_are_fetched_again_after_a_day(fetch: Fetch) -> None:
    today = date.today()
    if today.timetuple().tm_yday < 5:
        pytest.skip("the year's file is not there yet in its first days")
    fetch.server.weather.until = today - timedelta(3)
    span = {"first": max(today - timedelta(20), date(today.year, 1, 1)), "last": today}
    assert np.isnan(fetch(**span).values["tmin"][-3:]).all()
    fetch(**span)
    assert len(fetch.server.requests) == 1
    yesterday = time.time() - 90_000
    for path in fetch.files:
        os.utime(path, (yesterday, yesterday))
    fetch.server.weather.until = today
    assert not np.isnan(fetch(**span).values["tmin"]).any()


def page(request: object, right: Response) -> Response:
    """An error page that says it is fine, as proxies and servers under maintenance send."""
    return replace(right, body=b"<html><body>The server is under maintenance</body></html>")


TRANSIENT = {
    "429": status(429),
    "429 with Retry-After": status(429, 0),
    "500": status(500),
    "503": status(503),
    "reset": reset(),
    "truncated": truncated(),
    "corrupt": corrupt(),
    "corrupt values' header": corrupt(100),
    "empty": empty(),
    "page": page,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_what_passes_is_tried_again(fetch: Fetch, fault: Fault, tmp_path: Path) -> None:
    fetch.server.fail("tmmn_2020", fault, times=2)
    found = fetch()
    assert len(fetch.server.requests) == 4
    assert_same_series(found, Fetch(fetch.server, tmp_path / "other")())


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_what_stays_ends_in_one_line(fetch: Fetch, fault: Fault) -> None:
    fetch.server.fail("tmmn_2020", fault)
    with pytest.raises(IncompleteError) as error:
        fetch()
    text = str(error.value)
    assert text.startswith(fetch.server.url.removeprefix("http://") + ": gridMET tmmn of 2020-12-01 to 2020-12-31: ")
    assert "(3 attempts); what was downloaded is kept; run again later" in text
    assert "\n" not in text and len(text) < 400
    assert len([r for r in fetch.server.requests if "tmmn_2020" in r.path]) == 3
    assert all("tmmn_2020" not in path.name for path in fetch.files)


def test_what_a_page_says_is_told(fetch: Fetch) -> None:
    fetch.server.fail("tmmn", page)
    with pytest.raises(IncompleteError, match=r"not a NetCDF file but '<html><body>The server is under maintenance"):
        fetch()


def test_a_hang_ends_at_the_timeout(fetch: Fetch) -> None:
    fetch.server.fail("tmmn_2020", hang(30))
    fetch.retry_policy = RetryPolicy(attempts=2, first_wait=0.02, request=0.3)
    began = time.monotonic()
    with pytest.raises(IncompleteError, match=r"no answer in time \(2 attempts\)"):
        fetch()
    assert time.monotonic() - began < 3


def test_a_refusal_is_not_repeated(fetch: Fetch) -> None:
    fetch.server.fail("tmmn_2020", status(403))
    with pytest.raises(IncompleteError, match=r"HTTP status 403 \(1 attempt\)"):
        fetch()
    assert len([r for r in fetch.server.requests if "tmmn_2020" in r.path]) == 1


@pytest.mark.slow
def test_retry_after_is_obeyed(fetch: Fetch) -> None:
    fetch.server.fail("tmmn_2020", status(503, 1), times=1)
    began = time.monotonic()
    fetch()
    assert time.monotonic() - began >= 1


def test_a_server_that_asks_for_too_long_is_given_up(fetch: Fetch) -> None:
    fetch.server.fail("tmmn_2020", status(429, 3600))
    with pytest.raises(IncompleteError, match=r"asks to retry in 3600 seconds \(1 attempt\)"):
        fetch()


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    source = GridMet(BOUNDS, tmp_path, "http://127.0.0.1:9/thredds", QUICK)
    with pytest.raises(
        IncompleteError, match=r"127\.0\.0\.1:9: gridMET tmmn .* connection refused \(2 attempts\).* check the network"
    ):
        source.fetch(FIRST, LAST, ("tmin",))


def test_days_that_an_old_file_lacks_are_an_error(fetch: Fetch) -> None:
    fetch.server.weather.missing = frozenset({date(2020, 12, 10), date(2020, 12, 11)})
    with pytest.raises(IncompleteError, match="the response has 29 of 31 days"):
        fetch()


@pytest.mark.parametrize(("until", "says"), [(date(2020, 12, 31), "404"), (date(2021, 1, 5), "does not intersect")])
def test_days_that_are_not_published_yet_are_named(fetch: Fetch, until: date, says: str) -> None:
    fetch.server.weather.until = until
    with pytest.raises(InputError, match=rf"gridMET tmmn of 2021-01-10.*{says}.*shorten the recipe's period"):
        fetch(first=date(2021, 1, 10))


def test_days_before_1979_are_refused(fetch: Fetch) -> None:
    with pytest.raises(InputError, match="gridMET begins on 1979-01-01"):
        fetch(first=date(1978, 10, 1))


@pytest.mark.parametrize(
    "bounds",
    [(3.0, 50.9, 3.1, 51.0), (-100.0, 49.6, -99.8, 49.9), (-66.5, 45.0, -66.4, 45.1)],
    ids=["Flanders", "N", "E"],
)
def test_other_ground_is_refused_with_the_remedy(fetch: Fetch, bounds: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match=r"contiguous US.*the region reaches.*ERA5-Land"):
        fetch(bounds=bounds)
    assert not fetch.server.requests


# Into a cube


@pytest.fixture
def place(tmp_path: Path, server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> TinyArchive:
    """A recipe that names gridMET, the stand-in in its place."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    archive = TinyArchive(tmp_path)
    archive.write_recipe(weather__source="gridmet", weather__path=None)
    return archive


def weather_of(archive: TinyArchive) -> CubeWeather:
    region, recipe = load_region(str(archive.recipe))
    grid = grid_from_recipe(region, recipe, archive.data)
    return cube_weather(
        weather_source(region, SourceSite(grid, recipe, archive.data)),
        region,
        grid,
        calendar_for(region),
    )


def test_a_recipe_gets_its_weather_from_gridmet(place: TinyArchive, server: WeatherServer) -> None:
    server.weather.permanent_until = date(2021, 6, 15)
    weather = weather_of(place)
    region, recipe = load_region(str(place.recipe))
    grid, calendar = grid_from_recipe(region, recipe, place.data), calendar_for(region)
    at = calendar.index(day_number(date(2021, 5, 5)))
    y, x = grid.weather_coordinates()
    lon, lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    for name, (scale, offset, tolerance) in CANONICAL.items():
        truth = gridmet_truth(FILES[name][0].name, calendar.days[at], lat, lon) * scale + offset
        wanted = grid.weather_mask()
        np.testing.assert_allclose(weather.values[name][at][wanted], truth[wanted], atol=tolerance)
        assert np.isnan(weather.values[name][at][~wanted]).all()
    np.testing.assert_allclose(weather.bounds[at] - calendar.days[at], [7 / 24, 31 / 24])
    flagged = calendar.days[weather.flag == WeatherFlag.PROVISIONAL]
    assert (flagged[0], flagged.size) == (day_number(date(2021, 6, 16)), 15)
    assert weather.licence == "public domain"
    assert (place.data / "cache/gridmet").is_dir()


@pytest.mark.slow
def test_the_cube_says_where_its_weather_comes_from(
    tiny: TinyArchive, server: WeatherServer, monkeypatch: pytest.MonkeyPatch, mmvsf: Command
) -> None:
    monkeypatch.setenv("MMVSF_GRIDMET_URL", server.gridmet_url)
    tiny.write_recipe(weather__source="gridmet", weather__path=None)
    build_tiny(tiny)
    weather = Cube.open(tiny.cube).group_attributes("weather")
    assert "gridMET" in weather["source"] and weather["licence"] == "public domain"
    assert mmvsf("check", tiny.cube).code == 0


def test_what_is_fetched_is_told_meanwhile(place: TinyArchive) -> None:
    lines: list[str] = []
    with progress_listener(lines.append):
        weather_of(place)
    assert lines[0] == "weather, files of gridMET: 1 of 18" and lines[-1].endswith("18 of 18")
    before = len(lines)
    weather_of(place)
    assert len(lines) == before


@pytest.mark.slow
def test_the_command_ends_in_one_line_where_gridmet_is_down(
    tiny: TinyArchive, server: WeatherServer, monkeypatch: pytest.MonkeyPatch, mmvsf: Command
) -> None:
    monkeypatch.setenv("MMVSF_GRIDMET_URL", server.gridmet_url)
    tiny.write_recipe(weather__source="gridmet", weather__path=None)
    server.fail("vpd_2020", status(403))
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert outcome.code == 1
    assert "gridMET vpd of 2020" in outcome.error and "run again" in outcome.error
    server.clear_faults()
    assert mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1).code == 0
