"""The day of a scene is its solar day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.raster.scene import solar_day
from mmvsf.pipeline.sources.stac.imagery import search_days

Ring = tuple[tuple[float, float], ...]


def ring(west: float, east: float) -> Ring:
    return ((west, -34.0), (east, -34.0), (east, -33.0), (west, -33.0), (west, -34.0))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("moment", ["2021-12-31T23:50:00", "2022-01-01T00:10:00"])
def test_one_overpass_of_eastern_australia_is_one_day(moment: str) -> None:
    assert solar_day(utc(moment), ring(149.7, 150.9)) == date(2022, 1, 1)


@pytest.mark.parametrize(
    ("moment", "west", "east", "day"),
    [
        ("2021-06-10T17:01:00", -96.6, -95.3, date(2021, 6, 10)),  # Iowa
        ("2021-06-10T18:50:00", -122.5, -121.0, date(2021, 6, 10)),  # California
        ("2021-06-10T10:40:00", 4.0, 5.5, date(2021, 6, 10)),  # Belgium
        ("2021-06-10T22:30:00", 179.3, -179.5, date(2021, 6, 11)),  # Fiji, across the antimeridian
        ("2021-06-10T22:30:00", -179.9, -178.0, date(2021, 6, 10)),  # east of it the day before
    ],
)
def test_places_of_the_world(moment: str, west: float, east: float, day: date) -> None:
    assert solar_day(utc(moment), ring(west, east)) == day


def test_the_search_reaches_every_scene_of_the_period() -> None:
    period = Period.model_validate({"start": "2021-10-01", "end": "2022-04-30", "months": [10, 11, 12, 1, 2, 3, 4]})
    (days,) = search_days(period)
    first = utc("2021-09-30T23:50:00")
    assert period.contains(solar_day(first, ring(149.7, 150.9)))
    assert days[0] <= first.date() and days == (date(2021, 9, 30), date(2022, 5, 1))
