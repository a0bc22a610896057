"""What the trials of crop mapping found, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmvsf.model.evaluation.crops.confusions import crop_scores
from mmvsf.model.evaluation.crops.trial import RANDOM, SEASON
from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import DRAWS, Interval, Spread, common_trainings, crossed_weights, pick, spread
from .sections import NAMES, SETS, Section, Table

METHODS = (
    ("majority", "", "none"),
    ("rotation", "", "none"),
    ("random_forest", "", "none"),
    ("gdd_trees", "", "degree-days"),
    ("scratch", "", "none"),
    ("scratch", "", "encoder"),
    *(("frozen", objective, weather) for objective in NAMES for weather in ("none", "head", "encoder")),
    *(("finetuned", objective, weather) for objective in NAMES for weather in ("none", "head", "encoder")),
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


def crop_section(rows: Sequence[Row], years: Sequence[int], classes: Sequence[str]) -> Section | None:
    """All tables of crop mapping; `years` are those with all methods, `classes` the names of the classes."""
    rows = pick(rows, piece="crops")
    if not rows:
        return None
    few, first = pick(rows, held_out=tuple(years)), pick(rows, held_out=tuple(years[:1]))
    tables = [
        _by_set(few),
        _by_fraction(first),
        _by_date(few),
        _by_kind(few),
        _accuracy(few),
        _by_class(few, classes),
        _by_year(rows),
        _pairs(rows),
        _pairs_of_few_labels(rows),
    ]
    text = (
        "Mean F1 over the classes, of pixels whose label was never seen, from a season's images and weather (the"
        " rotation reads last year's label instead). Held-out years count alike, and ± is the"
        " standard deviation over seeds (of encoder, head and drawn fields). Frozen: a head on the pretrained encoder,"
        " which is left as it is (the untrained one is the reference: what a head makes of random features);"
        " finetuned: both trained. Who sees the weather is said, since input and pretraining"
        " are two things. By date, a forest is trained anew for each date, a network once for all dates, on seasons of"
        " which half are cut short. Whole networks learn from few labels with one seed. The random split holds out"
        " pixels of the very fields and seasons that are learned from."
    )
    return Section("Crop maps", text, [table for table in tables if table is not None])


def name(method: Method) -> str:
    kind, objective, weather = method
    if kind in ("majority", "rotation", "random_forest", "gdd_trees"):
        return TITLES[kind]
    what = TITLES.get(kind) or f"{NAMES.get(objective, objective)} {kind}"
    return f"{what}, {WEATHER[weather]}"


def _of(rows: Sequence[Row], method: Method, **wanted: object) -> list[Row]:
    return pick(rows, method=method[0], objective=method[1], weather=method[2], **wanted)


def _table(rows: Sequence[Row], caption: str, key: str, columns: Sequence[tuple[object, str]]) -> Table | None:
    """Mean F1 of every method by the values of one key of the rows."""
    body = []
    for method in METHODS:
        own = _of(rows, method)
        cells = [mean_f1(pick(own, **{key: value})) for value, _ in columns]
        if any(cells):
            body.append([name(method), *("–" if cell is None else cell.text() for cell in cells)])
    return Table(caption, ["method", *(title for _, title in columns)], body) if body else None


def _by_set(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all")
    columns = [*SETS.items(), (RANDOM, "random split")]
    return _table(whole, "Mean F1 by held-out set, whole season, all labelled fields", "set", columns)


def _by_fraction(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, date=SEASON, kind="all", set=("new_year", "both"))
    shares = sorted({row["fraction"] for row in whole}, reverse=True)
    if len(shares) < 2:
        return None
    columns = [(share, f"{100 * share:g} %") for share in shares]
    year = whole[0]["held_out"]
    return _table(whole, f"Mean F1 by share of the labelled fields, held-out year {year}", "fraction", columns)


def _by_date(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, fraction=1.0, kind="all", set=("new_year", "both"))
    dates = sorted({row["date"] for row in whole})  # "06-01" … before "season"
    if len(dates) < 2:
        return None
    columns = [(date, date if date == SEASON else f"until {date}") for date in dates]
    return _table(whole, "Mean F1 in held-out years by date: how early is the crop known?", "date", columns)


def _by_kind(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, fraction=1.0, date=SEASON, set=("new_year", "both"))
    columns = [(kind, kind) for kind in ("interior", "edge")]
    return _table(whole, "Mean F1 in held-out years inside fields and along their edges", "kind", columns)


def _accuracy(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set=("new_year", "both"))
    body = []
    for method in METHODS:
        own = _of(whole, method)
        if own:
            scores = (spread(own, _score("accuracy")), spread(own, _score("miou")))
            body.append([name(method), *("–" if score is None else score.text() for score in scores)])
    return (
        Table("Overall accuracy and mean IoU, held-out years", ["method", "accuracy", "mIoU"], body) if body else None
    )


def _score(which: str) -> Callable[[Sequence[Row]], float | None]:
    def score(rows: Sequence[Row]) -> float | None:
        found: float | None = crop_scores(rows, [str(i) for i in range(len(rows[0]["confusion"]))])[which]
        return found

    return score


def _by_class(rows: Sequence[Row], classes: Sequence[str]) -> Table | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set=("new_year", "both"))
    body = []
    for method in METHODS:
        own = _of(whole, method)
        if own and method[0] in ("random_forest", "gdd_trees", "finetuned", "frozen"):
            found = crop_scores(own, classes)["per_class"]
            body.append([name(method), *(f"{found[one]['f1']:.3f}" if one in found else "–" for one in classes)])
    return Table("F1 of each class, held-out years, all seeds together", ["method", *classes], body) if body else None


def _by_year(rows: Sequence[Row]) -> Table | None:
    whole = pick(rows, fraction=1.0, date=SEASON, kind="all", set="new_year", seed=0)
    years = sorted({row["held_out"] for row in whole})
    if len(years) < 2:
        return None
    columns = [(year, str(year)) for year in years]
    return _table(whole, "Mean F1 by held-out year, known places, seed 0", "held_out", columns)


def _pairs(rows: Sequence[Row]) -> Table | None:
    """Frozen and finetuned MM-VSF beside the other encoders and methods, on the same site-years."""
    body = _comparisons(rows, 1.0)
    head = ["method", "other method", "difference in mean F1", "years", "site-years"]
    return (
        Table("Mean F1 of MM-VSF less that of others, all held-out years that both have", head, body) if body else None
    )


def _pairs_of_few_labels(rows: Sequence[Row]) -> Table | None:
    body = [
        [f"{100 * share:g} %", *cells]
        for share in sorted({row["fraction"] for row in rows} - {1.0}, reverse=True)
        for cells in _comparisons(rows, share)
    ]
    head = ["labelled fields", "method", "other method", "difference in mean F1", "years", "site-years"]
    return Table("The same with few labels", head, body) if body else None


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
                    body.append([f"MM-VSF {kind}", name(other), gain.text(), str(gain.years), str(gain.units)])
    return body


def mean_f1(rows: Sequence[Row]) -> Spread | None:
    """Mean over held-out years and seeds; None without rows."""
    return spread(rows, lambda own: float(f1_of(_total(own)[None])[0]))


def _total(rows: Iterable[Row]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.stack([np.array(row["confusion"], float) for row in rows]).sum(axis=0)
    return total


def f1_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
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
        own: dict[tuple[int, str], NDArray[np.float64]] = {}
        seeds = {
            year: len({row["seed"] for row in rows if row["year"] == year}) for year in {row["year"] for row in rows}
        }
        for row in rows:
            key = int(row["year"]), str(row["block"])
            own[key] = own.get(key, 0) + np.array(row["confusion"], float) / seeds[key[0]]
        units.append(own)
    common = sorted(set(units[0]) & set(units[1]))
    if not common:
        return None
    weights = np.concatenate([np.ones((1, len(common))), crossed_weights(common, DRAWS)])
    first, second = (f1_of(np.einsum("du,uij->dij", weights, np.stack([own[key] for key in common]))) for own in units)
    drawn = first - second
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return Interval(float(drawn[0]), float(low), float(high), len(common), len({year for year, _ in common}))
