"""The weather ahead: from other years, from files, under scenarios; and distributions of what may come."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, RecipeError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.sidecars.weather_changes import CHANGES, saturation_vapour_pressure
from mmvsf.model.cli.forecast import SeveralDays
from mmvsf.model.forecasting.distribution import QUANTILES, Distribution
from mmvsf.model.forecasting.scenario import Scenario
from mmvsf.model.forecasting.weather_ahead import FromYears, cube_weather
from mmvsf.model.forecasting.weather_file import FromFile

from ..cubes import CubeBuilder

FIRST = date(2021, 6, 30)
DAYS = 10
CALM = {"tmin": 12.0, "tmax": 24.0, "precipitation": 2.0, "radiation": 20.0, "vpd": 1.0, "wind": 2.0}


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return CubeBuilder(sites=2, labels=False).write(tmp_path_factory.mktemp("cubes") / "weather.zarr")


@pytest.fixture(scope="module")
def reader(cube: Cube) -> WindowReader:
    return WindowReader(cube, Normalisation.of([cube]))


def cells(cube: Cube) -> list[tuple[int, int]]:
    return [(int(y), int(x)) for y, x in np.argwhere(cube.grid.weather_mask())]


def test_other_years_are_on_the_same_days(cube: Cube, reader: WindowReader) -> None:
    first = day_number(FIRST)
    years = FromYears.of(reader, cells(cube), first, DAYS)
    assert years.members == ("2019", "2020")
    cell = cells(cube)[0]
    stored = cube.array("weather/tmax")[:, *cell]
    at = day_number(date(2019, 6, 30)) - cube.calendar.first_day
    ahead = years.ahead(reader, cell, first, DAYS)
    assert ahead.shape == (2, DAYS, 6)
    np.testing.assert_allclose(ahead[0, :, cube.weather.index("tmax")], stored[at : at + DAYS], rtol=1e-4)
    assert len(cube_weather(reader, cell, day_number(date(2021, 10, 30)), DAYS)) == 2  # the cube ends
    with pytest.raises(InputError, match=r"--weather years: .* has 1 other years with weather from 30 June to 11 Nov"):
        FromYears.of(reader, cells(cube), first, 500)


def table(days: int = DAYS, members: tuple[str, ...] = (), **columns: Any) -> str:
    values = {**CALM, **columns}
    head = ["day", *(["member"] if members else []), *(name for name in values if values[name] is not None)]
    lines = [",".join(head)]
    for member in members or ("",):
        for number in range(days):
            row = [str(FIRST + timedelta(number)), *([member] if members else [])]
            lines.append(",".join([*row, *(str(value) for value in values.values() if value is not None)]))
    return "\n".join(lines) + "\n"


def test_a_csv_has_members(cube: Cube, reader: WindowReader, tmp_path: Path) -> None:
    path = tmp_path / "gfs.csv"
    path.write_text(table(members=("a", "b", "c"), station="Ames"))
    weather = FromFile.read(path, cube)
    assert weather.members == ("a", "b", "c") and weather.name == "gfs"
    ahead = weather.ahead(reader, cells(cube)[0], day_number(FIRST) + 2, 5)
    assert ahead.shape == (3, 5, 6) and ahead[1, 2].tolist() == list(CALM.values())
    with pytest.raises(InputError, match=r"it has no weather of 2021-07-10; it must reach from 2021-06-30, the day of"):
        weather.ahead(reader, cells(cube)[0], day_number(FIRST), 11)
    with pytest.raises(InputError, match=r"it has no weather of 2021-06-29"):
        weather.ahead(reader, cells(cube)[0], day_number(FIRST) - 1, 3)


def test_a_cell_takes_the_nearest_point_of_a_netcdf(cube: Cube, reader: WindowReader, tmp_path: Path) -> None:
    lon, lat = np.array([-94.05, -93.95]), np.array([42.0, 41.5])
    times = np.datetime64(FIRST) + np.arange(DAYS)
    shape = (DAYS, 2, 2)
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), np.full(shape, value)) for name, value in CALM.items()},
        {"time": times.astype("datetime64[ns]"), "lat": lat, "lon": lon},
    )
    data.tmax.values[:, 0, :] = [30, 31]
    path = tmp_path / "ifs.nc"
    data.to_netcdf(path, engine="h5netcdf")
    weather = FromFile.read(path, cube)
    west, east = (weather.ahead(reader, cell, day_number(FIRST), 3)[0, 0, 1] for cell in cells(cube))
    assert (west, east) == (30, 31)
    data.assign_coords(lon=lon + 30).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=r"its nearest point is 2\d\.\d degrees from -94"):
        FromFile.read(path, cube).ahead(reader, cells(cube)[0], day_number(FIRST), 3)
    data.tmax.attrs["units"] = "K"
    data.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=r"tmax is in K, and the cube's is in degree_Celsius; convert it"):
        FromFile.read(path, cube)
    data.drop_vars(["vpd", "wind"]).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=r"it lacks vpd, wind, which the cube and the model have"):
        FromFile.read(path, cube)
    data.expand_dims(level=2).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=r"the dimension level is not known|tmax is in K"):
        FromFile.read(path, cube)
    path.write_bytes(b"CDF\x01 not a real file")
    with pytest.raises(InputError, match="it cannot be read as NetCDF 4"):
        FromFile.read(path, cube)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("w.csv", table(vpd=None, wind=None), "it lacks vpd, wind, which the cube and the model have"),
        ("w.csv", table(tmax=297.3), r"tmax of 2021-06-30 is 297.3, and -70 to 60 degree_Celsius is possible"),
        ("w.csv", table(tmax="nan"), r"tmax of 2021-06-30 is nan"),
        ("w.csv", table(tmax="warm"), r"line 2: tmax takes a number; found 'warm'"),
        ("w.csv", table(tmax=""), r"line 2: tmax takes a number; found ''"),
        ("w.csv", table().replace("2021-07-03", "2021-07-04"), "2021-07-04 is given twice"),
        ("w.csv", table().replace("2021-07-03", "3 July"), "it is not a CSV of daily weather"),
        (
            "w.csv",
            "\n".join(line for line in table().splitlines() if "07-03" not in line),
            "the day after 2021-07-02 is missing",
        ),
        ("w.csv", table(days=0), "it has no day"),
        ("w.csv", "", "there is no column `day`; it has none"),
        ("w.csv", "\0\xff", "there is no column `day`|it is not a CSV"),
        ("w.csv", table(members=("a", "b")).rsplit("\n", 2)[0], "member b has other days than the first"),
        ("w.grib", "", "takes a file that ends in .csv or .nc"),
    ],
)
def test_a_file_that_is_none_is_refused(cube: Cube, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        FromFile.read(tmp_path / name, cube)


def calm(days: int = DAYS) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.tile(np.array(list(CALM.values()), np.float32), (2, days, 1))


def saturation(tmin: float, tmax: float) -> float:
    return float(saturation_vapour_pressure(np.array([tmin, tmax])).mean())


def test_three_weeks_without_rain_and_three_degrees(cube: Cube) -> None:
    dry = Scenario.read("no-rain:21", cube).changed(calm(30), cube.weather)
    assert (dry[:, :21, 2] == 0).all() and (dry[:, 21:] == calm(30)[:, 21:]).all()
    assert (np.delete(dry, 2, axis=2) == np.delete(calm(30), 2, axis=2)).all()
    warm = Scenario.read("+3C", cube)
    assert warm.name == "+3C"
    changed = warm.changed(calm(), cube.weather)[0, 0]
    assert changed[:2].tolist() == [15, 27]
    assert changed[4] == pytest.approx(1 + saturation(15, 27) - saturation(12, 24), rel=1e-5)
    drought = Scenario.read("drought", cube).changed(calm(), cube.weather)[0, 0]
    assert drought[2] == 0 and drought[0] == 14 and drought[3] == pytest.approx(23)
    frost = Scenario.read("late-frost", cube).changed(calm(20), cube.weather)[0]
    assert np.flatnonzero(frost[:, 0] == -5).tolist() == [10, 11, 12]


def test_the_page_states_the_numbers_of_every_scenario() -> None:
    """What each scenario makes of a calm day, as factors, sums and limits, is in its row of docs/forecast.md."""
    page = (Path(__file__).resolve().parents[2] / "docs/forecast.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page.partition("## Scenarios")[2], re.MULTILINE))
    assert set(rows) == {*CHANGES, "no-rain"}
    days = np.ones(20, bool)
    bright = {name: np.full(20, value) for name, value in (CALM | {"radiation": 30.0, "tmax": 12.0}).items()}
    plain = {name: np.full(20, value) for name, value in CALM.items() if name not in ("tmin", "tmax")}
    for name in ("drought", "wet"):  # without temperatures, the deficit has its factor alone
        changed = CHANGES[name][0](plain, days)
        for variable in ("vpd", "radiation"):
            assert f"x {changed[variable][0] / plain[variable][0]:.3g}" in rows[name], (name, variable)
    assert f"at most {CHANGES['drought'][0](bright, days)['radiation'][0]:g} MJ m-2" in rows["drought"]
    for name in ("drought", "heat"):
        degrees = CHANGES[name][0](bright, days)["tmin"][0] - bright["tmin"][0]
        assert f"`tmin` and `tmax` {degrees:+g} C" in rows[name]
    rain = CHANGES["wet"][0](plain, days)["precipitation"] - plain["precipitation"]
    assert f"`precipitation` {rain[0]:+g} mm every other day" in rows["wet"] and rain[1] == 0
    frost = CHANGES["late-frost"][0](bright, days)
    (night, *_), (tmin, tmax, vpd) = (
        np.flatnonzero(frost["tmin"] < 0),
        [frost[n].min() for n in ("tmin", "tmax", "vpd")],
    )
    assert night == 10 and "ten days after the day of issue" in rows["late-frost"]
    assert f"`tmin` {tmin:g} C, `tmax` at most {tmax:g} C, `vpd` at most {vpd:g} kPa" in rows["late-frost"]


def test_a_scenario_in_a_file(cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "dry.yaml"
    path.write_text("name: dry and hot\ndays: 4\nset: {precipitation: 0}\nadd: {tmax: 50}\nmultiply: {wind: 2}\n")
    scenario = Scenario.read(str(path), cube)
    assert scenario.name == "dry and hot" and scenario.settings()["file"]["set"] == {"precipitation": 0}
    changed = scenario.changed(calm(), cube.weather)[0]
    assert changed[3, [1, 2, 5]].tolist() == [60, 0, 4] and (changed[4:] == calm()[0, 4:]).all()  # at most 60 degrees
    assert changed[0, 4] > 1.5
    assert Scenario.read(f"{path}:2", cube).days == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "it changes nothing; give multiply, add or set"),
        ("name: x\nadd: {snow: 1}\n", r"it changes snow, which .* does not have; its weather is tmin, tmax"),
        ("name: x\nadd: {sunshine: 1}\n", "there is no weather variable 'sunshine'; choose from tmin"),
        ("name: x\nplus: {tmin: 1}\n", "plus: unknown key"),
        ("name: x\nadd: {tmin: warm}\n", "takes a number; found 'warm'"),
        ("name: x\ndays: 0\nadd: {tmin: 1}\n", "days: must be at least 1"),
        ("[1, 2]\n", "holds no scenario; see docs/forecast.md"),
        ("name: {", "is not a YAML file"),
    ],
)
def test_a_scenario_that_is_none_is_refused(cube: Cube, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises((InputError, RecipeError), match=message):
        Scenario.read(str(path), cube)


def test_a_scenario_needs_its_variables(tmp_path: Path) -> None:
    cube = CubeBuilder(sites=1, test_sites=0, labels=False, variables=()).write(tmp_path / "bare.zarr")
    with pytest.raises(InputError, match=r"--scenario heat: it changes tmin, tmax, which .* its weather is none"):
        Scenario.read("heat", cube)


def test_a_distribution_of_members() -> None:
    rng = np.random.default_rng(0)
    members = rng.normal(size=(9, 4)).astype(np.float32)
    truth = rng.normal(size=4).astype(np.float32)
    distances = np.abs(members[:, None] - members[None]).mean(axis=(0, 1))
    np.testing.assert_allclose(
        Distribution(members).crps(truth), np.abs(members - truth).mean(0) - distances / 2, atol=1e-6
    )
    ordered = Distribution(np.arange(10, dtype=np.float32)[::-1, None])
    assert ordered.quantiles([0.05, 0.5, 0.95])[:, 0].tolist() == pytest.approx([0, 4.5, 9])
    one = Distribution(members[:1])
    assert (one.quantiles() == members[:1]).all() and one.crps(truth) == pytest.approx(np.abs(members[0] - truth))


def test_members_with_an_error() -> None:
    """Quantiles of a t distribution, and of a mixture of two, against those of many drawn numbers."""
    rng = np.random.default_rng(0)
    middle, error = np.array([[0.0], [1.0]], np.float32), np.array([[0.2], [0.5]], np.float32)
    one = Distribution(middle[:1], error[:1])
    np.testing.assert_allclose(one.quantiles([0.5, 0.95])[:, 0], [0, 0.2 * 2.13185], atol=1e-6)
    drawn = middle + error * rng.standard_t(4, (200_000, 2, 1))
    wanted = np.quantile(drawn, QUANTILES)
    both = Distribution(middle, error)
    np.testing.assert_allclose(both.quantiles()[1:-1, 0], wanted[1:-1], atol=0.05)
    np.testing.assert_allclose(both.quantiles()[[0, -1], 0], wanted[[0, -1]], atol=0.2)
    assert both.crps(np.array([0.0]))[0] > Distribution(middle[:1]).crps(np.array([0.0]))[0]


def test_quantiles_are_a_distribution_too() -> None:
    levels = np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]], np.float32)
    again = Distribution.of_quantiles(QUANTILES, levels).quantiles()
    np.testing.assert_allclose(again, levels, atol=0.12)
    assert again[2, 0] == pytest.approx(0, abs=1e-6)
    assert (Distribution.of_quantiles((0.5,), levels[2:3]).members == 0).all()


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("cube --days 2022-07-01 2022-07-15 --workers 2", ["2022-07-01", "2022-07-15"]),
        ("--days 2022-07-01 2022-07-15 2022-08-01 cube", ["2022-07-01", "2022-07-15", "2022-08-01"]),
        ("cube --days 2022-07-01 --days 2022-07-15", ["2022-07-01", "2022-07-15"]),
        ("cube --days 2022-07-01", ["2022-07-01"]),
    ],
)
def test_days_are_given_one_after_another(given: str, parsed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    parse: Callable[..., Any] = lambda self, ctx, args: seen.extend(args)  # noqa: E731
    monkeypatch.setattr(SeveralDays.__base__, "parse_args", parse)
    SeveralDays("forecast").parse_args(None, given.split())  # type: ignore[arg-type]
    assert [text for option, text in pairwise(seen) if option == "--days"] == parsed
    assert "cube" in seen
