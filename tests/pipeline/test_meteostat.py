"""Stations: meteostat's own client against a stand-in for its files, and the fields made of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import meteostat
import numpy as np
import pytest

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.layers.weather.regrid import CubeWeather, cube_weather
from mmvsf.pipeline.layers.weather.stations import (
    Stations,
    distance_weights,
    distances_km,
    interpolate,
    interpolate_temperature,
    station_fields,
)
from mmvsf.pipeline.layers.weather.units import saturation_pressure
from mmvsf.pipeline.layers.weather.update import update_weather
from mmvsf.pipeline.layers.weather_series import WeatherCells, WeatherSeries
from mmvsf.pipeline.sources.meteostat.weather import MeteostatStations
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from ..servers.base import Fault, corrupt, empty, hang, reset, status, truncated
from ..servers.weather import STATIONS, Station, WeatherServer, station_truth
from .conftest import weather_source
from .tiny_archive import Granule, TinyArchive, write_raster
from .weather_series import assert_same_series, at_point

pytestmark = pytest.mark.stand_in

BOUNDS = (-93.9, 41.9, -93.6, 42.2)
FIRST, LAST = date(2020, 12, 1), date(2021, 1, 31)
DAYS = np.arange(day_number(FIRST), day_number(LAST) + 1)
ALL = ("tmin", "tmax", "precipitation", "radiation", "vpd", "wind")
QUICK = RetryPolicy(attempts=3, first_wait=0.02, request=5.0)


def lead_to(server: WeatherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMVSF_METEOSTAT_URL", server.url)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeatherServer]:
    with WeatherServer() as running:
        lead_to(running, monkeypatch)
        yield running


@dataclass
class Fetch:
    """Stations from the stand-in, into one cache."""

    server: WeatherServer
    cache: Path
    retry_policy: RetryPolicy = QUICK

    def __call__(
        self,
        variables: tuple[str, ...] = ("tmin", "tmax"),
        bounds: tuple[float, float, float, float] = BOUNDS,
        first: date = FIRST,
        last: date = LAST,
    ) -> WeatherSeries:
        return MeteostatStations(bounds, self.cache, self.retry_policy).fetch(first, last, variables)

    def of(self, *stations: Station) -> Fetch:
        self.server.weather.stations = stations
        return self


@pytest.fixture
def fetch(server: WeatherServer, tmp_path: Path) -> Fetch:
    return Fetch(server, tmp_path / "cache")


@pytest.fixture
def few(fetch: Fetch) -> Fetch:
    """The same with the four nearest stations."""
    return fetch.of(*(station for station in STATIONS if station.id in {"S11", "S12", "S21", "S22"}))


# From stations to places


def test_distances_are_great_circles() -> None:
    """A degree of a meridian is 6371 pi / 180 = 111.19 km, one along 60 N half as much."""
    found = distances_km(
        np.array([42.0, 60.0]), np.array([-94.0, 10.0]), np.array([43.0, 60.0]), np.array([-94.0, 11.0])
    )
    np.testing.assert_allclose([found[0, 0], found[1, 1]], [111.195, 55.597], atol=2e-3)


def test_weights_fall_with_the_distance() -> None:
    """20 and 40 km: (1/400) / (1/1600 exp(-(1600-400)/100^2)) = 4 exp(0.12) = 4.51."""
    weights = distance_weights(np.array([[20.0, 40.0], [0.0, 50.0], [3000.0, 6000.0]]))
    assert weights[0, 0] / weights[0, 1] == pytest.approx(4 * np.exp(0.12))
    assert weights[1, 0] > 0.999  # at the station
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_a_gap_leaves_its_weight_to_the_others() -> None:
    weights = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0]])
    values = np.array([[4.0, 8.0, 0.0], [np.nan, 8.0, 0.0], [np.nan, np.nan, np.nan]])
    found = interpolate(values, weights)
    np.testing.assert_allclose(found[:2], [[4.0, 7.2], [4.0, 8.0]])  # (0.25 x 8 + 0.25 x 0) / 0.5; 8
    assert np.isnan(found[2]).all()


def test_temperature_goes_by_the_lapse_rate() -> None:
    """10.0 degrees at 300 m and 3.5 at 1300 m are 11.95 at sea level both, and so 6.75 at 800 m (5.2 less), whatever
    the weights and whoever is missing."""
    values = np.array([[10.0, 3.5], [np.nan, 3.5], [10.0, np.nan]])
    found = interpolate_temperature(values, np.array([300.0, 1300.0]), np.array([[0.9, 0.1]]), np.array([800.0]))
    np.testing.assert_allclose(found, 6.75)


# Through the client


@pytest.mark.slow
def test_fields_in_canonical_units(fetch: Fetch) -> None:
    series = fetch(ALL)
    assert series.days.tolist() == DAYS.tolist()
    west, south, east, north = BOUNDS
    assert series.x.min() < west < east < series.x.max() and series.y.min() < south < north < series.y.max()
    # The same at all stations: 18 + 6 cos km/h at 10 m are 0.748 / 3.6 of it in m/s at 2 m.
    wind = (18 + 6 * np.cos(DAYS / 3)) * 0.748 / 3.6
    np.testing.assert_allclose(
        series.values["wind"], np.broadcast_to(wind[:, None, None], series.values["wind"].shape), atol=0.012
    )
    # Humidity as well (the client rounds it to percents): the deficit is its complement of the saturation pressure.
    saturation = (saturation_pressure(series.values["tmin"]) + saturation_pressure(series.values["tmax"])) / 2
    deficit = saturation * (1 - (60 + 10 * np.sin(DAYS))[:, None, None] / 100)
    np.testing.assert_allclose(series.values["vpd"], deficit, atol=5e-3)
    # A range of 12 K everywhere: 0.16 sqrt(12) of the extraterrestrial radiation. At 42 N on 21 December (day 356) dr
    # is 1.0326, the declination -0.4089, the sunset angle 1.1698, and so Ra 37.586 x 1.0326 x 0.3166 = 12.29.
    solstice = series.values["radiation"][20, np.abs(series.y - 42.0).argmin()]
    np.testing.assert_allclose(solstice, 0.16 * np.sqrt(12) * 12.29, rtol=0.01)
    # Stations differ by latitude and elevation: fields lie between them, near the truth at the region's middle.
    here = station_truth("tmin", DAYS, 42.05, 310.0)
    assert np.abs(series.values["tmin"].mean(axis=(1, 2)) - here).max() < 0.6
    rain = station_truth("prcp", DAYS, 42.05, 0)
    assert np.abs(series.values["precipitation"].mean(axis=(1, 2)) - rain).max() < 0.3
    assert series.day_ends_utc_hour == 6
    origin = MeteostatStations(BOUNDS, fetch.cache).origin()
    assert "Hargreaves" in origin.source and origin.licence


@pytest.mark.slow
def test_relative_humidity_and_pressure(fetch: Fetch) -> None:
    """Humidity is the same at all stations. 1013 hPa at sea level are, in the standard atmosphere (ISO 2533:1975), a
    factor 1 - 0.0065 h / 288.15 to the power 5.2559 less at h metres; a mean of 10 degrees colder than that changes
    the loss by about as many 288ths."""
    series = fetch(("relative_humidity", "pressure", "tmin", "tmax"))
    humidity = (60 + 10 * np.sin(DAYS))[:, None, None]
    np.testing.assert_allclose(
        series.values["relative_humidity"], humidity + 0 * series.values["tmin"], atol=0.56
    )  # rounded twice
    pressure = series.values["pressure"]
    # Stations lie at 250 to 415 m: 98.4 to 95.9 kPa in air of 15 degrees, and at -15 degrees 0.5 kPa less.
    assert 95.3 < pressure.min() < pressure.max() < 98.5
    warm, cold = (series.values["tmin"].mean(axis=(1, 2)).argsort()[index] for index in (-1, 0))
    assert (pressure[warm] > pressure[cold]).all()
    assert (series.flag == WeatherFlag.OBSERVED).all()


def test_a_variable_that_stations_lack_is_refused(fetch: Fetch) -> None:
    with pytest.raises(InputError, match=r"meteostat has no snow and no moonlight; leave it out"):
        fetch(("tmin", "snow", "moonlight"))
    assert not fetch.server.requests
    with pytest.raises(InputError, match="stations give no soil_moisture; leave it out"):
        station_fields(one_station(), np.zeros(1), np.zeros(1), ("soil_moisture",))


def one_station() -> Stations:
    one = np.zeros((1, 1))
    return Stations(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1), one, one, one, one, one, one)


@pytest.mark.slow
def test_a_field_near_a_station_is_that_station(fetch: Fetch) -> None:
    place = STATIONS[5]
    tmax = at_point(fetch(), "tmax", place.lat, place.lon)
    np.testing.assert_allclose(tmax, station_truth("tmax", DAYS, place.lat, place.elevation), atol=0.15)


@pytest.mark.slow
def test_many_stations_at_once_and_each_file_once(fetch: Fetch) -> None:
    """The client blocks requests of more than ten stations by itself."""
    first = fetch(ALL)
    files = [r.path for r in fetch.server.requests if r.path.startswith("/daily")]
    assert len(files) == len(set(files)) > 20
    again = fetch(ALL)
    assert_same_series(first, again)
    assert len(fetch.server.requests) == len(files) + 1


@pytest.mark.slow
def test_only_stations_that_report_in_the_period_are_asked(fetch: Fetch) -> None:
    old = replace(STATIONS[0], id="OLD", years=(2015, 2016))
    fetch.of(*STATIONS, old)()
    assert not any("OLD" in request.path for request in fetch.server.requests)


@pytest.mark.slow
def test_a_year_without_a_file_is_no_error(fetch: Fetch) -> None:
    late = replace(STATIONS[5], years=(2019, 2021))
    series = fetch.of(*STATIONS[:5], late, *STATIONS[6:])()
    assert not np.isnan(series.values["tmin"]).any()


@pytest.mark.slow
def test_a_station_that_seldom_reports_takes_no_part(fetch: Fetch) -> None:
    days = [date(2020, 12, 1) + timedelta(n) for n in range(62)]
    wrong = replace(STATIONS[5], elevation=5000.0, missing=frozenset(days[:40]))
    fetch.of(*STATIONS[:5], *STATIONS[6:])
    without = fetch()
    with_it = Fetch(fetch.server, fetch.cache / "other").of(*STATIONS[:5], wrong, *STATIONS[6:])()
    # It moves the elevation of the places, but is in no day's mean.
    steps = np.abs(np.diff(with_it.values["tmax"] - without.values["tmax"], axis=0))
    assert steps.max() < 0.02


@pytest.mark.slow
def test_gaps_of_a_station_are_bridged_by_the_others(fetch: Fetch) -> None:
    gap = frozenset(date(2020, 12, 10) + timedelta(n) for n in range(5))
    whole = fetch()
    holed = Fetch(fetch.server, fetch.cache / "other").of(
        *STATIONS[:5], replace(STATIONS[5], missing=gap), *STATIONS[6:]
    )()
    assert not np.isnan(holed.values["tmax"]).any()
    assert np.abs(holed.values["tmax"] - whole.values["tmax"]).max() < 1
    assert (holed.values["tmin"] <= holed.values["tmax"]).all()


@pytest.mark.slow
def test_a_forecast_is_no_measurement(few: Fetch) -> None:
    """meteostat fills the days that a station did not report from weather models."""
    measured, first = few(), few.server.weather.stations[0]
    days = frozenset({FIRST, FIRST + timedelta(1)})
    others = [replace(station, forecast=frozenset({FIRST})) for station in few.server.weather.stations[1:]]
    series = Fetch(few.server, few.cache / "other").of(replace(first, forecast=days), *others)()
    assert np.isnan(series.values["tmin"][0]).all()
    assert float(abs(series.values["tmin"][1:] - measured.values["tmin"][1:]).max()) < 0.5
    with pytest.raises(InputError, match=r"stations around the region 0 measured"):
        whole = frozenset(FIRST + timedelta(number) for number in range(len(DAYS)))
        Fetch(few.server, few.cache / "third").of(*(replace(one, forecast=whole) for one in others))()


def test_a_day_that_nobody_knows_is_left_to_the_recipe(few: Fetch) -> None:
    day = date(2020, 12, 24)
    series = few.of(*(replace(station, missing=frozenset({day})) for station in few.server.weather.stations))()
    assert np.isnan(series.values["tmin"][day_number(day) - DAYS[0]]).all()
    assert np.isnan(series.values["tmin"]).any(axis=(1, 2)).sum() == 1


@pytest.mark.parametrize(
    ("variables", "flag"),
    [
        (ALL, WeatherFlag.ESTIMATED),
        (("tmin", "radiation"), WeatherFlag.ESTIMATED),
        (("tmin", "vpd", "wind"), WeatherFlag.OBSERVED),
    ],
    ids=["all", "radiation", "measured"],
)
def test_estimated_radiation_is_flagged(few: Fetch, variables: tuple[str, ...], flag: WeatherFlag) -> None:
    assert (few(variables).flag == flag).all()


def test_without_humidity_the_minimum_stands_for_the_dew_point(few: Fetch) -> None:
    """Days on which no station knows the humidity: the deficit is (es(tmax) - es(tmin)) / 2 [FAO-56 eq. 48]."""
    dry = tuple(replace(station, measures=("tmin", "tmax", "prcp")) for station in few.server.weather.stations)
    series = few.of(*dry)(("tmin", "tmax", "vpd"))
    half = (saturation_pressure(series.values["tmax"]) - saturation_pressure(series.values["tmin"])) / 2
    np.testing.assert_allclose(series.values["vpd"], half, atol=1e-4)
    assert (series.flag == WeatherFlag.ESTIMATED).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "hour"),
    [("America/Chicago", 6), ("Europe/Brussels", 23), ("Asia/Kolkata", 18.5), ("Pacific/Auckland", 12), (None, 6)],
)
def test_days_end_at_midnight_of_the_stations(few: Fetch, zone: str, hour: float) -> None:
    series = few.of(*(replace(station, timezone=zone) for station in few.server.weather.stations))()
    assert series.day_ends_utc_hour == hour


def test_too_few_stations_are_an_error_with_the_remedy(fetch: Fetch) -> None:
    with pytest.raises(InputError, match=r"knows 2 stations within \d+ km of 42.05 N, -93.75 E.*at least 3.*era5-land"):
        fetch.of(*STATIONS[:2])()
    with pytest.raises(InputError, match="knows 0 stations"):
        fetch(bounds=(10.0, 50.0, 10.2, 50.2))


def test_too_few_that_measure_it_are_an_error_with_the_remedy(few: Fetch) -> None:
    few.of(*(replace(station, measures=("tmin", "tmax", "rhum")) for station in few.server.weather.stations))
    with pytest.raises(InputError, match=r"of \d+ stations .* 0 measured what 'wind' needs.*weather\.variables"):
        few(("tmin", "wind"))
    with pytest.raises(InputError, match="'precipitation' needs"):
        few(("tmin", "precipitation"))


# What goes wrong

TRANSIENT = {
    "429": status(429),
    "429 with Retry-After": status(429, 0),
    "500": status(500),
    "503": status(503),
    "reset": reset(),
    "truncated": truncated(),
    "corrupt": corrupt(),
    "empty": empty(),
    "page": lambda request, right: replace(right, body=b"<html>maintenance</html>"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_what_passes_is_tried_again(few: Fetch, fault: Fault) -> None:
    good = Fetch(few.server, few.cache / "other")()
    few.server.fail("daily/2020/S11", fault, times=2)
    few.server.fail("stations.db", fault, times=1)
    assert_same_series(few(), good)


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_a_station_that_cannot_be_had_is_never_taken_for_none(few: Fetch, fault: Fault) -> None:
    few.server.fail("daily/2020/S11", fault)
    with pytest.raises(IncompleteError) as error:
        few()
    text = str(error.value)
    host = few.server.url.removeprefix("http://")
    assert text.startswith(f"{host}: daily values of station S11, 2020-12-01 to 2021-01-31: ")
    assert "(3 attempts); what was downloaded is kept; run again later" in text and "\n" not in text
    few.server.clear_faults()
    before = len(few.server.requests)
    few()
    later = [request.path for request in few.server.requests[before:]]
    assert later[0] == "/daily/2020/S11.csv.gz" and "/stations.db" not in later
    assert len(later) == 7  # its year 2021 is kept; the three other stations were still to come


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_no_wrong_list_of_stations_is_kept(few: Fetch, fault: Fault) -> None:
    few.server.fail("stations.db", fault)
    with pytest.raises(IncompleteError, match=r"meteostat's list of stations: .* \(3 attempts\)"):
        few()
    assert not list(few.cache.rglob("stations.db*"))


def test_a_refusal_is_not_repeated(few: Fetch) -> None:
    few.server.fail("daily/2020/S11", status(403))
    with pytest.raises(IncompleteError, match=r"station S11, .*: HTTP status 403 \(1 attempt\)"):
        few()


def test_a_hang_ends_at_the_timeout(few: Fetch) -> None:
    few.server.fail("daily/2020/S11", hang(30))
    few.retry_policy = RetryPolicy(attempts=2, first_wait=0.02, request=0.3)
    began = time.monotonic()
    with pytest.raises(IncompleteError, match=r"station S11, .*: no answer in time \(2 attempts\)"):
        few()
    assert time.monotonic() - began < 5


def test_nothing_is_printed_and_nothing_left_changed(few: Fetch, capfd: pytest.CaptureFixture[str]) -> None:
    """The client would show a traceback for each file, and its settings belong to everyone in the process."""
    before = {
        key: getattr(meteostat.config, key) for key in ("cache_directory", "stations_db_file", "block_large_requests")
    }
    few.server.fail("daily/2020/S11", status(500))
    with pytest.raises(IncompleteError):
        few()
    assert capfd.readouterr() == ("", "")
    assert {key: getattr(meteostat.config, key) for key in before} == before
    assert socket.getdefaulttimeout() is None


@pytest.mark.slow
def test_the_environment_leads_to_another_server(server: WeatherServer, tmp_path: Path) -> None:
    program = (
        "import sys; from datetime import date; from pathlib import Path;"
        " from mmvsf.pipeline.sources.meteostat.weather import MeteostatStations as M;"
        " assert 'meteostat' not in sys.modules;"
        f" found = M({BOUNDS}, Path({str(tmp_path)!r})).fetch(date(2021, 1, 1), date(2021, 1, 9), ('tmin',));"
        " print(found.days.size)"
    )
    environment = {**os.environ, **server.environment()}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("9\n", "")
    assert any(request.path.startswith("/daily/2021") for request in server.requests)


@pytest.mark.slow
def test_a_recipe_gets_its_weather_from_stations(tmp_path: Path, server: WeatherServer) -> None:
    place = TinyArchive(tmp_path)
    place.write_recipe(weather__source="meteostat", weather__path=None)
    region, recipe = load_region(str(place.recipe))
    grid, calendar = grid_from_recipe(region, recipe, place.data), calendar_for(region)
    server.weather.stations = tuple(replace(s, lon=s.lon - 2) for s in STATIONS)
    weather = cube_weather(
        weather_source(region, SourceSite(grid, recipe, place.data)),
        region,
        grid,
        calendar,
    )
    known = ~np.isnan(weather.values["tmin"][:, grid.weather_mask()]).any(axis=1)
    assert known.sum() == day_number(date(2021, 6, 30)) - day_number(date(2019, 10, 1)) + 1
    assert (weather.flag[known] == WeatherFlag.ESTIMATED).all()
    np.testing.assert_allclose(weather.bounds[0] - calendar.days[0], [0.25, 1.25])
    assert (place.data / "cache/meteostat").is_dir()


@pytest.mark.slow
def test_days_that_a_cube_gains_have_the_stations_of_its_whole_period(tmp_path: Path, server: WeatherServer) -> None:
    """One that reports since March is left out of a new cube to June: it reported on less than half of the days."""
    place = TinyArchive(tmp_path)
    stations = [replace(s, lon=s.lon - 2) for s in STATIONS]
    silent = frozenset(date(2019, 10, 1) + timedelta(days=day) for day in range(517))
    stations[5] = replace(stations[5], elevation=1500.0, missing=silent)
    server.weather.stations = tuple(stations)
    weather = {}
    for end in ("2021-02-28", "2021-06-30"):
        place.write_recipe(weather__source="meteostat", weather__path=None, period__end=end)
        region, recipe = load_region(str(place.recipe))
        grid, calendar = grid_from_recipe(region, recipe, place.data), calendar_for(region)
        source = weather_source(region, SourceSite(grid, recipe, place.data))
        weather[end] = cube_weather(source, region, grid, calendar)
    old, new = weather.values()
    days = len(calendar) - len(old.flag)
    longer = {n: np.concatenate([v, np.full((days, *v.shape[1:]), np.nan, np.float32)]) for n, v in old.values.items()}
    flag = np.concatenate([old.flag, np.full(days, WeatherFlag.NONE, np.uint8)])
    bounds = np.concatenate([old.bounds, np.full((days, 2), np.nan)])
    found = update_weather(CubeWeather(longer, flag, bounds, old.source), source, region, grid, calendar)
    for name, values in new.values.items():
        np.testing.assert_array_equal(found.values[name], values)
    np.testing.assert_array_equal(found.flag, new.flag)
    assert found.notes == ()


# At the elevation of the ground


def test_temperature_follows_the_elevation_of_a_place(few: Fetch) -> None:
    """Two cells side by side, the second 1000 m higher: 6.5 degrees colder, and no other weather changes."""
    elevation = np.array([[300.0, 1300.0, np.nan]])
    x = np.array([-93.75, -93.7499, -93.7498])
    cells = WeatherCells("EPSG:4326", np.array([42.0]), x, np.ones((1, 3), bool), elevation)
    source = MeteostatStations(BOUNDS, few.cache, QUICK, cells)
    series = source.fetch(FIRST, LAST, ("tmin", "tmax", "precipitation"))
    for name in ("tmin", "tmax"):
        low, high, unknown = series.values[name][:, 0].T
        np.testing.assert_allclose(low - high, 6.5, atol=5e-3)
        assert np.isfinite(unknown).all()
    np.testing.assert_allclose(
        series.values["precipitation"][:, 0, 0], series.values["precipitation"][:, 0, 1], atol=1e-2
    )
    assert "static/elevation" in source.origin().source and series.crs == "EPSG:4326"


def test_pressure_follows_the_elevation_of_a_place(few: Fetch) -> None:
    """At 300 m and 1300 m: by the barometric formula the ratio is exp(-g x 1000 / (R x T)), with T of the layer's
    middle."""
    cells = WeatherCells(
        "EPSG:4326", np.array([42.0]), np.array([-93.75, -93.7499]), np.ones((1, 2), bool), np.array([[300.0, 1300.0]])
    )
    series = MeteostatStations(BOUNDS, few.cache, QUICK, cells).fetch(FIRST, LAST, ("pressure", "tmin", "tmax"))
    low, high = series.values["pressure"][:, 0].T
    middle = (series.values["tmin"] + series.values["tmax"])[:, 0].mean(axis=1) / 2 + 273.15
    np.testing.assert_allclose(high / low, np.exp(-9.80665 * 1000 / (287.053 * middle)), rtol=5e-4)


def test_cells_that_are_not_wanted_are_left_out(few: Fetch) -> None:
    wanted = np.array([[True, False], [False, True]])
    y, x = np.array([4_640_000.0, 4_650_000.0]), np.array([440_000.0, 450_000.0])
    cells = WeatherCells("EPSG:32615", y, x, wanted, np.full((2, 2), 300.0))
    found = MeteostatStations(BOUNDS, few.cache, QUICK, cells).fetch(FIRST, LAST, ("tmin",)).values["tmin"]
    assert np.isfinite(found[:, wanted]).all() and np.isnan(found[:, ~wanted]).all()


@pytest.mark.slow
def test_a_recipe_with_elevation_gives_its_cells_their_own(
    tiny: TinyArchive, server: WeatherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the recipe to the weather of the cube: the cell whose ground is raised by 500 m is 3.25 degrees colder."""
    monkeypatch.setattr("mmvsf.pipeline.sources.meteostat.weather.RETRY_POLICY", QUICK)
    server.weather.stations = tuple(replace(station, lon=station.lon - 2.25) for station in STATIONS)
    left, top = 250560.0, 4650240.0
    found = []
    for step in (0.0, 500.0):
        values = np.full((80, 110), 300.0, np.float32)
        values[:, 57:] += step  # the second column of cells begins 48 pixels in
        write_raster(tiny.root / "ground/elevation.tif", values, Granule("dem", 32615, left - 270, top + 240))
        tiny.write_recipe(
            weather={"source": "meteostat", "variables": ["tmin", "tmax"], "start": "2020-05-01"},
            static={"source": "archive", "path": "archive/ground", "layers": ["elevation"]},
        )
        plan = build_plan(str(tiny.recipe), tiny.data)
        weather = plan.weather
        assert weather is not None and "static/elevation" in weather.source
        rows, columns = np.ix_(*(np.unique(place) for place in np.nonzero(plan.grid.weather_mask())))
        found.append(weather.values["tmin"][:, rows, columns])
    known = np.isfinite(found[0]).all(axis=(1, 2))
    assert known.sum() > 300
    np.testing.assert_allclose((found[0] - found[1])[known][:, :, 0], 0, atol=1e-4)
    np.testing.assert_allclose((found[0] - found[1])[known][:, :, 1], 3.25, atol=1e-3)
