"""Differences between methods, with their intervals."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from mmvsf.model.evaluation.forecasts.error_sums import ErrorSums, Row
from mmvsf.model.evaluation.results.compare import (
    captured,
    crossed_weights,
    difference,
    interval,
    over_seeds,
    single_differences,
    site_year_errors,
)


def make_rows(year: int, block: str, seed: int, error: float, n: int = 100) -> Row:
    sums = ErrorSums()
    sums.add(np.full(n, error), np.zeros(n))
    return {"year": year, "held_out": year, "block": block, "seed": seed, **asdict(sums)}


def test_a_place_that_differs_is_not_averaged_away_by_years() -> None:
    """The same place comes again every year: two places and many years make two places."""
    none = [make_rows(year, block, 0, 0.0) for year in range(20) for block in "ab"]
    one_of_two = [make_rows(year, block, 0, float(block == "a")) for year in range(20) for block in "ab"]
    gain = difference(one_of_two, none)
    assert gain is not None and (gain.low, gain.value, gain.high) == pytest.approx((0, 0.5, 1))
    weights = crossed_weights([(1, "a"), (1, "b"), (2, "c")], 500)
    assert (weights.sum(1) > 0).all() and weights.sum() / weights.size == pytest.approx(1, abs=0.35)


def test_intervals_are_over_site_years() -> None:
    worse = [make_rows(year, block, 0, 2.0) for year in (1, 2, 3) for block in "ab"]
    better = [make_rows(year, block, seed, 1.0) for year in (1, 2, 3) for block in "ab" for seed in (0, 1)]
    gain = difference(worse, better)
    assert gain is not None and gain.units == 6
    assert (gain.value, gain.low, gain.high) == pytest.approx((3, 3, 3)) and gain.excludes_zero
    mixed = [make_rows(year, block, 0, 0.0 if year == 1 else 2.0) for year in (1, 2, 3) for block in "ab"]
    spread = difference(mixed, better)
    assert spread is not None and spread.low < 0 < spread.high
    assert single_differences(worse, better) == pytest.approx([3, 3, 3])
    assert single_differences(mixed, better) == pytest.approx([-1, 3, 3])
    half = captured(worse, better, worse, [make_rows(y, b, 0, 0.0) for y in (1, 2, 3) for b in "ab"])
    assert half is not None and half.value == pytest.approx(0.75)
    assert interval([site_year_errors(worse), {}], lambda mse: mse[0]) is None
    seeds = over_seeds(better, "mse")
    assert seeds is not None and (seeds.mean, seeds.deviation, seeds.years) == (pytest.approx(1), 0, (1, 2, 3))
    # A year with more seeds counts no more than another.
    uneven = [make_rows(1, "a", 0, 1.0), make_rows(1, "a", 1, 2.0), make_rows(2, "a", 0, 0.0)]
    over_years = over_seeds(uneven, "mse")
    assert (
        over_years is not None
        and over_years.mean == pytest.approx(1.25)
        and over_years.deviation == pytest.approx(4.5**0.5)
    )
    # Only trainings that both have are compared: year 2 with seed 0, year 1 with seeds 0 and 1.
    paired = difference(
        [*uneven, make_rows(1, "a", 2, 9.0)], [make_rows(y, "a", s, 0.0) for y in (1, 2) for s in (0, 1)]
    )
    assert paired is not None and paired.value == pytest.approx(1.25) and paired.years == 2
