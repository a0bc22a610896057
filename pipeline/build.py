"""Build a cube: plan, template, one task a shard, labels, summaries. Kill it anywhere and run it again."""

import errno
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import zarr
from zarr.errors import ZarrUserWarning

from mmvsf.datasets.calendar import Calendar, calendar_of
from mmvsf.datasets.cube import Cube, create_template, cube_path, digest, root_attributes
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.extension import Extent, differences
from mmvsf.datasets.grid import BlockIndex, Grid, grid_of
from mmvsf.datasets.layout import FORMAT, FORMAT_VERSION
from mmvsf.datasets.legend import Legend
from mmvsf.datasets.location import Location, local_folder, remove_tree, store_errors, zarr_store
from mmvsf.datasets.region import Region, load_region
from mmvsf.datasets.splits import place_split
from mmvsf.datasets.store import set_root_attributes, sweep_leftovers

from .execute import Executor
from .finish import Summary, finish_imagery, finish_splits, finish_weather
from .growth import is_growing
from .labels import LabelTask, label_tasks, stored_legend
from .ledger import Ledger
from .plan import Plan, ShardTask, make_plan, shard_tasks
from .provenance import sources_of
from .sources.meteostat_stations import MeteostatStations
from .sources.protocols import Requirement, WeatherSource
from .sources.registry import imagery_source, label_source, requirements_of, static_source, weather_source
from .space import cube_bytes, ensure_space, stored_bytes
from .static import StaticTask, static_tasks, weather_cells
from .tasks import (
    BuildContext,
    TaskReport,
    imagery_entry_name,
    label_entry_name,
    run_label_task,
    run_shard_task,
    run_static_task,
    static_entry_name,
)
from .weather import CubeWeather, cube_weather

BlockTask = TypeVar("BlockTask", LabelTask, StaticTask)

SHAPE = (
    "grid",
    "calendar",
    "weather_variables",
    "label_years",
    "legend",
    "static_layers",
    "label_confidence",
)
"""Root attributes that the shapes of arrays follow from; the last two are there only if the cube has such parts."""

MOST_FAILURES = 10
"""Blocks in a row whose labels, or layers of the ground, cannot be read: then their source is taken to be out of reach,
and the others are left to the next run. A spoilt tile of the CDL meets eight blocks of 7.7 km in a row."""

SOFTWARE = ("mmvsf", "zarr", "tensorstore", "xarray", "rasterio", "odc-geo", "pyproj", "numpy", "dask")


WeatherOf = Callable[[WeatherSource, Region, Grid, Calendar], CubeWeather]
"""Makes a cube's weather from its source; the first of them is `cube_weather`."""


@dataclass(frozen=True)
class BuildPlan:
    """Everything a build needs, checked before a pixel is read."""

    region: Region
    recipe: Path
    cube: Location
    grid: Grid
    calendar: Calendar
    imagery: Plan
    weather: CubeWeather | None
    """None in a plan that is only shown, where it comes from a service"""
    legend: Legend | None
    labels: tuple[LabelTask, ...]
    static: tuple[StaticTask, ...]
    context: BuildContext
    requirements: tuple[Requirement, ...]
    """what the sources need of the person who builds"""

    @property
    def extent(self) -> Extent:
        return Extent(self.region, self.grid, self.calendar, self.legend)


@dataclass(frozen=True)
class Progress:
    """What a running build reports: (phase, units done, units in all, band pixels stored so far)."""

    update: Callable[[str, int, int, int], None]


