"""Extend a cube in place to what its recipe says now: more days, ground, label years, variables or products.

Three steps: look (is it an extension? nothing is written), plan (search scenes, fetch the weather that is missing),
build (give the cube its new shape, then do what the ledger does not hold, as any build does).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import Calendar, calendar_for
from mmvsf.datasets.cube.compatibility import CubeSpec, differences
from mmvsf.datasets.cube.cube import Cube, cube_path
from mmvsf.datasets.cube.grid import Grid, grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region, load_region
from mmvsf.datasets.storage.location import Location, ensure_reachable, local_folder
from mmvsf.datasets.storage.store import group_attributes, set_root_attributes
from mmvsf.datasets.variables import Split
from mmvsf.pipeline.disk_space import ensure_space
from mmvsf.pipeline.layers.imagery.summarise import Summary
from mmvsf.pipeline.layers.protocols import WeatherSource
from mmvsf.pipeline.layers.weather.regrid import CubeWeather
from mmvsf.pipeline.layers.weather.update import update_weather
from mmvsf.pipeline.ledger import Ledger

from .executor import Executor
from .plan import BuildPlan, bytes_to_write, prepare
from .reshape import finish_reshape, kept_arrays, renames_shards, reshape_cube
from .run import Progress, build
from .target import provenance


@dataclass(frozen=True)
class Extended:
    """What an extension made."""

    summary: Summary
    moved_chunks: int
    """chunks that stood before and now belong to another part (training, validation, test)"""


def open_target_cube(
    region_name: str, data_dir: Location, *, source: str | None = None, blocks: int | str | None = None
) -> Cube:
    """The cube that a recipe would extend, once an extension that was cut off has taken its shape.

    Raises InputError if there is no cube, or if the recipe (read as `prepare` reads it) does not extend it.
    """
    region, recipe = load_region(region_name, source=source, blocks=blocks)
    path = cube_path(region.name, data_dir)
    ensure_reachable(path)
    if not (path / "zarr.json").is_file():
        raise InputError(f"there is no cube at {path} to extend; make it with `mmvsf dataset`")
    finish_reshape(path)
    cube = Cube.open(path, allow_incomplete=True)
    grid = grid_from_recipe(region, recipe, local_folder(data_dir))
    # The legend is known once the source of the labels was asked.
    _refuse_other(cube, CubeSpec(region, grid, calendar_for(region), cube.legend))
    return cube


def prepare_extension(
    cube: Cube, region_name: str, data_dir: Location, *, source: str | None = None, blocks: int | str | None = None
) -> BuildPlan:
    """What is to be done to extend `cube`. Raises InputError as `prepare` does, and for another legend."""
    plan = prepare(region_name, data_dir, source=source, blocks=blocks, weather_of=partial(_weather, cube))
    _refuse_other(cube, plan.spec)
    return plan


def extend(cube: Cube, plan: BuildPlan, run: Executor, progress: Progress, *, accept_failed: bool = False) -> Extended:
    """Extend a cube. Raises what `build` raises; run again, it goes on where it was."""
    made = len(Ledger.of_cube(cube.path).names("imagery"))
    ensure_space(plan.cube, bytes_to_write(plan, max(len(plan.imagery.units) - made, 0)))
    before = kept_arrays(cube, plan.spec, "splits")["splits/split"]
    reshape_cube(cube, plan.spec)
    told = provenance(plan)
    set_root_attributes(plan.cube, {**told, "created": cube.attributes.get("created", told["created"])})
    summary = build(plan, run, progress, accept_failed=accept_failed)
    after = Cube.open(plan.cube).array("splits/split")
    return Extended(summary, int(((before != Split.NONE) & (before != after)).sum()))


def _refuse_other(cube: Cube, wanted: CubeSpec) -> None:
    reasons = differences(cube.spec, wanted)
    if reasons:
        raise InputError(
            f"the recipe does not extend {cube.path}: {'; '.join(reasons)}. Extending only adds: put that back, or"
            " build the cube anew with `mmvsf dataset --overwrite`, or give the recipe another name"
        )
    if not isinstance(cube.path, Path) and renames_shards(cube.spec, wanted):
        raise InputError(
            f"earlier days or label years, and ground to the north or west, give the shards of {cube.path} other names,"
            " which a bucket cannot do; copy the cube and its .ledger to a folder, extend it there and copy them back,"
            " or build it anew with `mmvsf dataset --overwrite`"
        )


def _weather(cube: Cube, source: WeatherSource, region: Region, grid: Grid, calendar: Calendar) -> CubeWeather:
    """The cube's weather with what it lacks."""
    kept = kept_arrays(cube, CubeSpec(region, grid, calendar, cube.legend), "weather")
    nothing = np.full((len(calendar), *grid.weather_shape), np.nan, np.float32)
    values = {name: kept.get(f"weather/{name}", nothing) for name in region.weather.variables}
    origin = group_attributes(cube.path, "weather")
    standing = CubeWeather(
        values,
        kept["weather/flag"],
        kept["weather/time_bnds"],
        str(origin.get("source", "")),
        str(origin.get("licence", "")),
    )
    return update_weather(standing, source, region, grid, calendar)
