"""Seasons: years of 12 months that begin on the recipe's day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvsf.datasets.cube.calendar import EPOCH, date_of, day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.region import Period
from mmvsf.datasets.recipe.season import SeasonSpec
from tests.golden import RECIPE

CALENDAR = SeasonSpec()
SOUTHERN = SeasonSpec.model_validate({"from": "10-01", "label": "end"})
AUTUMN = SeasonSpec.model_validate({"from": "08-15"})
SPECS = st.sampled_from([CALENDAR, SOUTHERN, AUTUMN, SeasonSpec.model_validate({"from": "03-01", "label": "end"})])


def period(start: str, end: str, **season: str) -> Period:
    return Period.model_validate({"start": start, "end": end, "season": season})


@given(SPECS, st.dates(date(1969, 1, 1), date(2080, 1, 1)))
def test_a_day_belongs_to_one_season(spec: SeasonSpec, day: date) -> None:
    season = spec.season_of(day)
    assert season.first <= day <= season.last
    assert (season.first.month, season.first.day) == tuple(int(part) for part in spec.begins.split("-"))
    assert spec.season(season.name + 1).first == season.last + timedelta(days=1)
    number = np.array([day_number(day)])
    assert spec.names_of(number).tolist() == [season.name]
    assert spec.days_into(number).tolist() == [(day - season.first).days]
    assert (date_of(season.first_number), date_of(season.last_number)) == (season.first, season.last)


def test_the_year_that_names_a_season() -> None:
    assert SOUTHERN.season_of(date(2021, 12, 31)).name == SOUTHERN.season_of(date(2022, 1, 1)).name == 2022
    assert AUTUMN.season_of(date(2022, 1, 1)).name == 2021
    for label in ("start", "end"):
        calendar = SeasonSpec.model_validate({"label": label})
        assert calendar.season_of(date(2021, 12, 31)).name == 2021
        assert calendar.season(2021).last == date(2021, 12, 31)


def test_the_calendar_year_is_counted_as_before() -> None:
    days = np.array(["2020-01-01", "2020-12-31", "2021-03-01"], "datetime64[D]").astype(int)
    assert CALENDAR.days_into(days).tolist() == [0, 365, 59]
    assert CALENDAR.names_of(days).tolist() == [2020, 2020, 2021]
    assert CALENDAR.season(2021).weather_start == date(2020, 10, 1)
    assert CALENDAR.days_in((4, 10)).tolist() == [*range(90, 120), *range(273, 304)]


def test_weather_begins_three_months_before_a_season() -> None:
    assert SOUTHERN.season(2022).weather_start == date(2021, 7, 1)
    assert SeasonSpec.model_validate({"from": "05-31"}).season(2021).weather_start == date(2021, 2, 28)


def test_a_date_in_a_season() -> None:
    season = SOUTHERN.season(2022)
    assert season.day("12-01") == date(2021, 12, 1) and season.day("02-01") == date(2022, 2, 1)
    assert season.day("10-01") == season.first and season.day("09-30") == season.last


def test_the_seasons_of_a_period() -> None:
    assert period("2019-10-01", "2022-04-30", **{"from": "10-01", "label": "end"}).years == (2020, 2021, 2022)
    assert period("2019-09-30", "2022-04-30", **{"from": "10-01", "label": "end"}).years == (2019, 2020, 2021, 2022)
    assert period("2019-10-01", "2022-04-30", **{"from": "10-01"}).years == (2019, 2020, 2021)
    assert period("2019-10-01", "2022-04-30").years == (2019, 2020, 2021, 2022)


@pytest.mark.parametrize("begins", ["02-29", "13-01", "1-1", "10/01", "2021-10-01"])
def test_a_season_begins_on_a_day_that_every_year_has(begins: str) -> None:
    with pytest.raises(InputError, match=r"period\.season\.from"):
        recipe({"from": begins})


def test_unknown_keys_are_named_as_they_are_written() -> None:
    with pytest.raises(InputError, match=r"period\.season\.begins: unknown key; remove it or use one of from, label"):
        recipe({"begins": "10-01"})


def test_a_recipe_with_a_season_survives_a_cube() -> None:
    region = recipe({"from": "10-01", "label": "end"})
    stored = region.model_dump(mode="json")
    assert stored["period"]["season"] == {"from": "10-01", "label": "end"}
    assert parse_region(stored, "test") == region
    assert region.weather_start == date(2019, 7, 1)


def recipe(season: dict[str, Any]) -> Any:
    years = {"period": {**RECIPE["period"], "season": season}}  # type: ignore[dict-item]
    return parse_region({**RECIPE, **years}, "test")


def test_the_epoch_is_day_0() -> None:
    assert CALENDAR.season_of(EPOCH).first_number == 0
