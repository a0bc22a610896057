"""The methods that map crops, in the order of the tables: the simplest first."""

from __future__ import annotations

from collections.abc import Sequence

from mmvsf.model.evaluation.core.names import METHODS as ENCODERS
from mmvsf.model.evaluation.core.names import PAPER
from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import pick

Method = tuple[str, str, str]
"""(method, objective of the encoder, what of the weather is seen, and by whom)"""

OPPONENTS: dict[Method, str] = {
    ("majority", "", "none"): "majority class",
    ("rotation", "", "none"): "rotation: last year's label",
    ("logistic", "", "none"): "logistic regression on monthly means",
    ("logistic", "", "degree-days"): "logistic regression on degree-day bins",
    ("forest", "", "none"): "random forest by date",
    ("forest", "", "degree-days"): "random forest by degree-days",
    ("trees", "", "none"): "boosted trees by date",
    ("trees", "", "degree-days"): "boosted trees by degree-days",
    ("convolution", "", "none"): "1-D convolution by date",
}
"""Methods without a pretrained encoder, with their titles."""
CLASSIFIERS = tuple(method for method in OPPONENTS if method[0] not in ("majority", "rotation"))
SCRATCH: tuple[Method, ...] = (("scratch", "", "none"), ("scratch", "", "encoder"))
NETWORKS: tuple[Method, ...] = (
    *SCRATCH,
    ("frozen", PAPER, "encoder"),
    *(
        (how, objective, weather)
        for how in ("frozen", "finetuned")
        for objective in ENCODERS
        if objective != PAPER
        for weather in ("none", "head", "encoder")
    ),
)
METHODS: tuple[Method, ...] = (*OPPONENTS, *NETWORKS)
OURS: tuple[Method, ...] = (("frozen", "mm-vsf", "encoder"), ("finetuned", "mm-vsf", "encoder"))
WEATHER = {"none": "no weather", "head": "weather to the head", "encoder": "weather to encoder and head"}


def title(method: Method) -> str:
    """The name of a method in tables."""
    kind, objective, weather = method
    if method in OPPONENTS:
        return OPPONENTS[method]
    what = "from scratch" if kind == "scratch" else f"{ENCODERS.get(objective, objective)} {kind}"
    return f"{what}, {WEATHER[weather]}"


def rows_of(rows: Sequence[Row], method: Method, **wanted: object) -> list[Row]:
    """The rows of a method, with these values."""
    return pick(rows, method=method[0], objective=method[1], weather=method[2], **wanted)
