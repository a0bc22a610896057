"""Build a cube: its root, then layer by layer the work that the ledger lacks, then the summaries. The build can be
killed at any moment and run again."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.cube.draw import Share, draw_overviews
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.cube.write import Content, finish_cube, set_incomplete
from mmvsf.datasets.errors import IncompleteError, one_line
from mmvsf.datasets.storage.lock import write_lock
from mmvsf.datasets.storage.manifest import Manifest, Record
from mmvsf.datasets.storage.store import sweep_leftovers
from mmvsf.datasets.storage.verified import VerifiedObjects
from mmvsf.pipeline.crew import Crew
from mmvsf.pipeline.disk_space import ensure_space, stored_bytes
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan
from mmvsf.pipeline.layers.imagery.summarise import CollectedImagery, scenes_group
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.layers.layer import Collected, Layer, run_task
from mmvsf.pipeline.layers.radar.layer import CollectedRadar
from mmvsf.pipeline.ledger import Ledger

from .executor import MOST_THREADS, Executor
from .plan import BuildPlan, Planned, refuse_missing
from .provenance import now
from .seal import seal_build
from .target import ensure_root

MOST_FAILURES = 10
"""After so many tasks in a row of which nothing can be read, their source is taken to be out of reach, and the others
are left to the next run. A damaged tile of the CDL meets eight blocks of 7.7 km in a row."""

FAILURES_PER_WORKER = 3
"""With many workers it takes so many tasks of each: all of them fail in the moment in which a server does."""


ROOT_ENTRY = "root"
"""Name of the ledger's entry that holds the root attributes of the finished cube, from which a repair restores them."""

CheckCube = Callable[[Cube], None]


def no_check(cube: Cube) -> None:
    """For a caller who checks the cube later, or not at all."""


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
    fewer_scenes: bool = False,
    check: CheckCube = no_check,
) -> Summary:
    """Build or finish a cube. Only what the ledger does not hold is done. `check` looks at the cube before it is marked
    complete, and raises IncompleteError if it is not sound. With `fewer_scenes`, scenes that a service lists no longer
    are removed.

    Raises InputError if another cube is in the way, IncompleteError if scenes could not be read (all else
    is done and kept) or are listed no longer (nothing is changed), OSError if the disk refuses.
    """
    try:
        with write_lock(plan.cube, "dataset"):
            if not (overwrite or fewer_scenes):
                refuse_fewer_scenes(plan)
            return _build(plan, run, progress, accept_failed, overwrite, check)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno or errno.EIO, error.strerror or one_line(error), str(plan.cube)) from error


def refuse_fewer_scenes(plan: BuildPlan) -> None:
    """Raise IncompleteError where the cube has scenes that a service lists no longer."""
    for scenes in filter(None, (plan.imagery_layer, plan.radar_layer)):
        scenes.layer.refuse_fewer(scenes.plan)


def _build(
    plan: BuildPlan, run: Executor, progress: Progress, accept_failed: bool, overwrite: bool, check: CheckCube
) -> Summary:
    if plan.weather_layer and plan.weather is None:
        raise ValueError("this plan was made to be shown, without its weather")
    refuse_missing(plan.requirements)
    if overwrite:
        ensure_space(plan.cube, plan.bytes_to_write(len(plan.imagery.units)) - stored_bytes(plan.cube))
    attributes = ensure_root(plan, overwrite)
    sweep_leftovers(plan.cube)
    ledger = Ledger.of_cube(plan.cube)
    todo = [
        ledger.undone(part.plan.entries, accept_failed=accept_failed and part.layer.marks_failures)
        for part in plan.layers
    ]
    ensure_space(plan.cube, plan.bytes_to_write(len(ledger.undone(plan.imagery.entries, accept_failed=accept_failed))))
    if any(todo):
        set_incomplete(plan.cube)
    for scenes in filter(None, (plan.imagery_layer, plan.radar_layer)):
        scenes.layer.clear_stale(scenes.plan)
        scenes.layer.record_inputs(scenes.plan)
    # Labels or static layers that cannot be had are no reason to leave the imagery undone.
    missing: list[str] = []
    for part, entries in zip(plan.layers, todo, strict=True):
        unread = list(_run_layer(part.layer, part.plan.tasks(entries), len(entries), run, progress))
        if not unread:
            part.layer.refuse_empty(part.plan)
        missing += unread
    if missing:
        raise IncompleteError(f"{'; '.join(missing)}; repair or replace the file, or run again to retry")
    imagery = plan.imagery_layer.layer.collect(plan.imagery)
    _refuse_incomplete(plan.imagery, imagery.summary, plan.region.imagery.complete_above, accept_failed)
    radar = plan.radar_layer.layer.collect(plan.radar_layer.plan) if plan.radar_layer else None
    if plan.radar_layer and plan.region.radar and radar:
        _refuse_incomplete(plan.radar_layer.plan, radar.summary, plan.region.radar.complete_above, accept_failed)
    with Crew(min(run.workers, os.cpu_count() or 1, MOST_THREADS)) as crew:
        _finish(plan, imagery, radar, attributes, check, crew.share)
    summary = replace(imagery.summary, radar=radar.summary if radar else None)
    seal_build(plan.cube, plan.inputs, summary)
    return summary


