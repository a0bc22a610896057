"""`mmvsf evaluate`: makes the plans, runs their pieces and writes the results."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.model.evaluation.core.climate import ClimateSplit
from mmvsf.model.evaluation.core.estimate import minutes_left, pieces_left
from mmvsf.model.evaluation.core.runner import finished_results, run_plan
from mmvsf.model.evaluation.core.settings import FULL, QUICK, EvaluationSettings, settings_for
from mmvsf.model.evaluation.core.training import check_windows
from mmvsf.model.evaluation.results.background import EvaluationFacts
from mmvsf.model.evaluation.results.document import write_results
from mmvsf.model.evaluation.results.results_table import ResultsTable
from mmvsf.model.evaluation.results.sections import TextSection
from mmvsf.model.training.device import choose_device
from mmvsf.model.training.progress import console

from .plan import PlanFiles


def evaluate(
    cube: Cube,
    folder: Path,
    settings: EvaluationSettings,
    *,
    control: Cube | None = None,
    document: Path | None = None,
    minutes: float | None = None,
    workers: int | None = None,
) -> list[TextSection]:
    """Do the pieces of an evaluation that are not done yet, and write the results so far.

    No piece is started once `minutes` have passed. `workers` None is one per processor, or one for a GPU. Raises
    InputError for a cube that cannot be split by year or into windows, or has no weather.
    """
    # Whole, though radon counts each comprehension: it is one straight line of steps.
    cubes = [cube] if control is None else [cube, control]
    _refuse_unfit(cubes)
    settings = settings_for(cube, settings)
    for each in cubes:
        check_windows(each, settings)
    makers = [PlanFiles(cube.path, folder, settings)]
    if control is not None:
        makers.append(PlanFiles(control.path, folder / "control", settings, control=True))
    workers = workers or _default_workers()
    plans = [make() for make in makers]
    if unmapped := plans[0].unmapped:
        console.print(
            f"crop maps (b) to (f) leave out {', '.join(map(str, unmapped))}: a held-out year needs labels of another"
            " year, and of its own or of held-out places"
        )
    left, planned = pieces_left(plans)
    if left:
        expected = minutes_left(plans, settings, workers)
        console.print(f"{left} of {planned} pieces to do, about {expected:.0f} minutes with {workers} at a time")
    deadline = None if minutes is None else time.time() + 60 * minutes
    for make in makers:
        run_plan(make, workers=workers, deadline=deadline)
    pieces = [finished_results(plan) for plan in plans]
    classes = [entry.name for entry in cube.legend.classes] if cube.legend else []
    results = ResultsTable(
        pieces[0],
        pieces[1] if control is not None else (),
        plans[0].full_years,
        classes,
        _climate(cube),
        evaluation_command(cubes, settings),
    )
    facts = EvaluationFacts(cubes, settings, plans[0].years, planned)
    return write_results(results, facts, folder, document)


def _refuse_unfit(cubes: Sequence[Cube]) -> None:
    """Raise InputError for a cube of one year, and for one without weather."""
    for cube in cubes:
        if not cube.weather:
            raise InputError(f"{cube.path} has no weather; an evaluation tests what weather adds to images")
        if len(cube.years) < 2:
            raise InputError(f"{cube.path} has one year; an evaluation holds out years and needs at least two")


def _climate(cube: Cube) -> str:
    climate = ClimateSplit.of(cube)
    return f"No such split is possible: {climate}." if isinstance(climate, str) else f"Here: {climate.words}."


def evaluation_command(cubes: Sequence[Cube], settings: EvaluationSettings) -> str:
    """The command that gives these results."""
    names = [cube.region.name for cube in cubes]
    quick = settings.steps == QUICK.steps
    options = ["--quick"] if quick else []
    if settings.years != (QUICK if quick else FULL).years:
        options.append(f"--years {settings.years}")
    return " ".join(["mmvsf evaluate", names[0], *(f"--control {name}" for name in names[1:]), *options])


def _default_workers() -> int:
    return 1 if choose_device().type == "cuda" else os.cpu_count() or 1
