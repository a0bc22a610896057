"""Extend a cube in place after a change of its recipe: more days, blocks, label years, variables or products.

Three steps: look (is it an extension? nothing is written), plan (search scenes, fetch the weather that is missing),
build (give the cube its new shape, then do what the ledger does not hold, as any build does).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.cube.paths import cube_path
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import set_incomplete
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, ensure_reachable, local_folder
from mmvsf.datasets.storage.lock import write_lock
from mmvsf.datasets.storage.store import set_root_attributes
from mmvsf.datasets.variables import Split
from mmvsf.pipeline.disk_space import ensure_space
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.layers.weather.regrid import CubeWeather
from mmvsf.pipeline.ledger import Ledger

from .compatibility import reasons_against
from .executor import Executor
from .plan import BuildPlan, build_plan
from .provenance import provenance
from .reshape import finish_reshape, is_reshaping, kept_arrays, renames_shards, reshape_cube
from .run import CheckCube, Progress, build, no_check, refuse_fewer_scenes
from .sources import GivenSources


@dataclass(frozen=True)
class Extended:
    """What an extension made."""

    summary: Summary
    moved_chunks: int
    """chunks that were there before and now belong to another split (training, validation, test)"""


def open_target_cube(
    recipe: Region | Path | str, data_dir: Location, *, source: str | None = None, blocks: int | str | None = None
) -> Cube:
    """The cube that a recipe would extend, once an interrupted extension has given it its shape.

    Raises InputError if there is no cube or no finished one, or if the recipe (read as `build_plan` reads it) does not
    extend it, and IncompleteError if another process writes the cube.
    """
    region, path = read_recipe(recipe, source=source, blocks=blocks)
    target = cube_path(region.name, data_dir)
    ensure_reachable(target)
    if not (target / "zarr.json").is_file():
        raise InputError(f"there is no cube at {target} to extend; build it with `mmvsf dataset`")
    if is_reshaping(target):
        with write_lock(target, "extend"):
            finish_reshape(target)
    cube = Cube.open(target, allow_incomplete=True)
    # A build writes its root first, and the tiles at its end.
    if not (target / "tiles" / cube.grid.tiles[0].name / "zarr.json").is_file():
        with write_lock(target, "extend"):
            raise InputError(
                f"the first build of {target} has not finished; finish it with `mmvsf dataset`, then extend it"
            )
    grid = grid_from_recipe(region, path, local_folder(data_dir))
    # The legend is known only after the label source was asked.
    _refuse_other(cube, CubeSpec(region, grid, calendar_for(region), cube.legend))
    return cube


def plan_extension(
    cube: Cube,
    recipe: Region | Path | str,
    data_dir: Location,
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    given: GivenSources | None = None,
) -> BuildPlan:
    """What is to be done to extend `cube`. Raises InputError as `build_plan` does, and for another legend."""
    plan = build_plan(
        recipe, data_dir, source=source, blocks=blocks, given=given, present_weather=partial(_present_weather, cube)
    )
    _refuse_other(cube, plan.spec)
    return plan


def extend(
    cube: Cube,
    plan: BuildPlan,
    run: Executor,
    progress: Progress,
    *,
    accept_failed: bool = False,
    check: CheckCube = no_check,
) -> Extended:
    """Extend a cube. Raises what `build` raises; run again, it continues where it stopped."""
    made = len(Ledger.of_cube(cube.path).names("imagery"))
    ensure_space(plan.cube, plan.bytes_to_write(max(len(plan.imagery.units) - made, 0)))
    before = kept_arrays(cube, plan.spec, "chunks")["chunks/split"]
    with write_lock(plan.cube, "extend"):
        refuse_fewer_scenes(plan)  # before the cube gets its new shape
        reshape_cube(cube, plan.spec)
        origin = provenance(plan)
        origin["created"] = cube.attributes.get("created", origin["created"])
        if {**cube.attributes, **origin} != cube.attributes:
            set_incomplete(plan.cube)
            set_root_attributes(plan.cube, origin)
        summary = build(plan, run, progress, accept_failed=accept_failed, check=check)
    after = Cube.open(plan.cube).array("chunks/split")
    return Extended(summary, int(((before != Split.NONE) & (before != after)).sum()))


def _refuse_other(cube: Cube, wanted: CubeSpec) -> None:
    if reasons := reasons_against(cube.spec, wanted):
        raise InputError(
            f"the recipe does not extend {cube.path}: {'; '.join(reasons)}. Extending only adds: undo that change, or"
            " rebuild the cube with `mmvsf dataset --overwrite`, or give the recipe another name"
        )
    if not isinstance(cube.path, Path) and renames_shards(cube.spec, wanted):
        raise InputError(
            f"earlier days or label years give the shards of {cube.path} other names,"
            " which a bucket cannot do; copy the cube and its .ledger to a folder, extend it there and copy them back,"
            " or rebuild it with `mmvsf dataset --overwrite`"
        )


def _present_weather(cube: Cube, spec: CubeSpec) -> CubeWeather | None:
    """The cube's weather on the axes of its new specification, NaN where it has no value; None if it has no weather."""
    if not cube.weather:
        return None
    kept = kept_arrays(cube, spec, "weather")
    nothing = np.full((len(spec.calendar), *spec.grid.weather_shape), np.nan, np.float32)
    attributes = cube.group_attributes("weather")
    return CubeWeather(
        {name: kept.get(f"weather/{name}", nothing) for name in spec.weather},
        kept["weather/flag"],
        kept["weather/utc_bnds"],
        str(attributes.get("source", "")),
        str(attributes.get("licence", "")),
        may_lack_days=bool(attributes.get(LACKING)),
    )
