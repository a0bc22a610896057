"""Mean F1 of rows of confusion counts, with intervals over places and years."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import Interval, Spread, common_trainings, crossed_weights, spread

DRAWS = 1000
Unit = tuple[int, str]
"""A year and a block."""
Units = dict[Unit, NDArray[np.float64]]
"""(3, K) of each site-year, the mean over the seeds: pixels of each class that are mapped right, labelled so, and
mapped so."""


def mean_f1(rows: Sequence[Row]) -> Spread | None:
    """Mean over held-out years and seeds; None without rows."""
    return spread(rows, lambda training: float(class_mean_f1(_margins(training)[None])[0]))


def f1_cell(rows: Sequence[Row]) -> str:
    """Mean F1 with its 95 % interval, and the deviation over seeds where there are several; a dash without rows."""
    value, seeds = f1_interval(rows), mean_f1(rows)
    if value is None or seeds is None:
        return "–"
    more = f" ± {seeds.deviation:.3f}" if seeds.deviation and seeds.deviation > 1e-9 else ""
    limits = f" [{value.low:.3f}, {value.high:.3f}]" if value.units > 1 else ""
    return f"{value.value:.3f}{limits}{more}"


def interval_text(gain: Interval) -> str:
    """A difference, with its interval where it is of more than one site-year."""
    return gain.text() if gain.units > 1 else f"{gain.value:+.3f}"


def f1_interval(rows: Sequence[Row]) -> Interval | None:
    """Mean F1, averaged over held-out years, with its interval over years and places; None without rows."""
    folds = _folds(rows)
    keys = sorted(set().union(*folds))
    return _interval(_drawn(folds, keys, _weights(keys)), keys) if keys else None


def f1_difference(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """Mean F1 of `a` less that of `b`, each averaged over held-out years as by `f1_interval`, over the trainings and
    site-years that both have; None where they share none."""
    first, second = (_folds(rows) for rows in common_trainings(a, b))
    keys = sorted(set().union(*first) & set().union(*second))
    if not keys:
        return None
    weights = _weights(keys)
    return _interval(_drawn(first, keys, weights) - _drawn(second, keys, weights), keys)


def _interval(drawn: NDArray[np.float64], keys: Sequence[Unit]) -> Interval:
    """The first of the draws, with the interval of the others."""
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return Interval(float(drawn[0]), float(low), float(high), len(keys), len({year for year, _ in keys}))


def _weights(keys: Sequence[Unit]) -> NDArray[np.float64]:
    """(draws, keys): all site-years once, and then DRAWS draws of them."""
    return np.concatenate([np.ones((1, len(keys))), crossed_weights(keys, DRAWS)])


def _drawn(folds: Sequence[Units], keys: Sequence[Unit], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 (draws,) of weighted site-years, averaged over the held-out years."""
    scores = np.stack([_weighted_f1(units, keys, weights) for units in folds])
    # A draw may hold none of the site-years of one of the folds, but holds some of another.
    drawn: NDArray[np.float64] = np.nanmean(scores, axis=0)
    return drawn


def _folds(rows: Sequence[Row]) -> list[Units]:
    """The site-years of each held-out year that have labelled pixels."""
    years = sorted({row["held_out"] for row in rows})
    folds = [_units([row for row in rows if row["held_out"] == year]) for year in years]
    return [units for units in folds if units]


def class_mean_f1(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 (n,) of counts (n, 3, K) as in `Units`, over the classes that the labels have; NaN without labels."""
    hit, support, predicted = margins[:, 0], margins[:, 1], margins[:, 2]
    f1 = np.divide(2 * hit, support + predicted, out=np.zeros_like(hit), where=support + predicted > 0)
    present = support > 0
    count = present.sum(1)
    return np.where(count > 0, (f1 * present).sum(1) / np.maximum(count, 1), np.nan)


def _weighted_f1(units: Units, keys: Sequence[Unit], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 (draws,) of weighted sums of site-years, with weights (draws, keys)."""
    classes = next(iter(units.values())).shape[1]
    table = np.stack([units.get(key, np.zeros((3, classes))) for key in keys])
    return class_mean_f1(np.tensordot(weights, table, 1))


def _units(rows: Sequence[Row]) -> Units:
    seeds = {year: len({row["seed"] for row in rows if row["held_out"] == year}) for year in
             {row["held_out"] for row in rows}}  # fmt: skip
    units: Units = {}
    for row in rows:
        key = int(row["year"]), str(row["block"])
        units[key] = units.get(key, 0) + _margins([row]) / seeds[row["held_out"]]
    return {key: margins for key, margins in units.items() if margins[1].any()}


def _margins(rows: Iterable[Row]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.stack([np.array(row["confusion"], float) for row in rows]).sum(axis=0)
    return np.stack([np.diagonal(total), total.sum(1), total.sum(0)])
