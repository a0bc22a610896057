"""The classes of windows, for samples that teach mapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reader import WindowReader
from .windows import Window


@dataclass(frozen=True, slots=True)
class LabelLookup:
    """Maps the codes of a legend to the classes 0, 1, ... and every other code to -1, unknown."""

    codes: tuple[int, ...]

    def __call__(self, stored: NDArray[np.uint16]) -> NDArray[np.int64]:
        table = np.full(65536, -1, np.int64)
        table[list(self.codes)] = np.arange(len(self.codes))
        return table[stored]


WindowClasses = Callable[[Window], NDArray[np.int64]]
"""Returns the class of every pixel (H, W) of a window in its year; -1 where it is unknown or not used."""


@dataclass(frozen=True, slots=True)
class StoredClasses:
    """The classes stored in a cube; -1 everywhere in a year without labels."""

    reader: WindowReader
    lookup: LabelLookup

    def __call__(self, window: Window) -> NDArray[np.int64]:
        stored = self.reader.labels(window)
        return np.full((window.size, window.size), -1) if stored is None else self.lookup(stored)
