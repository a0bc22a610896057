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
    """(n,), sorted"""
    steps: slice
    """as many as there are days, or one for the whole season"""
    last: int
    """the last day of the season that the cube holds, since 1970-01-01"""
    whole: bool
    """whether the season has one embedding, not one a day of `days`"""


def plan_seasons(cube: Cube, every: int | None) -> list[SeasonDays]:
    """The days to embed in each season, in the months of the recipe: every `every` days, or every SEASON_STEP days of a
    season that has one embedding. Raises InputError where a season is shorter than that."""
    step, seasons, first = every or SEASON_STEP, [], 0
    period, months = cube.region.period, cube.region.period.months
    for season in period.seasons:
        within = np.arange(season.first_number, season.last_number + 1)
        held = [day for day in within.tolist() if period.contains(date_of(day))]
        days = np.arange(held[0] + step - 1, held[-1] + 1, step) if held else np.empty(0, np.int64)
        days = np.array([day for day in days.tolist() if date_of(day).month in months], np.int64)
        if len(days) == 0:
            raise InputError(f"--every {step}: a season of {cube.region.name} is shorter; choose a smaller step")
        steps = slice(first, first + (len(days) if every else 1))
        seasons.append(SeasonDays(season.name, days, steps, held[-1], not every))
        first = steps.stop
    return seasons
