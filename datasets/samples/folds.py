"""Which places and years of a cube train, validate and test: the split of its recipe, or another year held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import Split


@dataclass(frozen=True, eq=False)
class Fold:
    """A split of a cube, as `Split` codes: that of the recipe, or the year-out fold of one year."""

    places: NDArray[np.uint8]
    """(chunk_y, chunk_x)"""
    years: NDArray[np.uint8]
    """(year,)"""

    @classmethod
    def of(cls, cube: Cube) -> Self:
        """The split of the recipe."""
        return cls(cube.array("chunks/split").astype(np.uint8), cube.array("seasons/split").astype(np.uint8))

    @classmethod
    def holding_out(cls, cube: Cube, year: int) -> Self:
        """The places of the recipe, with one year for testing and all others for training.

        Raises InputError where the cube has no such year, or no other.
        """
        if year not in cube.years or len(cube.years) < 2:
            years = ", ".join(map(str, cube.years))
            raise InputError(f"{cube.path} has the years {years}; {year} cannot be held out of them")
        codes = np.array([Split.TEST if other == year else Split.TRAIN for other in cube.years], np.uint8)
        return replace(cls.of(cube), years=codes)

    def years_of(self, cube: Cube, code: Split) -> tuple[int, ...]:
        """The years of the cube with that code."""
        return tuple(year for year, split in zip(cube.years, self.years, strict=True) if split == code)
