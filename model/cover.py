"""Windows that overlap, over all that a cube covers: where they lie, on which days they are seen, and how they blend.

Blocks that touch, also at a corner, form a site. The windows of a site depend on its outline alone, so that tiles side
by side, which are separate tasks, use the same ones at their common border.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Grid, Tile
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import Window, clear_fractions, clear_of_window, spread_days, weather_known

BATCH = 8
"""Windows that are evaluated together."""


OVERLAP = 4
"""Neighbouring windows overlap by at least one pixel in so many, where they overlap."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a site that lies in one tile: a rectangle of pixels around its blocks."""

    blocks: tuple[BlockIndex, ...]
    rows: slice
    columns: slice
    """of the whole grid"""
    starts: tuple[tuple[int, tuple[int, ...]], ...]
    """(first row, first columns) of the windows that meet one of its blocks, sorted"""


def parts_of_tile(
    grid: Grid, tile: Tile, size: int, overlap: int, chosen: Collection[BlockIndex] | None = None
) -> Iterator[Part]:
    """The parts of all sites in a tile, with their windows of `size` pixels a side, which overlap by at least `overlap`
    pixels. Where blocks are `chosen`, only these, with the same windows."""
    members = {(tile.row + by, tile.column + bx) for by, bx in tile.grid.blocks}
    members &= members if chosen is None else set(chosen)
    for site in sites(grid.blocks):
        blocks = tuple(sorted(members & site))
        if not blocks:
            continue
        rows, columns = (_span(blocks, axis, grid.block) for axis in (0, 1))
        row_starts, column_starts = (
            _starts(_span(site, axis, grid.block), size, overlap, within) for axis, within in ((0, rows), (1, columns))
        )
        lists = ((row, tuple(c for c in column_starts if _meets(grid, blocks, row, c, size))) for row in row_starts)
        yield Part(blocks, rows, columns, tuple((row, each) for row, each in lists if each))


def owned_pixels(part: Part, size: int) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    """(first row, first column) of each window of `size` pixels a side, and the rows and columns of the grid that are
    its own: those before the next window. Each pixel of the blocks is that of one window."""
    rows = [row for row, _ in part.starts]
    for (row, columns), below in zip(part.starts, [*rows[1:], rows[-1] + size], strict=True):
        for column, beside in zip(columns, [*columns[1:], columns[-1] + size], strict=True):
            yield (row, column), (slice(row, min(below, row + size)), slice(column, min(beside, column + size)))


@lru_cache(maxsize=4)  # block indices of four cubes
def sites(blocks: tuple[BlockIndex, ...]) -> tuple[frozenset[BlockIndex], ...]:
    """Groups of blocks that touch at a side or a corner, sorted by their first block."""
    left, groups = set(blocks), []
    for block in blocks:
        if block not in left:
            continue
        left.discard(block)
        site, edge = {block}, [block]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            site |= near
            edge += near
        groups.append(frozenset(site))
    return tuple(groups)


def _span(blocks: Sequence[BlockIndex] | frozenset[BlockIndex], axis: int, side: int) -> slice:
    places = [block[axis] for block in blocks]
    return slice(min(places) * side, (max(places) + 1) * side)


def _starts(site: slice, size: int, overlap: int, within: slice) -> list[int]:
    """First pixels of windows along one axis: at even steps from the begin of a site, the last one moved to end with
    it. Those that meet `within`."""
    starts = [*range(site.start, site.stop - size, size - overlap), site.stop - size]
    return [start for start in starts if start < within.stop and start + size > within.start]


def _meets(grid: Grid, blocks: Sequence[BlockIndex], row: int, column: int, size: int) -> bool:
    side = grid.block
    return any(
        by * side < row + size and row < (by + 1) * side and bx * side < column + size and column < (bx + 1) * side
        for by, bx in blocks
    )


