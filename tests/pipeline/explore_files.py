"""Runs and cubes for tests of the explorer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.layout_overviews import overview_groups
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import root_attributes_of
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.sidecars.forecasts import NDVI, QUANTILE, RECORD, layer_file, quantile_bands, quantile_name
from mmvsf.datasets.storage.encode import encode_groups
from mmvsf.datasets.storage.geotiff import RasterHeader, cog_file
from mmvsf.datasets.variables import REFLECTANCE_FILL
from tests.seal import seal

YEAR, CODE = 2021, 5
COLOUR = (18, 52, 86, 255)
ISSUED = "2021-06-01"
UNCERTAIN = 37
"""percent of the whole map of confidence"""

NO_HOLE = slice(0), slice(0)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SPREAD = (-0.2, -0.05, 0.0, 0.03, 0.08)
"""Of the quantiles of everything that is forecast around its median."""
FORECAST_BLOCK = (0, 2)
FORECAST_BANDS = (0.10, 0.12, 0.14, 0.40, 0.25, 0.20)
"""The medians of the bands."""


def write_run(cube: Cube, folder: Path, days: Sequence[str]) -> None:
    """A crop map of one class, its confidence, and two forecasts of one block on some days, under a drought too."""
    write_maps(cube, folder / "cropmap")
    write_forecast(cube, folder / "forecast/years", days, 0.8)
    write_forecast(cube, folder / "forecast/years-drought", days, 0.5, scenario={"name": "drought"})
    (folder / "cropmap/metrics.json").write_text("{}")


def write_maps(cube: Cube, folder: Path, hole: tuple[slice, slice] = NO_HOLE) -> None:
    """A crop map of one class and its confidence, with a hole where there is no map."""
    grid = cube.grid
    header = RasterHeader(
        grid.shape, "uint8", grid.crs, grid.geobox.affine, 0, ("crop",),
        tags={0: {"year": str(YEAR), f"class_{CODE}": "beans"}}, colours={0: (0, 0, 0, 0), CODE: COLOUR},
    )  # fmt: skip
    for name, value, about in (("crop_map", CODE, header), ("confidence", UNCERTAIN, _percent(header))):
        image = np.full((1, *grid.shape), value, np.uint8)
        image[0][hole] = about.nodata
        with cog_file(folder / f"{name}.tif", about) as file:
            file.write(image, slice(0, grid.shape[0]), slice(0, grid.shape[1]))
            file.finish()


def write_forecast(cube: Cube, folder: Path, days: Sequence[str], ndvi: float, **changes: Any) -> None:
    """What `mmvsf forecast` writes, of FORECAST_BLOCK: FORECAST_BANDS, whose red is higher by 0.01 a day, and a median
    of NDVI that is lower by 0.1 a day. Its first pixel is not forecast."""
    grid = cube.grid
    side, box = grid.block, grid.block_geobox(FORECAST_BLOCK)
    files = [layer_file(kind, day) for kind in (QUANTILE, NDVI) for day in days]
    names = {QUANTILE: quantile_bands(cube.bands, LEVELS), NDVI: tuple(quantile_name(level) for level in LEVELS)}
    for number, day in enumerate(days):
        bands = np.array(FORECAST_BANDS) + 0.01 * number * (np.arange(6) == 2)
        values = {QUANTILE: bands, NDVI: np.array([ndvi - 0.1 * number])}
        for kind, medians in values.items():
            stored = np.round((medians[:, None] + np.array(SPREAD)).ravel() * 1e4).astype(np.int16)
            image = np.tile(stored[:, None, None], (1, side, side))
            image[:, 0, 0] = REFLECTANCE_FILL
            about = RasterHeader(
                (side, side), "int16", grid.crs, box.affine, REFLECTANCE_FILL, names[kind], (1e-4,)
            )  # fmt: skip
            with cog_file(folder / layer_file(kind, day), about) as file:
                file.write(image, slice(0, side), slice(0, side))
                file.finish(resampling="AVERAGE")
    record = {
        "region": cube.region.name, "issued": ISSUED, "days": list(days), "weather": {"name": "years"},
        "scenario": None, "quantiles": LEVELS, "files": files, **changes,
    }  # fmt: skip
    (folder / RECORD).write_text(json.dumps(record))


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
