"""What holds for every registered source, this project's and those of other packages."""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError, MmvsfError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.radar import Radar
from mmvsf.datasets.recipe.region import Imagery, Labels, Weather
from mmvsf.datasets.recipe.static import Static
from mmvsf.datasets.recipe.target import Target
from mmvsf.datasets.variables import ORBITS, STATIC_NAMES, WEATHER_BY_NAME
from mmvsf.pipeline.layers.imagery.products import PRODUCTS
from mmvsf.pipeline.layers.registry import (
    IMAGERY,
    LABELS,
    RADAR,
    STATIC,
    TABLES,
    TARGETS,
    WEATHER,
    Section,
    SourceTable,
)
from mmvsf.pipeline.layers.source import Origin, SourceSite

from .tiny_archive import recipe

PACKAGE = Path(__file__).resolve().parents[1] / "third_party"

LINES: dict[str, Any] = {
    "path": "files/{year}.tif",
    "catalog": "planetary-computer",
    "legend": "cdl",
    "class_column": "crop",
    "column": "yield",
    "every": 3,
    "custom": [{"name": "series", "bands": {"gcc": "gcc"}, "fill": "nan", "mask": "none"}],
    "stations": "stations.csv",
}
"""A value for each line that some source needs."""
SECTIONS: dict[str, type[Section]] = {
    "imagery": Imagery, "radar": Radar, "weather": Weather, "static": Static, "labels": Labels, "targets": Target,
}  # fmt: skip
PLACES: dict[tuple[str, str], dict[str, Any]] = {
    ("imagery", "table"): {
        "area": {"sites": [{"name": "one", "lon": -93.0, "lat": 42.0}]},
        "grid": {"crs": "EPSG:32615", "resolution": 30, "block": 1, "chunk": 1, "weather_cell": 1},
        "split": {},
    }
}
"""Sections of the recipe that a source needs otherwise."""
EXTRA: dict[str, dict[str, Any]] = {
    "imagery": {"products": ["hls-l30"]},
    "imagery table": {"products": ["series"], "bands": ["gcc"]},
    "labels": {"years": [2020]},
    "targets": {"years": [2020], "units": "t ha-1"},
}


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    """The sources of another package, as if it were installed."""
    sys.path.insert(0, str(PACKAGE))
    before = {table.layer: dict(table._classes) for table in TABLES}
    import example_sources  # noqa: F401

    yield
    sys.path.remove(str(PACKAGE))
    del sys.modules["example_sources"]
    for table in TABLES:
        table._classes.clear()
        table._classes.update(before[table.layer])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be made."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("this test has no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def made(table: SourceTable[Any], name: str, tmp_path: Path) -> tuple[Any, Grid]:
    """A source with the lines that it needs, and the grid it is for."""
    source = table.find(name)
    needed = {line: LINES[line] for line, needed in source.recipe_lines.items() if needed}
    section: dict[str, Any] = {"source": name, **EXTRA.get(table.layer, {}), **EXTRA.get(f"{table.layer} {name}", {})}
    for line, value in needed.items():
        if line in SECTIONS[table.layer].SOURCE_LINES:
            section[line] = value
        else:
            section.setdefault("options", {})[line] = value
    named = {"yield": section} if table is TARGETS else section
    region = parse_region({**recipe(), **PLACES.get((table.layer, name), {}), table.layer: named}, "recipe")
    grid = grid_from_recipe(region, tmp_path / "recipe.yaml", tmp_path)
    lines = region.targets["yield"] if table is TARGETS else getattr(region, table.layer)
    site = SourceSite(grid, tmp_path / "recipe.yaml", tmp_path, region.area.sites or ())
    return table.choose(lines).from_recipe(lines, site), grid


