"""One daily axis, made of whole 32-day shards counted from 1970-01-01."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvsf.datasets.cube.calendar import Calendar, calendar_for, date_of, day_number
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.region import Region

DAYS = st.dates(date(1982, 1, 1), date(2080, 1, 1))
STARTS = st.dates(date(1982, 1, 1), date(2004, 1, 1))
"""First days of periods that end before today"""


def region(start: date, end: date) -> Region:
    return parse_region(
        {
            "name": "x",
            "title": "x",
            "area": {"bbox": [-94, 42, -93, 43]},
            "grid": {"crs": "EPSG:32615"},
            "period": {"start": start, "end": end},
            "imagery": {"source": "archive", "path": "x", "products": ["hls-l30"]},
            "weather": {"source": "archive", "path": "x"},
        },
        "x",
    )


def test_known_days() -> None:
    assert day_number(date(1970, 1, 1)) == 0
    assert day_number(date(2000, 3, 1)) == 11017
    assert date_of(18751) == date(2021, 5, 4)


@given(DAYS)
def test_there_and_back(day: date) -> None:
    assert date_of(day_number(day)) == day
    assert np.datetime64(day_number(day), "D") == np.datetime64(day)


@given(STARTS, st.integers(0, 4000))
def test_whole_shards_that_hold_the_weather_and_the_period(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    calendar = calendar_for(region(start, end))
    days = calendar.days
    assert days[0] % 32 == 0 and len(days) % 32 == 0 and (np.diff(days) == 1).all()
    first = min(start, date(start.year - 1, 10, 1))
    assert days[0] <= day_number(first) < days[0] + 32
    assert days[-1] - 32 < day_number(end) <= days[-1]


@given(STARTS, st.integers(0, 1500), st.integers(0, 1500), st.integers(0, 1499))
def test_a_longer_period_moves_no_shard(start: date, length: int, more: int, at: int) -> None:
    short = calendar_for(region(start, start + timedelta(days=length)))
    long = calendar_for(region(start, start + timedelta(days=length + more)))
    day = day_number(start + timedelta(days=min(at, length)))
    assert short.shard_of(day) == long.shard_of(day)
    assert short.shard_slice(short.shard_of(day)) == long.shard_slice(long.shard_of(day))


@given(STARTS, st.integers(0, 1500))
def test_positions(start: date, length: int) -> None:
    calendar = calendar_for(region(start, start + timedelta(days=length)))
    day = day_number(start)
    assert calendar.days[calendar.index(day)] == day
    place = calendar.shard_slice(calendar.shard_of(day))
    assert place.start % 32 == 0 and place.stop - place.start == 32 and place.start <= calendar.index(day) < place.stop


@pytest.mark.parametrize("day", [-1, 64])
def test_a_day_outside(day: int) -> None:
    with pytest.raises(IndexError, match="outside the calendar"):
        Calendar(32, 1).index(day)
