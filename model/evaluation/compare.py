"""From the rows of all pieces to means, deviations and intervals.

The unit is a site-year: one block in one held-out year. Years differ more than blocks within a year do, so intervals
draw years first, and then blocks in each (a two-level bootstrap). They hold no chance of the training: seeds are
averaged before, and their deviation is given apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tally import Row, Tally

DRAWS = 4000


def pick(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows with these values; a tuple stands for any of its members."""
    return [
        row
        for row in rows
        if all(
            row.get(key) in value if isinstance(value, tuple) else row.get(key) == value
            for key, value in wanted.items()
        )
    ]


@dataclass(frozen=True)
class Spread:
    """A figure over held-out years and seeds: years count alike, however many seeds they have."""

    mean: float
    deviation: float | None
    """Of single trainings within a year; None where no year has two."""
    years: tuple[int, ...]

    def text(self, digits: int = 3) -> str:
        # What is computed once and repeated with every seed differs by rounding alone.
        more = f" ± {self.deviation:.{digits}f}" if self.deviation and self.deviation > 1e-9 else ""
        return f"{self.mean:.{digits}f}{more}"


def spread(rows: Sequence[Row], score: Callable[[Sequence[Row]], float | None]) -> Spread | None:
    """A score of the rows of each held-out year and seed: the mean over the seeds of a year, then over years; None
    without rows."""
    means, variances, years = [], [], []
    for year in sorted({int(row["held_out"]) for row in rows}):
        own = [row for row in rows if row["held_out"] == year]
        values = [score([row for row in own if row["seed"] == seed]) for seed in sorted({row["seed"] for row in own})]
        known = np.array([value for value in values if value is not None], float)
        if len(known):
            means.append(known.mean())
            years.append(year)
        if len(known) > 1:
            variances.append(known.var(ddof=1))
    if not means:
        return None
    deviation = float(np.sqrt(np.mean(variances))) if variances else None
    return Spread(float(np.mean(means)), deviation, tuple(years))


def over_seeds(rows: Sequence[Row], score: str) -> Spread | None:
    """`spread` of a score of `Tally.scores`."""
    return spread(rows, lambda own: Tally.of(own).scores()[score])


@dataclass(frozen=True)
class Interval:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float
    units: int
    """Site-years."""
    years: int = 0

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def text(self, digits: int = 3) -> str:
        return f"{self.value:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"


Units = dict[tuple[int, str], tuple[float, int]]
"""(year, block) -> (sum of squared errors, number), the mean over the seeds."""


def units_of(rows: Sequence[Row]) -> Units:
    """Squared errors of each site-year."""
    found: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        found.setdefault((int(row["year"]), str(row["block"])), []).append(row)
    units: Units = {}
    for key, own in found.items():
        seeds = len({row["seed"] for row in own})
        sums = Tally.of(own).sums
        units[key] = ((sums.ff - 2 * sums.fo + sums.oo) / seeds, round(sums.n / seeds))
    return units


def interval(
    parts: Sequence[Units], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], *, seed: int = 0
) -> Interval | None:
    """A statistic of the mean squared errors of several methods on the site-years that all of them have.

    `statistic` takes (methods, draws) of mean squared errors and gives (draws,). None without site-years.
    """
    common = sorted(set.intersection(*(set(units) for units in parts)))
    if not common:
        return None
    errors = np.array([[units[key][0] for key in common] for units in parts])  # (methods, units)
    counts = np.array([[units[key][1] for key in common] for units in parts], float)
    weights = two_level_weights([year for year, _ in common], DRAWS, seed)
    drawn = statistic((errors @ weights.T) / (counts @ weights.T))
    value = statistic((errors.sum(1) / counts.sum(1))[:, None])[0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), float(low), float(high), len(common), len({year for year, _ in common}))


def two_level_weights(years: Sequence[int], draws: int, seed: int = 0) -> NDArray[np.float64]:
    """(draws, units): how often each unit is drawn, when years are drawn first and then units in each of them; `years`
    are those of the units."""
    of_year = [np.flatnonzero(np.asarray(years) == year) for year in sorted(set(years))]
    weights = np.zeros((draws, len(years)))
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        for year in rng.integers(len(of_year), size=len(of_year)):
            np.add.at(weights[draw], rng.choice(of_year[year], len(of_year[year])), 1)
    return weights


def common_trainings(a: Sequence[Row], b: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of the held-out years that both have, and of the seeds that both have in them; what has one seed only
    (a baseline) is paired with all seeds of the other."""

    def seeds(rows: Sequence[Row]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for row in rows:
            found.setdefault(int(row["held_out"]), set()).add(int(row["seed"]))
        return found

    first, second = seeds(a), seeds(b)
    untrained = [all(own == {0} for own in found.values()) for found in (first, second)]

    def kept(rows: Sequence[Row], own: dict[int, set[int]], other: dict[int, set[int]]) -> list[Row]:
        return [
            row
            for row in rows
            if row["held_out"] in other
            and (any(untrained) or row["seed"] in own[row["held_out"]] & other[row["held_out"]])
        ]

    return kept(a, first, second), kept(b, second, first)


def difference(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """Mean squared error of `a` less that of `b`, above zero where `b` is better, pixels counting alike."""
    return interval([units_of(rows) for rows in common_trainings(a, b)], lambda mse: mse[0] - mse[1])


def relative_gain(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """The share of the error of `a` that `b` takes away."""
    return interval([units_of(rows) for rows in common_trainings(a, b)], lambda mse: 1 - mse[1] / mse[0])


def captured(
    without: Sequence[Row], given: Sequence[Row], oracle_without: Sequence[Row], oracle: Sequence[Row]
) -> Interval | None:
    """The gain from `without` to `given` as a share of the oracle's."""
    parts = [units_of(rows) for rows in (without, given, oracle_without, oracle)]
    return interval(parts, lambda mse: (mse[0] - mse[1]) / (mse[2] - mse[3]))
