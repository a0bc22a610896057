"""The index of windows: which chunk, in which season, was seen clearly on which days.

It comes from the cube's summaries (clear fractions, status, splits) and touches no pixel. A window lies in one
part: its place and its season are both for training, or both are what the part says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, Split, Status

from .folds import Fold

Member = TypeVar("Member")

SplitName = Literal["train", "validation", "new_place", "new_year", "both"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "new_place", "new_year", "both")
HELD_OUT: tuple[SplitName, ...] = ("new_place", "new_year", "both")
"""Places, years, and both, that training never sees."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square of pixels in one season."""

    row: int
    column: int
    """Upper left pixel in the cube."""
    size: int
    """Pixels a side."""
    year: int
    """The season is this calendar year."""
    cell: tuple[int, int]
    """(y, x) of the weather cell its centre lies in."""
    days: NDArray[np.int32]
    """(n,): days since 1970-01-01 on which it was clear enough, sorted."""

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns in the cube."""
        return slice(self.row, self.row + self.size), slice(self.column, self.column + self.size)

    def slices_in(self, block: tuple[int, int], side: int) -> tuple[slice, slice]:
        """Rows and columns in a block of `side` pixels."""
        row, column = self.row - block[0] * side, self.column - block[1] * side
        return slice(row, row + self.size), slice(column, column + self.size)

    def tiles(self, size: int) -> Iterator[Window]:
        """Windows of `size` pixels a side that cover this one; all of it where it is no larger."""
        if size >= self.size:
            yield self
            return
        for row in range(0, self.size, size):
            for column in range(0, self.size, size):
                yield replace(self, row=self.row + row, column=self.column + column, size=size)


def spread(members: Sequence[Member], most: int) -> list[Member]:
    """At most that many of the members (windows, for example), spread evenly over them; all of them for 0."""
    if not most or len(members) <= most:
        return list(members)
    return [members[i] for i in np.linspace(0, len(members) - 1, most).round().astype(int)]


def split_name(place: int, year: int) -> SplitName | None:
    """The part that a place and a year of these `Split` codes make; None where one belongs to no part.

    What validates never tests, and a validation year at a test place (or the reverse) is not used at all.
    """
    codes = (place, year)
    if Split.NONE in codes:
        return None
    if Split.TEST in codes:
        if Split.VALIDATION in codes:
            return None
        return "both" if place == year else "new_place" if place == Split.TEST else "new_year"
    return "validation" if Split.VALIDATION in codes else "train"


@dataclass(frozen=True)
class WindowIndex:
    """All windows of a cube by part, each as large as a chunk."""

    parts: dict[SplitName, tuple[Window, ...]]

    def __getitem__(self, part: SplitName) -> tuple[Window, ...]:
        return self.parts[part]

    @property
    def count(self) -> dict[SplitName, int]:
        """Number of windows in each part."""
        return {part: len(windows) for part, windows in self.parts.items()}


def index_windows(cube: Cube, fold: Fold | None = None, *, min_clear: int = 30, min_images: int = 3) -> WindowIndex:
    """Every chunk and year of the cube with at least `min_images` days of at least `min_clear` percent clear, by the
    parts of `fold`, or else of the recipe.

    Raises InputError where the training part is empty; the others may be.
    """
    fold = fold or Fold.of(cube)
    places = fold.places
    clear = clear_days(cube, min_clear)
    parts: dict[SplitName, list[Window]] = {part: [] for part in SPLIT_NAMES}
    for year, year_code in zip(cube.years, fold.years, strict=True):
        for cy, cx in np.argwhere(places != Split.NONE):
            part = split_name(int(places[cy, cx]), int(year_code))
            if part is None:
                continue
            window = chunk_window(cube, int(cy), int(cx), year, clear)
            if len(window.days) >= min_images:
                parts[part].append(window)
    if not parts["train"]:
        raise InputError(
            f"{cube.path}: no training place has {min_images} days that are {min_clear} % clear in a training year; "
            "take a longer period or another split in its recipe"
        )
    return WindowIndex({part: tuple(windows) for part, windows in parts.items()})


def clear_days(cube: Cube, min_clear: int = 30) -> NDArray[np.bool_]:
    """(time, chunk_y, chunk_x): where the reflectance is stored and at least `min_clear` percent is clear."""
    fraction, status = cube.array("imagery/clear_fraction"), cube.array("imagery/status")
    n = cube.grid.chunks_per_block
    stored = (status == Status.STORED).repeat(n, axis=1).repeat(n, axis=2)
    clear: NDArray[np.bool_] = stored & (fraction != CLEAR_FRACTION_FILL) & (fraction >= min_clear)
    return clear


def chunk_window(cube: Cube, cy: int, cx: int, year: int, clear: NDArray[np.bool_]) -> Window:
    """The window of one chunk in one year, whatever part it belongs to; `clear` as `clear_days` gives it."""
    size = cube.grid.chunk
    row, column = cy * size, cx * size
    days = cube.calendar.days
    first, last = np.datetime64(f"{year}-01-01", "D").astype(int), np.datetime64(f"{year}-12-31", "D").astype(int)
    season = (days >= first) & (days <= last)
    cell = cube.grid.weather_cell_of(row + size // 2, column + size // 2)
    return Window(row, column, size, year, cell, days[season & clear[:, cy, cx]])
