"""How an evaluation was made: settings, learning rates, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.evaluation.core.names import METHODS
from mmvsf.model.evaluation.core.runner import Result
from mmvsf.model.evaluation.core.settings import CLAIM, EvaluationSettings
from mmvsf.model.evaluation.core.training import best_rate
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .compare import pick
from .results_table import ResultsTable
from .sections import TextSection, TextTable

COSTS = (
    "The times of all pieces, added up. Pieces run in parallel, so the whole takes less time than the sum; windows per"
    " second are those of one piece, including its validation."
)

BY_VALIDATION = (
    "Validation loss after a third of the steps, at the places for validation in the training years of the first fold."
)
BY_TRAINING = (
    "Training loss after a third of the steps in the first fold, since the cube holds out no places for validation."
)


@dataclass(frozen=True)
class EvaluationFacts:
    """What was evaluated, and how."""

    cubes: Sequence[Cube]
    """The cube, and its control where there is one."""
    settings: EvaluationSettings
    years: Sequence[int]
    """The years held out in turn."""
    planned: int
    """Pieces of the whole plan."""


def how_made(results: ResultsTable, facts: EvaluationFacts) -> TextSection:
    """Settings, data, program and machine."""
    settings, full_years = facts.settings, results.full_years
    pieces = (*results.pieces, *results.control_pieces)
    machines, programs = (sorted({str(piece[key]) for piece in pieces}) for key in ("machine", "program"))
    trained = next(iter(pick(results.pieces, kind="pretrain", method=CLAIM[-1])), None)
    rows = [
        *([f"cube of {cube.region.name}", cube.digest[:16]] for cube in facts.cubes),
        ["years held out in turn", ", ".join(map(str, sorted(facts.years)))],
        ["years with all objectives", ", ".join(map(str, full_years))],
        ["seeds of SM-VSF and MM-VSF in these years", str(settings.seeds)],
        ["seeds elsewhere", "1"],
        *([key.replace("_", " "), str(value)] for key, value in settings.for_forecasts.items() if key != "shape"),
        ["parameters of the network", "–" if trained is None else f"{trained['parameters']:,}"],
        ["program", "; ".join(programs)],
        ["machine", "; ".join(machines)],
        ["written", datetime.now(UTC).date().isoformat()],
    ]
    text = (
        "Weights, samples and masks of a training run depend only on its seed, so for each seed all objectives start"
        " from the same weights and see the same images in the same order."
    )
    return TextSection("How this was made", text, [TextTable("Settings", ["what", "value"], rows)])


def rates(results: ResultsTable) -> TextSection:
    """The trials of learning rates."""
    every = pick((*results.pieces, *results.control_pieces), kind="rate")
    losses = [row for trial in every for row in trial.get("losses", ())]
    validated = not losses or any(row[2] is not None for row in losses)  # no losses where all diverged
    rows = []
    for where, pieces in (("", results.pieces), ("control: ", results.control_pieces)):
        trials = pick(pieces, kind="rate")
        for method in dict.fromkeys(result["method"] for result in trials):
            selected = pick(trials, method=method)
            scores = (
                "diverged" if loss is None else f"{loss:.4f}" for loss in (each["validation"] for each in selected)
            )
            tried = ", ".join(f"{loss} at {each['rate']:g}" for loss, each in zip(scores, selected, strict=True))
            rows.append([where + METHODS.get(method, method), tried, f"{best_rate(selected):g}"])
    trained = pick(results.pieces, kind=("pretrain", "forecast"))
    sizes = {result["method"]: result["parameters"] for result in trained if "parameters" in result}
    counts = "; ".join(f"{METHODS.get(name, name)}: {size:,}" for name, size in sizes.items())
    if not rows:
        return TextSection("Learning rates", f"No trials were made. Parameters: {counts}.")
    text = f"{BY_VALIDATION if validated else BY_TRAINING} Parameters: {counts}."
    head = ["objective", "validation loss" if validated else "training loss", "chosen"]
    return TextSection("Learning rates", text, [TextTable("Trials", head, rows)])


def costs(results: ResultsTable) -> TextSection:
    """The time that each kind of piece took."""
    rows = []
    for kind, pieces in _by_kind(results).items():
        wall, cpu = (sum(float(piece[key]) for piece in pieces) for key in ("seconds", "cpu_seconds"))
        rates = [piece["training"]["windows_per_second"] for piece in pieces if "training" in piece]
        rate = f"{sum(rates) / len(rates):.0f}" if rates else "–"
        rows.append([kind, str(len(pieces)), f"{wall / len(pieces):.1f}", f"{wall / 60:.1f}", f"{cpu / 60:.1f}", rate])
    everything = (*results.pieces, *results.control_pieces)
    total = [sum(float(piece[key]) for piece in everything) / 60 for key in ("seconds", "cpu_seconds")]
    rows.append(["all", str(len(everything)), "–", *(f"{value:.1f}" for value in total), "–"])
    head = ["pieces", "number", "seconds each", "minutes in total", "CPU minutes", "training windows per second"]
    return TextSection("What it cost", COSTS, [TextTable("Time of the pieces", head, rows)])


def _by_kind(results: ResultsTable) -> dict[str, list[Result]]:
    """The pieces of each row of the table of costs."""
    kinds: dict[str, list[Result]] = {}
    for prefix, pieces in (("", results.pieces), ("control: ", results.control_pieces)):
        for piece in pieces:
            kind, method = piece["kind"], piece["method"]
            # Encoders are trained and scored in two pieces; the others in one piece, which has a row of its own.
            whole = kind in ("crops", "cool") or (kind in ("pretrain", "forecast") and method not in OBJECTIVES)
            label = method if whole else ""
            kinds.setdefault(f"{prefix}{kind} {label}".strip(), []).append(piece)
    return kinds
