"""The results of crop mapping, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmvsf.model.evaluation.core.names import METHODS as ENCODERS
from mmvsf.model.evaluation.core.names import SETS
from mmvsf.model.evaluation.core.settings import SEASON
from mmvsf.model.evaluation.crops.confusions import crop_scores
from mmvsf.model.evaluation.crops.trial import RANDOM
from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import DRAWS, Interval, Spread, common_trainings, crossed_weights, pick, spread
from .sections import TextSection, TextTable

METHODS = (
    ("majority", "", "none"),
    ("rotation", "", "none"),
    ("random_forest", "", "none"),
    ("gdd_trees", "", "degree-days"),
    ("scratch", "", "none"),
    ("scratch", "", "encoder"),
    *(("frozen", objective, weather) for objective in ENCODERS for weather in ("none", "head", "encoder")),
    *(("finetuned", objective, weather) for objective in ENCODERS for weather in ("none", "head", "encoder")),
)
"""(method, objective, who sees the weather) in the order of the tables."""
TITLES = {
    "majority": "majority class",
    "rotation": "rotation: last year's label",
    "random_forest": "random forest",
    "gdd_trees": "boosted trees on degree-days",
    "scratch": "from scratch",
}
WEATHER = {"none": "no weather", "head": "weather to the head", "encoder": "weather to encoder and head"}

Method = tuple[str, str, str]


def crop_section(rows: Sequence[Row], years: Sequence[int], classes: Sequence[str]) -> TextSection | None:
    """All tables of crop mapping; `years` are those with all methods, `classes` the names of the classes."""
    rows = pick(rows, piece="crops")
    if not rows:
        return None
    full, first = pick(rows, held_out=tuple(years)), pick(rows, held_out=tuple(years[:1]))
    tables = [
        _by_set(full),
        _by_fraction(first),
        _by_date(full),
        _by_kind(full),
        _accuracy(full),
        _by_class(full, classes),
        _by_year(rows),
        _pairs(rows),
        _pairs_of_few_labels(rows),
    ]
    text = (
        "Mean F1 over the classes, of held-out pixels, from the images and weather of a season (the rotation reads last"
        " year's labels instead). Held-out years count alike, and ± is the standard deviation over seeds (of encoder,"
        " head and drawn fields). Frozen: a head on the pretrained encoder, which is not changed (the untrained encoder"
        " is the reference: it gives random features); finetuned: both are trained. Each row names what sees the"
        " weather, since weather in pretraining and weather as input are two things. By date, a forest is trained for"
        " each date, a network once for all dates, on seasons of which half end early. Whole networks are trained on"
        " few labels with one seed. The random split holds out pixels of the training fields and seasons themselves."
    )
    return TextSection("Crop maps", text, [table for table in tables if table is not None])


def title(method: Method) -> str:
    """The name of a method in tables."""
    kind, objective, weather = method
    if kind in ("majority", "rotation", "random_forest", "gdd_trees"):
        return TITLES[kind]
    what = TITLES.get(kind) or f"{ENCODERS.get(objective, objective)} {kind}"
    return f"{what}, {WEATHER[weather]}"


def _of(rows: Sequence[Row], method: Method, **wanted: object) -> list[Row]:
    return pick(rows, method=method[0], objective=method[1], weather=method[2], **wanted)


def _table(rows: Sequence[Row], caption: str, key: str, columns: Sequence[tuple[object, str]]) -> TextTable | None:
    """Mean F1 of every method by the values of one key of the rows."""
    body = []
    for method in METHODS:
        selected = _of(rows, method)
        cells = [mean_f1(pick(selected, **{key: value})) for value, _ in columns]
        if any(cells):
            body.append([title(method), *("–" if cell is None else cell.text() for cell in cells)])
    return TextTable(caption, ["method", *(title for _, title in columns)], body) if body else None


def _by_set(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all")
    columns = [*SETS.items(), (RANDOM, "random split")]
    return _table(whole, "Mean F1 by held-out set, whole season, all labelled fields", "set", columns)


def _by_fraction(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, date=SEASON, kind="all", set=("new_year", "both"))
    shares = sorted({row["fraction"] for row in whole}, reverse=True)
    if len(shares) < 2:
        return None
    columns = [(share, f"{100 * share:g} %") for share in shares]
    year = whole[0]["held_out"]
    return _table(whole, f"Mean F1 by share of the labelled fields, held-out year {year}", "fraction", columns)


def _by_date(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, kind="all", set=("new_year", "both"))
    dates = sorted({row["date"] for row in whole})  # "06-01" … before "season"
    if len(dates) < 2:
        return None
    columns = [(date, date if date == SEASON else f"until {date}") for date in dates]
    return _table(whole, "Mean F1 in held-out years by date: how early is the crop known?", "date", columns)


def _by_kind(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, date=SEASON, set=("new_year", "both"))
    columns = [(kind, kind) for kind in ("interior", "edge")]
    return _table(whole, "Mean F1 in held-out years inside fields and along their edges", "kind", columns)


def _accuracy(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set=("new_year", "both"))
    body = []
    for method in METHODS:
        selected = _of(whole, method)
        if selected:
            scores = (spread(selected, _score("accuracy")), spread(selected, _score("miou")))
            body.append([title(method), *("–" if score is None else score.text() for score in scores)])
    return (
        TextTable("Overall accuracy and mean IoU, held-out years", ["method", "accuracy", "mIoU"], body)
        if body
        else None
    )


def _score(which: str) -> Callable[[Sequence[Row]], float | None]:
    def score(rows: Sequence[Row]) -> float | None:
        value: float | None = crop_scores(rows, [str(i) for i in range(len(rows[0]["confusion"]))])[which]
        return value

    return score


def _by_class(rows: Sequence[Row], classes: Sequence[str]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set=("new_year", "both"))
    body = []
    for method in METHODS:
        selected = _of(whole, method)
        if selected and method[0] in ("random_forest", "gdd_trees", "finetuned", "frozen"):
            scores = crop_scores(selected, classes)["per_class"]
            body.append([title(method), *(f"{scores[name]['f1']:.3f}" if name in scores else "–" for name in classes)])
    return (
        TextTable("F1 of each class, held-out years, all seeds together", ["method", *classes], body) if body else None
    )


def _by_year(rows: Sequence[Row]) -> TextTable | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set="new_year", seed=0)
    years = sorted({row["held_out"] for row in whole})
    if len(years) < 2:
        return None
    columns = [(year, str(year)) for year in years]
    return _table(whole, "Mean F1 by held-out year, known places, seed 0", "held_out", columns)


def _pairs(rows: Sequence[Row]) -> TextTable | None:
    """Frozen and finetuned MM-VSF beside the other encoders and methods, on the same site-years."""
    body = _comparisons(rows, 1.0)
    head = ["method", "other method", "difference in mean F1", "years", "site-years"]
    return (
        TextTable("Mean F1 of MM-VSF less that of others, all held-out years that both have", head, body)
        if body
        else None
    )


def _pairs_of_few_labels(rows: Sequence[Row]) -> TextTable | None:
    body = [
        [f"{100 * share:g} %", *cells]
        for share in sorted({row["fraction"] for row in rows} - {1.0}, reverse=True)
        for cells in _comparisons(rows, share)
    ]
    head = ["labelled fields", "method", "other method", "difference in mean F1", "years", "site-years"]
    return TextTable("The same with few labels", head, body) if body else None


def _comparisons(rows: Sequence[Row], fraction: float) -> list[list[str]]:
    whole = pick(rows, fraction=fraction, date=SEASON, kind="all", set=("new_year", "both"))
    body = []
    for kind in ("frozen", "finetuned"):
        ours = _of(whole, (kind, "mm-vsf", "encoder"))
        for other in METHODS:
            theirs = _of(whole, other)
            same = other[0] == kind and other[1] != "mm-vsf"
            if ours and theirs and (same or other[0] in ("random_forest", "gdd_trees", "scratch")):
                gain = f1_difference(ours, theirs)
                if gain is not None:
                    body.append([f"MM-VSF {kind}", title(other), gain.text(), str(gain.years), str(gain.units)])
    return body


def mean_f1(rows: Sequence[Row]) -> Spread | None:
    """Mean over held-out years and seeds; None without rows."""
    return spread(rows, lambda training: float(class_mean_f1(_total(training)[None])[0]))


def _total(rows: Iterable[Row]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.stack([np.array(row["confusion"], float) for row in rows]).sum(axis=0)
    return total


def class_mean_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 (n,) of confusion counts (n, K, K), over the classes that the labels have."""
    hit = np.diagonal(counts, axis1=1, axis2=2)
    support, predicted = counts.sum(2), counts.sum(1)
    f1 = np.divide(2 * hit, support + predicted, out=np.zeros_like(hit), where=support + predicted > 0)
    present = support > 0
    return np.asarray((f1 * present).sum(1) / np.maximum(present.sum(1), 1))


def f1_difference(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """Mean F1 of `a` less that of `b`, over the trainings and site-years that both have."""
    units: list[dict[tuple[int, str], NDArray[np.float64]]] = []
    for rows in common_trainings(a, b):
        counts: dict[tuple[int, str], NDArray[np.float64]] = {}
        seeds = {
            year: len({row["seed"] for row in rows if row["year"] == year}) for year in {row["year"] for row in rows}
        }
        for row in rows:
            key = int(row["year"]), str(row["block"])
            counts[key] = counts.get(key, 0) + np.array(row["confusion"], float) / seeds[key[0]]
        units.append(counts)
    common = sorted(set(units[0]) & set(units[1]))
    if not common:
        return None
    weights = np.concatenate([np.ones((1, len(common))), crossed_weights(common, DRAWS)])
    first, second = (
        class_mean_f1(np.einsum("du,uij->dij", weights, np.stack([counts[key] for key in common]))) for counts in units
    )
    drawn = first - second
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return Interval(float(drawn[0]), float(low), float(high), len(common), len({year for year, _ in common}))
