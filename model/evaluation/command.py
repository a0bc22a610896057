"""The whole of `mmvsf evaluate`: plans, pieces, results."""

from __future__ import annotations

import time
from pathlib import Path

from mmvsf.datasets.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.oracle import Oracle, oracle_path

from .document import write_results
from .plan import Plan
from .results import Findings, Section
from .runner import run_pieces
from .settings import Settings


def evaluate(
    cube: Cube,
    folder: Path,
    settings: Settings,
    *,
    control: Cube | None = None,
    document: Path | None = None,
    minutes: float | None = None,
) -> list[Section]:
    """Do what is not yet done of the evaluation of a cube, and write what was found so far.

    Stops before a piece once `minutes` have passed. Raises InputError for a cube that cannot be split by year.
    """
    if len(cube.years) < 2:
        raise InputError(f"{cube.path} has one year; an evaluation holds out years, and needs two at least")
    plans = [Plan(cube, folder, settings, _oracle(cube))]
    if control is not None:
        plans.append(Plan(control, folder / "control", settings, _oracle(control), control=True))
    started, results = time.perf_counter(), []
    for plan in plans:
        left = None if minutes is None else minutes * 60 - (time.perf_counter() - started)
        results.append(run_pieces(plan.pieces(), plan.folder, limit_seconds=left))
    found = Findings(results[0], results[1] if control is not None else (), plans[0].few)
    return write_results(found, plans, folder, document)


def _oracle(cube: Cube) -> Oracle | None:
    return Oracle.of(cube) if oracle_path(cube).is_dir() else None
