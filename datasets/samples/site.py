"""The site of a window: its latitude and its static layers, such as terrain and soil."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.pixels import PixelArray
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.variables import Split

from .folds import Fold
from .statistics import Moments
from .symmetry import dihedral
from .windows import Window, spread

BLOCKS = 64
"""Blocks of a cube, spread evenly, from which the moments of its static layers are taken"""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Site:
    """What of a window's place does not change with time."""

    latitude: float
    """of its centre in degrees, NaN where unknown"""
    static: Floats
    """(S, H, W): normalised static layers, NaN where unknown"""

    def turned(self, symmetry: int) -> Site:
        """The same under a symmetry of the square."""
        return replace(self, static=np.ascontiguousarray(dihedral(self.static, symmetry)))

    def forgotten(self) -> Site:
        """The same with nothing known."""
        return Site(np.nan, np.full_like(self.static, np.nan))


def read_site(cube: Cube, window: Window, moments: Moments, store: Callable[[str], PixelArray]) -> Site:
    """The site of a window, with the static layers of `moments`; those that the cube lacks are unknown. `store` opens
    an array of the cube. Raises InputError for a damaged shard."""
    static = np.full((len(moments.names), window.size, window.size), np.nan, np.float32)
    for at, name in enumerate(moments.names):
        if name in cube.static_layers:
            static[at] = (store(f"static/{name}").read(window.slices) - moments.mean[at]) / moments.std[at]
    return Site(latitude_of(cube, window), static.clip(-10, 10))


def latitude_of(cube: Cube, window: Window) -> float:
    """The latitude of a window's centre in degrees."""
    grid, half = cube.grid, window.size / 2
    x = grid.left + grid.resolution * (window.column + half)
    y = grid.top - grid.resolution * (window.row + half)
    return float(from_lonlat(grid.crs).transform(x, y, direction="INVERSE")[1])


def static_moments(cubes: Sequence[Cube], folds: Sequence[Fold]) -> list[Moments]:
    """The moments of the static layers that all cubes have, of each cube: over the blocks with training places, at most
    BLOCKS of them. A layer that is nowhere known, or the same everywhere, has the deviation 1. Raises InputError for a
    damaged shard."""
    names = [name for name in cubes[0].static_layers if all(name in cube.static_layers for cube in cubes)]
    return [_moments(cube, fold, names) for cube, fold in zip(cubes, folds, strict=True)]


def _moments(cube: Cube, fold: Fold, names: Sequence[str]) -> Moments:
    n = cube.grid.chunks_per_block
    training = [
        block
        for block in cube.grid.blocks
        if (fold.places[block[0] * n : (block[0] + 1) * n, block[1] * n : (block[1] + 1) * n] == Split.TRAIN).any()
    ]
    layers = [cube.static(block) for block in spread(training, BLOCKS)] if names else []
    means, deviations = [], []
    for name in names:
        values = np.concatenate([block[name].ravel() for block in layers]).astype(np.float64)
        values = values[np.isfinite(values)]
        means.append(float(values.mean()) if len(values) else 0.0)
        deviations.append(float(values.std()) or 1.0 if len(values) else 1.0)
    return Moments(tuple(names), tuple(means), tuple(deviations))
