"""Tables of point series and of stations: a cube of single pixels with the rows' numbers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import clear_days, index_windows
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.inspect.check import check_cube
from mmvsf.pipeline.sources.table.rows import read_rows

SITES = {"oak-1": (-93.0, 42.0), "oak-2": (-92.0, 42.0), "far-end": (-85.0, 38.0)}
"""name -> longitude, latitude"""
YEARS = (2019, 2020, 2021)
COLUMNS = ("gcc_90", "rcc_90")


def recipe() -> dict[str, Any]:
    return {
        "name": "points",
        "title": "Three points",
        "area": {"sites": [{"name": name, "lon": lon, "lat": lat} for name, (lon, lat) in SITES.items()]},
        "grid": {"crs": "EPSG:5070", "resolution": 25000, "block": 1, "chunk": 1, "weather_cell": 1},
        "period": {"start": "2019-01-01", "end": "2021-12-31", "months": [4, 5, 6, 7]},
        "imagery": {
            "source": "table",
            "path": "series.csv",
            "site_column": "camera",
            "products": ["camera"],
            "bands": ["gcc", "rcc"],
            "custom": [
                {
                    "name": "camera",
                    "bands": {"gcc": "gcc_90", "rcc": "rcc_90"},
                    "scale": 1,
                    "fill": "nan",
                    "mask": "none",
                    "licence": "CC-BY-4.0",
                }
            ],
        },
        "weather": {
            "source": "table",
            "path": "weather.csv",
            "stations": "stations.csv",
            "variables": ["tmin", "vpd"],
            "units": {"vpd": "Pa"},
        },
    }


def series() -> pd.DataFrame:
    """A row every third day of each site, in capitals as networks write them, and one of a site of nobody's."""
    random, frames = np.random.default_rng(0), []
    for name in ("Oak_1", "Oak_2", "FAR end", "elsewhere"):
        days = pd.date_range("2019-03-20", "2021-08-10", freq="3D")
        values = random.uniform(0.3, 0.5, (len(days), 2))
        frames.append(
            pd.DataFrame(
                {"camera": name, "date": days.strftime("%Y-%m-%d")} | dict(zip(COLUMNS, values.T, strict=True))
            )
        )
    table = pd.concat(frames, ignore_index=True)
    table.loc[table.index % 7 == 0, "rcc_90"] = np.nan
    table.loc[table.index % 11 == 0, list(COLUMNS)] = np.nan
    return table


def weather() -> pd.DataFrame:
    """Two stations; that of `far-end` begins in October 2019 and ends in June 2021, and both lack one day."""
    frames = []
    for place, first, last in (("West", "2018-10-01", "2021-12-31"), ("East", "2019-10-01", "2021-06-20")):
        days = pd.date_range(first, last)
        tmin = 5 + 10 * np.sin(np.arange(len(days)) / 58) + (place == "East")
        frames.append(pd.DataFrame({"site": place, "date": days, "tmin": tmin, "vpd": 700.0 + 50 * (place == "East")}))
    table = pd.concat(frames, ignore_index=True)
    return table[table.date != pd.Timestamp("2020-05-05")]


def stations() -> pd.DataFrame:
    return pd.DataFrame({"site": ["west", "east"], "longitude": [-92.6, -85.2], "latitude": [42.1, 38.1]})


