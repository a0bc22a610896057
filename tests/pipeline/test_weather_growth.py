"""Weather of a cube that grows: only what is missing or provisional is asked for, all else keeps its values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import Calendar, calendar_for, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.region import Region, Weather
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.regrid import CubeWeather, cube_weather
from mmvsf.pipeline.layers.weather.update import update_weather
from mmvsf.pipeline.layers.weather_series import WeatherSeries

from .tiny_archive import LATITUDES, LONGITUDES, recipe

VARIABLES = ("tmin", "tmax", "precipitation")


WEATHER_START = date(2019, 10, 1)
"""First day of weather of `shape`"""


@dataclass
class Source(WeatherSource):
    """A source whose values change with `edition`; every call of `fetch` is kept."""

    edition: float = 0.0
    provisional_from: date = date(2100, 1, 1)
    missing: frozenset[tuple[str, date]] = frozenset()
    dropped_leap_day: tuple[int, int] | None = None
    lacking: frozenset[date] = frozenset()
    """days without any value; if there are some, cells may lack days"""
    asked: list[tuple[date, date, tuple[str, ...]]] = field(default_factory=list)

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Source:
        return cls()

    def origin(self) -> Origin:
        return Origin("tests", source="made for the tests")

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        self.asked.append((first, last, variables))
        days = np.arange(day_number(first), day_number(last) + 1)
        ground = LATITUDES[:, None] - 42 + 0.1 * (LONGITUDES + 96)
        arrays = {}
        for name in variables:
            values = 5 + VARIABLES.index(name) + np.sin(days / 9)[:, None, None] + ground + self.edition
            for variable, day in self.missing:
                if variable == name and first <= day <= last:
                    values[day_number(day) - days[0]] = np.nan
            values[np.isin(days, [day_number(day) for day in self.lacking])] = np.nan
            arrays[name] = values.astype(np.float32)
        flag = np.where(days >= day_number(self.provisional_from), WeatherFlag.PROVISIONAL, WeatherFlag.OBSERVED)
        return WeatherSeries(
            arrays,
            days,
            LATITUDES,
            LONGITUDES,
            "EPSG:4326",
            7,
            flag.astype(np.uint8),
            dropped_leap_day=self.dropped_leap_day,
            may_lack_days=bool(self.lacking),
        )


@dataclass(frozen=True)
class Shape:
    region: Region
    grid: Grid
    calendar: Calendar

    def weather(self, source: Source) -> CubeWeather:
        return cube_weather(source, self.region, self.grid, self.calendar)

    def grown(self, source: Source, standing: CubeWeather) -> CubeWeather:
        source.asked.clear()
        return update_weather(standing, source, self.region, self.grid, self.calendar)

    def index(self, day: date) -> int:
        return self.calendar.index(day_number(day))


def shape(end: date = date(2021, 6, 30), variables: tuple[str, ...] = VARIABLES, blocks: int | None = None) -> Shape:
    content = recipe()
    content["period"] = {"start": "2020-06-01", "end": str(end), "months": [5, 6, 12]}
    content["weather"]["variables"] = list(variables)
    content["labels"]["years"] = [2020]
    content["split"]["years"] = {}
    content["area"]["blocks"] = blocks
    region = parse_region(content, "test")
    return Shape(region, grid_from_recipe(region, Path(), Path()), calendar_for(region))


def placed(old: CubeWeather, new: Shape) -> CubeWeather:
    """`old` on the days and with the variables of `new`, which begins on the same day."""
    days, (rows, columns) = len(new.calendar), new.grid.weather_shape

    def longer(values: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
        more = np.full((days - len(values), *values.shape[1:]), fill, values.dtype)
        return np.concatenate([values, more])

    nothing = np.full((days, rows, columns), np.nan, np.float32)
    values = {n: longer(old.values[n], np.nan) if n in old.values else nothing for n in new.region.weather.variables}
    return CubeWeather(values, longer(old.flag, WeatherFlag.NONE), longer(old.bounds, np.nan), old.source)  # type: ignore[arg-type]


def same(found: CubeWeather, wanted: CubeWeather) -> None:
    assert found.values.keys() == wanted.values.keys()
    for name, values in wanted.values.items():
        np.testing.assert_array_equal(found.values[name], values)
    np.testing.assert_array_equal(found.flag, wanted.flag)
    np.testing.assert_array_equal(found.bounds, wanted.bounds)


@pytest.fixture(params=["alone", "over a gap"])
def source(request: pytest.FixtureRequest) -> Source:
    gap = {("tmax", date(2021, 6, day)) for day in (19, 20)} | {("tmin", date(2021, 3, 4))}
    return Source(missing=frozenset(gap) if request.param == "over a gap" else frozenset())


@pytest.mark.parametrize(
    "smaller",
    [
        {"end": date(2020, 12, 31)},
        {"variables": ("precipitation",)},
        {"blocks": 1},
        {"end": date(2021, 6, 21), "variables": ("tmax", "tmin"), "blocks": 2},
    ],
    ids=["days", "variables", "cells", "all"],
)
def test_grown_is_what_a_new_cube_would_get(source: Source, smaller: dict[str, object]) -> None:
    old, new = shape(**smaller), shape()  # type: ignore[arg-type]
    same(new.grown(source, placed(old.weather(source), new)), new.weather(source))


def days_from(first: date, count: int) -> frozenset[date]:
    return frozenset(first + timedelta(days=day) for day in range(count))


@pytest.mark.parametrize(
    ("lacking", "left"),
    [
        (days_from(WEATHER_START, 2), 2),
        (days_from(date(2020, 12, 30), 4), 4),
        (days_from(date(2020, 12, 31), 2), 0),
        (days_from(date(2020, 12, 20), 300), 193),
        (days_from(date(2021, 1, 1), 300), 181),
        (days_from(date(2021, 6, 29), 2) | days_from(date(2021, 3, 4), 1), 2),
    ],
    ids=["begins late", "long gap", "short gap", "ends before", "ends there", "ends early"],
)
def test_days_that_cells_may_lack_are_what_they_are_in_a_new_cube(lacking: frozenset[date], left: int) -> None:
    """Also where the cube ended within a gap, and where none of the added days has a value."""
    source, old, new = Source(lacking=lacking), shape(end=date(2020, 12, 31)), shape()
    wanted = new.weather(source)
    same(new.grown(source, placed(old.weather(source), new)), wanted)
    days = slice(new.index(WEATHER_START), new.index(new.region.period.end) + 1)
    assert (wanted.flag[days] == WeatherFlag.NONE).sum() == left
    assert np.isnan(wanted.values["tmin"][days]).all(axis=(1, 2)).sum() == left


@dataclass
class Stations(Source):
    """A source whose values depend on the period, as where stations are chosen by it."""

    depends_on_period: ClassVar[bool] = True
    late: bool = True
    """whether the period of the larger cube makes a difference"""

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        series = super().fetch(first, last, variables)
        bonus = np.float32((last - first).days > 500) if self.late else np.float32(0)
        return replace(series, values={name: values + bonus for name, values in series.values.items()})


@pytest.mark.parametrize("late", [True, False])
def test_new_days_of_stations_are_those_of_a_new_cube(late: bool) -> None:
    """Not of stations that report on most of the added days alone. If others count for kept days, a note says so."""
    source, old, new = Stations(late=late), shape(end=date(2020, 12, 31)), shape()
    wanted, before = new.weather(source), old.weather(source)
    found = new.grown(source, placed(before, new))
    assert source.asked == [(WEATHER_START, new.region.period.end, VARIABLES)]
    added = new.index(date(2021, 1, 1))
    for name in VARIABLES:
        np.testing.assert_array_equal(found.values[name][added:], wanted.values[name][added:])
        np.testing.assert_array_equal(found.values[name][:added], before.values[name][:added])
    assert bool(found.notes) is late
    if late:
        assert "other weather on 458 of 458 existing days: other stations count" in found.notes[0]
    else:
        same(found, wanted)
    new.grown(source, found)
    assert source.asked == []


def test_notes_of_a_source_are_kept() -> None:
    noted = type("Noted", (Source,), {"fetch": lambda *a: replace(Source.fetch(*a), notes=("one entry of several",))})
    source, old, new = noted(), shape(end=date(2020, 12, 31)), shape()
    assert new.grown(source, placed(old.weather(source), new)).notes == ("one entry of several",)


def test_nothing_is_asked_where_nothing_is_missing(source: Source) -> None:
    whole = shape()
    standing = whole.weather(source)
    same(whole.grown(source, standing), standing)
    assert source.asked == []


def test_what_stands_keeps_its_values_though_the_source_has_changed(source: Source) -> None:
    old, new = shape(date(2021, 6, 17)), shape()
    standing = placed(old.weather(source), new)
    source.edition = 1.0
    found = new.grown(source, standing)
    assert source.asked == [(date(2021, 6, 17), date(2021, 6, 30), VARIABLES)]
    kept = new.index(date(2021, 6, 17)) + 1
    for name in VARIABLES:
        np.testing.assert_array_equal(found.values[name][:kept], standing.values[name][:kept])
        np.testing.assert_array_equal(found.values[name][kept:], new.weather(source).values[name][kept:])


def test_new_variables_and_cells_leave_the_others(source: Source) -> None:
    old, new = shape(variables=("tmin",), blocks=1), shape(variables=("tmin", "tmax"))
    standing = placed(old.weather(source), new)
    known = ~np.isnan(standing.values["tmin"])
    source.edition = 1.0
    found = new.grown(source, standing)
    fresh = new.weather(source)
    np.testing.assert_array_equal(found.values["tmin"][known], standing.values["tmin"][known])
    np.testing.assert_array_equal(found.values["tmin"][~known], fresh.values["tmin"][~known])
    np.testing.assert_array_equal(found.values["tmax"], fresh.values["tmax"])


def test_provisional_days_are_replaced(source: Source) -> None:
    whole = shape()
    source.provisional_from = date(2021, 6, 10)
    standing = whole.weather(source)
    again = replace(source, edition=1.0, provisional_from=date(2021, 6, 25), asked=[])
    found = whole.grown(again, standing)
    assert again.asked == [(date(2021, 6, 9), date(2021, 6, 30), VARIABLES)]
    first, last = (whole.index(date(2021, 6, day)) for day in (10, 30))
    for name in VARIABLES:
        np.testing.assert_array_equal(found.values[name][:first], standing.values[name][:first])
    left = found.flag == WeatherFlag.PROVISIONAL
    assert np.flatnonzero(left).tolist() == list(range(whole.index(date(2021, 6, 25)), last + 1))
    np.testing.assert_array_equal(found.flag, whole.weather(again).flag)


def test_a_day_filled_in_beside_a_provisional_one_is_filled_in_anew() -> None:
    whole, filled = shape(), date(2021, 6, 9)
    source = Source(missing=frozenset({("tmin", filled)}), provisional_from=date(2021, 6, 10))
    standing = whole.weather(source)
    final = Source(edition=1.0, missing=source.missing)
    found = whole.grown(final, standing)
    at = whole.index(filled)
    assert found.flag[at] == WeatherFlag.FILLED
    assert final.asked == [(filled - timedelta(1), date(2021, 6, 30), VARIABLES)]
    np.testing.assert_array_equal(found.values["tmin"][at], whole.weather(final).values["tmin"][at])
    np.testing.assert_array_equal(found.values["tmin"][at - 1], standing.values["tmin"][at - 1])


def test_the_last_day_of_a_leap_year_gets_its_second_neighbour() -> None:
    """Daymet has no 31 December 2020: at the end of a cube it is filled from one side, in a longer one from two."""
    source = Source(missing=frozenset({(name, date(2020, 12, 31)) for name in VARIABLES}), dropped_leap_day=(12, 31))
    old, new = shape(date(2020, 12, 31)), shape()
    same(new.grown(source, placed(old.weather(source), new)), new.weather(source))


def test_runs_far_apart_are_asked_for_apart() -> None:
    whole, source = shape(), Source()
    standing = whole.weather(source)
    flag = standing.flag.copy()
    for day in (date(2020, 2, 1), date(2020, 2, 20), date(2021, 3, 3)):
        flag[whole.index(day)] = WeatherFlag.PROVISIONAL
    whole.grown(source, replace(standing, flag=flag))
    spans = [(first, last) for first, last, _ in source.asked]
    assert spans == [(date(2020, 1, 31), date(2020, 2, 21)), (date(2021, 3, 2), date(2021, 3, 4))]


def test_weather_that_was_never_written_to_its_end_is_none(source: Source) -> None:
    """Bounds are written last; a template's flag says observed where nothing is yet."""
    whole = shape()
    fresh = whole.weather(source)
    half = replace(fresh, bounds=np.full_like(fresh.bounds, np.nan), flag=np.zeros_like(fresh.flag))
    source.edition = 1.0
    same(whole.grown(source, half), whole.weather(source))
