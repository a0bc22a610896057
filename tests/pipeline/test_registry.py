"""From the lines of a recipe to its sources: what is wrong is refused before the work, in one line."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.pipeline.build.sources import GivenSources, Sources, open_sources
from mmvsf.pipeline.layers import registry
from mmvsf.pipeline.layers.registry import GROUP, IMAGERY, WEATHER, register_source
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather
from mmvsf.pipeline.sources.earthengine.weather import EarthEngineWeather
from mmvsf.pipeline.sources.static import ArchiveStatic

from .conftest import Command
from .tiny_archive import TinyArchive, recipe


def opened(tmp_path: Path, **sections: dict[str, Any]) -> Sources:
    """The sources of the tiny recipe with other lines in some sections."""
    region = parse_region({**recipe(), **sections}, "tiny.yaml")
    grid = grid_from_recipe(region, tmp_path / "tiny.yaml", tmp_path)
    return open_sources(region, SourceSite(grid, tmp_path / "tiny.yaml", tmp_path), GivenSources())


HLS = ["hls-l30"]
LABELS = {"years": [2020], "groups": None}
WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("imagery", {"source": "ftp", "products": HLS}, ("imagery.source", "'ftp'", "archive, earthengine, stac")),
    ("imagery", {"source": "archive", "products": HLS}, ("imagery", "'archive' needs the line path")),
    ("imagery", {"source": "stac", "products": HLS}, ("'stac' needs the line catalog",)),
    ("imagery", {"source": "stac", "catalog": "nowhere", "products": HLS}, ("'nowhere'", "lpcloud")),
    ("imagery", {"source": "stac", "catalog": "lpcloud", "path": "x", "products": HLS}, ("takes no path", "remove")),
    ("imagery", {"source": "earthengine", "cloud_score": 0.6, "products": HLS}, ("cloud_score", "sentinel-2-l2a")),
    (
        "weather",
        {"source": "oracle"},
        ("weather.source", "agera5, archive, earthengine", "meteostat, power"),
    ),
    ("weather", {"source": "gridmet", "collection": "daymet"}, ("'gridmet' takes no collection",)),
    ("weather", {"source": "earthengine", "collection": "era6"}, ("'era6'", "era5-land")),
    ("weather", {"source": "gridmet", "options": {"fast": True}}, ("'gridmet' takes no fast",)),
    ("weather", {"source": "archive", "options": {"path": "x"}}, ("weather.options", "path", "beside `source`")),
    ("labels", {"source": "cdl", "years": [2020]}, ("labels.source", "cropscape", "nass")),
    ("labels", {"source": "cropscape", "years": [2020], "confidence": True}, ("'cropscape' has no confidence",)),
    ("labels", {"source": "nass", "years": [2020], "confidence": True}, ("'nass' has no confidence; remove the line",)),
    ("labels", {"source": "cropscape", "legend": "cdl", "years": [2020]}, ("'cropscape' takes no legend",)),
    ("static", {"source": "archive"}, ("static", "'archive' needs the line path")),
    ("static", {"source": "public", "path": "ground"}, ("'public' takes no path", "remove")),
    ("static", {"source": "moon"}, ("static.source", "archive, earthengine, public")),
]


def test_a_wrong_line_is_explained(tmp_path: Path) -> None:
    for section, lines, parts in WRONG:
        with pytest.raises(InputError) as error:
            opened(tmp_path, **{section: lines})
        missing = [part for part in parts if part not in str(error.value)]
        assert not missing and "tiny.yaml" in str(error.value), (section, lines, str(error.value))


def test_all_wrong_sections_are_reported_at_once(tiny: TinyArchive, mmvsf: Command) -> None:
    tiny.write_recipe(weather={"source": "oracle"}, labels={"source": "cdl", "years": [2020]})
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "weather.source" in outcome.error and "labels.source" in outcome.error
    assert not tiny.data.exists()


def test_a_given_source_needs_its_section(tmp_path: Path) -> None:
    region = parse_region(recipe(), "tiny.yaml")
    site = SourceSite(grid_from_recipe(region, tmp_path / "tiny.yaml", tmp_path), tmp_path / "tiny.yaml", tmp_path)
    weather, static = ArchiveWeather(tmp_path), ArchiveStatic(tmp_path)
    assert open_sources(region, site, GivenSources(weather=weather)).weather is weather
    with pytest.raises(InputError, match="no section `static`"):
        open_sources(region, site, GivenSources(static=static))


def test_weather_of_earth_engine_is_that_of_the_world_by_default(tmp_path: Path) -> None:
    weather = opened(tmp_path, weather={"source": "earthengine"}).weather
    assert isinstance(weather, EarthEngineWeather) and weather.collection == "era5-land"


def test_a_name_belongs_to_one_class(tmp_path: Path) -> None:
    assert register_source("archive")(ArchiveWeather) is ArchiveWeather  # again: nothing changes

    class Other(ArchiveWeather):
        pass

    with pytest.raises(ValueError, match="registered twice"):
        register_source("archive")(Other)
    with pytest.raises(TypeError, match="base classes"):
        register_source("list")(list)  # type: ignore[type-var]
    assert "archive" in IMAGERY.names() and WEATHER.find("archive") is ArchiveWeather


@pytest.mark.parametrize("text", ["import no_such_package", "{}['key']", "1 +"])
def test_a_package_that_cannot_be_imported_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_sources.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("theirs", "broken_sources", group)])
    with pytest.raises(InputError, match=r"'theirs' \(broken_sources\) cannot be loaded: .+; repair or remove"):
        registry.load_entry_points.__wrapped__()
    assert GROUP == "mmvsf.sources"


def test_default_groups_need_the_classes_of_the_cdl(tiny: TinyArchive, mmvsf: Command) -> None:
    tiny.write_recipe(labels={**recipe()["labels"], "groups": "default"})
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2 and "labels.groups: default" in outcome.error and "\n" not in outcome.error.strip()
    assert not tiny.data.exists()
