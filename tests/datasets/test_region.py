"""A recipe says what it must, or the one line of the error names the key, the problem and the remedy."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region, parse_region, resolve_path, shipped_regions
from mmvsf.datasets.recipe.override import overridden

RECIPE: dict[str, Any] = {
    "name": "here",
    "title": "Here",
    "area": {"sites": [{"name": "a", "lon": -94.0, "lat": 42.0}, {"name": "b", "lon": -93.0, "lat": 42.0}]},
    "grid": {"crs": "EPSG:32615"},
    "period": {"start": "2019-04-01", "end": "2021-10-31"},
    "imagery": {"source": "archive", "path": "archive", "products": ["hls-l30"]},
    "weather": {"source": "archive", "path": "weather.nc"},
    "labels": {"source": "archive", "path": "crop_{year}.tif", "legend": "legend.csv", "years": [2019, 2020]},
    "split": {"places": {"test": ["a"]}, "years": {"test": [2021]}},
}
BOX = {"bbox": [-94, 42, -93, 43]}


def changed(key: str, value: Any) -> dict[str, Any]:
    """The recipe with one dotted key set to a value, or removed where the value is ..."""
    recipe = copy.deepcopy(RECIPE)
    *parents, last = key.split(".")
    section = recipe
    for parent in parents:
        section = section[parent]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return recipe


def test_a_good_recipe() -> None:
    region = parse_region(RECIPE, "here.yaml")
    assert (region.grid.block, region.grid.chunk, region.grid.resolution) == (256, 64, 30)
    assert region.period.years == (2019, 2020, 2021)
    assert region.weather_start == date(2018, 10, 1)


def test_shipped_recipes_load() -> None:
    assert shipped_regions() == (
        "central-valley", "example", "iowa", "phenocam", "sandbox", "sandbox-control", "sandbox-southern",
        "sandbox-targets",
    )  # fmt: skip
    for name in shipped_regions():
        region, path = load_region(name)
        assert path.is_file() and region.title
        assert region.name == ("my-region" if name == "example" else name)


@pytest.mark.parametrize(
    ("weather", "public"),
    [
        ({"source": "earthengine"}, "power"),
        ({"source": "era5-land"}, "power"),
        ({"source": "meteostat"}, "meteostat"),
        ({"source": "power"}, "power"),
        ({"source": "earthengine", "collection": "daymet"}, "gridmet"),
        ("none", "none"),
    ],
)
def test_public_weather_needs_no_account_and_covers_the_place(weather: Any, public: str) -> None:
    found = overridden({"weather": weather}, "recipe", "public", None)["weather"]
    assert (found if isinstance(found, str) else found["source"]) == public


WRONG: list[tuple[str, Any, tuple[str, ...]]] = [
    ("grid.blocks", 3, ("grid.blocks", "unknown key", "use one of", "block")),
    ("colour", "red", ("colour", "unknown key", "period")),
    ("labels.legends", "x", ("labels.legends", "unknown key", "legend")),
    ("title", ..., ("title: missing; add it", "One line that describes the region")),
    ("title", 5, ("title: takes text; found 5", "quotes")),
    ("grid.crs", ..., ("grid.crs: missing; add it", "Projected CRS")),
    ("grid", 3, ("grid: takes indented lines",)),
    ("name", "My Region", ("name", "Lower-case letters")),
    ("name", "../x", ("name",)),
    ("area", {"bbox": [-93, 42, -94, 43]}, ("area", "west < east", "-93")),
    ("area", {"bbox": [-94, 43, -93, 42]}, ("area", "south < north")),
    ("area", {"bbox": [-94, 42, -93, 91]}, ("area", "degrees")),
    ("area", {"bbox": [-94, 42, -93]}, ("area.bbox",)),
    ("area", {}, ("area", "exactly one of bbox, file, fips, sites")),
    ("area", {"bbox": [-94, 42, -93, 43], "file": "x.geojson"}, ("area", "exactly one", "bbox, file")),
    ("area.sites", [], ("area", "at least one place")),
    ("area.sites", [{"name": "a", "lon": 1, "lat": 1}, {"name": "a", "lon": 1, "lat": 2}], ("its own name",)),
    ("area.sites", [{"name": "a", "lon": 200, "lat": 1}], ("lon", "180")),
    ("area.sites", [{"name": "a", "lon": 0, "lat": 88}], ("lat", "84")),
    ("area.sample", {"clusters": 2}, ("sample",)),
    ("area.blocks", 0, ("area.blocks: takes a whole number above 0, or all; found 0",)),
    ("area.blocks", "most", ("area.blocks", "or all; found most")),
    ("area", {"fips": [6]}, ("area.fips.0: takes text; found 6", "YAML reads 06 as the number 6")),
    ("grid.crs", "EPSG:4326", ("grid.crs", "not a projected CRS in metres", "EPSG:32615")),
    ("grid.crs", "EPSG:2229", ("grid.crs", "metres")),  # US survey feet
    ("grid.crs", "somewhere", ("grid.crs", "not a CRS")),
    ("grid.chunk", 60, ("grid", "chunk (60)", "divide block (256)")),
    ("grid.block", 0, ("grid.block: must be at least 1; found 0",)),
    ("grid.block", "wide", ("grid.block: takes a whole number; found 'wide'",)),
    ("grid.resolution", 0, ("grid.resolution", "at least 0.1")),
    ("grid.resolution", float("inf"), ("grid.resolution: takes a number; found inf",)),
    ("grid.origin", [0, float("nan")], ("grid.origin.1: takes a number; found nan",)),
    ("split.places.seed", -1, ("split.places.seed: must be at least 0; found -1",)),
    ("grid.weather_cell", 0, ("grid.weather_cell",)),
    ("period.end", "2018-10-31", ("period", "2018-10-31", "before start", "swap")),
    ("period.start", "2019-02-30", ("period.start: takes a date that exists", "'2019-02-30'", "First day")),
    ("period.start", "1975-01-01", ("period", "1982")),
    ("period.months", [13], ("months", "12")),
    ("period.months", [], ("months", "whole year")),
    ("imagery.products", ["MODIS 09"], ("imagery.products", "hls-l30")),
    ("imagery.products", [], ("imagery.products",)),
    ("imagery.skip_below_clear", 2, ("imagery.skip_below_clear", "1")),
    ("weather.variables", ["tmin", "hail"], ("weather.variables", "hail", "tmax")),
    ("weather.variables", ["tmin", "tmin"], ("weather.variables", "once")),
    ("weather.variables", [], ("weather.variables", "none")),
    ("weather.start", "2019-05-01", ("weather.start", "after the first day of imagery")),
    ("weather.fill_gaps", 90, ("weather.fill_gaps", "31")),
    ("labels.years", [2019, 2030], ("labels.years", "2030", "outside the period")),
    ("labels.years", [2019, 2019], ("labels", "twice")),
    ("labels.years", "2019", ("labels.years: takes a list",)),
    ("labels.groups", 3, ("labels.groups: takes 'default'", "labels.groups: takes indented lines")),
    ("labels.path", "crop.tif", ("labels", "{year}")),
    ("static", {"source": "public", "layers": ["aspect"]}, ("static.layers", "aspect", "elevation, slope, soil_water")),
    ("static", {"source": "public", "layers": ["slope", "slope"]}, ("static.layers", "once")),
    ("static", {"source": "public", "layers": []}, ("static.layers",)),
    ("labels.method", "mean", ("labels.method", "majority")),
    ("split.places.test", ["z"], ("split.places", "z", "area.sites")),
    ("split.places.validation", ["a"], ("split.places", "both test and validation")),
    ("split.places.test_share", 0.2, ("split.places", "not both")),
    ("split.places.unit", "chunk", ("split.places", "a named site holds out its block")),
    ("split.places.layout", "strips", ("split.places", "remove those lines")),
    ("split.places", {"test_share": 0.7, "validation_share": 0.4}, ("split.places", "nothing to train on")),
    ("split.years.test", [2030], ("split.years", "2030", "outside the period")),
    ("split.years.test", [2019, 2020, 2021], ("split.years", "no year to train on")),
    ("split.years.validation", [2021], ("split.years", "both test and validation")),
]


def test_a_wrong_line_is_named_with_its_meaning_and_the_remedy() -> None:
    for key, value, parts in WRONG:
        with pytest.raises(InputError) as refused:
            parse_region(changed(key, value), "my.yaml")
        text = str(refused.value)
        assert text.startswith("my.yaml: ") and "\n" not in text
        assert "nput should" not in text and "alid " not in text  # the words of the library
        assert all(part in text for part in parts), f"{key}: {value}: {text}"


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    wrong = {
        "a: " + "[" * 3000: "nested too deeply",
        "period: {start: 2021-02-30}": "does not exist",
        "name: " + "9" * 5000: "does not exist",
        "name: [": "is not a YAML file",
        "- name": "holds no recipe",
        "": "holds no recipe",
    }
    for text, message in wrong.items():
        path.write_text(text)
        with pytest.raises(InputError, match=message) as refused:
            load_region(str(path))
        assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_a_list_with_a_wrong_member_is_not_called_too_short() -> None:
    with pytest.raises(InputError) as error:
        parse_region(changed("area", {"fips": [19]}), "recipe.yaml")
    assert "needs at least" not in str(error.value)


def test_every_wrong_line_is_named_at_once() -> None:
    recipe = changed("title", ...)
    recipe["grid"] = {"crs": "EPSG:4326"}
    with pytest.raises(InputError, match=r"title.*grid\.crs|grid\.crs.*title"):
        parse_region(recipe, "my.yaml")


@given(st.tuples(*(st.floats(-200, 200) for _ in range(4))))
def test_a_box_is_taken_exactly_if_it_is_one(box: tuple[float, float, float, float]) -> None:
    west, south, east, north = box
    good = 0 < (east - west) % 360 <= 180 and -84 <= south < north <= 84
    recipe = changed("area", {"bbox": list(box)}) | {"split": {}}
    if good:
        assert parse_region(recipe, "x").area.bbox == box
    else:
        with pytest.raises(InputError, match="area"):
            parse_region(recipe, "x")


@given(st.dates(date(1982, 1, 1), date(2026, 11, 1)), st.dates(date(1982, 1, 1), date(2026, 11, 1)))
def test_a_period_is_taken_exactly_if_it_does_not_run_backwards(start: date, end: date) -> None:
    recipe = changed("period", {"start": start, "end": end}) | {"split": {}}
    del recipe["labels"]
    if start <= end:
        period = parse_region(recipe, "x").period
        assert period.contains(start) and period.contains(end)
        assert (period.years[0], period.years[-1]) == (start.year, end.year)
    else:
        with pytest.raises(InputError, match="swap"):
            parse_region(recipe, "x")


def test_months_and_period_both_count() -> None:
    period = parse_region(changed("period.months", [6, 7]), "x").period
    assert period.contains(date(2020, 6, 1)) and period.contains(date(2021, 7, 31))
    assert not period.contains(date(2020, 5, 31)) and not period.contains(date(2018, 6, 1))


def test_weather_begins_in_the_autumn_before() -> None:
    for start, weather, first in (
        ("2019-04-01", None, date(2018, 10, 1)),
        ("2019-11-01", None, date(2018, 10, 1)),
        ("2019-04-01", "2017-01-01", date(2017, 1, 1)),
        ("2019-04-01", "2019-04-01", date(2019, 4, 1)),
    ):
        recipe = changed("period.start", start)
        recipe["weather"]["start"] = weather
        assert parse_region(recipe, "x").weather_start == first


def test_a_recipe_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    region, found = load_region(str(path))
    assert region == parse_region(RECIPE, "x") and found == path


def test_a_recipe_survives_being_stored_in_a_cube() -> None:
    region = parse_region(RECIPE, "x")
    assert parse_region(region.model_dump(mode="json"), "y") == region


def test_paths_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELSEWHERE", "/elsewhere")
    recipe, data = tmp_path / "recipes/my.yaml", tmp_path / "data"
    assert resolve_path("archive", recipe, data) == tmp_path / "recipes/archive"
    assert resolve_path("{data_dir}/archive", recipe, data) == tmp_path / "data/archive"
    assert resolve_path("${ELSEWHERE}/x.nc", recipe, data) == Path("/elsewhere/x.nc")
    assert resolve_path("crop_{year}.tif", recipe, data).name == "crop_{year}.tif"
    monkeypatch.delenv("ELSEWHERE")
    with pytest.raises(InputError, match=r"my\.yaml.*ELSEWHERE.*set it"):
        resolve_path("${ELSEWHERE}/x.nc", recipe, data)
