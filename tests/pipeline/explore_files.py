"""Runs and cubes for tests of the explorer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.layout_overviews import overview_groups
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import root_attributes_of
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.storage.encode import encode_groups
from mmvsf.datasets.storage.geotiff import RasterHeader, cog_file
from tests.seal import seal

YEAR, CODE = 2021, 5
COLOUR = (18, 52, 86, 255)
UNCERTAIN = 37
"""percent of the whole map of confidence"""


def write_run(cube: Cube, folder: Path, day: str) -> None:
    """A crop map of one class, its confidence, and a forecast of the first block."""
    grid = cube.grid
    header = RasterHeader(
        grid.shape, "uint8", grid.crs, grid.geobox.affine, 0, ("crop",),
        tags={0: {"year": str(YEAR), f"class_{CODE}": "beans"}}, colours={0: (0, 0, 0, 0), CODE: COLOUR},
    )  # fmt: skip
    whole = slice(0, grid.shape[0]), slice(0, grid.shape[1])
    for name, value in (("crop_map", CODE), ("confidence", UNCERTAIN)):
        about = header if name == "crop_map" else _percent(header)
        with cog_file(folder / f"cropmap/{name}.tif", about) as file:
            file.write(np.full((1, *grid.shape), value, np.uint8), *whole)
            file.finish()
    block = grid.blocks[0]
    box = grid.block_geobox(block)
    tags = {0: {"day": day, "issued": day, "model": "none"}}
    side = grid.block
    about = RasterHeader((side, side), "float32", grid.crs, box.affine, np.nan, cube.bands, tags=tags)
    image = np.full((len(cube.bands), side, side), 0.05, np.float32)
    image[3] = 0.45
    image[:, 0, 0] = np.nan
    with cog_file(folder / "forecast/day.tif", about) as file:
        file.write(image, slice(0, side), slice(0, side))
        file.finish()
    (folder / "cropmap/metrics.json").write_text("{}")


def _percent(header: RasterHeader) -> RasterHeader:
    return RasterHeader(
        header.shape, "uint8", header.crs, header.transform, 255, ("confidence",),
        tags={0: {"year": str(YEAR), "unit": "percent"}},
    )  # fmt: skip


def write_large_cube(path: Path) -> Cube:
    """A cube of Iowa that has its root, its manifest and true colour that cannot be compressed, and nothing else: what
    a browser reads of it first weighs what it would in a whole cube, or more."""
    region, recipe = load_region("iowa")
    grid = grid_from_recipe(region, recipe, path)
    spec = CubeSpec(region, grid, calendar_for(region), None)
    rng = np.random.default_rng(0)
    values = {
        f"{group.name}/{array.name}": rng.integers(60, 255, array.shape, np.uint8)
        for group in overview_groups(spec, "0" * 64)
        for array in group.arrays
        if array.name == "true_colour"
    }
    node = {"zarr_format": 3, "node_type": "group", "attributes": root_attributes_of(spec, {})}
    objects = {**encode_groups(overview_groups(spec, "0" * 64), values), "zarr.json": json.dumps(node).encode()}
    for name, content in objects.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return seal(path, complete=True)
