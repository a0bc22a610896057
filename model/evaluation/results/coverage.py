"""The uncertainty that forecasts state, and how often their intervals contain the truth."""

from __future__ import annotations

from collections.abc import Sequence

from mmvsf.model.evaluation.core.names import SETS
from mmvsf.model.evaluation.forecasts.coverage import INTERVALS
from mmvsf.model.evaluation.forecasts.error_sums import Row
from mmvsf.model.metrics import ALL_LEADS

from .compare import pick
from .results_table import LEAD_NAMES, ResultsTable
from .sections import TextSection, TextTable


def coverage_section(results: ResultsTable) -> TextSection | None:
    """Shares of pixels inside the intervals of MM-VSF's forecasts; None without rows."""
    rows = pick(results.rows, piece="coverage")
    if not rows:
        return None
    tables = []
    for variable, title in (("mean", "all bands"), ("ndvi", "NDVI")):
        body = []
        for part, name in SETS.items():
            for lead in (*LEAD_NAMES, ALL_LEADS):
                wanted = {} if lead == ALL_LEADS else {"lead": lead}
                picked = pick(rows, variable=variable, set=part, **wanted)
                if picked:
                    body.append([name, lead, *_cells(picked)])
        head = ["set", "days ahead", *(f"inside the {percent} % interval" for percent in INTERVALS), "CRPS",
                "mean absolute error"]  # fmt: skip
        tables.append(TextTable(f"Intervals of {title}", head, body))
    text = (
        "MM-VSF predicts its own absolute error for each pixel, in each band and in NDVI; the intervals are those of a"
        " t distribution (4 degrees of freedom) with that scale, a shape chosen by the errors of the sandbox in"
        " 2022. Nothing else was adjusted after training. The continuous ranked probability score (CRPS) of a forecast"
        " without intervals is its mean absolute error. Bands are in units of their standard deviation; all years and"
        " seeds are combined."
    )
    return TextSection("How sure is a forecast?", text, tables)


def _cells(rows: Sequence[Row]) -> list[str]:
    total = {name: sum(row[name] for row in rows) for name in ("n", "crps", "absolute")}
    inside = [sum(row[f"inside_{percent}"] for row in rows) for percent in INTERVALS]
    shares = [f"{100 * count / total['n']:.1f} %" for count in inside]
    return [*shares, *(f"{total[name] / total['n']:.3f}" for name in ("crps", "absolute"))]
