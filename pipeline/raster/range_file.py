"""A remote file that GDAL reads piece by piece: the parts that will be needed are fetched ahead, in few concurrent
requests."""

import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Self

Range = tuple[int, int]
"""first byte, and the one after the last"""

Fetch = Callable[[Sequence[Range]], Sequence[bytes]]
"""The bytes of ranges, all of the length asked for."""

GAP = 32_768
"""Bytes between two ranges that are fetched with them rather than by a request more."""

STEP = 32_768
"""Bytes that are fetched at least where GDAL needs what was not fetched ahead: directories behind the first bytes, long
lists of tiles, masks."""

MOST_STEPS = 256
"""Of one read, after which a file counts as damaged: a sound one keeps its directories together."""


class RangeFile:
    """The file as rasterio's `FilePath` takes it. What GDAL reads without having been fetched ahead is fetched then, so
    a wrong expectation costs time and never gives other pixels.

    GDAL learns of a failed fetch as of the end of the file; `failure` holds the reason.
    """

    mode = "rb"

    def __init__(self, path: str, size: int, fetch: Fetch, first: Iterable[tuple[int, bytes]] = ()) -> None:
        self.path = path
        self.size = size
        self.failure: Exception | None = None
        self.header: list[tuple[int, bytes]] = []
        """(start, bytes) of everything that was not fetched ahead"""
        self._fetch = fetch
        self._steps = 0
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        for start, piece in first:
            self.header.append((start, piece))
            self._keep(start, piece)

    def ahead(self, ranges: Iterable[Range]) -> None:
        """Fetch what is missing of these ranges. Raises what the fetch raises."""
        missing = merged([part for start, stop in ranges if (part := self._missing(start, min(stop, self.size)))])
        for (start, _), piece in zip(missing, self._fetch(missing) if missing else (), strict=True):
            self._keep(start, piece)

    def part(self, start: int, stop: int) -> bytes:
        """The bytes of a range, shorter at the end of the file. Raises what the fetch raises."""
        pieces, stop = [], min(stop, self.size)
        while start < stop:
            number = self._holding(start)
            if number is None:
                self._step(start, stop)
                continue
            offset = start - self._starts[number]
            pieces.append(self._pieces[number][offset : offset + stop - start])
            start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _step(self, start: int, stop: int) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise OSError("what it holds is scattered over the file; it may be damaged")
        stop = min(max(stop, start + STEP), self.size)
        following = bisect_right(self._starts, start)
        if following < len(self._starts):
            stop = min(stop, self._starts[following])
        (piece,) = self._fetch([(start, stop)])
        self.header.append((start, piece))
        self._keep(start, piece)

    def _missing(self, start: int, stop: int) -> Range | None:
        """A range without what is there of its beginning; None if all is."""
        while start < stop and (number := self._holding(start)) is not None:
            start = self._starts[number] + len(self._pieces[number])
        return (start, stop) if start < stop else None

    def _holding(self, position: int) -> int | None:
        """The number of the piece that a byte is in."""
        number = bisect_right(self._starts, position) - 1
        return number if number >= 0 and position < self._starts[number] + len(self._pieces[number]) else None

    def _keep(self, start: int, piece: bytes) -> None:
        number = bisect_right(self._starts, start)
        self._starts.insert(number, start)
        self._pieces.insert(number, piece)

    # What `FilePath` needs: GDAL may open a file several times, each with a position of its own.
    @property
    def fs(self) -> Self:
        return self

    def open(self, path: str, mode: str) -> "_Cursor":
        return _Cursor(self)

    def read(self, size: int = -1) -> bytes:
        """All of it."""
        return self.part(0, self.size)


class _Cursor(io.RawIOBase):
    """A position in a file. Nothing is raised into GDAL, which would print it and go on."""

    def __init__(self, file: RangeFile) -> None:
        self._file = file
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        stop = self._file.size if size < 0 else self._position + size
        try:
            content = self._file.part(self._position, stop)
        except Exception as error:  # noqa: BLE001 - kept for the reader, which raises it
            self._file.failure = self._file.failure or error
            return b""
        self._position += len(content)
        return content


def merged(ranges: Iterable[Range], gap: int = GAP) -> list[Range]:
    """The ranges in order, with those joined that lie no farther than `gap` bytes apart."""
    result: list[Range] = []
    for start, stop in sorted(ranges):
        if result and start - result[-1][1] <= gap:
            result[-1] = result[-1][0], max(result[-1][1], stop)
        else:
            result.append((start, stop))
    return result
