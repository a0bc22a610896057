"""One array of all tiles of a cube, read by row and column of the whole grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorstore
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.store import (
    CACHE_BYTES,
    begin_read,
    cache_context,
    finish_read,
    open_pixels,
)

from .grid import Tile

if TYPE_CHECKING:
    from .cube import Cube

Index = tuple[Any, ...]
"""(time or season, band, rows, columns) as far as the array has them: integers from 0 on, slices or arrays of integers,
but for rows and columns integers or slices without a step"""


_Key = tuple[str, int, int, int]
"""of a shard: the name of its tile, its number along the first dimension, the row and column of its block"""


@dataclass(frozen=True)
class _Read:
    """A read that was begun in one tile."""

    array: tensorstore.TensorStore
    future: tensorstore.Future[Any]
    place: tuple[slice, slice]
    """rows and columns in the result"""
    shards: _Shards
    """that it meets"""


class _Shards(NamedTuple):
    """The shards of a tile that a read meets."""

    listed: list[str]
    """names of those that exist"""
    checks: list[tuple[_Key, str, Callable[[], bool]]]
    """checks of shards that are used for the first time, whether they exist or not: the name, and what waits for it"""


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
        self._checked: dict[_Key, str] = {}
        """the name of a shard that was checked; empty where there is none"""

    def __getstate__(self) -> dict[str, Any]:
        return {"cube": self.cube, "name": self.name, "_cache_bytes": self._cache_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["cube"], state["name"], state["_cache_bytes"])  # type: ignore[misc]

    def read(self, index: Index) -> NDArray[Any]:
        """The values at an index. Raises IndexError for a position that does not exist, InputError, naming object, day
        and block, where a shard is missing or is not the one that was written, and OSError where the disk or the bucket
        refuses."""
        return self.begin(index)()

    def begin(self, index: Index) -> Callable[[], NDArray[Any]]:
        """Begin a read; the result is called for the values, or raises as `read` does. Raises IndexError for a position
        that does not exist."""
        if len(index) != len(self.spec.dims):
            raise IndexError(f"{self.name} has the dimensions {', '.join(self.spec.dims)}; found {len(index)} indices")
        *parts, rows, columns = index
        leading = list(map(_positions, parts, self.spec.dims, self.spec.shape))
        height, width = self.cube.grid.shape
        window = _as_slice(rows, height), _as_slice(columns, width)
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
                if tile is None:
                    continue
                shards = self._begin_checks(tile, leading, rows, columns)
                if not shards.listed:
                    self._finish_checks(shards)
                else:
                    array = self._open(tile)
                    future = begin_read(array, (*leading, rows, columns))
                    yield _Read(array, future, (row_place, column_place), shards)

    def _joined(self, reads: list[_Read], leading: list[Any], window: tuple[slice, slice]) -> NDArray[Any]:
        """The values of a window, from what its tiles gave."""
        height, width = (part.stop - part.start for part in window)
        if len(reads) == 1 and (reads[0].place == (slice(0, height), slice(0, width))):
            return self._finish(reads[0])
        shape = [n for n in map(_count, leading, self.spec.shape) if n is not None]
        result = np.full((*shape, height, width), self.spec.fill, self.spec.dtype)
        for read in reads:
            result[(..., *read.place)] = self._finish(read)
        return result

    def _finish(self, read: _Read) -> NDArray[Any]:
        """Wait for a read. Raises InputError, which names the shard of which a chunk has another checksum."""
        self._finish_checks(read.shards)
        try:
            return finish_read(read.array, read.future)
        except InputError:
            if self.cube.objects is not None:
                for name in read.shards.listed:
                    self.cube.objects.check_whole(name)
            raise

    def _open(self, tile: Tile) -> tensorstore.TensorStore:
        if tile.name not in self._opened:
            name = f"tiles/{tile.name}/{self.name}"
            self.cube.check_object(f"{name}/zarr.json")
            self._opened[tile.name] = open_pixels(self.cube.path, name, context=self._context)
        return self._opened[tile.name]

    def _begin_checks(self, tile: Tile, leading: list[Any], rows: slice, columns: slice) -> _Shards:
        """Begin to check the shards of a tile that a read meets."""
        lengths = self.spec.shards or ()
        block, objects = self.cube.grid.block, self.cube.objects
        firsts = _shard_numbers(leading[0], lengths[0], self.spec.shape[0]) if leading else (0,)
        shards = _Shards([], [])
        for first in firsts:
            for by in range(rows.start // block, (rows.stop - 1) // block + 1):
                for bx in range(columns.start // block, (columns.stop - 1) // block + 1):
                    key = (tile.name, first, by, bx)
                    name = self._checked.get(key)
                    if name is None:
                        name = self.shard_name(tile, first, (by, bx))
                        if objects is None:  # another process may be writing it
                            name = name if self.cube.check_object(name) else ""
                        else:
                            shards.checks.append((key, name, objects.begin_check(name)))
                            name = name if objects.record(name) is not None else ""
                    if name:
                        shards.listed.append(name)
        return shards

    def _finish_checks(self, shards: _Shards) -> None:
        """Wait for checks that were begun. Raises InputError for a shard that is missing or another one."""
        for key, name, check in shards.checks:
            self._checked[key] = name if check() else ""

    def shard_name(self, tile: Tile, first: int, block: tuple[int, int]) -> str:
        """The name of a shard in the cube: `first` along the first dimension, `block` in the tile."""
        return f"tiles/{tile.name}/{self.name}/{shard_key(len(self.spec.dims), first, block)}"


def shard_key(dimensions: int, first: int, block: tuple[int, int]) -> str:
    """The key of a shard of an array of so many dimensions: (time or season, band, y, x), (time or season, y, x) or
    (y, x)."""
    leading = {4: (first, 0), 3: (first,), 2: ()}[dimensions]
    return "/".join(["c", *map(str, (*leading, *block))])


def _positions(part: Any, dim: str, size: int) -> Any:
    """An index along a dimension before the rows, of `size` positions: integers as they are, a slice within these
    positions, or those of a backward slice. Raises IndexError."""
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        return slice(start, max(start, stop), step) if step > 0 else np.arange(size)[part]
    positions = np.asarray(part)
    if positions.size and positions.dtype.kind not in "iu":
        raise IndexError(f"{dim} is indexed by integers or a slice; found {positions.dtype}")
    if outside := positions[(positions < 0) | (positions >= size)].tolist():
        raise IndexError(f"{outside[0]} is not in 0 to {size - 1} of {dim}")
    return part


def _as_slice(part: Any, size: int) -> slice:
    """An index along rows or columns, of which there are `size`, as a slice within them. Raises IndexError."""
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        if step != 1:
            raise IndexError(f"rows and columns are read without a step; found {part}")
        return slice(start, max(start, stop))
    if not 0 <= int(part) < size:
        raise IndexError(f"{part} is not in 0 to {size - 1}")
    return slice(int(part), int(part) + 1)


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
