"""Build a cube: plan, template, one task a shard, labels, summaries. Kill it anywhere and run it again."""

import errno
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import zarr
from zarr.errors import ZarrUserWarning

from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import IncompleteError, one_line
from mmvsf.datasets.storage.location import store_errors, zarr_store
from mmvsf.datasets.storage.store import set_root_attributes, sweep_leftovers
from mmvsf.pipeline.disk_space import ensure_space, stored_bytes
from mmvsf.pipeline.layers.imagery.plan import ShardTask, shard_tasks
from mmvsf.pipeline.layers.imagery.summarise import Summary, finish_imagery
from mmvsf.pipeline.layers.imagery.write import imagery_entry_name, run_shard_task
from mmvsf.pipeline.layers.labels.resample import LabelTask
from mmvsf.pipeline.layers.labels.write import label_entry_name, run_label_task
from mmvsf.pipeline.layers.static.resample import StaticTask
from mmvsf.pipeline.layers.static.write import run_static_task, static_entry_name
from mmvsf.pipeline.layers.task import BuildContext, TaskReport
from mmvsf.pipeline.layers.weather.write import finish_weather
from mmvsf.pipeline.ledger import Ledger

from .executor import Executor
from .plan import BuildPlan, bytes_to_write, refuse_missing
from .splits import finish_splits
from .target import ensure_template, now

BlockTask = TypeVar("BlockTask", LabelTask, StaticTask)

MOST_FAILURES = 10
"""Blocks in a row whose labels, or layers of the ground, cannot be read: then their source is taken to be out of reach,
and the others are left to the next run. A spoilt tile of the CDL meets eight blocks of 7.7 km in a row."""


@dataclass(frozen=True)
class Progress:
    """What a running build reports: (phase, units done, units in all, band pixels stored so far)."""

    update: Callable[[str, int, int, int], None]


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
    refuse_missing(plan.requirements)
    if overwrite:
        ensure_space(plan.cube, bytes_to_write(plan, len(plan.imagery.units)) - stored_bytes(plan.cube))
    ensure_template(plan, overwrite)
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
    set_root_attributes(plan.cube, {"complete": True, "finished": now(), "digest": digest(plan.cube)})
    with warnings.catch_warnings():
        # Consolidated metadata is an extension of Zarr 3; readers that do not know it do without.
        warnings.simplefilter("ignore", ZarrUserWarning)
        with store_errors(plan.cube):
            zarr.consolidate_metadata(zarr_store(plan.cube))
    return summary


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
