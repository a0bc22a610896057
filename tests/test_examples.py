"""The recipes of docs/examples.md are whole, and their sources take them; that of files of one's own builds a cube."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from rasterio.transform import from_origin
from shapely import box

import mmvsf
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.pipeline.build.sources import GivenSources, open_sources
from mmvsf.pipeline.layers.source import SourceSite

PAGE = Path(__file__).resolve().parents[1] / "docs/examples.md"
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]
RECIPES = {content["name"]: content for content in BLOCKS if "name" in content}
LEFT, TOP = 500_000, 5_650_000
"""Of the field that is flown over, in UTM zone 31 N"""


def test_the_recipes_are_taken_by_their_sources(tmp_path: Path) -> None:
    sections = [content for content in BLOCKS if "name" not in content]
    assert list(RECIPES) == ["flanders", "riverina", "flights"] and len(sections) == 2
    recipes = [*RECIPES.values(), *({**RECIPES["riverina"], **section} for section in sections)]
    for content in recipes:
        region = parse_region(content, "docs/examples.md")
        if content["name"] == "flights":
            continue
        try:
            open_sources(
                region,
                SourceSite(grid_from_recipe(region, PAGE, tmp_path), tmp_path / "recipe.yaml", tmp_path),
                GivenSources(),
            )
        except InputError as error:
            raise AssertionError(content) from error


@pytest.mark.slow
def test_a_cube_of_geotiffs_of_ones_own(tmp_path: Path) -> None:
    field = geopandas.GeoSeries([box(LEFT + 200, TOP - 600, LEFT + 500, TOP - 200)], crs="EPSG:32631")
    field.to_file(tmp_path / "trial.geojson")
    (tmp_path / "flights").mkdir()
    transform = from_origin(LEFT, TOP, 3, 3)
    for week in range(3):
        day = date(2021, 5, 4) + timedelta(weeks=week)
        with rasterio.open(
            tmp_path / f"flights/ortho_{day:%Y%m%d}.tif", "w", driver="GTiff", width=256, height=256, count=4,
            dtype="uint16", crs="EPSG:32631", transform=transform, nodata=0, tiled=True, blockxsize=128, blockysize=128,
        ) as file:  # fmt: skip
            file.write(np.stack([np.full((256, 256), 1000 * band + week, np.uint16) for band in range(1, 5)]))
    recipe = tmp_path / "flights.yaml"
    recipe.write_text(yaml.safe_dump(RECIPES["flights"]))
    cube = mmvsf.build(recipe, tmp_path / "data")
    assert cube.bands == ("green", "red", "nir") and cube.weather == ()
    rows, columns = cube.grid.block_slices(cube.grid.blocks[0])
    day = int(np.flatnonzero(cube.array("blocks/status")[:, *cube.grid.blocks[0]] == 2)[1])
    stored = cube.pixels("imagery/reflectance").read((slice(day, day + 1), slice(None), rows, columns))
    assert set(np.unique(stored)) <= {-9999, 2001, 3001, 4001} and (stored == 3001).any()
