"""What a build will take: the model against geometry, a plan against what a server is really asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyproj import Transformer

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.boundaries import name_of
from mmvsf.datasets.recipe.load import load_region
from mmvsf.pipeline.estimate.conus import CONUS, recipes_for
from mmvsf.pipeline.estimate.cost import region_cost
from mmvsf.pipeline.layers.imagery.satellites import LANDSAT, SENTINEL_2
from mmvsf.pipeline.sources.transport import http

from ..servers.archive import ArchiveServer
from ..servers.granules import write_granules
from ..servers.weather import WeatherServer
from .conftest import Command
from .test_stac import QUICK

pytestmark = pytest.mark.stand_in

SIDE = 256 * 30
SCALING = Path(__file__).resolve().parents[2] / "docs/scaling.md"


def recipe_of(folder: Path, side: int) -> Path:
    """Iowa's recipe on side x side blocks, in June 2021, without labels and ground: a plan counts what scenes take."""
    content, _ = load_region("iowa")
    recipe: dict[str, Any] = content.model_dump(mode="json", exclude_unset=True)
    x, y = 58 * SIDE, 604 * SIDE
    to_degrees = Transformer.from_crs(32615, 4326, always_xy=True)
    lon, lat = to_degrees.transform([x + 500, x + side * SIDE - 500], [y + 500, y + side * SIDE - 500])
    recipe |= {"area": {"bbox": [lon[0], lat[0], lon[1], lat[1]]}, "split": {}}
    recipe |= {"labels": None, "static": None}
    recipe |= {"period": {"start": "2021-06-01", "end": "2021-06-30"}}
    recipe["weather"] |= {"start": "2021-06-01"}
    path = folder / "place.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, ArchiveServer]]:
    """A recipe of one block, and the archive that has its scenes."""
    path = recipe_of(tmp_path, 1)
    region, recipe = load_region(str(path))
    write_granules(tmp_path / "archive", region, grid_from_recipe(region, recipe, tmp_path))
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    with ArchiveServer(tmp_path / "archive", access="sas") as archive, WeatherServer() as weather:
        for name, value in {**archive.environment(), **weather.environment()}.items():
            monkeypatch.setenv(name, value)
        yield path, archive


@pytest.mark.slow
def test_a_plan_is_not_exceeded_by_the_build(
    served: tuple[Path, ArchiveServer], mmvsf: Command, tmp_path: Path
) -> None:
    """Requests and bytes, as the server counts them; a plan knows of no cloud, so it says more. Clouds, and tiles
    around the block that the made-up files leave empty, save the rest."""
    path, server = served
    plan = json.loads(mmvsf("plan", path, "--data-dir", tmp_path, "--json").out)
    server.requests.clear()
    outcome = mmvsf("dataset", path, "--data-dir", tmp_path, "--workers", 1, "--json")
    assert outcome.code == 0, outcome.err
    asked = [request for request in server.requests if request.path.endswith(".tif")]
    fetched = sum(size(request.headers["range"], server, request.path) for request in asked if request.method == "GET")
    assert 0.3 * plan["requests"] < len(asked) <= plan["requests"]
    assert 0.2 * plan["read_megabytes"] < fetched / 1e6 <= plan["read_megabytes"]


def size(span: str, server: ArchiveServer, path: str) -> int:
    """Bytes of a file in a range of a request."""
    first, last = (int(number) for number in span.removeprefix("bytes=").split("-"))
    end = (server.root / path.split("/", 3)[3]).stat().st_size
    return max(0, min(last + 1, end) - first)


def test_the_model_and_a_plan_agree(served: tuple[Path, ArchiveServer], mmvsf: Command, tmp_path: Path) -> None:
    """The stand-in has no neighbouring swaths, and one tile; the model counts both."""
    path, _ = served
    plan = json.loads(mmvsf("plan", path, "--data-dir", tmp_path, "--workers", 2, "--json").out)
    (cost,) = json.loads(mmvsf("cost", path, "--workers", 2, "--json").out).values()
    assert cost["blocks"] == plan["blocks"] == 1
    assert 1 <= cost["units"] / plan["block_days"] < 2
    assert 0.5 < cost["requests"] / plan["requests"] < 2.5
    assert 0.5 < cost["download_bytes"] / 1e6 / plan["read_megabytes"] < 2.5
    assert 0.5 < cost["disk_bytes"] / 1e6 / plan["disk_megabytes"] < 2


def test_revisits() -> None:
    """Every 2 to 3 days together, as LP DAAC says of HLS; the closer, the further north."""
    assert 1 / LANDSAT.passes_a_day(0) == pytest.approx(7.4, abs=0.1)
    together = [1 / (LANDSAT.passes_a_day(lat) + SENTINEL_2.passes_a_day(lat)) for lat in (0, 25, 42, 49)]
    assert 2 < together[2] < together[1] < 3 and together == sorted(together, reverse=True)


