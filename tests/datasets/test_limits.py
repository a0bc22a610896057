"""A recipe whose work has no end, and one that is no recipe, are refused at once, each problem in a line of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import yaml

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError, MmvsfError, RecipeError
from mmvsf.datasets.recipe.load import load_region, parse_region

SECONDS = 5.0


def recipe() -> dict[str, Any]:
    return {
        "name": "place",
        "title": "A place",
        "area": {"bbox": [-94.0, 42.0, -93.5, 42.4]},
        "grid": {"crs": "EPSG:32615"},
        "period": {"start": date(2021, 4, 1), "end": date(2021, 10, 31)},
        "imagery": {"source": "stac", "catalog": "planetary-computer", "products": ["hls-l30"]},
        "weather": {"source": "gridmet"},
    }


def with_title(recipe: dict[str, Any], text: str) -> None:
    recipe["title"] = text


ENDLESS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "pixels of a centimetre": (lambda r: r["grid"].update(resolution=0.01), "grid.resolution: must be at least 0.1"),
    "the world in small blocks": (
        lambda r: (r["grid"].update(crs="EPSG:6933", block=8, chunk=8), r["area"].update(bbox=[-80, -60, 90, 80])),
        "blocks of 240 m",
    ),
    "pixels of a mile across a zone": (
        lambda r: (r["grid"].update(resolution=1.0, block=64), r["area"].update(bbox=[-96, 0, -90, 80])),
        "at most 1,000,000",
    ),
    "a century to come": (lambda r: r["period"].update(start=date(1982, 1, 1), end=date(2100, 1, 1)), "in the future"),
    "a book for a title": (lambda r: with_title(r, "x" * 900_000), "title: takes at most 20,000 characters"),
    "a page for a title": (lambda r: with_title(r, "x" * 9_000), "title: takes at most 200"),
    "many places": (
        lambda r: r.update(area={"sites": [{"name": f"a{n}", "lon": -93, "lat": 42} for n in range(100_000)]}),
        "area.sites: takes at most 10,000 entries; found 100,000",
    ),
    "weather of a pixel": (
        lambda r: (
            r["grid"].update(weather_cell=1),
            r["area"].update(bbox=[-96, 40, -91, 43]),
            r["period"].update(start=date(2001, 1, 1)),
        ),
        "make weather cells larger",
    ),
    "a far origin": (lambda r: r["grid"].update(origin=[1e300, 0]), "grid.origin.0: must be at most 1e+08"),
    "a long seed": (lambda r: r.update(split={"places": {"seed": 10**400}}), "split.places.seed: takes a number"),
    "many months": (lambda r: r["period"].update(months=[4] * 5_000), "period.months: takes at most 12"),
    "levels": (lambda r: r.update(labels={"groups": nested(500)}), "nested too deeply"),
}


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("kind", ENDLESS)
def test_work_without_end_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    content, (change, part) = recipe(), ENDLESS[kind]
    change(content)
    started = time.process_time()
    with pytest.raises(MmvsfError) as raised:
        grid_from_recipe(parse_region(content, "place.yaml"), tmp_path / "place.yaml", tmp_path)
    assert time.process_time() - started < SECONDS
    assert any(part in line for line in raised.value.lines), raised.value.lines
    assert all(len(line) < 1_200 and line.isprintable() for line in raised.value.lines)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "place.yaml"
    path.write_text(f"title: {'x' * 10_000_000}\n{yaml.safe_dump(recipe())}")
    with pytest.raises(InputError, match=r"has 10,000,[0-9]* bytes, and a recipe at most"):
        load_region(str(path))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &a [1]\nb: [*a, *a]\n", "must not contain aliases"),
        ("a: &a {b: *a}\n", "must not contain aliases"),
        ("name: x\nname: y\n", "the key 'name' is given twice"),
        ("grid: {block: 8, block: 16}\n", "the key 'block' is given twice"),
        ("{1: 2}\n", "1 is not a key"),
        ("? [a, b]\n: c\n", "YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: " + "9" * 5000, "does not exist"),
        ("a: 2021-02-30\n", "does not exist"),
        ("a: !!python/object/apply:os.system ['true']\n", "YAML"),
        ("a: !!timestamp 2021-13-45\n", "does not exist"),
        ("a: !!int ''\n", "does not exist"),
        ("<<: 3\n", "YAML"),
        ("\ufeff- a\n", "holds no recipe"),
    ],
)
def test_yaml_that_is_no_recipe(text: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "place.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_region(str(path))
    assert part in str(raised.value) and len(raised.value.lines) == 1


def test_all_that_is_wrong_is_reported_at_once() -> None:
    content = recipe()
    content["grid"] |= {"blocks": 3, "chunk": "many"}
    content["period"]["months"] = [0, 13]
    del content["weather"]
    with pytest.raises(RecipeError) as raised:
        parse_region(content, "place.yaml")
    starts = ("grid.blocks: unknown key", "grid.chunk: takes a whole number; found 'many'", "weather: missing")
    starts += ("period.months.0: must be at least 1; found 0", "period.months.1: must be at most 12; found 13")
    assert len(raised.value.lines) == len(starts)
    for start in starts:
        assert [line for line in raised.value.lines if line.startswith(f"place.yaml: {start}")], start


def test_contradictions_are_reported_together() -> None:
    content = recipe() | {"labels": {"source": "cropscape", "years": [2030]}, "split": {"years": {"test": [1999]}}}
    with pytest.raises(RecipeError) as raised:
        parse_region(content, "place.yaml")
    assert [line.split()[2] for line in raised.value.lines] == ["split.years", "labels.years"]


def test_a_polygon_of_a_million_vertices(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 1_100_000)
    ring = shapely.polygons(np.stack([-93.7 + 0.2 * np.cos(angles), 42.2 + 0.2 * np.sin(angles)], 1))
    (tmp_path / "area.geojson").write_text(shapely.to_geojson(ring))
    region = parse_region(recipe() | {"area": {"file": "area.geojson"}}, "place.yaml")
    with pytest.raises(InputError, match=r"has 5[0-9]+,[0-9]+ vertices"):
        grid_from_recipe(region, tmp_path / "place.yaml", tmp_path)
