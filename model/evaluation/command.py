"""The whole of `mmvsf evaluate`: plans, pieces, results."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.model.evaluation.results.document import write_results
from mmvsf.model.evaluation.results.findings import Findings
from mmvsf.model.evaluation.results.sections import Section
from mmvsf.model.pretraining.device import choose_device

from .plan import PlanFiles
from .runner import results_of, run_plan
from .settings import Settings


def evaluate(
    cube: Cube,
    folder: Path,
    settings: Settings,
    *,
    control: Cube | None = None,
    document: Path | None = None,
    minutes: float | None = None,
    workers: int | None = None,
) -> list[Section]:
    """Do what is not yet done of the evaluation of a cube, and write what was found so far.

    No piece is begun once `minutes` have passed. `workers` None is one a processor, or one for a GPU. Raises InputError
    for a cube that cannot be split by year.
    """
    for one in (cube, control):
        if one is not None and len(one.years) < 2:
            raise InputError(f"{one.path} has one year; an evaluation holds out years, and needs two at least")
    makers = [PlanFiles(cube.path, folder, settings)]
    if control is not None:
        makers.append(PlanFiles(control.path, folder / "control", settings, control=True))
    deadline = None if minutes is None else time.time() + 60 * minutes
    count = workers or (1 if choose_device().type == "cuda" else os.cpu_count() or 1)
    for make in makers:
        run_plan(make, workers=count, deadline=deadline)
    plans = [make() for make in makers]
    results = [results_of(plan) for plan in plans]
    classes = [entry.name for entry in cube.legend.classes] if cube.legend else []
    found = Findings(results[0], results[1] if control is not None else (), plans[0].few, classes)
    return write_results(found, plans, folder, document)
