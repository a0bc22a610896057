"""A year of a cube held out, with the statistics of the other years."""

from __future__ import annotations

from dataclasses import dataclass

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation, WindowReader

from .climate import ClimateSplit


@dataclass(frozen=True, eq=False)
class HeldOutYear:
    """One fold of a cube."""

    cube: Cube
    year: int
    """The year held out."""
    fold: Fold
    reader: WindowReader
    """Normalises by the training statistics of the fold. It gives the site, which most networks ignore."""


def hold_out(cube: Cube, year: int, climate: ClimateSplit | None = None) -> HeldOutYear:
    """Hold out a year of a cube and the places of its recipe, or the cool ones of `climate`. Raises InputError where
    the cube has no such year, or no other."""
    fold = Fold.holding_out(cube, year) if climate is None else climate.fold(cube, year)
    return HeldOutYear(cube, year, fold, WindowReader(cube, Normalisation.of([cube], [fold], site=True)))
