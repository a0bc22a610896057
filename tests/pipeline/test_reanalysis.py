"""NASA POWER, ERA5-Land and AgERA5, from stand-ins that serve their Zarr stores."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.variables import DEFAULT_WEATHER, WeatherFlag
from mmvsf.pipeline.layers.source import Bounds, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.regrid import fetch_weather
from mmvsf.pipeline.layers.weather.units import saturation_pressure, vapour_pressure_deficit
from mmvsf.pipeline.sources.reanalysis.agera5 import AgEra5
from mmvsf.pipeline.sources.reanalysis.era5_land import Era5Land
from mmvsf.pipeline.sources.reanalysis.power import Power
from mmvsf.pipeline.sources.reanalysis.window import LonLatWindow, local_midnight
from mmvsf.pipeline.sources.transport.http import RetryPolicy, redact

from ..servers.base import Fault, Request, Response, StandIn, corrupt, empty, hang, reset, status, truncated
from ..servers.reanalysis import (
    TOKEN,
    EcmwfServer,
    PowerServer,
    agera5_truth,
    daily_of_hours,
    power_truth,
    tilt,
)
from .conftest import Command, Outcome
from .tiny_archive import TinyArchive, recipe

pytestmark = pytest.mark.stand_in

IOWA = (-93.9, 41.9, -93.6, 42.2)
NEW_SOUTH_WALES = (148.1, -33.6, 148.5, -33.2)
FIRST, LAST = date(2020, 12, 20), date(2021, 1, 20)
QUICK = RetryPolicy(attempts=3, first_wait=0.02, request=5.0)
VARIABLES = {
    Power: (*DEFAULT_WEATHER, "relative_humidity", "pressure"),
    AgEra5: (*DEFAULT_WEATHER, "relative_humidity", "snow"),
    Era5Land: (*DEFAULT_WEATHER, "relative_humidity", "pressure", "soil_moisture"),
}
Source = type[Power] | type[AgEra5] | type[Era5Land]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token of the person who tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    monkeypatch.delenv("CDSAPI_RC", raising=False)


@pytest.fixture
def power() -> Iterator[PowerServer]:
    with PowerServer() as running:
        yield running


@pytest.fixture
def ecmwf(monkeypatch: pytest.MonkeyPatch) -> Iterator[EcmwfServer]:
    with EcmwfServer() as running:
        monkeypatch.setenv("CDSAPI_KEY", TOKEN)
        yield running


@pytest.fixture
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., WeatherSource]:
    """A source at its stand-in."""

    def make(kind: Source, bounds: Bounds = IOWA) -> WeatherSource:
        server: StandIn = request.getfixturevalue("power" if kind is Power else "ecmwf")
        return kind(bounds, tmp_path / "cache", server.url, QUICK)

    return make


def expected(kind: Source, name: str, days: NDArray[np.int64], lat: Any, lon: Any) -> NDArray[np.float64]:
    """A canonical variable from the stand-in's formulas, by hand."""
    d, y, x = days[:, None, None], np.asarray(lat)[:, None], np.asarray(lon)

    def of(part: str) -> NDArray[np.float64]:
        return (power_truth if kind is Power else agera5_truth)(part, d, y, x)

    def hourly(part: str, first: int = 0) -> NDArray[np.float64]:
        return daily_of_hours(part, days, np.asarray(lat), x, first)

    if kind is Power:
        dew = saturation_pressure(of("T2MDEW")) if name == "vpd" else 0
        return {
            "tmin": lambda: of("T2M_MIN"),
            "tmax": lambda: of("T2M_MAX"),
            "precipitation": lambda: of("PRECTOTCORR"),
            "radiation": lambda: 0.0864 * of("ALLSKY_SFC_SW_DWN"),
            "vpd": lambda: np.maximum(vapour_pressure_deficit(of("T2M_MIN"), of("T2M_MAX"), dew), 0),
            "wind": lambda: of("WS2M"),
            "relative_humidity": lambda: of("RH2M"),
            "pressure": lambda: of("PS"),
        }[name]()
    if kind is AgEra5:
        low, high = of("Temperature_Air_2m_Min_24h") - 273.15, of("Temperature_Air_2m_Max_24h") - 273.15
        return {
            "tmin": lambda: low,
            "tmax": lambda: high,
            "precipitation": lambda: of("Precipitation_Flux"),
            "radiation": lambda: 1e-6 * of("Solar_Radiation_Flux"),
            "vpd": lambda: vapour_pressure_deficit(low, high, of("Vapour_Pressure_Mean_24h") / 10),
            "wind": lambda: 0.748 * of("Wind_Speed_10m_Mean_24h"),
            "relative_humidity": lambda: (
                (of("Derived_Relative_Humidity_2m_Min_24h") + of("Derived_Relative_Humidity_2m_Max_24h")) / 2
            ),
            "snow": lambda: 10 * of("Snow_Thickness_LWE_Mean_24h"),
        }[name]()
    t, dew = hourly("t2m") - 273.15, saturation_pressure(hourly("d2m").mean(axis=1) - 273.15)
    return {
        "tmin": lambda: t.min(axis=1),
        "tmax": lambda: t.max(axis=1),
        "precipitation": lambda: 1000 * hourly("tp", 1).sum(axis=1),
        "radiation": lambda: 1e-6 * hourly("ssrd", 1).sum(axis=1),
        "vpd": lambda: vapour_pressure_deficit(t.min(axis=1), t.max(axis=1), dew),
        "wind": lambda: 0.748 * np.hypot(hourly("u10"), hourly("v10")).mean(axis=1),
        "relative_humidity": lambda: np.minimum(100 * dew / saturation_pressure(t.mean(axis=1)), 100),
        "pressure": lambda: hourly("sp").mean(axis=1) / 1000,
        "soil_moisture": lambda: hourly("swvl1").mean(axis=1),
    }[name]()