def weather_cell_of_window(
    grid: Grid, blocks: frozenset[BlockIndex], row: int, column: int, size: int
) -> tuple[int, int]:
    """The weather cell (y, x) of the window's pixel nearest to its middle that lies in one of the `blocks` of the grid:
    where a site is no rectangle, the middle may lie outside of all blocks, in a cell without weather."""
    side, middle = grid.block, (row + size // 2, column + size // 2)
    downs, acrosses = (range(first // side, (first + size - 1) // side + 1) for first in (row, column))
    nearest = [
        tuple(min(max(at, place * side), (place + 1) * side - 1) for at, place in zip(middle, block, strict=True))
        for block in product(downs, acrosses)
        if block in blocks
    ]
    y, x = min(nearest, key=lambda pixel: (pixel[0] - middle[0]) ** 2 + (pixel[1] - middle[1]) ** 2, default=middle)
    return grid.weather_cell_of(y, x)


def window_overlap(size: int, mixes_pixels: bool) -> int:
    """Pixels by which neighbouring windows of `size` pixels a side overlap, at least: none where what is found of a
    pixel does not depend on others."""
    return size // OVERLAP if mixes_pixels else 0


def blend_weights(size: int, overlap: int) -> Floats:
    """(size, size): the weight of each pixel of a window in the mean of all that hold it, a ramp over `overlap` pixels
    at each side."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 1
    ramp = np.minimum(distance / (overlap + 1), 1).astype(np.float32)
    return np.asarray(ramp[:, None] * ramp)


def blended_rows(
    part: Part,
    rows: Sequence[tuple[int, Sequence[Window]]],
    size: int,
    overlap: int,
    channels: int,
    evaluate: Callable[[Sequence[Window]], Iterable[tuple[Floats, NDArray[np.bool_]]]],
) -> Iterator[tuple[int, Floats]]:
    """The blended rows of a part as they are finished: the first row, and (channels, rows, columns of the part), NaN
    where nothing counts. `rows` are first rows of windows with the windows; `evaluate` gives the values
    (channels, H, W) of each of them, at most BATCH at a time, and the pixels that count (H, W). What is held in memory
    is one row of windows."""
    left = min((columns[0] for _, columns in part.starts), default=0)
    right = max((columns[-1] for _, columns in part.starts), default=0) + size
    weights = blend_weights(size, overlap)
    total = np.zeros((channels + 1, size, right - left), np.float32)
    for number, (row, windows) in enumerate(rows):
        for first in range(0, len(windows), BATCH):
            batch = windows[first : first + BATCH]
            for window, (values, counts) in zip(batch, evaluate(batch), strict=True):
                place = slice(window.column - left, window.column - left + size)
                weight = weights * counts
                total[:-1, :, place] += values * weight
                total[-1, :, place] += weight
        following = rows[number + 1][0] if number + 1 < len(rows) else row + size
        done = min(size, following - row)
        with np.errstate(invalid="ignore", divide="ignore"):
            blended = total[:-1, :done] / total[-1:, :done]
        inside = slice(part.columns.start - left, part.columns.stop - left)
        padded = np.full((channels, done, part.columns.stop - part.columns.start), np.nan, np.float32)
        first_column, last_column = max(inside.start, 0), min(inside.stop, right - left)
        padded[:, :, first_column - inside.start : last_column - inside.start] = blended[:, :, first_column:last_column]
        yield row, padded
        total = np.concatenate([total[:, done:], np.zeros_like(total[:, :done])], axis=1)


def rows_in_block(first_row: int, count: int, block: BlockIndex, side: int) -> slice | None:
    """Those of `count` rows of the grid from `first_row` on that lie in a block of `side` pixels; None for none."""
    begin, end = max(first_row, block[0] * side), min(first_row + count, (block[0] + 1) * side)
    return slice(begin, end) if begin < end else None


@dataclass(frozen=True)
class SeenDays:
    """The days of one season on which windows anywhere in a cube are seen."""

    cube: Cube
    year: int
    days: NDArray[np.int32]
    """(n,) of the season, sorted"""
    fractions: NDArray[np.uint8]
    """(n, chunk_y, chunk_x), as `clear_fractions` gives them"""
    known: NDArray[np.bool_] | None = None
    """(n, cell_y, cell_x), as `weather_known` gives it"""
    min_clear: int = 30
    before: SeenDays | None = None
    """of the season before, where the cube has it"""

    @cached_property
    def _blocks(self) -> frozenset[BlockIndex]:
        return frozenset(self.cube.grid.blocks)

    @staticmethod
    def of(cube: Cube, year: int, first: int, last: int) -> SeenDays:
        """The days from `first` to `last` (since 1970-01-01), and before them those of the season before `year`."""
        days, fractions, known = cube.calendar.days, clear_fractions(cube), weather_known(cube)

        def between(year: int, first: int, last: int, before: SeenDays | None = None) -> SeenDays:
            used = (days >= first) & (days <= last)
            cells = None if known is None else known[used]
            return SeenDays(cube, year, days[used], fractions[used], cells, before=before)

        if year - 1 not in cube.years:
            return between(year, first, last)
        season = cube.season.season(year - 1)
        before = between(year - 1, season.first_number, min(season.last_number, first - 1))
        return between(year, first, last, before)

    def window(self, row: int, column: int, size: int) -> Window:
        """The window at a place, which may lie in several chunks: its days are those on which so much of these is
        clear, weighted by their share of the window, and the weather of its cell is known."""
        seen = clear_of_window(self.fractions, row, column, size, self.cube.grid.chunk) >= self.min_clear
        cell = weather_cell_of_window(self.cube.grid, self._blocks, row, column, size)
        if self.known is not None:
            seen &= self.known[:, cell[0], cell[1]]
        days = self.days[seen]
        earlier = self.before.window(row, column, size).days if self.before else days[:0]
        return Window(row, column, size, self.year, cell, days, spread_days(earlier))