@dataclass
class Place:
    """A folder with a recipe and its tables."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "points.yaml"

    def write(self, lines: dict[str, Any] | None = None, **tables: pd.DataFrame) -> Place:
        self.recipe.write_text(yaml.safe_dump(lines or recipe()))
        for name, table in ({"series": series(), "weather": weather(), "stations": stations()} | tables).items():
            table.to_csv(self.root / f"{name}.csv", index=False)
        return self

    def build(self) -> Cube:
        with executor(1) as run:
            plan = build_plan(str(self.recipe), self.root / "data")
            build(plan, run, Progress(lambda *_: None))
        return Cube.open(self.root / "data/points.zarr")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return Place(tmp_path_factory.mktemp("points")).write().build()


def test_each_pixel_has_the_numbers_of_its_rows(cube: Cube) -> None:
    table, expected = series(), 0
    names = {"Oak_1": "oak-1", "Oak_2": "oak-2", "FAR end": "far-end"}
    reflectance, seen = cube.pixels("imagery/reflectance"), clear_days(cube, 0)
    for camera, name in names.items():
        row, column = cube.grid.block_of_point(*SITES[name])
        for _, entry in table[table.camera == camera].iterrows():
            day, values = date.fromisoformat(entry.date), entry[list(COLUMNS)].to_numpy(float)
            if day.month not in range(4, 8) or np.isnan(values).any():
                continue
            at = cube.calendar.index(day_number(day))
            stored = reflectance.read((at, slice(None), slice(row, row + 1), slice(column, column + 1)))
            np.testing.assert_allclose(stored.ravel() * 1e-4, values, atol=5.1e-5)
            expected += name != "far-end"
    rows = [cube.grid.block_of_point(*SITES[name]) for name in ("oak-1", "oak-2")]
    assert sum(int(seen[:, row, column].sum()) for row, column in rows) == expected > 150
    check_cube(cube.path).raise_for_problems()


def test_weather_is_that_of_the_nearest_station_and_missing_days_stay_missing(cube: Cube) -> None:
    tmin, vpd = cube.array("weather/tmin"), cube.array("weather/vpd")
    for name, bonus, first, last in (
        ("oak-1", 0, "2018-10-01", "2021-12-31"),
        ("far-end", 1, "2019-10-01", "2021-06-20"),
    ):
        cell = cube.grid.block_of_point(*SITES[name])
        days = pd.date_range(first, last)
        at = np.array([cube.calendar.index(day_number(day.date())) for day in days])
        expected = 5 + 10 * np.sin(np.arange(len(days)) / 58) + bonus
        # 5 May 2020 is filled from the days around it.
        np.testing.assert_allclose(tmin[(at, *cell)], expected, atol=1e-3)
        np.testing.assert_allclose(vpd[(at, *cell)], 0.7 + 0.05 * bonus, atol=1e-6)
        others = np.ones(len(tmin), bool)
        others[at] = False
        assert np.isnan(tmin[(others, *cell)]).all()


def test_days_on_which_no_station_measured_stay_missing(tmp_path: Path) -> None:
    """A single tower may begin late, end early or lack days, as one of several may; only short gaps are filled."""
    lines, table = recipe(), weather()
    lines["area"]["sites"] = lines["area"]["sites"][:2]
    own = table[(table.site == "West") & table.date.between("2018-10-03", "2021-12-30")]
    own = own[~own.date.between("2020-07-01", "2020-07-09")]
    found = Place(tmp_path).write(lines, weather=own, stations=stations().iloc[:1]).build()
    check_cube(found.path).raise_for_problems()
    tmin = found.array("weather/tmin")[(slice(None), *found.grid.block_of_point(*SITES["oak-1"]))]
    flag = found.array("weather/flag")

    def at(first: str, last: str) -> slice:
        days = (found.calendar.index(day_number(date.fromisoformat(day))) for day in (first, last))
        return slice(next(days), next(days) + 1)

    gaps = [at("2018-10-01", "2018-10-02"), at("2020-07-01", "2020-07-09"), at("2021-12-31", "2021-12-31")]
    for gap in gaps:
        assert np.isnan(tmin[gap]).all() and (flag[gap] == WeatherFlag.NONE).all()
    known = np.isfinite(tmin[at("2018-10-01", "2021-12-31")])
    assert known.sum() == known.size - 12 and (flag == WeatherFlag.FILLED).sum() == 1  # 5 May 2020


def test_only_days_with_their_weather_are_trained_on(cube: Cube) -> None:
    """A window of the site whose station begins late has no day of the first year, and none after the station's end."""
    windows = {(window.row, window.column, window.year): window for window in index_windows(cube)["train"]}
    row, column = cube.grid.block_of_point(*SITES["far-end"])
    assert (row, column, 2019) not in windows and (row, column, 2020) in windows
    last = {name: windows[*cube.grid.block_of_point(*SITES[name]), 2021].days.max() for name in SITES}
    assert last["far-end"] <= day_number(date(2021, 6, 20)) < last["oak-1"]
    reader = WindowReader(cube, Normalisation.of([cube]))
    for window in windows.values():
        start, values = reader.weather(window.cell, window.year)
        assert np.isfinite(values).all() and start + len(values) > window.days.max()


def test_parquet_and_csv_give_one_cube(cube: Cube, tmp_path: Path) -> None:
    lines = recipe()
    for section, name in (("imagery", "series"), ("weather", "weather")):
        lines[section]["path"] = f"{name}.parquet"
    place = Place(tmp_path).write(lines)
    for name in ("series", "weather"):
        pd.read_csv(tmp_path / f"{name}.csv").to_parquet(tmp_path / f"{name}.parquet")
    again = place.build()
    for array in ("blocks/status", "chunks/clear_fraction", "weather/tmin", "weather/vpd"):
        np.testing.assert_array_equal(again.array(array), cube.array(array))


