"""The days of a cube that are embedded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError

SEASON_STEP = 10
"""Days between the embeddings whose mean is that of a season: even steps, so that neither clouds nor the number of
satellites give one part of the season more weight."""


@dataclass(frozen=True)
class SeasonDays:
    """The days of a year that are embedded, and the steps of the output that they are written to."""

    year: int
    days: NDArray[np.int64]
    """(n,), sorted; none of a season of which the cube holds no day, or none after a step"""
    steps: slice
    """as many as there are days, or one for the whole season"""
    last: int
    """the last day of the season that the cube holds, since 1970-01-01, or else that of the season"""
    whole: bool
    """whether the season has one embedding, not one a day of `days`"""


def plan_seasons(cube: Cube, every: int | None) -> list[SeasonDays]:
    """The days to embed in each season, in the months of the recipe: every `every` days, or every SEASON_STEP days of a
    season that has one embedding, or else the last day that the cube holds of it. Raises InputError where no season has
    such a day."""
    step, seasons, first = every or SEASON_STEP, [], 0
    period, months = cube.region.period, cube.region.period.months
    for season in period.seasons:
        within = np.arange(season.first_number, season.last_number + 1)
        held = [day for day in within.tolist() if period.contains(date_of(day))]
        days = np.arange(held[0] + step - 1, held[-1] + 1, step) if held else np.empty(0, np.int64)
        days = np.array([day for day in days.tolist() if date_of(day).month in months], np.int64)
        if len(days) == 0 and not every:
            days = np.array(held[-1:], np.int64)
        steps = slice(first, first + (len(days) if every else 1))
        seasons.append(SeasonDays(season.name, days, steps, held[-1] if held else season.last_number, not every))
        first = steps.stop
    if not any(len(season.days) for season in seasons):
        if every:
            raise InputError(f"--every {every}: all seasons of {cube.region.name} are shorter; choose a smaller step")
        raise InputError(f"{cube.path} holds no day of its months; extend its period with `mmvsf extend`")
    return seasons
