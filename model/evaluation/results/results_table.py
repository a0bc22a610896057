"""The rows of all pieces in one table, and the form of single cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmvsf.datasets.samples.pairs import LEADS
from mmvsf.model.evaluation.core.runner import Result
from mmvsf.model.evaluation.forecasts.error_sums import ALL, Row
from mmvsf.model.metrics import lead_name

from .compare import Interval, over_seeds, pick

LEAD_NAMES = tuple(map(lead_name, LEADS))
YEARS = ("new_year", "both")
"""The sets of a held-out year, by which the claim is decided."""


@dataclass(frozen=True)
class ResultsTable:
    """The results of the pieces of one region, and of its control where there is one."""

    pieces: Sequence[Result]
    control_pieces: Sequence[Result] = ()
    full_years: Sequence[int] = ()
    """The years in which all methods were trained."""
    classes: Sequence[str] = ()
    """Names of the crop classes."""
    climate: str = ""
    """How the places were split by climate, or why they were not; a sentence."""
    command: str = "mmvsf evaluate REGION"
    """The command that measured them."""
    rows: list[Row] = field(init=False)
    control_rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", flatten(self.pieces))
        object.__setattr__(self, "control_rows", flatten(self.control_pieces))

    @property
    def full_years_done(self) -> str:
        """The full years that have results, in words."""
        done = {row["held_out"] for row in self.rows if row["piece"] == "forecast"}
        return " and ".join(str(year) for year in self.full_years if year in done) or "none yet"


def flatten(pieces: Iterable[Result]) -> list[Row]:
    """The rows of all pieces, each with the kind of its piece, the held-out year, and the seed (0 where there is
    none)."""
    rows = []
    for piece in pieces:
        columns = {"piece": piece["kind"], "held_out": piece["year"], "seed": piece["seed"]}
        rows += [{**columns, **row} for row in piece.get("rows", ())]
    return rows


def full_year_rows(results: ResultsTable, method: str, part: str | tuple[str, ...], variable: str) -> list[Row]:
    """Rows of a method's forecasts in the years in which all methods were trained, on all pixels."""
    years = tuple(results.full_years)
    return pick(results.rows, piece="forecast", method=method, set=part, variable=variable, cover=ALL, held_out=years)


def share_text(share: Interval) -> str:
    """A share with its interval, in percent."""
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def cell(rows: Sequence[Row], score: str, digits: int = 3) -> str:
    """A score of `ErrorSums.scores` over years and seeds, with its deviation; a dash without rows."""
    spread = over_seeds(rows, score)
    return "–" if spread is None else spread.text(digits)