def test_cost_grows_with_ground_and_time(tmp_path: Path) -> None:
    costs = []
    for side in (3, 6):
        region, path = load_region(str(recipe_of(tmp_path, side)))
        costs.append(region_cost(region, grid_from_recipe(region, path, tmp_path), 2))
    assert costs[1].units == pytest.approx(4 * costs[0].units, rel=0.01)
    assert costs[1].download_bytes == pytest.approx(4 * costs[0].download_bytes, rel=0.1)
    assert (costs[0] + costs[1]).blocks == 45


def test_the_contiguous_states() -> None:
    assert len(CONUS) == 49
    names = {name_of(code) for code in CONUS}
    assert {"Iowa", "District of Columbia", "Maine", "California"} <= names and not {"Alaska", "Hawaii"} & names


def test_a_state_by_its_code(mmvsf: Command) -> None:
    outcome = mmvsf("cost", "44", "--mbit", "1000")
    assert outcome.code == 0 and "Rhode Island" in outcome.out and "1000 Mbit/s" in outcome.out
    ((region, _),) = recipes_for(["44"], "iowa").values()
    assert region.grid.crs == "EPSG:32619" and region.area.sample is None
    assert "Give a recipe, a FIPS code" in mmvsf("cost", "nowhere").error


@pytest.mark.slow
def test_areas_of_one_name_are_all_counted(mmvsf: Command, tmp_path: Path) -> None:
    """Counties, also of one state, and two recipes; the same one twice is one cube."""
    counties = ("19153", "12105", "51059", "51600")
    costs = json.loads(mmvsf("cost", *counties, "19153", "--json").out)
    assert [*costs] == [
        "Polk, Iowa (19153)", "Polk, Florida (12105)", "Fairfax, Virginia (51059)", "Fairfax, Virginia (51600)",
    ]  # fmt: skip
    for code, cost in zip(counties, costs.values(), strict=True):
        assert cost in json.loads(mmvsf("cost", code, "--json").out).values()
    large = recipe_of(tmp_path, 2).rename(tmp_path / "large.yaml")
    small = recipe_of(tmp_path, 1)
    costs = json.loads(mmvsf("cost", small, large, large, "--json").out)
    assert {name: cost["blocks"] for name, cost in costs.items()} == {"iowa": 1, f"iowa ({large})": 4}


@pytest.mark.slow
def test_the_page_on_scaling_has_the_costs_of_the_command(mmvsf: Command) -> None:
    """Its table with 16 workers and 1,000 Mbit/s, and the hours with two workers and 100 Mbit/s below it."""
    text = SCALING.read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in re.findall(r"^\| .*\d GB.*|^\| .*\d TB.*", text, re.MULTILINE)]
    costs = json.loads(mmvsf("cost", "iowa", "19", "conus", "--workers", 16, "--mbit", 1000, "--json").out)
    areas = (["iowa"], ["Iowa"], [name for name in costs if name != "iowa"])
    assert len(rows) == len(areas)
    for row, names in zip(rows, areas, strict=True):
        whole = {key: sum(costs[name][key] for name in names) for key in costs["iowa"]}
        kinds = ("blocks", "units", "requests", "download_bytes", "disk_bytes", "hours")
        for cell, kind in zip(row[1:], kinds, strict=True):
            value = whole["seconds"] / 3600 if kind == "hours" else whole[kind]
            assert_shown(cell, value, f"{row[0]}, {kind}")
    (hours,) = re.findall(
        r"[Tt]wo workers on a line of 100 Mbit/s would take ([\d.]+), ([\d.]+) and ([\d.]+) hours", text
    )
    slower = json.loads(mmvsf("cost", "iowa", "19", "--workers", 2, "--mbit", 100, "--json").out)
    # Both are bound by the line, so that the contiguous US takes as many times as long.
    factor = slower["Iowa"]["seconds"] / costs["Iowa"]["seconds"]
    for shown, names in zip(hours, areas, strict=True):
        assert_shown(shown, factor * sum(costs[name]["seconds"] for name in names) / 3600, f"hours of {names[0]}")


def assert_shown(cell: str, value: float, where: str) -> None:
    """Whether a cell such as `0.7 million` is a number, rounded to its digits."""
    number, _, unit = cell.replace(",", "").partition(" ")
    scale = {"": 1.0, "thousand": 1e3, "million": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    digits = len(number.partition(".")[2])
    assert f"{value / scale:.{digits}f}" == number, f"{where}: {cell}, not {value / scale:,.2f} {unit}"