def each(table: SourceTable[Any]) -> list[str]:
    """The names of a table, and that of the other package's source where it has one."""
    return [*table.names(), *([] if table in (RADAR, STATIC, TARGETS) else ["example"])]


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in TABLES for name in each(table)], ids=lambda v: getattr(v, "layer", v)
)
def test_a_source_is_a_frozen_value_that_tells_its_needs_offline(
    table: SourceTable[Any], name: str, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "secret-token")
    source, _ = made(table, name, tmp_path)
    assert is_dataclass(source) and issubclass(type(source), table.base)
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301
    for need in source.requirements():
        assert need.name and need.remedy and "secret-token" not in f"{need}"


def test_the_lines_of_our_sources_are_lines_of_the_recipe_and_each_is_taken_by_one() -> None:
    for table in TABLES:
        ours = {line for name in set(table.names()) - {"example"} for line in table.find(name).recipe_lines}
        assert ours == set(SECTIONS[table.layer].SOURCE_LINES), table.layer


def origins(source: Any, table: SourceTable[Any]) -> list[Origin]:
    """The origin of each part that the source has; parts that it lacks are refused with InputError."""
    parts: dict[str, tuple[str, ...]] = {"imagery": (*PRODUCTS, "series"), "static": ("elevation", "soil_water")}
    if table is RADAR:
        return [source.scenes.origin(f"sentinel-1-rtc-{orbit}") for orbit in ORBITS]
    if table.layer not in parts:
        return [source.origin()]
    found = []
    for part in parts[table.layer]:
        try:
            found.append(source.origin(part))
        except InputError as error:
            assert part in str(error)
    return found


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in TABLES for name in each(table)], ids=lambda v: getattr(v, "layer", v)
)
def test_a_source_tells_its_origin(table: SourceTable[Any], name: str, tmp_path: Path, offline: None) -> None:
    source, _ = made(table, name, tmp_path)
    if (table, name) == (WEATHER, "archive"):
        with pytest.raises(InputError, match="files"):  # it is in the files, and there are none
            source.origin()
        return
    known = origins(source, table)
    assert known and all(origin.service for origin in known)
    assert not [origin for origin in known if "@" in origin.url or "?" in origin.url]


REFUSALS: dict[str, Callable[[Any, Grid], Any]] = {
    "imagery": lambda source, grid: source.origin("no-such-product"),
    "radar": lambda source, grid: source.scenes.origin("no-such-product"),
    "weather": lambda source, grid: source.fetch(date(2020, 1, 1), date(2020, 1, 2), ("no_such_variable",)),
    "labels": lambda source, grid: source.asset(1066),
    "targets": lambda source, grid: source.asset(1066),
    "static": lambda source, grid: source.tiles("no_such_layer", grid),
}


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in TABLES for name in each(table)], ids=lambda v: getattr(v, "layer", v)
)
def test_what_a_source_does_not_have_is_refused_and_no_lookup_fails(
    table: SourceTable[Any], name: str, tmp_path: Path, offline: None
) -> None:
    """InputError; where only the service can tell, its being out of reach is an error of ours, too."""
    source, grid = made(table, name, tmp_path)
    with pytest.raises(MmvsfError) as error:
        REFUSALS[table.layer](source, grid)
    if name in ("archive", "example", "gridmet", "meteostat", "cropscape", "nass") or table is IMAGERY:
        assert isinstance(error.value, InputError), error.value


@pytest.mark.slow
def test_every_variable_that_a_recipe_may_name_is_looked_up_without_a_key_error(tmp_path: Path, offline: None) -> None:
    for name in set(WEATHER.names()) - {"example"}:
        source, _ = made(WEATHER, name, tmp_path)
        for variable in WEATHER_BY_NAME:
            with pytest.raises(MmvsfError):
                source.fetch(date(2020, 1, 1), date(2020, 1, 2), (variable,))
    for name in STATIC.names():
        source, grid = made(STATIC, name, tmp_path)
        for layer in STATIC_NAMES:
            with pytest.raises(MmvsfError):
                source.tiles(layer, grid)
    assert LABELS.names()