def prepare(
    region_name: str,
    data_dir: Location,
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    only_shown: bool = False,
    weather_of: WeatherOf = cube_weather,
) -> BuildPlan:
    """Read the recipe, search its sources and work out what to do. Raises InputError for anything wrong.

    `source` and `blocks` change the recipe, see `mmvsf.datasets.override`. A plan that is `only_shown` fetches no
    weather from a service, and is made as far as it can be without credentials; another one asks for them first.
    `weather_of` makes the cube's weather; a cube that is extended keeps what it has.
    """
    region, recipe = load_region(region_name, source=source, blocks=blocks)
    folder = local_folder(data_dir)
    grid = grid_of(region, recipe, folder)
    place_split(region, grid)  # a recipe that leaves nothing to train on is refused before the work
    calendar = calendar_of(region)
    imagery = imagery_source(region, recipe, folder)
    labels = label_source(region, recipe, folder, grid)
    ground = static_source(region, recipe, folder)
    weather_from = weather_source(region, recipe, folder, grid)
    needs = requirements_of(imagery, weather_from, ground, labels)
    if not only_shown:
        _refuse_missing(needs)
    scenes = imagery.search(grid, region.period, region.imagery.products)
    plan = make_plan(scenes, grid, calendar, region.imagery.skip_below_clear)
    legend, method = None, "nearest"
    codes: tuple[int, ...] = ()
    tasks: list[LabelTask] = []
    years: tuple[int, ...] = ()
    if region.labels is not None and labels is not None:
        classes = labels.legend()
        codes, legend = classes.codes, stored_legend(region.labels, classes)
        years, method = tuple(sorted(region.labels.years)), region.labels.method
        attributes = json.dumps(legend.attributes())
        tasks = label_tasks(labels, grid, years, method, attributes, region.labels.confidence)
    layers = region.static.layers if region.static else ()
    static = static_tasks(ground, grid, layers) if ground is not None else []
    weather = None
    if not only_shown or region.weather.source == "archive":
        if isinstance(weather_from, MeteostatStations) and ground is not None and "elevation" in layers:
            weather_from = replace(weather_from, cells=weather_cells(ground, grid))
        weather = weather_of(weather_from, region, grid, calendar)
    cube = cube_path(region.name, data_dir)
    context = BuildContext(
        cube,
        grid,
        calendar,
        imagery,
        labels,
        method,
        codes,
        legend.stored_codes() if legend else {},
        years,
        region.imagery.skip_below_clear,
        bool(years and region.labels and region.labels.confidence),
        ground,
        layers,
    )
    return BuildPlan(
        region, recipe, cube, grid, calendar, plan, weather, legend, tuple(tasks), tuple(static), context, needs
    )


def build(
    plan: BuildPlan,
    run: Executor,
    progress: Progress,
    *,
    accept_failed: bool = False,
    overwrite: bool = False,
) -> Summary:
    """Build or finish a cube. Only what the ledger does not hold is done.

    Raises InputError if another cube stands in the way, IncompleteError if scenes could not be read (all else
    is done and kept), OSError if the disk refuses.
    """
    try:
        return _build(plan, run, progress, accept_failed, overwrite)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno or errno.EIO, error.strerror or one_line(error), str(plan.cube)) from error