@pytest.mark.parametrize("kind", [Power, AgEra5, Era5Land])
def test_every_variable_comes_in_canonical_units(kind: Source, source: Callable[..., WeatherSource]) -> None:
    series = source(kind).fetch(FIRST, LAST, VARIABLES[kind])
    assert series.days.tolist() == list(range(day_number(FIRST), day_number(LAST) + 1))
    assert (np.diff(series.y) > 0).all() and (np.diff(series.x) > 0).all()
    west, south, east, north = IOWA
    assert series.x[1] < west < east < series.x[-2] and series.y[1] < south < north < series.y[-2]
    assert series.y.size * series.x.size < 80
    for name in VARIABLES[kind]:
        truth = expected(kind, name, series.days, series.y, series.x)
        np.testing.assert_allclose(series.values[name], truth, rtol=1e-4, atol=2e-3, err_msg=name)
        assert series.values[name].dtype == np.float32
    assert series.day_ends_utc_hour == (24 if kind is Era5Land else 6)
    origin = source(kind).origin()
    assert origin.source and origin.licence == "CC-BY-4.0"


@pytest.mark.parametrize("kind", [Power, AgEra5, Era5Land])
def test_the_southern_hemisphere_is_read_the_same_way(kind: Source, source: Callable[..., WeatherSource]) -> None:
    series = source(kind, NEW_SOUTH_WALES).fetch(FIRST, LAST, ("tmin",))
    np.testing.assert_allclose(
        series.values["tmin"], expected(kind, "tmin", series.days, series.y, series.x), atol=2e-3
    )
    assert series.day_ends_utc_hour == (24 if kind is Era5Land else 14)


