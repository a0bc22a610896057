"""Places of a cube by their climate, and a split that trains on the warmer ones and tests on the coolest third.

A place is a block. Its climate is the mean temperature of the recipe's months over all years, of the cube's own
weather.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.recipe.season import EPOCH
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.variables import Split

COOL_SHARE = 3
"""One in so many places is judged."""
TEMPERATURES = ("tmin", "tmax")


@dataclass(frozen=True)
class ClimateSplit:
    """The places to learn from and those to judge on, with their mean temperatures in C."""

    warm: dict[BlockIndex, float]
    cool: dict[BlockIndex, float]

    @classmethod
    def of(cls, cube: Cube) -> Self | str:
        """The split of a cube, or in words why it has none."""
        if not set(TEMPERATURES) <= set(cube.weather):
            return f"the cube has no {' and '.join(TEMPERATURES)}"
        places = growing_season_means(cube)
        count = len(places) // COOL_SHARE
        if not count:
            return f"the cube has {len(places)} places with weather in its split; ordering them requires {COOL_SHARE}"
        ordered = sorted(places, key=lambda place: (places[place], place))
        cool, warm = ({place: places[place] for place in part} for part in (ordered[:count], ordered[count:]))
        return cls(warm, cool)

    def fold(self, cube: Cube, year: int) -> Fold:
        """A year and the cool places held out. Places of validation stay so, where they are not cool.

        Raises InputError as `Fold.holding_out` does.
        """
        fold, n = Fold.holding_out(cube, year), cube.grid.chunks_per_block
        codes = fold.places.copy()
        for row, column in (*self.warm, *self.cool):
            block = codes[row * n : (row + 1) * n, column * n : (column + 1) * n]
            cool = (row, column) in self.cool
            block[(block == Split.TEST) & (not cool)] = Split.TRAIN
            block[(block != Split.NONE) & cool] = Split.TEST
        return replace(fold, places=codes)

    @property
    def words(self) -> str:
        """The temperatures of the two parts."""
        warm, cool = (sorted(part.values()) for part in (self.warm, self.cool))
        return (
            f"{len(warm)} places of {warm[0]:.1f} to {warm[-1]:.1f} C for training,"
            f" {len(cool)} of {cool[0]:.1f} to {cool[-1]:.1f} C for testing (mean of the season)"
        )


def growing_season_means(cube: Cube) -> dict[BlockIndex, float]:
    """Mean temperature in C of each block that is in the split, over the recipe's months of all years; blocks whose
    weather is unknown are left out."""
    grid, n = cube.grid, cube.grid.chunks_per_block
    daily = np.stack([cube.array(f"weather/{name}") for name in TEMPERATURES]).mean(0, dtype=np.float64)
    months = (EPOCH + cube.calendar.days).astype("datetime64[M]").astype(int) % 12 + 1
    growing = np.isin(months, list(cube.region.period.months))
    used = Fold.of(cube).places != Split.NONE
    means = {}
    for row, column in grid.blocks:
        if not used[row * n : (row + 1) * n, column * n : (column + 1) * n].any():
            continue
        first, last = (grid.weather_cell_of((row + i) * grid.block - i, (column + i) * grid.block - i) for i in (0, 1))
        series = daily[growing][:, first[0] : last[0] + 1, first[1] : last[1] + 1]
        if np.isfinite(series).any():
            means[row, column] = float(np.nanmean(series))
    return means
