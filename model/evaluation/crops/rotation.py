"""Crop rotation: a map of this year from last year's labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.windows import Window


@dataclass(frozen=True)
class Rotation:
    """The most frequent successor of each class, and the class for pixels whose last class is unknown."""

    successor: NDArray[np.int64]
    """(K,)"""
    otherwise: int

    def __call__(self, previous: NDArray[np.int64]) -> NDArray[np.int64]:
        """Classes (H, W) of this year from those of last year (H, W), which may be -1."""
        return np.where(previous >= 0, self.successor[previous], self.otherwise)


def previous_year(window: Window) -> Window:
    """The same pixels a year before."""
    return replace(window, year=window.year - 1)


def learn_rotation(
    window_classes: WindowClasses, windows: Sequence[Window], years: Sequence[int], classes: int, otherwise: int
) -> Rotation | None:
    """The rotation of the windows, from pairs of successive years that both are among `years`; None where there is no
    such pair. A class that nothing followed is followed by `otherwise`."""
    pairs = [window for window in windows if window.year in years and window.year - 1 in years]
    if not pairs:
        return None
    counts = np.zeros((classes, classes), np.int64)
    for window in pairs:
        before, now = window_classes(previous_year(window)), window_classes(window)
        known = (before >= 0) & (now >= 0)
        np.add.at(counts, (before[known], now[known]), 1)
    return Rotation(np.where(counts.any(1), counts.argmax(1), otherwise), otherwise)
