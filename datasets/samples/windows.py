"""The index of windows: which chunk, in which season, was seen clearly on which days.

It is made from the cube's summaries (clear fractions, status, splits) and reads no pixel. A window belongs to one
split: `train` where both its place and its season are for training, otherwise one named after what is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, Split, Status

from .folds import Fold

Member = TypeVar("Member")

SplitName = Literal["train", "validation", "new_place", "new_year", "both"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "new_place", "new_year", "both")
HISTORY = 8
"""Images of the season before that a window has at most."""
HELD_OUT: tuple[SplitName, ...] = ("new_place", "new_year", "both")
"""Splits of held-out places, years, and both, for testing."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square of pixels in one season."""

    row: int
    column: int
    """upper left pixel in the cube"""
    size: int
    """pixels per side"""
    year: int
    """the name of the season"""
    cell: tuple[int, int]
    """(y, x) of the weather cell that its centre lies in"""
    days: NDArray[np.int32]
    """(n,) int32: days since 1970-01-01 on which it was clear enough, sorted"""
    earlier: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """at most HISTORY such days of the season before, spread evenly over it"""

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns in the cube."""
        return slice(self.row, self.row + self.size), slice(self.column, self.column + self.size)

    def slices_in(self, block: tuple[int, int], side: int) -> tuple[slice, slice]:
        """Rows and columns within a block of `side` pixels per side."""
        row, column = self.row - block[0] * side, self.column - block[1] * side
        return slice(row, row + self.size), slice(column, column + self.size)

    def tiles(self, size: int) -> Iterator[Window]:
        """Windows of `size` pixels per side that cover this one; the window itself where it is not larger. Raises
        InputError where they would reach beyond it, where places may be held out."""
        if size >= self.size:
            yield self
            return
        if self.size % size:
            raise InputError(
                f"windows of {self.size} pixels cannot be cut into windows of {size}; choose a chunk that is a power of"
                " two in the recipe of the cube"
            )
        for row in range(0, self.size, size):
            for column in range(0, self.size, size):
                yield replace(self, row=self.row + row, column=self.column + column, size=size)


def spread(members: Sequence[Member], most: int) -> list[Member]:
    """At most `most` members (such as windows), spread evenly over all; all members for 0."""
    if not most or len(members) <= most:
        return list(members)
    return [members[i] for i in np.linspace(0, len(members) - 1, most).round().astype(int)]


def split_name(place: int, year: int) -> SplitName | None:
    """The name of the split of a place and a year with these `Split` codes; None where either has none.

    Validation data is never used for testing, and a validation year at a test place (or the reverse) is not used.
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
    """All windows of a cube by split, each as large as a chunk."""

    splits: dict[SplitName, tuple[Window, ...]]

    def __getitem__(self, split: SplitName) -> tuple[Window, ...]:
        return self.splits[split]

    @property
    def count(self) -> dict[SplitName, int]:
        """Number of windows in each split."""
        return {split: len(windows) for split, windows in self.splits.items()}


def index_windows(cube: Cube, fold: Fold | None = None, *, min_clear: int = 30, min_images: int = 3) -> WindowIndex:
    """Every chunk and year of the cube with at least `min_images` days that are at least `min_clear` percent clear, by
    the split of `fold`, or else of the recipe. Training sees no image of a held-out year, not even as the season
    before.

    Raises InputError where the training split is empty; the others may be.
    """
    fold = fold or Fold.of(cube)
    places = fold.places
    clear = clear_days(cube, min_clear)
    learned = {year for year, code in zip(cube.years, fold.years, strict=True) if code == Split.TRAIN}
    splits: dict[SplitName, list[Window]] = {name: [] for name in SPLIT_NAMES}
    for year, year_code in zip(cube.years, fold.years, strict=True):
        for cy, cx in np.argwhere(places != Split.NONE):
            name = split_name(int(places[cy, cx]), int(year_code))
            if name is None:
                continue
            window = chunk_window(cube, int(cy), int(cx), year, clear)
            if name in ("train", "validation") and year - 1 not in learned:
                window = replace(window, earlier=window.earlier[:0])
            if len(window.days) >= min_images:
                splits[name].append(window)
    if not splits["train"]:
        raise InputError(
            f"{cube.path}: no training place has {min_images} days that are {min_clear} % clear in a training year; "
            "take a longer period or another split in its recipe"
        )
    return WindowIndex({name: tuple(windows) for name, windows in splits.items()})


def clear_days(cube: Cube, min_clear: int = 30) -> NDArray[np.bool_]:
    """(time, chunk_y, chunk_x) bool: True where reflectance is stored, at least `min_clear` percent is clear, and the
    weather that led up to the day is known."""
    fraction = clear_fractions(cube)
    clear = np.empty(fraction.shape, np.bool_)
    for days in _slabs(len(fraction)):
        clear[days] = (fraction[days] != CLEAR_FRACTION_FILL) & (fraction[days] >= min_clear)
    return clear


