"""What the blocks of a cube are called, and found by."""

from __future__ import annotations

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.sites import place_of
from mmvsf.datasets.recipe.load import parse_region


def test_a_block_is_called_by_its_site(grown_cube: Cube) -> None:
    assert [grown_cube.place_of(block) for block in grown_cube.grid.blocks] == ["s0", "s1", "s2"]
    assert grown_cube.place_of((77, -3)) == "block 77,-3"


def test_sites_of_one_block_share_it_and_other_areas_have_none(grown_cube: Cube) -> None:
    content = grown_cube.attributes["region"]
    sites = [{"name": name, "lon": -94, "lat": 42} for name in ("a", "b")]
    content = {**content, "split": {"places": {"test": ["a"]}, "years": {"test": [2021]}}}
    shared = parse_region({**content, "area": {"sites": sites}}, "test")
    grid = grid_from_recipe(shared, "test", "test")
    assert place_of(shared, grid, grid.blocks[0]) == "a, b"
    box = parse_region({**content, "area": {"bbox": [-94.1, 41.9, -93.7, 42.1]}, "split": {}}, "test")
    assert place_of(box, grid, (1, 2)) == "block 1,2"