NAMES = {"oak-1": "01", "oak-2": "10", "far-end": "na"}


def with_names(names: dict[str, str]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """The recipe and its tables with other names of sites and stations, in each table a row without one."""
    lines = recipe()
    for site in lines["area"]["sites"]:
        site["name"] = names[site["name"]]
    own = series()
    own["camera"] = own["camera"].map({"Oak_1": names["oak-1"], "Oak_2": names["oak-2"], "FAR end": names["far-end"]})
    numbered = {"West": "007", "East": "7"}
    tables = {"series": own, "weather": weather(), "stations": stations()}
    for name in ("weather", "stations"):
        tables[name]["site"] = tables[name]["site"].str.title().map(numbered)
    tables["weather"] = pd.concat([tables["weather"], tables["weather"].iloc[:1].assign(site=None)])
    tables["stations"] = pd.concat([tables["stations"], tables["stations"].iloc[:1].assign(site=None)])
    return lines, tables


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_of_sites_may_look_like_numbers(cube: Cube, tmp_path: Path, suffix: str) -> None:
    """As networks write them: zeros in front, or letters that pandas takes for none. Rows without one are counted."""
    lines, tables = with_names(NAMES)
    place = Place(tmp_path).write(lines, **tables)
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
        for name, table in tables.items():
            table.to_parquet(tmp_path / f"{name}.parquet")
        lines["imagery"]["path"], lines["weather"]["path"] = "series.parquet", "weather.parquet"
        lines["weather"]["stations"] = "stations.parquet"
        place.recipe.write_text(yaml.safe_dump(lines))
    plan = build_plan(str(place.recipe), tmp_path / "data")
    nameless = int(tables["series"]["camera"].isna().sum())
    assert nameless > 100 and plan.imagery.left_out["without a site"] == nameless
    assert plan.weather is not None
    assert plan.weather.notes == (f"weather.{suffix}: 1 rows without a site are left out",)
    for name, values in plan.weather.values.items():
        np.testing.assert_array_equal(values, cube.array(f"weather/{name}"))
    assert {scene.id.partition(".")[0] for scene in plan.imagery.scenes} == set(NAMES.values())


def test_whole_numbers_with_a_gap_are_names(tmp_path: Path) -> None:
    """Where a row has no site, Parquet files hold the others as floating-point numbers."""
    pytest.importorskip("pyarrow")
    pd.DataFrame({"site": [1, 2, None, 10], "date": "2021-05-01"}).to_parquet(tmp_path / "t.parquet")
    rows = read_rows(tmp_path / "t.parquet", "site", ("date",), "here")
    assert rows.sites.tolist() == ["1", "2", "10"] and rows.nameless == 1


def test_a_column_may_have_a_slash_in_its_name(tmp_path: Path) -> None:
    lines = recipe()
    lines["imagery"]["custom"][0]["bands"]["gcc"] = "green (W/m2)/all"
    table = series().rename(columns={"gcc_90": "green (W/m2)/all"})
    found = Place(tmp_path).write(lines, series=table).build()
    check_cube(found.path).raise_for_problems()


def test_a_changed_row_is_read_again_and_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path).write()
    place.build()
    table = series()
    row = table[(table.camera == "Oak_1") & (table.date > "2020-05-01") & table.rcc_90.notna()].index[0]
    table.loc[row, "gcc_90"] = 0.9
    place.write(series=table)
    plan = build_plan(str(place.recipe), tmp_path / "data")
    ledger = plan.imagery_layer.layer
    changed = [
        name
        for name, digest in plan.imagery.entries.items()
        if (entry := _ledger(place).read(name)) is None or entry["digest"] != digest
    ]
    assert ledger.name == "imagery" and len(changed) == 1


def _ledger(place: Place) -> Any:
    from mmvsf.pipeline.ledger import Ledger

    return Ledger.of_cube(place.root / "data/points.zarr")


Change = Callable[[dict[str, Any], dict[str, pd.DataFrame]], None]


def _set(section: str, key: str, value: Any) -> Change:
    return lambda lines, tables: lines[section].__setitem__(key, value)


