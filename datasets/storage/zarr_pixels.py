"""Pixels where tensorstore has no driver (`az://`): the part of its interface that this project uses, with
zarr-python."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .location import Location, read_errors, store_errors, zarr_store

READS_AT_ONCE = 4
"""Reads that one array answers at a time; zarr-python reads the chunks of each side by side."""


class ZarrPixels:
    """An opened array. `[index]`, or `oindex[index]` where arrays of integers choose positions of their dimension each
    for itself, is read with `.read().result()` and written with `.write(values).result()`.

    Errors are those of `read_errors` and `store_errors`. Nothing is kept in memory.
    """

    def __init__(self, where: Location, *, write: bool) -> None:
        """Raises FileNotFoundError where there is no such array, InputError where its metadata are damaged."""
        self.where = where
        with read_errors(where):
            self.array = zarr.open_array(zarr_store(where), mode="r+" if write else "r")
        self._pool = ThreadPoolExecutor(READS_AT_ONCE)
        self._writing = Lock()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def oindex(self) -> ZarrPixels:
        """This array: every index is an orthogonal one."""
        return self

    def __getitem__(self, index: Any) -> Part:
        return Part(self, index)

    def read(self, index: Any = ...) -> Future[NDArray[Any]]:
        """Begin a read."""
        return self._pool.submit(self._read, index)

    def write(self, index: Any, values: Any) -> Future[None]:
        """Begin a write. Writes come one after the other, since two chunks may share a shard."""
        return self._pool.submit(self._write, index, values)

    def _read(self, index: Any) -> NDArray[Any]:
        with read_errors(self.where):
            return np.asarray(self.array.oindex[index])

    def _write(self, index: Any, values: Any) -> None:
        with self._writing, store_errors(self.where):
            self.array.oindex[index] = values


class Part:
    """A part of an array, to read or to write."""

    def __init__(self, array: ZarrPixels, index: Any) -> None:
        self._array, self._index = array, index

    def read(self) -> Future[NDArray[Any]]:
        """Begin a read."""
        return self._array.read(self._index)

    def write(self, values: Any) -> Future[None]:
        """Begin a write."""
        return self._array.write(self._index, values)
