"""Labels by field: the label maps of whole blocks, the fields in them, and the fields drawn for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.windows import Window

Scalar = TypeVar("Scalar", bound=np.generic)
Confidence = Callable[[Window], NDArray[np.uint8] | None]
BlockYear = tuple[int, int, int]
"""Row and column of a block, and a year."""


class LabelMaps:
    """The classes of whole blocks, each read once, so that pixels beyond the edge of a window are known."""

    def __init__(self, classes: WindowClasses, side: int, confidence: Confidence = lambda _: None) -> None:
        """`side`: pixels of a block; `confidence` gives that of the labels of a window in percent, None where there is
        none."""
        self.classes, self.side, self.confidence = classes, side, confidence
        self._maps: dict[BlockYear, NDArray[np.int64]] = {}
        self._interiors: dict[BlockYear, NDArray[np.bool_]] = {}

    def key(self, window: Window) -> BlockYear:
        """The block and year of a window."""
        return window.row // self.side, window.column // self.side, window.year

    def block(self, key: BlockYear) -> NDArray[np.int64]:
        """Classes (side, side) of a block in a year, -1 where unknown."""
        if key not in self._maps:
            row, column, year = key
            none = np.empty(0, np.int32)
            whole = Window(row * self.side, column * self.side, self.side, year, (0, 0), none)
            self._maps[key] = self.classes(whole)
        return self._maps[key]

    def __call__(self, window: Window) -> NDArray[np.int64]:
        """Classes (H, W) of a window in its year."""
        return self.cut(self.block(self.key(window)), window)

    def interior(self, window: Window) -> NDArray[np.bool_]:
        """(H, W): whether the 3 x 3 pixels around each one are of one class; beyond the block its edge is repeated."""
        key = self.key(window)
        if key not in self._interiors:
            classes = self.block(key)
            self._interiors[key] = ndimage.maximum_filter(classes, 3) == ndimage.minimum_filter(classes, 3)
        return self.cut(self._interiors[key], window)

    def cut(self, values: NDArray[Scalar], window: Window) -> NDArray[Scalar]:
        """The part of an array (side, side) of its block that a window covers."""
        return values[window.slices_in(self.key(window)[:2], self.side)]


def number_fields(classes: NDArray[np.int64]) -> NDArray[np.int32]:
    """(H, W): the number of the field that each pixel lies in, from 1; 0 where the class (H, W) is unknown.

    A field is all pixels of one class that touch each other along their sides.
    """
    fields, count = np.zeros(classes.shape, np.int32), 0
    for present in np.unique(classes[classes >= 0]):
        labels, added = ndimage.label(classes == present)
        fields[labels > 0] = labels[labels > 0] + count
        count += added
    return fields


@dataclass(frozen=True)
class ChosenPixels:
    """The classes of some pixels; all others are unknown."""

    maps: LabelMaps
    chosen: Mapping[BlockYear, NDArray[np.bool_]]
    """(side, side) of each block and year in use."""

    def __call__(self, window: Window) -> NDArray[np.int64]:
        chosen = self.maps.cut(self.chosen[self.maps.key(window)], window)
        return np.where(chosen, self.maps(window), -1)


def draw_fields(maps: LabelMaps, windows: Sequence[Window], share: float, seed: int) -> ChosenPixels:
    """The classes of a share of the fields that lie, wholly or in part, in the windows; at least of one field.

    Fields are drawn whole, each as likely as any other, and a smaller share of the same seed is part of a larger one.
    Raises ValueError where no pixel of the windows has a known class.
    """
    touched: dict[BlockYear, NDArray[np.bool_]] = {}
    for window in windows:
        key = maps.key(window)
        mask = touched.setdefault(key, np.zeros((maps.side, maps.side), np.bool_))
        mask[window.slices_in(key[:2], maps.side)] = True
    numbers = {key: number_fields(maps.block(key)) for key in sorted(touched)}
    candidates = [
        (key, number)
        for key, fields in numbers.items()
        for number in np.unique(fields[touched[key] & (fields > 0)]).tolist()
    ]
    if not candidates:
        raise ValueError("no pixel of the windows has a known class")
    order = np.random.default_rng(seed).permutation(len(candidates))
    drawn: dict[BlockYear, list[int]] = {}
    for i in order[: max(1, round(share * len(candidates)))]:
        key, number = candidates[i]
        drawn.setdefault(key, []).append(number)
    return ChosenPixels(maps, {key: np.isin(fields, drawn.get(key, [])) for key, fields in numbers.items()})


def split_pixels(
    maps: LabelMaps, windows: Sequence[Window], held_out: float, seed: int
) -> tuple[ChosenPixels, ChosenPixels]:
    """(training, test) classes of single pixels drawn at random, a share of which is held out: the split of much of the
    literature, in which the neighbours of a test pixel and its field are trained on."""
    test = {
        key: np.random.default_rng([seed, *key]).random((maps.side, maps.side)) < held_out
        for key in sorted({maps.key(window) for window in windows})
    }
    return ChosenPixels(maps, {key: ~mask for key, mask in test.items()}), ChosenPixels(maps, test)