def _table(name: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return lambda lines, tables: tables.__setitem__(name, edit(tables[name]))


REFUSED: dict[str, tuple[Change, str]] = {
    "blocks of several pixels": (_set("grid", "block", 8), "blocks of one pixel; grid.block is 8"),
    "an area without sites": (
        lambda lines, _: lines.__setitem__("area", {"bbox": [-93, 41, -92, 42]}),
        "source 'table' needs sites; write area.sites",
    ),
    "a mask": (
        lambda lines, _: lines["imagery"]["custom"][0].update(mask={"asset": "flag", "codes": {0: "clear"}}),
        "needs one product of imagery.custom, with mask: none",
    ),
    "a product of satellites": (
        lambda lines, _: lines["imagery"].update(products=["camera", "hls-l30"]),
        "needs one product of imagery.custom, with mask: none|hls-l30",
    ),
    "two sites in one pixel": (
        lambda lines, _: lines["area"]["sites"].append({"name": "twin", "lon": -93.001, "lat": 42.0}),
        "oak-1 and twin are in the same pixel of 25000 m",
    ),
    "no table": (_set("imagery", "path", "nothing.csv"), "imagery.path: there is no table at"),
    "a folder": (_set("imagery", "path", "."), "cannot be read as CSV or Parquet"),
    "no such column": (_table("series", lambda t: t.drop(columns="rcc_90")), "lacks the columns rcc_90; it has camera"),
    "no column of sites": (_set("imagery", "site_column", "roi"), "lacks the columns roi"),
    "a site of none": (
        _table("series", lambda t: t[t.camera == "elsewhere"]), "of the sites far-end, oak-1, oak-2 .* has elsewhere"
    ),
    "no row of one site": (
        _table("series", lambda t: t[t.camera != "Oak_2"]), "the sites oak-2 of the recipe; its column camera has else"
    ),
    "no row of the period": (
        _table("series", lambda t: t.assign(date="2012-01-01").drop_duplicates("camera")), "none of its 4 rows is in"
    ),
    "no column of days": (_table("series", lambda t: t.drop(columns="date")), "lacks the columns date; it has camera"),
    "no column of days in the weather": (_table("weather", lambda t: t.drop(columns="date")), "lacks the columns date"),

    "a day twice": (
        _table("series", lambda t: pd.concat([t, t.iloc[[5]]])),
        r"has two rows of oak-1 on 20\d\d-\d\d-\d\d; name sites apart",
    ),
    "no date": (_table("series", lambda t: t.assign(date="soon")), "row 1 has 'soon' in the column date; write days"),
    "no date below a row without a site": (
        _table("series", lambda t: t.assign(camera=t.camera.where(t.index != 1), date=t.date.where(t.index != 3))),
        "row 4 has nan in the column date",
    ),
    "an empty date": (
        _table("series", lambda t: t.assign(date=t.date.where(t.index != 3))),
        "row 4 has nan in the column date",
    ),
    "no number": (_table("series", lambda t: t.assign(gcc_90="green")), "row 1 has 'green' in the column gcc_90"),
    "weather without a variable": (_table("weather", lambda t: t.drop(columns="vpd")), "lacks the columns vpd"),
    "an unknown unit": (_set("weather", "units", {"vpd": "furlongs"}), "'furlongs' is not known"),
    "the wrong unit": (lambda lines, _: lines["weather"].pop("units"), "vpd runs from 700 .* outside"),
    "stations far away": (_table("stations", lambda t: t.assign(latitude=10)), "has no station within 100 km of 4"),
    "other stations": (_table("stations", lambda t: t.assign(site=["a", "b"])), "none of the stations"),
    "days without one of the variables": (
        _table("weather", lambda t: t.assign(vpd=t.vpd.where((t.date < "2020-05-01") | (t.date > "2020-05-20")))),
        "'vpd' misses 20 days on which other variables have values, the first of them 2020-05-01",
    ),
    "a station without values": (
        _table("weather", lambda t: t.assign(tmin=t.tmin.where(t.site == "West"))),
        "'tmin' has cells without data",
    ),
    "a station's day twice": (
        _table("weather", lambda t: pd.concat([t, t.iloc[[5]]])),
        "has two rows of west on one day",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_region_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    lines, tables = recipe(), {"series": series(), "weather": weather(), "stations": stations()}
    change, message = REFUSED[name]
    change(lines, tables)
    with pytest.raises(InputError, match=message):
        build_plan(str(Place(tmp_path).write(lines, **tables).recipe), tmp_path / "data")
    assert not (tmp_path / "data/points.zarr").exists()


HOSTILE = {"nothing": b"", "zeros": b"\0" * 64, "a cut Parquet file": b"PAR1" + b"\x01" * 40, "one line": b"camera\n"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path).write()
    (tmp_path / "series.csv").write_bytes(HOSTILE[name])
    with pytest.raises(InputError) as refusal:
        build_plan(str(place.recipe), tmp_path / "data")
    assert "series.csv" in str(refusal.value) and "\n" not in str(refusal.value)