def _build(plan: BuildPlan, run: Executor, progress: Progress, accept_failed: bool, overwrite: bool) -> Summary:
    if plan.weather is None:
        raise ValueError("this plan was made to be shown, without its weather")
    _refuse_missing(plan.requirements)
    if overwrite:
        ensure_space(plan.cube, bytes_to_write(plan, len(plan.imagery.units)) - stored_bytes(plan.cube))
    _ensure_template(plan, overwrite)
    sweep_leftovers(plan.cube)
    ledger = Ledger.of_cube(plan.cube)
    named = {imagery_entry_name(*key): key for key in plan.imagery.units}
    wanted = {name: plan.imagery.digests[key] for name, key in named.items()}
    todo = {named[name] for name in ledger.undone(wanted, accept_failed=accept_failed)}
    labels = _undone(ledger, {label_entry_name(task.year, task.block): task for task in plan.labels})
    static = _undone(ledger, {static_entry_name(task.block): task for task in plan.static})
    ensure_space(plan.cube, bytes_to_write(plan, len(todo)))
    set_root_attributes(plan.cube, {"complete": False})
    _clear_stale(plan, ledger)
    # Labels first: a code that the legend lacks should show before hours of imagery. Labels or layers of the ground
    # that cannot be had are no reason to leave the imagery undone.
    missing: list[str] = []
    for kind, function, tasks in (("labels", run_label_task, labels), ("static", run_static_task, static)):
        missing += _run_blocks(kind, function, tasks, run, progress, plan.context)
    _run_shards(plan, run, progress, shard_tasks(plan.imagery, plan.grid, todo), len(todo))
    if missing:
        raise IncompleteError(f"{'; '.join(missing)}; mend or replace the file, or run again to retry")
    finish_weather(plan.cube, plan.region, plan.grid, plan.calendar, plan.weather)
    finish_splits(plan.cube, plan.region, plan.grid)
    summary = finish_imagery(plan.cube, plan.region, plan.grid, plan.calendar, plan.imagery)
    if summary.failed and not accept_failed:
        raise IncompleteError(
            f"{summary.failed} (day, block) units could not be read, for example {summary.failures[0]}; the rest"
            " is done. Run again to retry them, or with --accept-failed to leave them out"
        )
    if not (summary.stored or summary.skipped_cloudy or summary.failed):
        raise IncompleteError(
            f"none of the {len(plan.imagery.scenes)} scenes has a pixel in the recipe's blocks, though their outlines"
            " meet them; check the archive's footprints, and area and grid of the recipe"
        )
    if summary.completeness < plan.region.imagery.complete_above:
        raise IncompleteError(
            f"only {summary.completeness:.1%} of the acquired (day, block) units could be read; the recipe asks for"
            f" {plan.region.imagery.complete_above:.0%}; mend the scenes, or lower imagery.complete_above"
        )
    set_root_attributes(plan.cube, {"complete": True, "finished": _now(), "digest": digest(plan.cube)})
    with warnings.catch_warnings():
        # Consolidated metadata is an extension of Zarr 3; readers that do not know it do without.
        warnings.simplefilter("ignore", ZarrUserWarning)
        with store_errors(plan.cube):
            zarr.consolidate_metadata(zarr_store(plan.cube))
    return summary


def _refuse_missing(needs: tuple[Requirement, ...]) -> None:
    """Raise InputError with the remedies of all that is missing."""
    if missing := [f"{need.name} is missing: {need.remedy}" for need in needs if not need.present]:
        raise InputError("; ".join(missing))


def bytes_to_write(plan: BuildPlan, shards: int) -> int:
    """Bytes that so many of the plan's shards will take, with the labels and the weather."""
    units = round(plan.imagery.block_days * shards / max(len(plan.imagery.units), 1))
    days, variables = len(plan.calendar), len(plan.region.weather.variables)
    layers = len(plan.context.static_layers)
    return cube_bytes(plan.grid, units, len(plan.context.label_years), days, variables, layers)


def _undone(ledger: Ledger, tasks: dict[str, BlockTask]) -> list[BlockTask]:
    """Of the label or static tasks by their entries' names, those that are not done."""
    undone = ledger.undone({name: task.digest for name, task in tasks.items()})
    return [task for name, task in tasks.items() if name in undone]


def _run_shards(plan: BuildPlan, run: Executor, progress: Progress, tasks: list[ShardTask], units: int) -> None:
    done = pixels = 0
    progress.update("imagery", 0, units, 0)
    for report in run.run(run_shard_task, tasks, plan.context):
        done, pixels = done + report.units, pixels + report.pixels
        progress.update("imagery", done, units, pixels)


def _run_blocks(
    kind: str,
    function: Callable[[Any, BuildContext], TaskReport],
    tasks: Sequence[LabelTask | StaticTask],
    run: Executor,
    progress: Progress,
    context: BuildContext,
) -> list[str]:
    """Run the label or static tasks of a build. What could not be read, in words: nothing, or one item."""
    done = in_a_row = 0
    failures: list[str] = []
    progress.update(kind, 0, len(tasks), 0)
    for report in run.run(function, tasks, context):
        done += report.units
        progress.update(kind, done, len(tasks), 0)
        failures += report.failures
        in_a_row = in_a_row + 1 if report.failures else 0
        if in_a_row == MOST_FAILURES:
            break
    if not failures:
        return []
    untried = f"; {len(tasks) - done} were not tried after {in_a_row} failures in a row" if done < len(tasks) else ""
    return [f"{kind}: {len(failures)} of {len(tasks)} could not be read, for example {failures[0]}{untried}"]


