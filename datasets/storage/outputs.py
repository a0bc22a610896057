"""Output files: written to a temporary file, read back, and only then renamed.

An error names the output, not the draft beside it, and leaves the old file as it was.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmvsf.datasets.errors import one_line

from .location import Location, atomic_file
from .object_path import ObjectPath

PIECE = 1 << 20
"""Bytes that are compared at a time."""


@contextmanager
def verified_file(path: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Yield the path of a draft beside `path`, which replaces it when `check` has read it back without an error.

    `check` raises ValueError with the reason where the draft is not what was written. Raises OSError, which names
    `path`, where the disk refuses or the draft is damaged.
    """
    with named_errors(path), atomic_file(path) as draft:
        yield draft
        try:
            check(draft)
        except ValueError as error:
            raise not_as_written(path, str(error)) from error


def write_verified(where: Location, content: bytes) -> None:
    """Replace a file or object, and read a file back before that. Raises OSError as `verified_file` does.

    A bucket stores an object whole or not at all, and proves it by a checksum.
    """
    if isinstance(where, ObjectPath):
        where.write_bytes(content)
        return
    with verified_file(where, lambda draft: _compare(draft, content)) as draft:
        draft.write_bytes(content)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Errors of the system as errors of the output `path`: those of a write name no file, others name its draft."""
    try:
        yield
    except OSError as error:
        if error.filename == str(path):
            raise
        # Libraries such as HDF5 raise some without a number.
        raise OSError(error.errno or errno.EIO, error.strerror or one_line(error), str(path)) from error


def not_as_written(path: Path, reason: str) -> OSError:
    """The error for an output that was written without a complaint, and is damaged when it is read back."""
    return OSError(
        errno.EIO, f"the file was not written completely ({reason}); the disk may be full or failing", str(path)
    )


def _compare(path: Path, content: bytes) -> None:
    """Raises ValueError where a file does not hold `content`."""
    size = path.stat().st_size
    if size != len(content):
        raise ValueError(f"{size} of {len(content)} bytes")
    with path.open("rb") as stream, memoryview(content) as view:
        for start in range(0, size, PIECE):
            if stream.read(PIECE) != view[start : start + PIECE]:
                raise ValueError(f"other content from byte {start} on")
