"""Means and standard deviations over the training split, from the sums that the cube stores by year and chunk.

The sums are integers (reflectance) or were added in a fixed order (weather), so the statistics of any split are a sum
and do not depend on how the cube was built.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import Split, band_scales

from .folds import Fold


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each variable of a list, in the variables' units."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def training_statistics(cube: Cube, fold: Fold | None = None) -> tuple[Moments, Moments]:
    """(bands, weather) moments over the training places and years of `fold`, by default of the recipe's split, in units
    (reflectance as a fraction). Those of the weather are empty for a cube without it.

    Raises InputError if there is no clear pixel to train on.
    """
    fold = fold or Fold.of(cube)
    training = (fold.years == Split.TRAIN)[:, None, None] & (fold.places == Split.TRAIN)[None]
    imagery = _moments(cube, "imagery", cube.bands, training, band_scales(cube.bands))
    if not cube.weather:
        return imagery, Moments((), (), ())
    return imagery, _moments(cube, "weather", cube.weather, training, np.ones(len(cube.weather)))


def _moments(
    cube: Cube, kind: str, names: tuple[str, ...], training: NDArray[np.bool_], scale: NDArray[np.float64]
) -> Moments:
    """The moments of the variables `names`; `scale` is what the stored numbers of each are multiplied by."""
    count, total, squares = (
        cube.array(f"chunks/{kind}_{what}")[training].sum(axis=0).astype(np.float64)
        for what in ("count", "sum", "sum_of_squares")
    )
    if np.any(count == 0):
        raise InputError(f"{cube.path}: no clear {kind} in the training split; check split and period of the recipe")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    # A variable that never changes is left as it is instead of being divided by nothing.
    std = np.where(std > 0, std, 1.0 / scale)
    return Moments(names, tuple((mean * scale).tolist()), tuple((std * scale).tolist()))