def _clear_stale(plan: BuildPlan, ledger: Ledger) -> None:
    """Empty the shards of units that are planned no longer, for example of a scene taken out of the archive."""
    planned = {imagery_entry_name(*key) for key in plan.imagery.units}
    for name in ledger.names("imagery"):
        if name not in planned:
            _, shard, block = name.split("/")
            index: BlockIndex = (int(block.split("-")[0]), int(block.split("-")[1]))
            run_shard_task(ShardTask(int(shard), (index,), (), ("",), (frozenset(),)), plan.context)
            ledger.remove(name)


def _ensure_template(plan: BuildPlan, overwrite: bool) -> None:
    """Create the template, or check that the cube that stands there has the same layout and is of this recipe.

    Raises InputError for another cube, and for a folder of something else: that is never written to or removed.
    """
    if plan.cube.exists() and not _looks_like_a_cube(plan.cube):
        raise InputError(f"{plan.cube} is something else than a cube; move it away, or choose another --data-dir")
    root, ledger = plan.cube / "zarr.json", Ledger.of_cube(plan.cube)
    if overwrite:
        # The root first: without it nothing that is left after a kill is taken for done.
        root.unlink(missing_ok=True)
        remove_tree(ledger.root)
        remove_tree(plan.cube)
    if not root.is_file():
        remove_tree(ledger.root)
        if isinstance(plan.cube, Path):
            plan.cube.mkdir(parents=True, exist_ok=True)
        create_template(plan.cube, plan.region, plan.grid, plan.calendar, plan.legend, provenance(plan))
        return
    if is_growing(plan.cube):
        raise IncompleteError(f"{plan.cube} is being extended; run `mmvsf extend` again to finish that")
    attributes, wanted = root_attributes(plan.cube), plan.extent.attributes()
    _refuse_other_shape(plan, attributes, wanted)
    if attributes.get("region") != wanted["region"]:
        set_root_attributes(plan.cube, {"region": wanted["region"], **provenance(plan)})


def _refuse_other_shape(plan: BuildPlan, attributes: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise InputError unless the cube that stands has the shape of the plan."""
    anew = "build it anew with --overwrite, or give the recipe another name"
    other = [
        key for key, value in (("format", FORMAT), ("format_version", FORMAT_VERSION)) if attributes.get(key) != value
    ]
    if other:
        raise InputError(f"{plan.cube} was made by another version ({', '.join(other)} differ); {anew}")
    standing = Cube.open(plan.cube, allow_incomplete=True)
    changed = [key for key in SHAPE if attributes.get(key) != wanted.get(key)]
    if standing.years != plan.region.period.years:
        changed.append("years")
    if not changed:
        return
    if reasons := differences(standing.extent, plan.extent):
        raise InputError(f"{plan.cube} was made by another recipe: {'; '.join(reasons)}; {anew}")
    raise InputError(
        f"{plan.cube} holds less than the recipe says ({', '.join(changed)}); `mmvsf extend` with the same"
        f" arguments adds what it lacks and leaves what stands; or {anew}"
    )


def _looks_like_a_cube(path: Location) -> bool:
    """Whether a folder is empty, or holds a cube or the beginning of one."""
    begun = (path / "zarr.json").is_file() or (path / "imagery").is_dir()
    return begun or (isinstance(path, Path) and path.is_dir() and not any(path.iterdir()))


def provenance(plan: BuildPlan) -> dict[str, Any]:
    """The root attributes that say what a cube was made from, with what, and when."""
    attribution = getattr(plan.context.labels, "attribution", "")
    return {
        "created": _now(),
        "software": {name: version(name) for name in SOFTWARE},
        "recipe_file": plan.recipe.name,
        "attribution": plan.region.attribution,
        "label_source": attribution,
        "sources": sources_of(plan.region, plan.weather, attribution, plan.context.static),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