@pytest.mark.parametrize("kind", [Power, AgEra5, Era5Land])
def test_a_region_across_the_antimeridian_is_one_window(kind: Source, source: Callable[..., WeatherSource]) -> None:
    series = source(kind, (179.6, 51.5, -179.7, 52.0)).fetch(FIRST, LAST, ("tmin", "radiation"))
    assert series.x.min() < 179.6 and series.x.max() > 180.3 and (np.diff(series.x) > 0).all()
    for name in ("tmin", "radiation"):
        truth = expected(kind, name, series.days, series.y, series.x)
        np.testing.assert_allclose(series.values[name], truth, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("bounds", [(179.9, 51.8, 180.2, 52.1), (179.3, 51.8, 180.6, 52.1), (-180, 51, -179.8, 52)])
def test_radiation_meets_the_meteorology_at_180_degrees(source: Callable[..., WeatherSource], bounds: Bounds) -> None:
    """Whatever turn the windows of the two grids are counted in."""
    series = source(Power, bounds).fetch(FIRST, LAST, ("tmin", "radiation"))
    truth = expected(Power, "radiation", series.days, series.y, series.x)
    np.testing.assert_allclose(series.values["radiation"], truth, rtol=1e-4, atol=2e-3)


def test_only_the_chunks_over_the_region_are_fetched(source: Callable[..., WeatherSource], power: PowerServer) -> None:
    weather = source(Power)
    weather.fetch(FIRST, LAST, ("tmin", "radiation"))
    keys = sorted(request.path.partition(".zarr/")[2] for request in power.requests)
    assert keys == sorted(
        [
            *[".zgroup", ".zattrs", ".zmetadata", "time/0", "lat/0", "lon/0"] * 2,
            "T2M_MIN/2.17.9",
            "ALLSKY_SFC_SW_DWN/1.8.5",
        ]
    ), keys
    before = len(power.requests)
    weather.fetch(FIRST, LAST, ("tmin", "radiation"))
    assert len(power.requests) == before


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "chunks"), [(Power, 7), (AgEra5, 6), (Era5Land, 48)])
def test_the_chunks_of_three_years_over_two_blocks(
    kind: Source, chunks: int, source: Callable[..., WeatherSource], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The figures of docs/sources.md."""
    region, path = load_region("iowa", blocks=2)
    bounds = SourceSite(grid_from_recipe(region, path, tmp_path), path, tmp_path).weather_bounds
    source(kind, bounds).fetch(region.weather_start, region.period.end, DEFAULT_WEATHER)
    server: StandIn = request.getfixturevalue("power" if kind is Power else "ecmwf")
    assert sum(each.path.rpartition("/")[2].count(".") == 2 for each in server.requests) == chunks


def test_objects_are_fetched_again_after_a_day(
    source: Callable[..., WeatherSource], power: PowerServer, tmp_path: Path
) -> None:
    power.until["merra2"] = power.until["geosit"] = date(2021, 1, 10)
    weather = source(Power)
    assert np.isnan(weather.fetch(FIRST, LAST, ("tmin",)).values["tmin"][-10:]).all()
    power.until["merra2"] = LAST
    assert np.isnan(weather.fetch(FIRST, LAST, ("tmin",)).values["tmin"][-10:]).all()
    yesterday = time.time() - 90_000
    for path in (tmp_path / "cache").rglob("*"):
        os.utime(path, (yesterday, yesterday))
    assert not np.isnan(weather.fetch(FIRST, LAST, ("tmin",)).values["tmin"]).any()


def test_the_last_days_come_from_the_provisional_products(
    source: Callable[..., WeatherSource], power: PowerServer
) -> None:
    first, last = date(2026, 8, 20), date(2026, 11, 10)
    series = source(Power).fetch(first, last, ("tmin", "radiation"))
    for name in ("tmin", "radiation"):
        truth = expected(Power, name, series.days, series.y, series.x)
        np.testing.assert_allclose(series.values[name], truth, rtol=1e-4, atol=2e-3)
    assert series.flag is not None
    provisional = series.days[series.flag == WeatherFlag.PROVISIONAL]
    assert provisional.tolist() == list(range(day_number(date(2026, 9, 1)), day_number(last) + 1))
    tmin = source(Power).fetch(first, last, ("tmin",)).flag
    assert tmin is not None and (tmin == WeatherFlag.PROVISIONAL).sum() == 21  # MERRA-2 ends on 20 October


def test_radiation_before_2001_is_from_srb(source: Callable[..., WeatherSource]) -> None:
    series = source(Power).fetch(date(2000, 12, 20), date(2001, 1, 5), ("radiation",))
    truth = expected(Power, "radiation", series.days, series.y, series.x)
    np.testing.assert_allclose(series.values["radiation"], truth, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(("kind", "name"), [(Power, "snow"), (Era5Land, "snow"), (AgEra5, "pressure")])
def test_a_variable_that_a_service_lacks_is_refused(
    kind: Source, name: str, source: Callable[..., WeatherSource]
) -> None:
    with pytest.raises(InputError, match=rf"has no {name}; leave it out of weather\.variables"):
        source(kind).fetch(FIRST, LAST, ("tmin", name))


def test_days_before_1981_are_refused(source: Callable[..., WeatherSource]) -> None:
    with pytest.raises(InputError, match="NASA POWER begins on 1981-01-01"):
        source(Power).fetch(date(1980, 1, 1), LAST, ("tmin",))


@pytest.mark.parametrize("kind", [AgEra5, Era5Land])
def test_days_that_are_not_published_yet_are_named(
    kind: Source, source: Callable[..., WeatherSource], ecmwf: EcmwfServer
) -> None:
    ecmwf.until = date(2020, 12, 1)
    with pytest.raises(InputError, match=r"between 2020-12-20 and 2021-01-20; check the period"):
        source(kind).fetch(FIRST, LAST, ("tmin",))


def test_a_day_whose_last_hour_is_missing_has_no_sum(source: Callable[..., WeatherSource], ecmwf: EcmwfServer) -> None:
    """The sum of a day takes the hour that ends at midnight, which is the first of the next day's."""
    ecmwf.until = LAST
    series = source(Era5Land).fetch(FIRST, LAST, ("tmin", "precipitation"))
    assert not np.isnan(series.values["tmin"]).any()
    assert (
        np.isnan(series.values["precipitation"][-1]).all() and not np.isnan(series.values["precipitation"][:-1]).any()
    )


def test_too_large_an_area_is_refused_before_it_is_read(
    source: Callable[..., WeatherSource], ecmwf: EcmwfServer
) -> None:
    with pytest.raises(InputError, match=r"ERA5-Land over the whole area is \d+ cells a day; take a coarser"):
        source(Era5Land, (-120.0, 30.0, -80.0, 49.0)).fetch(date(2015, 1, 1), LAST, DEFAULT_WEATHER)
    assert not [request for request in ecmwf.requests if "t2m" in request.path]


# Who may read


@pytest.mark.parametrize("where", ["nowhere", "environment", "file", "file of CDSAPI_RC"])
def test_the_token_is_found_where_the_official_client_looks(
    where: str,
    source: Callable[..., WeatherSource],
    ecmwf: EcmwfServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if where != "environment":
        monkeypatch.delenv("CDSAPI_KEY")
    file = tmp_path / ("other" if where.endswith("RC") else ".cdsapirc")
    if where.startswith("file"):
        file.write_text(f"url: https://cds.climate.copernicus.eu/api\nkey: {TOKEN}\n")
    if where.endswith("RC"):
        monkeypatch.setenv("CDSAPI_RC", str(file))
    (need,) = source(AgEra5).requirements()
    assert need.present == (where != "nowhere") and TOKEN not in f"{need}"
    if where == "nowhere":
        with pytest.raises(InputError, match=r"needs a token .* set CDSAPI_KEY or write 'key: \.\.\.' to ~/\.cdsapirc"):
            source(AgEra5).fetch(FIRST, LAST, ("tmin",))
        assert not ecmwf.requests and "CDSAPI_KEY" in need.remedy
    else:
        source(AgEra5).fetch(FIRST, LAST, ("tmin",))
        assert TOKEN not in redact(f"x {TOKEN} y")


@pytest.mark.parametrize(
    ("token", "says"),
    [("12345:abcdef-0123", "not a personal access token"), ("two words", "not a personal access token")],
)
def test_a_token_of_another_form_is_not_sent(
    token: str, says: str, source: Callable[..., WeatherSource], ecmwf: EcmwfServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSAPI_KEY", token)
    with pytest.raises(InputError, match=says) as error:
        source(Era5Land).fetch(FIRST, LAST, ("tmin",))
    assert not ecmwf.requests and token not in str(error.value)


def test_no_token_goes_unencrypted_over_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSAPI_KEY", TOKEN)
    with pytest.raises(InputError, match=r"http://arco\.example is not encrypted, so it gets no token"):
        AgEra5(IOWA, tmp_path, "http://arco.example", QUICK).fetch(FIRST, LAST, ("tmin",))


def test_a_refused_token_ends_at_once_with_the_remedy(
    source: Callable[..., WeatherSource], ecmwf: EcmwfServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSAPI_KEY", TOKEN.replace("1", "9"))
    with pytest.raises(InputError, match=r"HTTP status 401.*check the token.*copy the API key") as error:
        source(Era5Land).fetch(FIRST, LAST, ("tmin",))
    assert len(ecmwf.requests) == 1 and "9999" not in str(error.value)
    monkeypatch.setenv("CDSAPI_KEY", TOKEN)
    ecmwf.licence_accepted = False
    with pytest.raises(InputError, match=r"HTTP status 403.*accept the licence at .*reanalysis-era5-land"):
        source(Era5Land).fetch(FIRST, LAST, ("tmin",))


def test_a_redirect_to_another_server_does_not_take_the_token_along(
    source: Callable[..., WeatherSource], ecmwf: EcmwfServer
) -> None:
    with PowerServer() as other:
        target = {"Location": f"{other.url.replace('127.0.0.1', 'localhost')}/elsewhere"}
        ecmwf.fail("zmetadata", lambda request, right: Response(302, headers=target))
        with pytest.raises((InputError, IncompleteError)):
            source(AgEra5).fetch(FIRST, LAST, ("tmin",))
        assert not [request for request in other.requests if "authorization" in request.headers]


# Failures


def page(request: Request, right: Response) -> Response:
    return replace(right, body=b"<html><body>The server is under maintenance</body></html>")


FAULTS = {
    "429": status(429),
    "429 with Retry-After": status(429, 0),
    "500": status(500),
    "503": status(503),
    "reset": reset(),
    "truncated": truncated(),
    "empty": empty(),
}


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [*(("T2M_MIN/2", fault) for fault in FAULTS.values()), ("zmetadata", status(500)), ("zmetadata", truncated())],
    ids=[*FAULTS, "metadata 500", "metadata truncated"],
)
def test_what_passes_is_tried_again_and_what_stays_ends_in_one_line(
    pattern: str, fault: Fault, source: Callable[..., WeatherSource], power: PowerServer
) -> None:
    power.fail(pattern, fault)
    with pytest.raises(IncompleteError) as error:
        source(Power).fetch(FIRST, LAST, ("tmin",))
    text = str(error.value)
    assert text.startswith(power.url.removeprefix("http://") + ": NASA POWER, power_merra2_daily_temporal_lst.zarr/")
    assert "(3 attempts); what was downloaded is kept; run again later" in text and len(text) < 400
    power.clear_faults()
    power.fail(pattern, fault, times=2)
    assert not np.isnan(source(Power).fetch(FIRST, LAST, ("tmin",)).values["tmin"]).any()


@pytest.mark.parametrize(("pattern", "fault"), [("zmetadata", page), ("zmetadata", corrupt()), ("T2M_MIN/2", page)])
def test_an_answer_that_cannot_be_decoded_is_not_kept(
    pattern: str, fault: Fault, source: Callable[..., WeatherSource], power: PowerServer
) -> None:
    power.fail(pattern, fault)
    with pytest.raises(IncompleteError, match=r"not the metadata of a Zarr 2 store|cannot be decoded"):
        source(Power).fetch(FIRST, LAST, ("tmin",))
    power.clear_faults()
    assert not np.isnan(source(Power).fetch(FIRST, LAST, ("tmin",)).values["tmin"]).any()


def test_a_hang_ends_at_the_timeout(power: PowerServer, tmp_path: Path) -> None:
    power.fail("T2M_MIN/2", hang(30))
    began = time.monotonic()
    with pytest.raises(IncompleteError, match=r"no answer in time \(2 attempts\)"):
        Power(IOWA, tmp_path, power.url, RetryPolicy(attempts=2, first_wait=0.02, request=0.3)).fetch(
            FIRST, LAST, ("tmin",)
        )
    assert time.monotonic() - began < 4


def test_a_store_that_moved_is_named(source: Callable[..., WeatherSource], power: PowerServer) -> None:
    power.fail("zmetadata", status(404))
    with pytest.raises(InputError, match=r"NASA POWER has moved its data: update this project"):
        source(Power).fetch(FIRST, LAST, ("tmin",))


def rewritten(change: Callable[[dict[str, Any]], None]) -> Fault:
    """The metadata with a change."""

    def fault(request: Request, right: Response) -> Response:
        content = json.loads(right.body)
        change(content["metadata"])
        return replace(right, body=json.dumps(content).encode())

    return fault


def test_a_store_does_not_choose_a_decoder_that_runs_code(
    source: Callable[..., WeatherSource], power: PowerServer
) -> None:
    power.fail("zmetadata", rewritten(lambda m: m["lat/.zarray"].update(filters=[{"id": "pickle"}])))
    with pytest.raises(IncompleteError, match=r"its chunks need pickle, which this project does not read"):
        source(Power).fetch(FIRST, LAST, ("tmin",))
    assert {request.path.rpartition("/")[2] for request in power.requests} == {".zmetadata"}


def test_a_store_writes_nothing_outside_of_its_folder(
    source: Callable[..., WeatherSource], power: PowerServer, tmp_path: Path
) -> None:
    def add(metadata: dict[str, Any]) -> None:
        for part in (".zarray", ".zattrs"):
            metadata[f"../../../planted/{part}"] = metadata[f"lat/{part}"]

    power.fail("zmetadata", rewritten(add))
    with suppress(IncompleteError):
        source(Power).fetch(FIRST, LAST, ("tmin",))
    assert not list(tmp_path.rglob("planted*"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["T2M_MIN/.zattrs"].update(units="furlong"), "the unit 'furlong' is not known"),
        (lambda m: m["T2M_MIN/.zattrs"].pop("units"), "no such variable with a unit"),
        (lambda m: [m.pop(f"T2M_MIN/{part}") for part in (".zarray", ".zattrs")], "no such variable with a unit"),
    ],
)
def test_a_variable_that_changed_is_refused(
    change: Callable[[dict[str, Any]], None],
    says: str,
    source: Callable[..., WeatherSource],
    power: PowerServer,
) -> None:
    power.fail("zmetadata", rewritten(change))
    with pytest.raises(InputError, match=says):
        source(Power).fetch(FIRST, LAST, ("tmin",))


@pytest.mark.parametrize(
    ("bounds", "hour"),
    [((-93.9, 0, -93.6, 1), 6), ((0, 0, 0.4, 1), 0), ((148.1, 0, 148.5, 1), 14), ((179.6, 0, -179.7, 1), 12)],
)
def test_the_hour_at_which_a_local_day_ends(bounds: Bounds, hour: float) -> None:
    assert local_midnight(bounds) == hour


def test_a_grid_of_another_order_is_refused() -> None:
    dataset = xr.Dataset(coords={"lat": np.linspace(90, -90, 361), "lon": -180 + 0.625 * np.arange(576)})
    with pytest.raises(InputError, match="x: its latitudes or longitudes do not increase"):
        LonLatWindow.over(dataset, IOWA, "x")


def test_a_window_is_cut_at_the_poles() -> None:
    dataset = xr.Dataset(coords={"lat": np.linspace(-90, 90, 361), "lon": -180 + 0.625 * np.arange(576)})
    window = LonLatWindow.over(dataset, (10.0, 89.2, 10.2, 89.9), "x")
    assert window.y.max() == 90 and window.rows.stop == 361


# Into a cube


SERVICES = {"power": PowerServer, "era5-land": EcmwfServer, "agera5": EcmwfServer}
KINDS: dict[str, Source] = {"power": Power, "era5-land": Era5Land, "agera5": AgEra5}


@pytest.mark.parametrize("name", SERVICES)
def test_a_recipe_gets_its_weather_from_the_service(
    name: str,
    tiny: TinyArchive,
    dataset: Callable[[TinyArchive], Outcome],
    mmvsf: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny.write_recipe(weather__source=name, weather__path=None)
    with SERVICES[name]() as server:
        for key, value in server.environment().items():
            monkeypatch.setenv(key, value)
        outcome = dataset(tiny)
        assert outcome.code == 0, outcome.err
        assert TOKEN not in outcome.out + outcome.err
    cube = Cube.open(tiny.cube)
    y, x = cube.grid.weather_coordinates()
    wanted = cube.grid.weather_mask()
    lon, lat = Transformer.from_crs(cube.grid.crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    at = cube.calendar.index(day_number(date(2021, 5, 5)))
    for variable in DEFAULT_WEATHER:
        stored = cube.array(f"weather/{variable}")[at]
        truth = [
            expected(KINDS[name], variable, cube.calendar.days[at : at + 1], [la], [lo])[0, 0, 0]
            for la, lo in zip(lat[wanted], lon[wanted], strict=True)
        ]
        np.testing.assert_allclose(stored[wanted], truth, rtol=2e-3, atol=5e-3, err_msg=variable)
        assert np.isnan(stored[~wanted]).all()
    attributes = cube.group_attributes("weather")
    assert attributes["licence"] == "CC-BY-4.0" and attributes["source"] == import_module(KINDS[name].__module__).SOURCE
    assert mmvsf("check", tiny.cube).code == 0
    written = [path for path in tiny.folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not written


@pytest.mark.parametrize("kind", [Power, AgEra5])
def test_a_cube_across_the_antimeridian_gets_its_weather(
    kind: Source, source: Callable[..., WeatherSource], tmp_path: Path
) -> None:
    place = {"area": {"bbox": [179.9, 51.6, -179.9, 51.7]}, "grid": {**recipe()["grid"], "crs": "EPSG:32601"}}
    region = parse_region(
        {**recipe(), **place, "period": {"start": str(FIRST), "end": str(LAST)}, "split": {}}, "recipe"
    )
    grid, calendar = grid_from_recipe(region, tmp_path / "recipe.yaml", tmp_path), calendar_for(region)
    bounds = SourceSite(grid, tmp_path, tmp_path).weather_bounds
    weather = fetch_weather(source(kind, bounds), region, grid, calendar, (FIRST, LAST), ("tmin",))
    y, x = grid.weather_coordinates()
    lon, lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    wanted = grid.weather_mask()
    assert (lon[wanted] > 179).any() and (lon[wanted] < -179).any()
    day = np.array([day_number(LAST)])
    truth = [expected(kind, "tmin", day, [la], [lo])[0, 0, 0] for la, lo in zip(lat[wanted], lon[wanted], strict=True)]
    np.testing.assert_allclose(weather.values["tmin"][calendar.index(day[0])][wanted], truth, atol=5e-3)


def test_the_command_ends_in_one_line_and_the_next_run_goes_on(
    tiny: TinyArchive, power: PowerServer, dataset: Callable[[TinyArchive], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMVSF_POWER_URL", power.url)
    tiny.write_recipe(weather__source="power", weather__path=None)
    power.fail("WS2M", status(429, 3600))
    outcome = dataset(tiny)
    assert outcome.code == 1 and "asks to retry in 3600 seconds" in outcome.error
    power.clear_faults()
    before = len(power.requests)
    assert dataset(tiny).code == 0
    assert {request.path.partition(".zarr/")[2].split("/")[0] for request in power.requests[before:]} == {"WS2M"}


def test_the_slope_of_the_made_up_world_has_no_step() -> None:
    assert abs(float(tilt(10, 179.99)) - float(tilt(10, -179.99))) < 1e-3
