"""How long an evaluation will take, before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .runner import Piece, PiecePlan, finished_results, read_result
from .settings import FULL, EvaluationSettings
from .variants import VARIANTS

SECONDS = {
    "rate": 68, "pretrain": 207, "pretrain paper": 315, "forecast": 11, "missing": 7, "coverage": 8, "weather": 66,
    "picture": 6, "forecast contextformer": 165, "forecast convlstm": 140, "forecast trees": 205, "crops frozen": 70,
    "crops opponents": 230, "crops finetuned": 285, "crops scratch": 285, "cool frozen": 37, "cool opponents": 57,
    "cool encoder": 216, "cool finetuned": 100, "cool scratch": 100,
}  # fmt: skip
"""Processor seconds of a piece of the full evaluation of the sandbox, on one of two busy processors, from the records
of `docs/results-sandbox.md` ("What it cost"); those of a training or map that was not run yet, from pieces with as many
steps. Variants of the network take as long as a pretraining."""


def minutes_left(plans: Sequence[PiecePlan], settings: EvaluationSettings, workers: int) -> float:
    """Minutes that the unfinished pieces of all plans take, by what the finished pieces of their kind took, or else by
    SECONDS, in proportion to the steps of a training or the windows of a map."""
    total = 0.0
    for plan in plans:
        known: dict[str, list[float]] = defaultdict(list)
        for result in finished_results(plan):
            known[_label(str(result["kind"]), str(result["method"]))].append(float(result["seconds"]))
        for piece in (piece for stage in plan.stages() for chain in stage for piece in chain):
            if read_result(plan.folder, piece) is None:
                seconds = known.get(_label(piece.about["kind"], piece.about["method"]))
                total += sum(seconds) / len(seconds) if seconds else _typical(piece, settings)
    return total / 60 / workers


def pieces_left(plans: Sequence[PiecePlan]) -> tuple[int, int]:
    """How many pieces are not done, and how many there are."""
    done = [
        read_result(plan.folder, piece) is not None
        for plan in plans
        for stage in plan.stages()
        for chain in stage
        for piece in chain
    ]
    return len(done) - sum(done), len(done)


def _typical(piece: Piece, settings: EvaluationSettings) -> float:
    kind, label = piece.about["kind"], _label(piece.about["kind"], piece.about["method"])
    seconds = SECONDS.get(label, SECONDS.get(kind, 10))
    if kind in ("crops", "cool"):
        return seconds * settings.crops.train_windows / FULL.crops.train_windows
    return seconds * settings.steps / FULL.steps


def _label(kind: str, method: str) -> str:
    """A row of SECONDS: the kind, with the method where it takes another time than others of its kind."""
    if method in VARIANTS and kind == "forecast":
        return "pretrain"
    label = f"{kind} {method}"
    return label if label in SECONDS else kind
