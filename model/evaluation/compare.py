"""From the rows of all pieces to means, deviations and intervals.

The unit is a site-year: one block in one held-out year. Years differ more than blocks within a year do, so intervals
draw years first, and then blocks in each (a two-level bootstrap).
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
    """A figure over the seeds."""

    mean: float
    deviation: float | None
    """Of single seeds; None for one."""
    seeds: int

    def text(self, digits: int = 3) -> str:
        more = "" if self.deviation is None else f" ± {self.deviation:.{digits}f}"
        return f"{self.mean:.{digits}f}{more}"


def over_seeds(rows: Sequence[Row], score: str) -> Spread | None:
    """A score of `Tally.scores` of each seed's rows, over the seeds; None without rows."""
    seeds = sorted({int(row["seed"]) for row in rows})
    values = [Tally.of(row for row in rows if row["seed"] == seed).scores()[score] for seed in seeds]
    known = np.array([value for value in values if value is not None], float)
    if len(known) == 0:
        return None
    return Spread(float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None, len(known))


@dataclass(frozen=True)
class Interval:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float
    units: int
    """Site-years."""

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
    return Interval(float(value), float(low), float(high), len(common))


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


def difference(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """Mean squared error of `a` less that of `b`: above zero where `b` is better."""
    return interval([units_of(a), units_of(b)], lambda mse: mse[0] - mse[1])


def relative_gain(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """The share of the error of `a` that `b` takes away."""
    return interval([units_of(a), units_of(b)], lambda mse: 1 - mse[1] / mse[0])


def captured(
    without: Sequence[Row], given: Sequence[Row], oracle_without: Sequence[Row], oracle: Sequence[Row]
) -> Interval | None:
    """The gain from `without` to `given` as a share of the oracle's."""
    parts = [units_of(rows) for rows in (without, given, oracle_without, oracle)]
    return interval(parts, lambda mse: (mse[0] - mse[1]) / (mse[2] - mse[3]))
