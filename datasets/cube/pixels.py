"""One array of all tiles of a cube, read by row and column of the whole grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore
from numpy.typing import NDArray

from mmvsf.datasets.storage.store import CACHE_BYTES, cache_context, finish_read, open_pixels

from .calendar import date_of
from .grid import Tile

if TYPE_CHECKING:
    from .cube import Cube

Index = tuple[Any, ...]
"""(time or season, band, rows, columns) as far as the array has them: integers, slices or arrays of integers, but for
rows and columns integers or slices without a step"""


@dataclass(frozen=True)
class _Read:
    """A read that was begun in one tile."""

    array: tensorstore.TensorStore
    future: tensorstore.Future[Any]
    place: tuple[slice, slice]
    """rows and columns in the result"""


class PixelArray:
    """An array of pixels of a cube, such as `imagery/reflectance`, as stored. A tile that does not exist holds the fill
    value. Arrays of integers in an index choose positions of their dimension, each for itself.

    A shard is checked against the manifest when it is first read: see `VerifiedObjects`. Arrays are opened on first
    use, so that it can be sent to another process. Reads are safe in several threads.
    """

    def __init__(self, cube: Cube, name: str, cache_bytes: int = CACHE_BYTES) -> None:
        """Raises KeyError for an array that the cube does not have."""
        self.cube, self.name, self.spec = cube, name, cube.spec.array(name)
        self._cache_bytes = cache_bytes
        self._context = cache_context(cache_bytes)
        self._opened: dict[str, tensorstore.TensorStore] = {}
        self._tiles = {(tile.row // cube.grid.tile, tile.column // cube.grid.tile): tile for tile in cube.grid.tiles}
        self._checked: set[tuple[str, int, int, int]] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"cube": self.cube, "name": self.name, "_cache_bytes": self._cache_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["cube"], state["name"], state["_cache_bytes"])  # type: ignore[misc]

    def read(self, index: Index) -> NDArray[Any]:
        """The values at an index. Raises InputError, naming object, day and block, where a shard is missing or is not
        the one that was written, and OSError where the disk or the bucket refuses."""
        return self.begin(index)()

    def begin(self, index: Index) -> Callable[[], NDArray[Any]]:
        """Begin a read; the result is called for the values, or raises as `read` does."""
        if len(index) != len(self.spec.dims):
            raise IndexError(f"{self.name} has the dimensions {', '.join(self.spec.dims)}; found {len(index)} indices")
        *leading, rows, columns = index
        window = _as_slice(rows), _as_slice(columns)
        reads = list(self._begin_tiles(leading, window))
        squeeze = tuple(axis for axis, part in ((-2, rows), (-1, columns)) if not isinstance(part, slice))

        def finish() -> NDArray[Any]:
            result = self._joined(reads, leading, window)
            return result.squeeze(squeeze) if squeeze else result

        return finish

    def _begin_tiles(self, leading: list[Any], window: tuple[slice, slice]) -> Iterator[_Read]:
        """Begin the reads of a window in the tiles that exist."""
        side = self.cube.grid.tile * self.cube.grid.block
        for ty, rows, row_place in _parts(window[0], side):
            for tx, columns, column_place in _parts(window[1], side):
                tile = self._tiles.get((ty, tx))
                if tile is not None and self._check(tile, leading, rows, columns):
                    array = self._open(tile)
                    yield _Read(array, array.oindex[(*leading, rows, columns)].read(), (row_place, column_place))

    def _joined(self, reads: list[_Read], leading: list[Any], window: tuple[slice, slice]) -> NDArray[Any]:
        """The values of a window, from what its tiles gave."""
        height, width = (part.stop - part.start for part in window)
        if len(reads) == 1 and (reads[0].place == (slice(0, height), slice(0, width))):
            return finish_read(reads[0].array, reads[0].future)
        shape = [n for n in map(_count, leading, self.spec.shape) if n is not None]
        result = np.full((*shape, height, width), self.spec.fill, self.spec.dtype)
        for read in reads:
            result[(..., *read.place)] = finish_read(read.array, read.future)
        return result

    def _open(self, tile: Tile) -> tensorstore.TensorStore:
        if tile.name not in self._opened:
            self.cube.check_object(f"tiles/{tile.name}/{self.name}/zarr.json")
            self._opened[tile.name] = open_pixels(
                self.cube.path, f"tiles/{tile.name}/{self.name}", context=self._context
            )
        return self._opened[tile.name]

    def _check(self, tile: Tile, leading: list[Any], rows: slice, columns: slice) -> bool:
        """Check the shards of a tile that a read meets. Returns whether there is any."""
        shards = self.spec.shards or ()
        block = self.cube.grid.block
        firsts = _shard_numbers(leading[0], shards[0], self.spec.shape[0]) if leading else (0,)
        any_object = False
        for first in firsts:
            for by in range(rows.start // block, (rows.stop - 1) // block + 1):
                for bx in range(columns.start // block, (columns.stop - 1) // block + 1):
                    key = (tile.name, first, by, bx)
                    if key in self._checked:
                        any_object = True
                    elif self.cube.check_object(self.shard_name(tile, first, (by, bx)), partial(self._words, key)):
                        self._checked.add(key)
                        any_object = True
        return any_object

    def shard_name(self, tile: Tile, first: int, block: tuple[int, int]) -> str:
        """The name of a shard in the cube: `first` along the first dimension, `block` in the tile."""
        return f"tiles/{tile.name}/{self.name}/{shard_key(len(self.spec.dims), first, block)}"

    def _words(self, key: tuple[str, int, int, int]) -> str:
        """Days and block of a shard, for errors."""
        name, first, by, bx = key
        tile = next(tile for tile in self._tiles.values() if tile.name == name)
        block = f"block {tile.row + by},{tile.column + bx}"
        if self.spec.dims[0] == "time":
            day = self.cube.calendar.first_day + first * (self.spec.shards or (1,))[0]
            return f"{date_of(day)} to {date_of(day + (self.spec.shards or (1,))[0] - 1)}, {block}"
        return f"{self.cube.label_years[first]}, {block}" if self.spec.dims[0] == "season" else block


def shard_key(dimensions: int, first: int, block: tuple[int, int]) -> str:
    """The key of a shard of an array of so many dimensions: (time or season, band, y, x), (time or season, y, x) or
    (y, x)."""
    leading = {4: (first, 0), 3: (first,), 2: ()}[dimensions]
    return "/".join(["c", *map(str, (*leading, *block))])


def _as_slice(part: Any) -> slice:
    return part if isinstance(part, slice) else slice(int(part), int(part) + 1)


def _parts(part: slice, side: int) -> Iterator[tuple[int, slice, slice]]:
    """(number of the tile, positions in it, positions in the result) of the tiles that a slice meets."""
    for tile in range(part.start // side, (part.stop - 1) // side + 1):
        start, stop = max(part.start, tile * side), min(part.stop, (tile + 1) * side)
        yield tile, slice(start - tile * side, stop - tile * side), slice(start - part.start, stop - part.start)


def _count(part: Any, size: int) -> int | None:
    """Length of the result along a dimension of `size`; None where it is dropped."""
    if isinstance(part, slice):
        return len(range(*part.indices(size)))
    return None if np.ndim(part) == 0 else len(part)


def _shard_numbers(part: Any, shard: int, size: int) -> list[int]:
    """Numbers of the shards that an index along the first dimension meets."""
    if isinstance(part, slice):
        start, stop, _ = part.indices(size)
        return list(range(start // shard, (stop - 1) // shard + 1)) if stop > start else []
    return sorted({int(position) // shard for position in np.atleast_1d(part)})
