"""The made-up tiles: names and corners of real ones, in every zone and hemisphere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import load_region
from mmvsf.pipeline.new_recipe.place import place_of_bbox
from mmvsf.pipeline.new_recipe.recipe import new_recipe

from .archive import ArchiveServer
from .sights import cloudy, reflectance
from .test_archive import search
from .tiles import Tile, tile_of, tiles_over


@pytest.mark.parametrize(
    ("zone", "column", "row", "tile"),
    [
        (19, 2, -12, Tile("19LBJ", 19, 199_980, -1_099_980)),
        (31, 4, 56, Tile("31UDS", 31, 399_960, 5_700_000)),
        (31, 5, 56, Tile("31UES", 31, 499_980, 5_700_000)),
        (15, 4, 46, Tile("15TVG", 15, 399_960, 4_700_040)),
    ],
)
def test_names_and_corners_of_real_tiles(zone: int, column: int, row: int, tile: Tile) -> None:
    assert tile_of(zone, column, row) == tile


def grid_over(bbox: str, folder: Path) -> Grid:
    path = folder / "place.yaml"
    path.write_text(new_recipe("place", place_of_bbox(bbox), "2021", path).text)
    return grid_from_recipe(load_region(str(path))[0], path, folder)


@pytest.mark.parametrize(
    ("bbox", "zones"),
    [
        ("147.0,-33.1,147.05,-33.05", {55}),
        ("35.9,-0.1,36.1,0.1", {36, 37}),
        ("3.0,50.9,3.05,50.93", {31}),
        ("179.95,51.9,-179.95,52.0", {60, 1}),
        ("178.1,-17.9,178.2,-17.8", {60}),
        ("-70,-54.9,-69.9,-54.8", {19}),
    ],
)
def test_tiles_cover_every_block(bbox: str, zones: set[int], tmp_path: Path) -> None:
    grid = grid_over(bbox, tmp_path)
    tiles = tiles_over(grid)
    assert {tile.zone for tile in tiles} == zones and len({tile.name for tile in tiles}) == len(tiles)
    turns = [shapely.geometry.shape(tile.outline()[0]) for tile in tiles]
    assert all(shape.is_valid and shape.bounds[0] >= -180 and shape.bounds[2] <= 180 for shape in turns)
    west, south, east, north = map(float, bbox.split(","))
    for lon, lat in ((west, south), (east, north), (west, north), (east, south)):
        assert any(shape.intersects(shapely.Point(lon, lat)) for shape in turns)


def test_an_outline_across_180_degrees_is_split() -> None:
    geometry, (west, _, east, _) = tile_of(1, 2, 57).outline()
    assert geometry["type"] == "MultiPolygon" and west > 178 and east < -177
    assert tile_of(1, 4, 57).outline()[0]["type"] == "Polygon"


def test_an_archive_finds_what_crosses_180_degrees(tmp_path: Path) -> None:
    tiles = {tile.name: tile.outline() for tile in (tile_of(1, 2, 57), tile_of(1, 4, 57), tile_of(60, 5, 57))}
    items: list[dict[str, Any]] = [
        {
            "type": "Feature", "id": name, "collection": "hls2-s30", "geometry": geometry, "bbox": bbox, "links": [],
            "properties": {"datetime": "2021-05-01T22:50:00Z"}, "assets": {},
        }
        for name, (geometry, bbox) in tiles.items()
    ]  # fmt: skip
    (tmp_path / "items.json").write_text(json.dumps({"features": items}))
    across, east, west = tiles
    with ArchiveServer(tmp_path) as server:
        assert search(server, bbox=[179.9, 51, 180, 52.5]) == [across]
        assert search(server, bbox=[179.9, 51, -179.9, 52.5]) == [across]
        assert search(server, bbox=[-178.2, 51, -178.1, 52.5]) == [east]
        assert search(server, bbox=[177.5, 51, 177.6, 52.5]) == [west]


def test_nothing_jumps_at_180_degrees() -> None:
    lat = np.linspace(-60, 60, 101)
    for day in (18_000, 18_777):
        np.testing.assert_allclose(reflectance(3, day, 180.0, lat), reflectance(3, day, -180.0, lat), atol=1e-9)
        np.testing.assert_array_equal(cloudy(day, 180.001, lat), cloudy(day, -179.999, lat))
