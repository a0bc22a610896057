"""Tiles: their names and places, and reading across their borders as if there were none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.place import cut, slices_of, whole_shape
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import (
    Content,
    finish_cube,
    root_attributes_of,
    shard_objects,
    write_shards,
    write_template,
)
from mmvsf.datasets.recipe.load import parse_region

SIDE = 32 * 30.0
"""metres of a block"""


def grid(blocks: tuple[tuple[int, int], ...], *, left: int, top: int, shape: tuple[int, int], cell: int = 32) -> Grid:
    """A grid of blocks whose upper left corner is `left` blocks east and `top` blocks north of the origin."""
    origin = (100.0, 200.0)
    return Grid("EPSG:32615", 30.0, 100 + left * SIDE, 200 + top * SIDE, *shape, 32, 16, cell, blocks, origin)


@pytest.mark.parametrize(
    ("left", "top", "name"),
    [
        (0, 4, "x0_y0"),  # the tile north-east of the origin
        (4, 8, "x1_y1"),
        (-4, 4, "x-1_y0"),
        (0, 0, "x0_y-1"),
        (-8, -4, "x-2_y-2"),
        (48, 1632, "x12_y407"),
    ],
)
def test_a_tile_is_named_by_its_lower_left_corner(left: int, top: int, name: str) -> None:
    (tile,) = grid(((1, 2),), left=left, top=top, shape=(4, 4)).tiles
    assert tile.name == name and (tile.row, tile.column) == (0, 0)
    west, south = tile.grid.left, tile.grid.top - 4 * SIDE
    across, up = name[1:].split("_y")
    assert (west, south) == (100 + int(across) * 4 * SIDE, 200 + int(up) * 4 * SIDE)


def test_a_tile_exists_where_a_block_is_covered() -> None:
    whole = grid(((0, 0), (3, 3), (5, 9)), left=-4, top=4, shape=(8, 12))
    assert [(tile.name, tile.row, tile.column, tile.grid.blocks) for tile in whole.tiles] == [
        ("x-1_y0", 0, 0, ((0, 0), (3, 3))),
        ("x1_y-1", 4, 8, ((1, 1),)),
    ]
    assert whole.tile_of((5, 9)).name == "x1_y-1"
    with pytest.raises(KeyError):
        whole.tile_of((0, 5))


def test_blocks_are_named_by_their_place_in_the_lattice() -> None:
    whole = grid(((0, 0), (5, 9)), left=-4, top=4, shape=(8, 12))
    assert [whole.block_name(block) for block in whole.blocks] == ["x-4_y3", "x5_y-2"]
    assert [whole.block_named(whole.block_name(block)) for block in whole.blocks] == list(whole.blocks)


def test_a_grid_that_grows_to_the_north_and_west_renames_nothing() -> None:
    """The same ground has other rows and columns, the same names and the same coordinates."""
    small = grid(((1, 1), (2, 3)), left=8, top=12, shape=(4, 4), cell=48)
    grown = grid(((0, 0), (5, 9), (6, 11)), left=0, top=16, shape=(8, 12), cell=48)
    (tile,) = small.tiles
    same = grown.tile_of((5, 9))
    assert tile.name == same.name and (same.row, same.column) == (4, 8) and same.grid == tile.grid
    assert [small.block_name(block) for block in small.blocks] == ["x9_y10", "x11_y9"]
    assert [grown.block_name(block) for block in grown.blocks[1:]] == ["x9_y10", "x11_y9"]
    for before, after in zip(tile.grid.weather_coordinates(), same.grid.weather_coordinates(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_weather_cells_that_do_not_divide_a_tile_are_in_both_neighbours() -> None:
    """A tile of 128 pixels holds all cells of 48 that share ground with it: 0 to 2, and 2 to 5 in the next one."""
    whole = grid(((0, 0), (0, 4)), left=0, top=4, shape=(4, 8), cell=48)
    first, second = whole.tiles
    assert [slices_of(whole, tile, "weather")[1] for tile in whole.tiles] == [slice(0, 3), slice(2, 6)]
    assert whole.weather_shape[1] == 6  # 256 / 48, rounded up
    _, x = whole.weather_coordinates()
    for tile, columns in ((first, slice(0, 3)), (second, slice(2, 6))):
        np.testing.assert_allclose(tile.grid.weather_coordinates()[1], x[columns])
    # From the origin northwards: the tile is 128 pixels high, its top cuts the third cell.
    assert whole.weather_coordinates()[0][-1] == 200 + 24 * 30
    assert whole.weather_shape[0] == 3 and whole.weather_cell_of(0, 0) == (0, 0)
    assert whole.weather_cell_of(127, 0) == (2, 0) and whole.weather_cell_of(32, 0) == (1, 0)


@pytest.mark.parametrize("group", ["imagery", "blocks", "chunks", "weather"])
def test_tiles_cover_the_whole_grid(group: str) -> None:
    whole = grid(tuple((by, bx) for by in (0, 4) for bx in (1, 6)), left=-4, top=4, shape=(8, 8), cell=40)
    values = np.arange(np.prod(whole_shape(whole, group))).reshape(whole_shape(whole, group))
    count = np.zeros_like(values)
    for tile in whole.tiles:
        place = slices_of(whole, tile, group)
        np.testing.assert_array_equal(cut(whole, values, ("y", "x"), group, tile), values[place])
        assert values[place].shape == whole_shape(tile.grid, group)
        count[place] += 1
    assert (count >= 1).all() and (group == "weather" or (count == 1).all())


RECIPE: dict[str, Any] = {
    "name": "tiled",
    "title": "blocks on both sides of a border between tiles, and one far away",
    "grid": {"crs": "EPSG:32615", "block": 32, "chunk": 16, "weather_cell": 48},
    "period": {"start": "2020-05-01", "end": "2020-06-30"},
    "imagery": {"source": "archive", "path": "none", "products": ["hls-l30"]},
    "weather": {"source": "archive", "path": "none"},
}


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cube, NDArray[np.uint8], NDArray[np.int16]]:
    """A cube of random pixels, and what `imagery/quality` and `imagery/reflectance` hold in the whole grid."""
    region = parse_region(RECIPE | {"area": {"bbox": [-94.0, 42.0, -93.97, 42.03]}}, "tiled")
    path = tmp_path_factory.mktemp("cubes") / "tiled.zarr"
    shape = grid_from_recipe(region, path, path)
    whole = replace(
        shape, blocks_y=8, blocks_x=16, blocks=((2, 3), (3, 3), (3, 4), (4, 3), (4, 4), (7, 15)), origin=shape.origin
    )
    spec = CubeSpec(region, whole, calendar_for(region), None)
    write_template(path, spec, {})
    rng = np.random.default_rng(0)
    days = len(spec.calendar)
    quality = np.full((days, *whole.shape), 255, np.uint8)
    reflectance = np.full((days, 6, *whole.shape), -9999, np.int16)
    shards: dict[str, dict[str, Any]] = {}
    for block in whole.blocks:
        rows, columns = whole.block_slices(block)
        for shard in range(spec.calendar.shards):
            at = slice(shard * 32, shard * 32 + 32)
            if (block, shard) == ((4, 4), 0):
                continue  # never seen
            quality[at, rows, columns] = rng.integers(0, 255, quality[at, rows, columns].shape)
            reflectance[at, :, rows, columns] = rng.integers(0, 9999, reflectance[at, :, rows, columns].shape)
            values = {
                "imagery/quality": quality[at, rows, columns],
                "imagery/reflectance": reflectance[at, :, rows, columns],
            }
            records = write_shards(path, spec, block, shard, values)
            for part, name, record in shard_objects(spec, block, shard, records):
                shards.setdefault(part, {})[name] = record
    weather = rng.random((days, *whole.weather_shape)).astype(np.float32)
    weather[:, ~whole.weather_mask()] = np.nan
    content = Content({"weather/tmin": weather, "chunks/split": np.ones(whole.chunk_shape, np.uint8)})
    finish_cube(path, spec, content, shards, root_attributes_of(spec, {}), time="2026-01-01T00:00:00+00:00")
    return Cube.open(path), quality, reflectance


Tiled = tuple[Cube, NDArray[np.uint8], NDArray[np.int16]]

WINDOWS = {
    "one block": (slice(96, 128), slice(96, 128)),
    "across four tiles": (slice(100, 160), slice(90, 170)),
    "a missing tile": (slice(0, 20), slice(400, 420)),
    "half in a missing tile": (slice(0, 256), slice(250, 300)),
    "a block never seen": (slice(128, 160), slice(128, 160)),
    "everything": (slice(None), slice(None)),
    "nothing": (slice(40, 40), slice(0, 8)),
    "a pixel": (127, 128),
    "a row": (128, slice(100, 140)),
    "a column": (slice(100, 140), 127),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_reads_across_tiles_are_those_of_one_array(tiled: Tiled, window: tuple[Any, Any]) -> None:
    cube, quality, reflectance = tiled
    for days in (slice(None), slice(30, 34), 31, np.array([40, 3, 33])):
        found = cube.pixels("imagery/quality").read((days, *window))
        np.testing.assert_array_equal(found, quality[(days, *window)])
        found = cube.pixels("imagery/reflectance").read((days, slice(1, 4), *window))
        expected = reflectance[:, 1:4][days]
        np.testing.assert_array_equal(found, expected[(..., *window)])


def test_a_tile_without_a_block_does_not_exist_and_is_fill(tiled: Tiled) -> None:
    cube, *_ = tiled
    assert len(cube.grid.tiles) == 5 and len(list((Path(str(cube.path)) / "tiles").glob("x*"))) == 5
    assert (cube.pixels("imagery/reflectance").read((0, 0, slice(0, 32), slice(480, 512))) == -9999).all()
    split = cube.array("chunks/split")
    assert split[0, 0] == 1 and split[0, -1] == 0


def test_small_arrays_of_tiles_are_joined(tiled: Tiled) -> None:
    """Cells of the weather on a border are in both tiles, and NaN in neither hides the value of the other."""
    cube, *_ = tiled
    tmin = cube.array("weather/tmin")
    np.testing.assert_array_equal(np.isfinite(tmin[0]), cube.grid.weather_mask())


def test_an_index_outside_the_grid_is_refused(tiled: Tiled) -> None:
    pixels = tiled[0].pixels("imagery/quality")
    with pytest.raises(IndexError, match="256 is not in 0 to 255"):
        pixels.read((0, 256, 0))
    with pytest.raises(IndexError, match="without a step"):
        pixels.read((0, slice(0, 8, 2), 0))
    with pytest.raises(IndexError, match="has the dimensions time, y, x; found 2 indices"):
        pixels.read((0, 0))


def test_a_position_that_does_not_exist_is_refused(tiled: Tiled) -> None:
    """Whether the window lies in one block, in several tiles, or in a tile that does not exist."""
    cube, quality, reflectance = tiled
    days, place = len(quality), (slice(96, 128), slice(96, 128))
    for window in (place, WINDOWS["across four tiles"], WINDOWS["a missing tile"]):
        for part, message in (
            (-1, "-1 is not in"),
            (days, f"{days} is not in 0 to {days - 1} of time"),
            ([0, days], f"{days} is not in"),
            (np.array([3, -2]), "-2 is not in"),
            (np.arange(days) < 2, "found bool"),
            (1.5, "found float64"),
        ):
            with pytest.raises(IndexError, match=message):
                cube.pixels("imagery/quality").read((part, *window))
        for band in (-1, 6, [7]):
            with pytest.raises(IndexError, match="is not in 0 to 5 of band"):
                cube.pixels("imagery/reflectance").read((0, band, *window))
    for part in (slice(-3, None), slice(days - 3, days + 9), slice(days, days + 1), slice(9, 3), slice(40, 2, -7)):
        np.testing.assert_array_equal(cube.pixels("imagery/quality").read((part, *place)), quality[(part, *place)])
    found = cube.pixels("imagery/reflectance").read((3, slice(-2, 99), *place))
    np.testing.assert_array_equal(found, reflectance[(3, slice(-2, 99), *place)])
