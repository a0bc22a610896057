"""One writer at a time: the lock of a cube or of a run's folder, `<name>.lock` beside it.

On a disk it is an exclusive flock(2), which the kernel releases when its process ends, however that ends. In a bucket,
and on a file system without flock, it is an object or a file that is created on the condition that none exists; a lock
that a dead process of this host left there is taken over.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryFile

from mmvsf.datasets.errors import IncompleteError, InputError

from .location import Location
from .lock_content import LockContent, LockFile, LockObject
from .writer import Writer

_held: ContextVar[frozenset[str]] = ContextVar("_held", default=frozenset())
"""The locks that the calling code holds already."""

WITHOUT_FLOCK = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""What a file system answers that has no flock."""


@contextmanager
def write_lock(target: Location, purpose: str) -> Iterator[None]:
    """Hold the lock of a cube or of a folder for the duration of a block.

    A block inside another one for the same target, in the same thread, passes. `purpose` names the command in the
    message that a second writer gets. Raises IncompleteError where another process holds the lock, InputError where a
    bucket cannot be written or has no conditional writes, OSError where the disk refuses.
    """
    target = target.resolve() if isinstance(target, Path) else target
    lock = target.with_name(f"{target.name}.lock")
    if str(lock) in _held.get():
        yield
        return
    with _lock(lock, target, Writer.this(purpose)):
        token = _held.set(_held.get() | {str(lock)})
        try:
            yield
        finally:
            _held.reset(token)


def _lock(lock: Location, target: Location, writer: Writer) -> AbstractContextManager[None]:
    if not isinstance(lock, Path):
        return _created_lock(LockObject(lock), target, writer)
    lock.parent.mkdir(parents=True, exist_ok=True)
    if not _has_flock(lock.parent):
        return _created_lock(LockFile(lock), target, writer)
    return _flock(lock, target, writer)


def _has_flock(folder: Path) -> bool:
    with TemporaryFile(dir=folder) as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in WITHOUT_FLOCK:
                raise
            return False
    return True


@contextmanager
def _flock(path: Path, target: Location, writer: Writer) -> Iterator[None]:
    while True:
        with path.open("a+b", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                stream.seek(0)
                raise _refused(target, Writer.parse(stream.read())) from error
            if not _is_at(path, stream.fileno()):
                continue  # its holder removed it after we opened it
            try:
                stream.truncate(0)
                stream.write(writer.content())
                yield
            finally:
                path.unlink(missing_ok=True)  # while it is locked: see above
            return


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _created_lock(lock: LockContent, target: Location, writer: Writer) -> Iterator[None]:
    content = writer.content()
    _claim(lock, target, content)
    try:
        if lock.create(content):
            raise InputError(
                f"the store of {target} ignores conditions such as If-None-Match, so it cannot exclude a second"
                " writer; use a store with conditional writes"
            )
        yield
    finally:
        if lock.read() == content:
            lock.remove()


def _claim(lock: LockContent, target: Location, content: bytes) -> None:
    while not lock.create(content):
        current = lock.read()
        if current is None:  # released in this moment
            continue
        if current == content:  # the answer to a first request was lost, and the client repeated it
            return
        holder = Writer.parse(current)
        if holder is None or not holder.is_dead():
            raise _refused(target, holder, f", or delete {lock} if that process is dead")
        if lock.replace(current, content):
            return


def _refused(target: Location, holder: Writer | None, otherwise: str = "") -> IncompleteError:
    who = holder or "another process"
    return IncompleteError(f"{target} is being written by {who}; wait until that ends and run this again{otherwise}")