def _finish(
    plan: BuildPlan,
    imagery: CollectedImagery,
    radar: CollectedRadar | None,
    attributes: dict[str, Any],
    check: CheckCube,
    share: Share,
) -> None:
    """Write what all layers made into the cube, and its manifest. `share` runs a function on many parts."""

    def unfinished(manifest: Manifest) -> Cube:
        return Cube(plan.cube, plan.spec, False, attributes, VerifiedObjects(plan.cube, manifest))

    shards: dict[str, dict[str, Record]] = {}
    arrays: dict[str, NDArray[Any]] = {
        "chunks/split": place_split(plan.region, plan.grid),
        "seasons/split": year_split(plan.region),
    }
    weather = plan.weather_layer.layer.collect(plan.weather_layer.plan) if plan.weather_layer else Collected()
    parts: tuple[Planned[Any, Any] | None, ...] = (plan.label_layer, plan.target_layer, plan.static_layer)
    others = (part.layer.collect(part.plan) for part in parts if part is not None)
    for collected in (imagery, weather, *([radar] if radar else ()), *others):
        arrays |= collected.arrays
        for part_name, objects in collected.shards.items():
            shards.setdefault(part_name, {}).update(objects)
    scenes = scenes_group([*imagery.rows, *(radar.rows if radar else ())])
    content = Content(arrays, scenes, weather.attributes)
    attributes = {name: value for name, value in attributes.items() if name != "services"}
    if imagery.services:
        attributes["services"] = imagery.services
    if plan.acquisitions.expected:
        attributes = {**attributes, "acquisitions": plan.acquisitions.record()}
    if finish_cube(
        plan.cube,
        plan.spec,
        content,
        shards,
        attributes,
        time=now(),
        check=lambda manifest: check(unfinished(manifest)),
        draw=lambda manifest: draw_overviews(unfinished(manifest), share),
    ):
        Ledger.of_cube(plan.cube).write(ROOT_ENTRY, root_attributes(plan.cube))


def _run_layer(layer: Layer[Any], tasks: Iterable[Any], units: int, run: Executor, progress: Progress) -> Iterator[str]:
    """Run the tasks of a layer. Yields at most one text: what could not be read and is not marked in the cube."""
    if not units:
        return
    done = pixels = in_a_row = 0
    failures: list[str] = []
    most = max(MOST_FAILURES, FAILURES_PER_WORKER * run.workers)
    progress.update(layer.name, 0, units, 0)
    for report in run.run(run_task, tasks, layer, layer.ahead):
        done, pixels = done + report.units, pixels + report.pixels
        progress.update(layer.name, done, units, pixels)
        failures += report.failures
        in_a_row = in_a_row + 1 if report.failures and not report.any_read else 0
        if in_a_row == most:
            break
    if failures and (done < units or not layer.marks_failures):
        untried = f"; {units - done} were not tried after {in_a_row} failures in a row" if done < units else ""
        count = f"{len(failures)} days of blocks" if layer.marks_failures else f"{len(failures)} of {units}"
        yield f"{layer.name}: {count} could not be read, for example {failures[0]}{untried}"


def _refuse_incomplete(plan: ImageryPlan, summary: Summary, complete_above: float, accept_failed: bool) -> None:
    """Raise IncompleteError for a layer of scenes that is finished and yet lacks what it should have."""
    undated = plan.undated
    if undated and not accept_failed:
        raise IncompleteError(
            f"{len(undated)} of {plan.items} items cannot be used and have no readable date, for example {undated[0]};"
            " the rest is done. Correct the catalogue and run again, or leave them out with --accept-failed"
        )
    if summary.failed and not accept_failed:
        raise IncompleteError(
            f"{summary.failed} (day, block) units could not be read, for example {summary.failures[0]}; the rest"
            " is done. Run again to retry them, or with --accept-failed to leave them out"
        )
    if not (summary.stored or summary.skipped_cloudy or summary.failed):
        raise IncompleteError(
            f"none of the {len(plan.scenes)} scenes has a pixel in the recipe's blocks, though their rasters"
            f" reach them: all is fill there; check {plan.layer}, area and grid of the recipe"
        )
    if summary.completeness < complete_above:
        raise IncompleteError(
            f"only {summary.completeness:.1%} of the acquired (day, block) units could be read; the recipe asks for"
            f" {complete_above:.0%}; repair the scenes, or lower {plan.layer}.complete_above"
        )
