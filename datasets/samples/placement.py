"""Windows of any size: where they lie, in which split, and on which days they were seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import Split

from .folds import Fold
from .windows import (
    HELD_OUT,
    SPLIT_NAMES,
    SplitName,
    Window,
    clear_fractions,
    clear_of_window,
    split_name,
    weather_known,
)

DatasetSplit = SplitName | Literal["test", "all"]
"""A split of windows; `test` is all that is held out, `all` is everything, whatever its split."""


class NoWindowsError(InputError):
    """A split has no window."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which windows of a cube there are.

    They lie `stride` pixels apart, counted from the corner of each block; those larger than a block, from the corner
    of the grid. A window belongs to a split if all of its chunks do.
    """

    size: int
    """pixels a side"""
    stride: int
    """pixels from one to the next"""
    min_clear: float
    """percent of a window that must be clear on a day"""
    min_images: int
    """such days in a season"""
    years: tuple[int, ...]

    def windows(self, cube: Cube, split: DatasetSplit) -> list[Window]:
        """The windows of a split, by year and place. Raises NoWindowsError where there is none."""
        fold, fractions, known = Fold.of(cube), clear_fractions(cube), weather_known(cube)
        codes = _covered(cube) if split == "all" else fold.places
        places = [(corner, code) for corner in self._corners(cube) if (code := self._code(cube, codes, corner))]
        windows = [
            window
            for year, year_code in zip(cube.years, fold.years, strict=True)
            if year in self.years
            for (row, column), code in places
            if split == "all" or split_name(code, int(year_code)) in _wanted(split)
            if len((window := self._window(cube, (row, column), year, fractions, known)).days) >= self.min_images
        ]
        if not windows:
            raise NoWindowsError(
                f"{cube.path}: no square of {self.size} pixels of the split {split} has {self.min_images} days that are"
                f" {self.min_clear:g} % clear in {', '.join(map(str, self.years)) or 'no year'}; take smaller windows,"
                " fewer images, less clear ones, or another split"
            )
        return windows

    def _corners(self, cube: Cube) -> Iterator[tuple[int, int]]:
        """(row, column) of the windows that lie in the grid, each once."""
        side, (height, width) = cube.grid.block, cube.grid.shape
        for by, bx in cube.grid.blocks:
            top, left = by * side, bx * side
            if self.size <= side:
                offsets = range(0, side - self.size + 1, self.stride)
                yield from ((top + down, left + right) for down in offsets for right in offsets)
            else:
                rows = range(-(-top // self.stride) * self.stride, top + side, self.stride)
                columns = range(-(-left // self.stride) * self.stride, left + side, self.stride)
                yield from (
                    (row, column)
                    for row in rows
                    for column in columns
                    if row + self.size <= height and column + self.size <= width
                )

    def _code(self, cube: Cube, places: NDArray[np.uint8], corner: tuple[int, int]) -> int:
        """The code of a window by those of its chunks (chunk_y, chunk_x); 0 where they differ, or one has none."""
        codes = places[self._chunks(cube, corner)]
        return int(codes[0, 0]) if (codes == codes[0, 0]).all() else int(Split.NONE)

    def _chunks(self, cube: Cube, corner: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the chunks that a window meets."""
        chunk = cube.grid.chunk
        rows, columns = (slice(first // chunk, (first + self.size - 1) // chunk + 1) for first in corner)
        return rows, columns

    def _window(
        self,
        cube: Cube,
        corner: tuple[int, int],
        year: int,
        fractions: NDArray[np.uint8],
        known: NDArray[np.bool_] | None,
    ) -> Window:
        """A window with the days of a season on which enough of it was clear, its chunks counting by their share of it,
        and the weather of its cell is `known`, as `weather_known` gives it."""
        season, (row, column) = cube.season.season(year), corner
        first, last = np.searchsorted(cube.calendar.days, (season.first_number, season.last_number + 1))
        half = self.size // 2
        cell = cube.grid.weather_cell_of(row + half, column + half)
        seen = clear_of_window(fractions[first:last], row, column, self.size, cube.grid.chunk) >= self.min_clear
        if known is not None:
            seen &= known[first:last, cell[0], cell[1]]
        return Window(row, column, self.size, year, cell, cube.calendar.days[first:last][seen])


def _covered(cube: Cube) -> NDArray[np.uint8]:
    """(chunk_y, chunk_x): 1 where the recipe covers a chunk, 0 elsewhere."""
    n = cube.grid.chunks_per_block
    return cube.grid.block_mask().astype(np.uint8).repeat(n, axis=0).repeat(n, axis=1)


def _wanted(split: DatasetSplit) -> Collection[str]:
    return HELD_OUT if split == "test" else (split,)


def check_split(split: str) -> DatasetSplit:
    """The split of a name. Raises InputError for another name."""
    names: tuple[DatasetSplit, ...] = (*SPLIT_NAMES, "test", "all")
    for name in names:
        if name == split:
            return name
    raise InputError(f"there is no split '{split}'; choose one of {', '.join(names)}")
