"""More scores of crop maps in years never seen: accuracy, single classes, single years."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmvsf.model.evaluation.core.settings import SEASON
from mmvsf.model.evaluation.crops.confusions import crop_scores
from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import pick, spread
from .crop_methods import METHODS, rows_of, title
from .crop_scores import mean_f1
from .results_table import YEARS, ResultsTable
from .sections import TextSection, TextTable


def crop_details(results: ResultsTable) -> TextSection | None:
    """The tables; None without rows."""
    rows = pick(results.rows, piece="crops", fraction=1.0, date=SEASON, kind="all")
    full = pick(rows, held_out=tuple(results.full_years), set=YEARS)
    if not full:
        return None
    tables = [_accuracy(full), _by_class(full, results.classes), _by_year(pick(rows, set="new_year", seed=0))]
    text = "All labelled fields, the whole season, known and new places of held-out years together."
    return TextSection("Crop maps in detail", text, [table for table in tables if table is not None])


def _accuracy(rows: Sequence[Row]) -> TextTable:
    names = [str(number) for number in range(len(rows[0]["confusion"]))]
    body = []
    for method in METHODS:
        selected = rows_of(rows, method)
        scores = [spread(selected, _score(which, names)) for which in ("accuracy", "miou")]
        if selected:
            body.append([title(method), *("–" if score is None else score.text() for score in scores)])
    return TextTable("Overall accuracy and mean IoU", ["method", "accuracy", "mIoU"], body)


def _score(which: str, names: Sequence[str]) -> Callable[[Sequence[Row]], float | None]:
    def score(rows: Sequence[Row]) -> float | None:
        value: float | None = crop_scores(rows, names)[which]
        return value

    return score


def _by_class(rows: Sequence[Row], classes: Sequence[str]) -> TextTable:
    body = []
    for method in METHODS[1:]:
        selected = rows_of(rows, method)
        if selected:
            scores = crop_scores(selected, classes)["per_class"]
            body.append([title(method), *(f"{scores[name]['f1']:.3f}" if name in scores else "–" for name in classes)])
    return TextTable("F1 of each class, all seeds together", ["method", *classes], body)


def _by_year(rows: Sequence[Row]) -> TextTable | None:
    years = sorted({row["held_out"] for row in rows})
    if len(years) < 2:
        return None
    body = []
    for method in METHODS:
        cells = [mean_f1(rows_of(rows, method, held_out=year)) for year in years]
        if any(cells):
            body.append([title(method), *("–" if cell is None else cell.text() for cell in cells)])
    return TextTable("Mean F1 by held-out year, known places, seed 0", ["method", *map(str, years)], body)
