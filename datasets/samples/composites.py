"""The parts of a season that become one image each."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import numpy as np

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Period
from mmvsf.datasets.recipe.season import Season

Composite = Literal["month", "season"] | int
"""A composite of each calendar month, of the whole season, or of so many days at a time."""

Span = tuple[int, int]
"""First and last day, since 1970-01-01"""


def check_composite(composite: str | int) -> None:
    """Raises InputError for what is no composite."""
    if composite not in ("month", "season") and not (isinstance(composite, int) and composite >= 1):
        raise InputError(f"composite={composite!r}: choose 'month', 'season' or a number of days")


def spans(period: Period, year: int, composite: Composite) -> list[Span]:
    """The spans of a season that have a composite, in order: those in which the period takes images in any year. There
    are as many in every season."""
    season = period.season.season(year)
    if composite == "season":
        return [(season.first_number, season.last_number)]
    if composite == "month":
        return [span for span in _months(season) if date_of(span[0]).month in period.months]
    numbers = np.unique(period.season.days_in(period.months) // composite).tolist()
    starts = [season.first_number + number * composite for number in numbers]
    # The day that a leap year has more belongs to the span that ends other years.
    last = 364 // composite
    return [
        (start, season.last_number if number == last else start + composite - 1)
        for start, number in zip(starts, numbers, strict=True)
    ]


def _months(season: Season) -> list[Span]:
    """The calendar months of a season, the first and the last one cut where it begins within a month."""
    result, first = [], season.first
    while first <= season.last:
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        last = min(season.last, following - timedelta(days=1))
        result.append((day_number(first), day_number(last)))
        first = following
    return result