def clear_fractions(cube: Cube) -> NDArray[np.uint8]:
    """(time, chunk_y, chunk_x) uint8: percent of a chunk that is clear, `CLEAR_FRACTION_FILL` where no reflectance is
    stored or the weather that led up to the day is not known."""
    fraction, status = cube.array("chunks/clear_fraction"), cube.array("blocks/status")
    n, known = cube.grid.chunks_per_block, weather_known(cube)
    rows, columns = (np.arange(size) * cube.grid.chunk + cube.grid.chunk // 2 for size in cube.grid.chunk_shape)
    cells = [cube.grid.weather_cell_of(int(row), 0)[0] for row in rows]
    across = [cube.grid.weather_cell_of(0, int(column))[1] for column in columns]
    for days in _slabs(len(fraction)):
        usable = (status[days] == Status.STORED).repeat(n, axis=1).repeat(n, axis=2)
        if known is not None:
            usable &= known[days][:, cells][:, :, across]
        fraction[days][~usable] = CLEAR_FRACTION_FILL
    return fraction


def clear_of_window(fractions: NDArray[np.uint8], row: int, column: int, size: int, chunk: int) -> NDArray[np.float64]:
    """(n,) percent of a window of `size` pixels a side that is clear, from `clear_fractions` (n, chunk_y, chunk_x) of
    chunks of `chunk` pixels: each counts by its share of the window, one that was not seen as 0; NaN where none was."""
    (rows, down), (columns, across) = _chunk_shares(row, size, chunk), _chunk_shares(column, size, chunk)
    part = fractions[:, rows, columns]
    seen = part != CLEAR_FRACTION_FILL
    clear = np.einsum("tyx,y,x->t", np.where(seen, part, 0), down, across)
    return np.where(seen.any(axis=(1, 2)), clear, np.nan)


def _chunk_shares(first: int, size: int, chunk: int) -> tuple[slice, NDArray[np.float64]]:
    """The chunks that `size` pixels from `first` on meet along one axis, and the share of these pixels in each."""
    begin, end = first // chunk, -(-(first + size) // chunk)
    edges = np.clip(np.arange(begin, end + 1) * chunk, first, first + size)
    return slice(begin, end), np.diff(edges) / size


def _slabs(count: int) -> list[slice]:
    """Days in parts, so that what is worked out on the way takes little memory: sites far apart span a large grid."""
    return [slice(start, start + 64) for start in range(0, count, 64)]


def weather_known(cube: Cube) -> NDArray[np.bool_] | None:
    """(time, cell_y, cell_x): whether a cell's weather has no gap from the begin of a day's season to the day; None
    where the cells of the cube lack no days, or have no weather."""
    if not (cube.weather and cube.group_attributes("weather").get(LACKING)):
        return None
    missing = np.logical_or.reduce([np.isnan(cube.array(f"weather/{name}")) for name in cube.weather])
    known = np.zeros(missing.shape, np.bool_)
    days, start = cube.calendar.days, day_number(cube.region.weather_start)
    for season in cube.region.period.seasons:
        first = max(day_number(season.weather_start), start)
        span = slice(*np.searchsorted(days, (first, season.last_number + 1)))
        gaps = missing[span].cumsum(axis=0)
        inside = days[span] >= season.first_number
        known[span][inside] = gaps[inside] == 0
    return known


def chunk_window(
    cube: Cube, cy: int, cx: int, year: int, clear: NDArray[np.bool_], *, since: int | None = None
) -> Window:
    """The window of one chunk in one season, in any split; `clear` is the result of `clear_days`. Where the day
    `since` lies before the season, the window begins with that day."""
    size = cube.grid.chunk
    row, column = cy * size, cx * size
    days, bounds = cube.calendar.days, cube.season.season(year)
    first = bounds.first_number if since is None else min(since, bounds.first_number)
    season = (days >= first) & (days <= bounds.last_number)
    cell = cube.grid.weather_cell_of(row + size // 2, column + size // 2)
    earlier = earlier_days(cube, year, lambda span: clear[span, cy, cx])
    return Window(row, column, size, year, cell, days[season & clear[:, cy, cx]], earlier[earlier < first])


def earlier_days(cube: Cube, year: int, clear: Callable[[slice], NDArray[np.bool_]]) -> NDArray[np.int32]:
    """At most HISTORY days of the season before `year`, spread evenly over its clear ones; none where the cube lacks
    it. `clear` gives which of a slice of the cube's days are."""
    if year - 1 not in cube.years:
        return np.empty(0, np.int32)
    season, days = cube.season.season(year - 1), cube.calendar.days
    span = slice(*np.searchsorted(days, (season.first_number, season.last_number + 1)).tolist())
    return spread_days(days[span][clear(span)])


def spread_days(days: NDArray[np.int32]) -> NDArray[np.int32]:
    """At most HISTORY of the days, spread evenly over them."""
    return np.asarray(spread(days.tolist(), HISTORY), np.int32)
