"""From the rows of all pieces to means, deviations and intervals.

The unit is a site-year: one block in one held-out year. The same places recur in every year and the same weather at
every place, so intervals draw years and places, each with replacement, and every site-year counts as often as its year
times its place (the pigeonhole bootstrap of Owen, 2007, Annals of Applied Statistics 1, 386-411). They do not include
the randomness of training: seeds are averaged first, and their deviation is given separately.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.model.evaluation.forecasts.error_sums import ErrorSums, Row

DRAWS = 4000


def pick(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows with these values; a tuple matches any of its members."""
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
        """The mean, with the deviation where there is one."""
        # Scores computed once and repeated with every seed differ only by rounding.
        more = f" ± {self.deviation:.{digits}f}" if self.deviation and self.deviation > 1e-9 else ""
        return f"{self.mean:.{digits}f}{more}"


def spread(rows: Sequence[Row], score: Callable[[Sequence[Row]], float | None]) -> Spread | None:
    """A score of the rows of each held-out year and seed: the mean over the seeds of a year, then over years; None
    without rows."""
    means, variances, years = [], [], []
    for year in sorted({int(row["held_out"]) for row in rows}):
        values = _seed_scores([row for row in rows if row["held_out"] == year], score)
        if len(values):
            means.append(values.mean())
            years.append(year)
        if len(values) > 1:
            variances.append(values.var(ddof=1))
    if not means:
        return None
    deviation = float(np.sqrt(np.mean(variances))) if variances else None
    return Spread(float(np.mean(means)), deviation, tuple(years))


def _seed_scores(rows: Sequence[Row], score: Callable[[Sequence[Row]], float | None]) -> NDArray[np.float64]:
    """The score of each seed that has one."""
    seeds = sorted({row["seed"] for row in rows})
    scores = [score([row for row in rows if row["seed"] == seed]) for seed in seeds]
    return np.array([value for value in scores if value is not None], float)


def over_seeds(rows: Sequence[Row], score: str) -> Spread | None:
    """`spread` of a score of `ErrorSums.scores`."""
    return spread(rows, lambda training: ErrorSums.from_rows(training).scores()[score])


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
        """Whether the sign of the difference is decided."""
        return self.low > 0 or self.high < 0

    def text(self, digits: int = 3) -> str:
        """The value with its interval."""
        return f"{self.value:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"


Units = dict[tuple[int, str], tuple[float, int]]
"""(year, block) -> (sum of squared errors, number), the mean over the seeds."""


def site_year_errors(rows: Sequence[Row]) -> Units:
    """Squared errors of each site-year."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((int(row["year"]), str(row["block"])), []).append(row)
    units: Units = {}
    for key, group in groups.items():
        seeds = len({row["seed"] for row in group})
        sums = ErrorSums.from_rows(group)
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
    weights = crossed_weights(common, DRAWS, seed)
    drawn = statistic((errors @ weights.T) / (counts @ weights.T))
    value = statistic((errors.sum(1) / counts.sum(1))[:, None])[0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), float(low), float(high), len(common), len({year for year, _ in common}))


def crossed_weights(units: Sequence[tuple[int, str]], draws: int, seed: int = 0) -> NDArray[np.float64]:
    """(draws, units): how often each (year, block) is drawn, when years and blocks are drawn each for themselves.
    Draws that hold no unit at all, which there are where years have other blocks, are drawn again."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((draws, len(units)))
    coded = [np.unique(np.array([str(unit[i]) for unit in units]), return_inverse=True)[1] for i in (0, 1)]
    while (empty := np.flatnonzero(weights.sum(1) == 0)).size:
        weights[empty] = 1.0
        for codes in coded:
            count = int(codes.max()) + 1
            weights[empty] *= rng.multinomial(count, np.full(count, 1 / count), len(empty))[:, codes]
    return weights


def common_trainings(a: Sequence[Row], b: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of the held-out years that both have, and of the seeds that both have in them; a method with one seed
    only (a baseline) is paired with all seeds of the other."""

    def seeds(rows: Sequence[Row]) -> dict[int, set[int]]:
        years: dict[int, set[int]] = {}
        for row in rows:
            years.setdefault(int(row["held_out"]), set()).add(int(row["seed"]))
        return years

    first, second = seeds(a), seeds(b)
    single = [all(year == {0} for year in years.values()) for years in (first, second)]

    def common(rows: Sequence[Row], these: dict[int, set[int]], other: dict[int, set[int]]) -> list[Row]:
        return [
            row
            for row in rows
            if row["held_out"] in other
            and (any(single) or row["seed"] in these[row["held_out"]] & other[row["held_out"]])
        ]

    return common(a, first, second), common(b, second, first)


def difference(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """Mean squared error of `a` less that of `b`, above zero where `b` is better, pixels counting alike."""
    return interval([site_year_errors(rows) for rows in common_trainings(a, b)], lambda mse: mse[0] - mse[1])


def single_differences(a: Sequence[Row], b: Sequence[Row]) -> list[float]:
    """Mean squared error of `a` less that of `b`, for each held-out year and seed that both have."""

    def errors(rows: Sequence[Row]) -> dict[tuple[int, int], float]:
        groups: dict[tuple[int, int], list[Row]] = {}
        for row in rows:
            groups.setdefault((int(row["held_out"]), int(row["seed"])), []).append(row)
        return {key: float(ErrorSums.from_rows(group).scores()["mse"] or 0.0) for key, group in groups.items()}

    first, second = errors(a), errors(b)
    return [first[key] - second[key] for key in sorted(set(first) & set(second))]


def relative_gain(a: Sequence[Row], b: Sequence[Row]) -> Interval | None:
    """The share of the error of `a` that `b` avoids."""
    return interval([site_year_errors(rows) for rows in common_trainings(a, b)], lambda mse: 1 - mse[1] / mse[0])


def captured(
    without: Sequence[Row], given: Sequence[Row], oracle_without: Sequence[Row], oracle: Sequence[Row]
) -> Interval | None:
    """The gain from `without` to `given` as a share of the oracle's."""
    parts = [site_year_errors(rows) for rows in (without, given, oracle_without, oracle)]
    return interval(parts, lambda mse: (mse[0] - mse[1]) / (mse[2] - mse[3]))
