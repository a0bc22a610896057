"""What the planning of a large region takes: `python -m tests.bench.conus AREA` prints it as JSON.

AREA is a state's FIPS code or conus, which is taken as one region in one projection. Scenes are simulated.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyproj import Transformer

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.estimate.conus import CONUS
from mmvsf.pipeline.layers.imagery.plan import plan_scenes
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

PRODUCTS = {"hls-s30": 3, "hls-l30": 8}
"""Days from one scene of a tile to the next"""

YEARS, MONTHS = (2021, 2022, 2023), (4, 11)
"""From the first month to before the second"""


def region_of(area: str) -> tuple[Region, Grid]:
    """Everything of the recipe `iowa` but the area, on a grid in Albers' projection."""
    region, path = load_region("iowa")
    content = region.model_dump(mode="json", exclude_unset=True)
    codes = CONUS if area == "conus" else (area,)
    content |= {"name": "simulated", "title": "Simulated", "area": {"fips": list(codes)}}
    content["grid"] |= {"crs": "EPSG:5070"}
    content.pop("split", None)
    parsed = parse_region(content, "simulated")
    return parsed, grid_from_recipe(parsed, path, Path())


def tiles_of(grid: Grid) -> Iterator[RasterGrid]:
    """Tiles of 109.8 km every 100 km in the UTM zones of the contiguous United States, as MGRS has them."""
    coverage = Coverage(grid)
    for zone in range(10, 20):
        to_degrees = Transformer.from_crs(32600 + zone, 4326, always_xy=True)
        for column in range(1, 8):
            for row in range(26, 56):
                left, top = 100_000.0 * column - 20, 100_000.0 * row + 40
                tile = RasterGrid(f"EPSG:{32600 + zone}", (30.0, 0.0, left, 0.0, -30.0, top), (3660, 3660))
                longitude, _ = to_degrees.transform(left + 50_000, top - 50_000)
                if abs(longitude - (6 * zone - 183)) <= 3.3 and coverage.blocks(tile).size:
                    yield tile


def scenes_of(tiles: list[RasterGrid]) -> Iterator[Scene]:
    """The scenes of all seasons, with names and addresses of the usual length."""
    for number, tile in enumerate(tiles):
        for product, every in PRODUCTS.items():
            for year in YEARS:
                moment = datetime(year, MONTHS[0], 1, 17, 3, tzinfo=UTC) + timedelta(number % every)
                while moment < datetime(year, MONTHS[1], 1, tzinfo=UTC):
                    yield _scene(f"T{number:05d}", product, moment, tile)
                    moment += timedelta(every)


def _scene(name: str, product: str, moment: datetime, tile: RasterGrid) -> Scene:
    identity = f"HLS.{product[-3:].upper()}.{name}.{moment:%Y%jT%H%M%S}.v2.0"
    folder = f"https://hls.example.org/hls2/{product[-3:].upper()}/{name}/{moment:%Y/%m/%d}/{identity}/{identity}"
    *bands, mask = (Asset(f"{folder}.B{band:02d}.tif", tile) for band in range(7))
    return Scene(identity, product, moment, "2.0", tuple(bands), mask, 0, day_number(moment.date()))


def measure(area: str) -> dict[str, Any]:
    """Counts, processor time and memory of one process that plans and makes all tasks."""
    region, grid = region_of(area)
    scenes = list(scenes_of(list(tiles_of(grid))))
    began = time.process_time()
    plan = plan_scenes(scenes, grid, calendar_for(region), region.imagery.skip_below_clear)
    count, sizes = 0, []
    for count, task in enumerate(plan.tasks(plan.entries), 1):
        if count % 101 == 1:
            sizes.append(len(pickle.dumps(task)))
    return {
        "area": area,
        "blocks": len(grid.blocks),
        "scenes": len(scenes),
        "units": len(plan.units),
        "tasks": count,
        "task_bytes": sum(sizes) / len(sizes),
        "cpu_seconds": time.process_time() - began,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
