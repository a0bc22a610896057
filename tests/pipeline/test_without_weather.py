"""A cube without weather: every command follows, or refuses in one line before the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import mmvsf as package
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.format.objects import objects_at
from mmvsf.datasets.format.validate import validate
from mmvsf.datasets.recipe.load import parse_region

from .conftest import Command, Outcome, build_tiny
from .stored import TILE
from .tiny_archive import TinyArchive, recipe


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The tiny archive with a cube without weather. Not to be changed."""
    archive = TinyArchive(tmp_path_factory.mktemp("bare")).write()
    archive.write_recipe(weather="none")
    build_tiny(archive)
    return archive


@pytest.mark.parametrize("none", ["none", None])
def test_a_recipe_says_that_there_is_no_weather(none: str | None) -> None:
    region = parse_region({**recipe(), "weather": none}, "recipe")
    assert region.weather is None and region.weather_start == region.period.start
    assert parse_region(region.model_dump(mode="json"), "cube") == region


@pytest.mark.parametrize(
    ("weather", "says"), [("no", r"weather: takes indented lines"), (5, "weather: takes indented lines")]
)
def test_anything_else_in_its_place_is_refused(weather: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_region({**recipe(), "weather": weather}, "recipe")


def test_a_recipe_that_says_nothing_of_weather_is_refused() -> None:
    without = {key: value for key, value in recipe().items() if key != "weather"}
    with pytest.raises(InputError, match=r"weather: missing; add it"):
        parse_region(without, "recipe")


def test_the_groups_are_absent_and_the_validator_finds_nothing(bare: TinyArchive) -> None:
    cube = Cube.open(bare.cube)
    assert cube.weather == () and cube.attributes["weather_variables"] == []
    tile = bare.cube / TILE
    assert (tile / "imagery").is_dir() and not (tile / "weather").exists()
    assert not [path.name for path in (tile / "chunks").iterdir() if path.name.startswith(("weather", "variable"))]
    assert not [*validate(objects_at(str(bare.cube)))]
    assert [record["role"] for record in cube.attributes["sources"]].count("weather") == 0
    tree = package.open_cube(bare.cube)
    assert "imagery" in tree[TILE].children and "weather" not in tree[TILE].children


COMMANDS: dict[str, Callable[[TinyArchive, Path], tuple[object, ...]]] = {
    "plan": lambda a, out: (a.recipe, "--data-dir", a.data, "--html", out / "plan.html"),
    "dataset": lambda a, out: (a.recipe, "--data-dir", a.data, "--workers", 1),
    "check": lambda a, out: (a.cube,),
    "verify": lambda a, out: (a.cube,),
    "summary": lambda a, out: (a.cube,),
    "report": lambda a, out: (a.recipe, "--data-dir", a.data, "--runs-dir", out),
    "publish": lambda a, out: (a.cube,),
    "cost": lambda a, out: (a.recipe,),
    "digest": lambda a, out: (a.cube,),
    "extend": lambda a, out: (a.recipe, "--data-dir", a.data, "--workers", 1),
    "explain": lambda a, out: (a.cube, "--day", "2021-05-05", "--x", 251500, "--y", 4649500),
    "export": lambda a, out: (a.cube, "--day", "2021-05-05", "--out", out / "day.tif"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_needs_no_weather_runs(name: str, bare: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    outcome = mmvsf(name, *COMMANDS[name](bare, tmp_path))
    assert outcome.code == 0, outcome.err
    if name == "plan":
        facts = json.loads(mmvsf("plan", bare.recipe, "--data-dir", bare.data, "--json").out)
        assert facts["weather_days"] == 0 and "│ weather" in outcome.out
    if name == "publish":
        collection = json.loads((bare.data / "tiny.publish/collection.json").read_text())
        assert "weather" not in json.dumps(collection)
        assert "weather" not in (bare.data / "tiny.publish/README.md").read_text().replace("| weather | none |", "")


@pytest.mark.parametrize("what", ["weather", "tmin"])
def test_weather_cannot_be_exported(what: str, bare: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    outcome = mmvsf("export", bare.cube, "--what", what, "--day", "2021-05-05", "--out", tmp_path / "x.tif")
    assert outcome.code == 2 and "has no weather" in outcome.error


def test_weather_is_added_by_extending_and_never_taken_away(
    tiny: TinyArchive, built: TinyArchive, dataset: Callable[[TinyArchive], Outcome], mmvsf: Command
) -> None:
    tiny.write_recipe(weather="none")
    assert dataset(tiny).code == 0
    without = Cube.open(tiny.cube).digest
    tiny.write_recipe()
    assert "mmvsf extend" in dataset(tiny).error
    extended = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert extended.code == 0, extended.err
    assert Cube.open(tiny.cube).digest == Cube.open(built.cube).digest != without
    assert not [*validate(objects_at(str(tiny.cube)))]
    tiny.write_recipe(weather="none")
    refused = mmvsf("extend", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert refused.code == 2 and "weather is left out" in refused.error
