"""`mmvsf new`: recipes for places around the world that load, have the right grid, and plan."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely
import yaml

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.new_recipe import choices
from mmvsf.pipeline.new_recipe import recipe as recipe_module
from mmvsf.pipeline.new_recipe.place import place_of_bbox, projection, utm_zone
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from ..servers.public import public_services
from .conftest import Command


class Written:
    """A recipe that the command wrote, as a build would read it."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.region, self.path = load_region(str(path))
        self.grid = grid_from_recipe(self.region, path, path.parent)
        place_split(self.region, self.grid)


@pytest.fixture
def new(mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(name: str, *options: object) -> Written:
        outcome = mmvsf("new", name, *options)
        assert outcome.code == 0, outcome.err
        assert f"mmvsf plan {name}.yaml" in outcome.out
        return Written(tmp_path / f"{name}.yaml")

    return run


def seasons(region: Region) -> tuple[str, str, tuple[int, ...], str, str]:
    period = region.period
    return str(period.start), str(period.end), period.months, period.season.begins, period.season.label


def sources(region: Region) -> tuple[str | None, str, str | None]:
    return region.imagery.catalog, region.weather.source, region.labels.source if region.labels else None


def test_a_county_of_iowa(new: Any) -> None:
    recipe = new("story", "--fips", "19169", "--years", "2021-2023")
    assert recipe.grid.crs == "EPSG:32615" and len(recipe.grid.blocks) == 36 and recipe.region.area.sample is None
    assert seasons(recipe.region) == ("2021-04-01", "2023-10-31", (4, 5, 6, 7, 8, 9, 10), "01-01", "start")
    assert sources(recipe.region) == ("planetary-computer", "gridmet", "cropscape")
    assert recipe.region.static is not None and "soil_water" in recipe.region.static.layers
    assert recipe.region.labels is not None and recipe.region.labels.years == (2021, 2022, 2023)
    assert recipe.region.title == "Story, Iowa, 2021 to 2023" and recipe.region.split.years.test == (2023,)
    assert recipe.text.count("#") > 10


def test_new_south_wales(new: Any) -> None:
    """Blocks on the pixels of HLS, and seasons that cross the new year."""
    recipe = new("nsw", "--bbox", "145.2,-34.1,145.9,-33.5", "--years", "2021-2023")
    grid: Grid = recipe.grid
    assert grid.crs == "EPSG:32755" and (grid.top - 10_000_000) % 30 == 0 and grid.left % 30 == 0
    assert seasons(recipe.region) == ("2020-10-01", "2023-04-30", (10, 11, 12, 1, 2, 3, 4), "10-01", "end")
    assert recipe.region.period.years == (2021, 2022, 2023)
    assert sources(recipe.region)[1:] == ("power", None) and recipe.region.static.layers == ("elevation", "slope")


def test_kenya_in_two_zones_and_two_hemispheres(new: Any) -> None:
    recipe = new("kenya", "--bbox", "34,-4.7,41.9,5", "--years", "2021-2022")
    assert recipe.grid.crs == "EPSG:32637" and recipe.grid.origin == (0, 0)
    assert recipe.region.area.sample.clusters == 24 and len(recipe.grid.blocks) == 24 * 9
    assert seasons(recipe.region) == ("2021-01-01", "2022-12-31", tuple(range(1, 13)), "01-01", "start")


def test_flanders(new: Any) -> None:
    recipe = new("flanders", "--bbox", "2.5,50.9,3.4,51.2", "--years", "2018")
    assert recipe.grid.crs == "EPSG:32631" and recipe.region.split.years.test == ()
    assert sources(recipe.region) == ("lpcloud", "power", None)  # the other begins in 2020


def test_the_polygons_of_a_file(new: Any, tmp_path: Path) -> None:
    """The recipe names the file relative to itself."""
    shape = shapely.Point(8.5, 48.2).buffer(0.2)
    (tmp_path / "fields.geojson").write_text(shapely.to_geojson(shape))
    recipe = new("schwaben", "--file", tmp_path / "fields.geojson", "--years", "2021-2022", "--title", "Fields: [a]")
    assert recipe.region.area.file == "fields.geojson" and recipe.grid.crs == "EPSG:32632"
    assert recipe.region.title == "Fields: [a]"


def test_months_that_cross_the_new_year(new: Any) -> None:
    recipe = new("wheat", "--fips", "20173", "--years", "2021-2022", "--months", "9-6")
    assert seasons(recipe.region)[:2] == ("2020-09-01", "2022-06-30") and seasons(recipe.region)[3:] == ("09-01", "end")


@pytest.mark.parametrize("bbox", ["4.0,51.0,4.02,51.02", "4.0,51.0,4.2,51.02", "4.0,51.0,4.2,51.2"])
def test_small_areas_have_a_split(new: Any, bbox: str) -> None:
    recipe = new("small", "--bbox", bbox, "--years", "2021")
    assert 1 <= len(recipe.grid.blocks) < 20


def test_the_middle_of_an_area_across_the_antimeridian() -> None:
    place = place_of_bbox("179,51,-177,53")
    assert place.area == {"bbox": [179, 51, -177, 53]} and place.bounds == (179, 51, 183, 53)
    assert projection(place)[0] == "EPSG:32601"
    assert projection(place_of_bbox("176,-19,-179,-16"))[0] == "EPSG:32760"


def test_zones_of_tiles() -> None:
    assert [utm_zone(lon, 45) for lon in (-180, -174.01, 0, 179.99)] == [1, 1, 31, 60]
    assert utm_zone(5, 60) == 32 and utm_zone(5, 64) == 31 and utm_zone(8.9, 78) == 31 and utm_zone(9, 78) == 33


def test_labels_are_those_that_are_published() -> None:
    place = place_of_bbox("-94,42,-93,43")
    days = choices.days_of(place, "2023-2025", None, date(2026, 11, 1))
    assert choices.label_years(place, days, date(2026, 2, 1)) == (2023, 2024)
    assert choices.label_years(place, days, date(2026, 4, 1)) == (2023, 2024, 2025)
    assert choices.label_years(place_of_bbox("-94,50,-93,51"), days, date(2026, 4, 1)) == ()


@pytest.mark.parametrize(
    ("box", "months", "today", "end"),
    [
        ("-94,42,-93,43", None, date(2026, 7, 15), "2026-07-05"),
        ("-94,42,-93,43", None, date(2026, 4, 11), "2026-04-01"),  # the first day with images
        ("-94,42,-93,43", None, date(2026, 11, 9), "2026-10-30"),  # the images are over, but not yet published
        ("-94,42,-93,43", None, date(2026, 11, 10), "2026-10-31"),
        ("-94,42,-93,43", "9-6", date(2026, 1, 4), "2025-12-25"),  # in a season that crosses the new year
        ("145.2,-34.1,145.9,-33.5", None, date(2025, 12, 1), "2025-11-21"),
    ],
)
def test_a_season_in_progress_ends_with_what_is_published(box: str, months: str | None, today: date, end: str) -> None:
    days = choices.days_of(place_of_bbox(box), "2024-2026", months, today)
    assert str(days.end) == end and days.years == (2024, 2025, 2026)
    assert (days.why_end == "") == (days.end == date(2026, 10, 31))


@pytest.mark.parametrize(
    ("box", "months", "today", "again"),
    [
        ("-94,42,-93,43", None, date(2025, 8, 1), "2026-04-11"),  # not begun
        ("-94,42,-93,43", None, date(2026, 4, 10), "2026-04-11"),  # no month of images yet
        ("-94,42,-93,43", "9-6", date(2025, 9, 10), "2025-09-11"),
        ("36,-1,37,0", None, date(2026, 1, 10), "2026-01-11"),
    ],
)
def test_a_season_without_images_yet_is_refused(box: str, months: str | None, today: date, again: str) -> None:
    with pytest.raises(InputError, match=f"--years ends with 2026.* run this again from {again} on"):
        choices.days_of(place_of_bbox(box), "2024-2026", months, today)


def test_the_recipe_of_a_season_in_progress(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without labels for the running year, which is held out; and that year alone, for a mapper of another cube."""

    class Today(date):
        @classmethod
        def today(cls) -> date:
            return date(2026, 7, 15)

    monkeypatch.setattr(recipe_module, "date", Today)
    region = new("story", "--fips", "19169", "--years", "2023-2026").region
    assert str(region.period.end) == "2026-07-05" and region.period.years == (2023, 2024, 2025, 2026)
    assert region.labels.years == (2023, 2024, 2025) and region.split.years.test == (2026,)
    alone = new("now", "--fips", "19169", "--years", "2026")
    assert alone.region.labels is None and alone.region.split.years.test == ()
    (line,) = (line for line in alone.text.splitlines() if line.startswith("  end:"))
    assert "until 2026-10-31: move this day and run `mmvsf extend`" in line


def test_weather_without_an_account() -> None:
    iowa, sea, kenya = (place_of_bbox(box) for box in ("-94,42,-93,43", "-125,37,-122,38", "36,-1,37,0"))
    assert [choices.weather_of(place)[0] for place in (iowa, sea, kenya)] == ["gridmet", "power", "power"]


def test_nothing_is_overwritten(mmvsf: Command, tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text("mine")
    outcome = mmvsf("new", "story", "--fips", "19169", "--years", "2021", "--out", path)
    assert outcome.code == 2 and "not overwritten" in outcome.error and path.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ((), "one of --bbox, --file, --fips"),
        (("--fips", "19", "--bbox", "1,2,3,4"), "one of --bbox, --file, --fips"),
        (("--fips", "Iowa"), "two digits of a state"),
        (("--fips", "99"), "FIPS code 99"),
        (("--bbox", "1,2,3"), "four numbers"),
        (("--bbox", "nan,2,3,4"), "in degrees"),
        (("--bbox", "10,50,5,51"), "swapped"),
        (("--bbox", "5,50,40,51"), "35 degrees wide"),
        (("--bbox", "5,-89,6,-85"), "between -84 and 84"),
        (("--file", "none.geojson"), "does not exist"),
        (("--fips", "19", "--years", "2023-2021"), "first year to the last"),
        (("--fips", "19", "--years", "twenty"), "--years takes a number"),
        (("--fips", "19", "--years", "2001"), "from 2014 on"),
        (("--fips", "19", "--years", "2098-2100"), "images begin on 2100-04-01"),
        (("--fips", "19", "--months", "0-13"), "from 1 to 12"),
        (("--fips", "19", "--crs", "EPSG:4326"), "projected CRS in metres"),
        (("--fips", "19", "--title", "a\nb"), "title"),
        (("--fips", "19", "--out", "x.txt"), ".yaml"),
    ],
)
def test_what_cannot_be_a_recipe_is_refused(
    mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    years = () if "--years" in options else ("--years", "2021")
    outcome = mmvsf("new", "place", *options, *years)
    assert outcome.code == 2 and part in outcome.error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.stand_in
def test_the_recipe_of_a_county_plans(
    new: Any, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against stand-ins of all the services that it names."""
    monkeypatch.setattr(http, "RETRY_POLICY", RetryPolicy(attempts=2, first_wait=0.01, connect=2, request=10))
    recipe = new("story", "--fips", "19169", "--years", "2021")
    content = yaml.safe_load(recipe.text)
    recipe.path.write_text(yaml.safe_dump(content | {"period": content["period"] | {"months": [6]}}))
    with public_services(str(recipe.path), 1, 4) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        outcome = mmvsf("plan", recipe.path, "--blocks", 1, "--data-dir", tmp_path / "data", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["blocks"] == 1


def test_the_aleutians(new: Any) -> None:
    """Across 180 degrees, where west is greater than east."""
    recipe = new("adak", "--bbox", "179.6,51.8,-179.5,52.2", "--years", "2021")
    assert recipe.region.area.bbox == (179.6, 51.8, -179.5, 52.2) and recipe.grid.crs == "EPSG:32601"
    assert 30 < len(recipe.grid.blocks) < 80
    islands = new("akutan", "--fips", "02013", "--years", "2021")
    assert islands.grid.crs == "EPSG:32604" and islands.region.labels is None
