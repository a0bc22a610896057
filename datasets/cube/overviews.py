"""Small pictures of a cube: labels and true colour in pixels of 8 and 32, so that a state is drawn from a few chunks.

The numbers of an overview are made of one tile at a time, since its pixels do not straddle tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.storage.spec import ArraySpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE

from .layout_imagery import CHUNK_DAYS

BRIGHTEST = 0.3
"""Reflectance that is drawn as 255. Fields, bare soil and cities are darker in blue, green and red; clouds and snow are
brighter, and are not clear."""

WEEKS = 3
"""Chunks of days that a composite is made of: fewer leave more gaps under clouds, more take longer to read."""


def most_frequent(codes: NDArray[np.integer[Any]], factor: int) -> NDArray[np.uint16]:
    """The most frequent code in each square of `factor` x `factor` pixels; the least one of several.

    `codes` is (H, W), divisible by `factor`; the result (H / factor, W / factor). Code 0, unknown, does not count, as
    no-data does not in GDAL's overviews: a square is 0 only where all of it is.
    """
    squares = np.sort(_squares(codes, factor).reshape(-1, factor * factor), axis=1)
    position = np.broadcast_to(np.arange(squares.shape[1]), squares.shape)
    starts = np.ones(squares.shape, bool)
    starts[:, 1:] = squares[:, 1:] != squares[:, :-1]
    run = position - np.maximum.accumulate(np.where(starts, position, 0), axis=1) + 1
    run[squares == 0] = 0
    best: NDArray[np.uint16] = squares[np.arange(len(squares)), run.argmax(axis=1)].astype(np.uint16)
    return best.reshape(codes.shape[0] // factor, codes.shape[1] // factor)


@dataclass(frozen=True)
class ClearSums:
    """What a true-colour composite is made of; sums of several days, and of larger squares, add up."""

    total: NDArray[np.int64]
    """(3, h, w): stored red, green and blue, summed over clear pixels"""
    count: NDArray[np.int64]
    """(h, w): clear pixels"""

    @classmethod
    def of(cls, reflectance: NDArray[np.int16], clear: NDArray[np.bool_], factor: int) -> "ClearSums":
        """The sums over squares of `factor` x `factor` pixels of red, green and blue (day, 3, H, W), as stored, where
        `clear` (day, H, W) is true and all three were observed."""
        # Day by day, since most days of a week have no clear pixel; 2^16 days of 2^15 fit 32 bits.
        total = np.zeros(reflectance.shape[1:], np.int32)
        count = np.zeros(clear.shape[1:], np.int32)
        for day in np.flatnonzero(clear.any(axis=(1, 2))):
            valid = clear[day] & (reflectance[day] != REFLECTANCE_FILL).all(axis=0)
            total += np.multiply(reflectance[day], valid, dtype=np.int32)
            count += valid
        return cls(_sum(total, factor), _sum(count, factor))

    def __add__(self, other: "ClearSums") -> "ClearSums":
        return ClearSums(self.total + other.total, self.count + other.count)

    def coarser(self, factor: int) -> "ClearSums":
        """The sums over squares of `factor` x `factor` of these squares."""
        return ClearSums(_sum(self.total, factor), _sum(self.count, factor))

    def colours(self) -> NDArray[np.uint8]:
        """(3, h, w): the mean of the clear pixels, 1 for reflectance 0 or less to 255 for `BRIGHTEST` or more; 0 where
        no pixel was clear."""
        mean = self.total / np.maximum(self.count, 1) * (REFLECTANCE_SCALE / BRIGHTEST)
        drawn = 1 + np.round(254 * np.clip(mean, 0, 1))
        return np.where(self.count > 0, drawn, 0).astype(np.uint8)


def clearest_weeks(
    clear_fraction: NDArray[np.uint8], first: int, stop: int, count: int = WEEKS
) -> tuple[tuple[int, int], ...]:
    """(first, stop) of the clearest chunks of days from the day `first` to before `stop`, the clearest first.

    `clear_fraction` is (day, rows, columns) in percent, 255 where a chunk was not seen. A chunk of days is worth what
    its clearest day shows of each place, so that a week of one whole image is worth more than one of many halves. Days
    are counted from the first of the calendar, with which the chunks of `imagery/reflectance` begin; parts of them at
    the ends of a season are parts here, too. Weeks without a clear pixel are left out.
    """
    seen = np.where(clear_fraction == CLEAR_FRACTION_FILL, 0, clear_fraction)
    starts = [first, *range((first // CHUNK_DAYS + 1) * CHUNK_DAYS, stop, CHUNK_DAYS)]
    weeks = [(start, end) for start, end in zip(starts, [*starts[1:], stop], strict=True) if end > start]
    worth = [int(seen[start:end].max(axis=0).sum(dtype=np.int64)) for start, end in weeks]
    order = sorted(range(len(weeks)), key=lambda index: (-worth[index], index))
    return tuple(weeks[index] for index in order[:count] if worth[index])


@dataclass
class Mosaic:
    """Arrays that are filled square by square. Only the chunks that a square meets exist."""

    chunks: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = field(default_factory=dict)
    """(array, index of the chunk) -> its values, in the shape of the chunk"""

    def paste(self, spec: ArraySpec, leading: tuple[int, ...], row: int, column: int, values: NDArray[Any]) -> None:
        """Set a part of the array: `values` (..., h, w) from this row and column on, in the chunk `leading` of the
        dimensions before y and x."""
        height, width = spec.chunks[-2:]
        for cy, rows, from_rows in _pieces(row, values.shape[-2], height):
            for cx, columns, from_columns in _pieces(column, values.shape[-1], width):
                chunk = self.chunks.setdefault(
                    (spec.name, (*leading, cy, cx)), np.full(spec.chunks, spec.fill, spec.dtype)
                )
                chunk[..., rows, columns] = values[..., from_rows, from_columns]


def _pieces(start: int, length: int, chunk: int) -> Iterator[tuple[int, slice, slice]]:
    """(chunk, positions in it, positions among the values) of a run of positions."""
    for index in range(start // chunk, (start + length - 1) // chunk + 1):
        low, high = max(start, index * chunk), min(start + length, (index + 1) * chunk)
        yield index, slice(low - index * chunk, high - index * chunk), slice(low - start, high - start)


def _squares(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """(..., H, W) -> (..., H / factor, W / factor, factor, factor)."""
    *leading, height, width = values.shape
    split = values.reshape(*leading, height // factor, factor, width // factor, factor)
    return split.swapaxes(-3, -2)


def _sum(values: NDArray[np.integer[Any]], factor: int) -> NDArray[np.int64]:
    total: NDArray[np.int64] = _squares(values, factor).sum(axis=(-2, -1), dtype=np.int64)
    return total
