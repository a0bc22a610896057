"""The day of a scene is its solar day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.raster.coverage import Coverage, solar_day
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.stac.imagery import search_days

WEST_OF_180 = RasterGrid("EPSG:32660", (30.0, 0.0, 699960.0, 0.0, -30.0, 5800020.0), (3660, 3660))
EAST_OF_180 = RasterGrid("EPSG:32601", (30.0, 0.0, 300000.0, 0.0, -30.0, 5800020.0), (3660, 3660))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("moment", ["2021-12-31T23:50:00", "2022-01-01T00:10:00"])
def test_one_overpass_of_eastern_australia_is_one_day(moment: str) -> None:
    assert solar_day(utc(moment), 150.3) == date(2022, 1, 1)


@pytest.mark.parametrize(
    ("moment", "longitude", "day"),
    [
        ("2021-06-10T17:01:00", -95.9, date(2021, 6, 10)),  # Iowa
        ("2021-06-10T18:50:00", -121.7, date(2021, 6, 10)),  # California
        ("2021-06-10T10:40:00", 4.8, date(2021, 6, 10)),  # Belgium
        ("2021-06-10T22:30:00", 179.9, date(2021, 6, 11)),  # Fiji
        ("2021-06-10T22:30:00", 180.5, date(2021, 6, 11)),  # a little farther, counted on
        ("2021-06-10T22:30:00", -178.9, date(2021, 6, 10)),  # a little farther, counted from Greenwich
        ("9999-12-31T23:59:59", 170.0, date(9999, 12, 31)),
        ("0001-01-01T00:00:00", -170.0, date(1, 1, 1)),
    ],
)
def test_places_of_the_world(moment: str, longitude: float, day: date) -> None:
    assert solar_day(utc(moment), longitude) == day


@pytest.mark.parametrize("crs, left, day", [("EPSG:32660", 699960.0, 11), ("EPSG:32601", 300000.0, 10)])
def test_one_overpass_across_180_degrees_is_one_day(crs: str, left: float, day: int) -> None:
    """It is the day of the cube's own side for the rasters of both sides."""
    grid = Grid(crs, 30.0, left, 5800020.0, 1, 1, 256, 64, 128, ((0, 0),))
    days = {date_of(Coverage(grid).day(utc("2021-06-10T22:30:00"), side)) for side in (WEST_OF_180, EAST_OF_180)}
    assert days == {date(2021, 6, day)}


def test_the_search_reaches_every_scene_of_the_period() -> None:
    period = Period.model_validate({"start": "2021-10-01", "end": "2022-04-30", "months": [10, 11, 12, 1, 2, 3, 4]})
    (days,) = search_days(period)
    first = utc("2021-09-30T23:50:00")
    assert period.contains(solar_day(first, 150.3))
    assert days[0] <= first.date() and days == (date(2021, 9, 30), date(2022, 5, 1))
