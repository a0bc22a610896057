"""The rows of all pieces, and the words and numbers in which they are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmvsf.datasets.samples.pairs import LEADS
from mmvsf.model.evaluation.forecasts.error_sums import ALL, Row
from mmvsf.model.evaluation.runner import Result
from mmvsf.model.metrics import lead_name

from .compare import Interval, over_seeds, pick
from .sections import NAMES

LEAD_NAMES = tuple(map(lead_name, LEADS))
YEARS = ("new_year", "both")
"""The sets of a held-out year, by which the claim is judged."""


@dataclass(frozen=True)
class Findings:
    """The results of the pieces of one region, and of its control where there is one."""

    results: Sequence[Result]
    control: Sequence[Result] = ()
    few: Sequence[int] = ()
    classes: Sequence[str] = ()
    """Names of the crop classes."""
    rows: list[Row] = field(init=False)
    control_rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", flatten(self.results))
        object.__setattr__(self, "control_rows", flatten(self.control))

    @property
    def few_done(self) -> str:
        """Those of the `few` years that there are results of."""
        done = {row["held_out"] for row in self.rows if row["piece"] == "forecast"}
        return " and ".join(str(year) for year in self.few if year in done) or "none yet"


def flatten(results: Iterable[Result]) -> list[Row]:
    """The rows of all pieces, each with the kind of its piece, the year that was held out, and the seed (0 for what has
    none)."""
    rows = []
    for result in results:
        own = {"piece": result["kind"], "held_out": result["year"], "seed": result["seed"]}
        rows += [{**own, **row} for row in result.get("rows", ())]
    return rows


def of_few(found: Findings, method: str, part: str | tuple[str, ...], variable: str) -> list[Row]:
    """Rows of a method's forecasts in the years in which all were trained, on all pixels."""
    years = tuple(found.few)
    return pick(found.rows, piece="forecast", method=method, set=part, variable=variable, cover=ALL, held_out=years)


def name_of(method: str) -> str:
    """The paper's name of a method, with what follows it."""
    for key, name in NAMES.items():
        if method == key or method.startswith(f"{key},"):
            return name + method[len(key) :]
    return method


def share_text(share: Interval) -> str:
    """A share with its interval, in percent."""
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def cell(rows: Sequence[Row], score: str, digits: int = 3) -> str:
    """A score of `Tally.scores` over years and seeds, with its deviation; a dash without rows."""
    found = over_seeds(rows, score)
    return "–" if found is None else found.text(digits)
