"""Where a cube is stored: a folder, a prefix of a bucket (S3, Google, Azure), or a folder of a web server.

The few things that differ between them are here."""

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from mmvsf.datasets.errors import InputError, MmvsfError, one_line

from .bucket import FORMS, SERVICES
from .object_path import ObjectPath

Location = Path | ObjectPath
"""Both have `/`, `name`, `with_name`, `is_file`, `is_dir`, `exists`, `read_bytes`, `read_text` and `unlink`."""

LOCAL_FOLDER = Path("~/.cache/mmvsf")
"""For a cube in a bucket, files that must be local (downloads, a simulated archive) are kept here: in the home of the
user, on this machine and on each worker."""


OBJECTS_AT_ONCE = 16
"""Objects of a bucket that one process reads or writes at a time."""


def location(text: str | Location) -> Location:
    """From a path or an address such as `s3://bucket/cubes`, `gs://`, `az://` or `https://`.

    Raises InputError for any other address."""
    if not isinstance(text, str):
        return text
    scheme, mark, _ = text.partition("://")
    if not mark:
        return Path(text)
    if scheme not in SERVICES:
        raise InputError(f"{scheme}:// is not supported; a cube is in a folder or at {FORMS}")
    return ObjectPath.parse(text)


def local_folder(data_dir: Location) -> Path:
    """The folder for files that must be local: the data folder itself, or `LOCAL_FOLDER` where that is in a bucket."""
    return data_dir if isinstance(data_dir, Path) else LOCAL_FOLDER


def check_local(path: Path, option: str) -> None:
    """Raise InputError if the path given for an option or argument is an address such as `s3://bucket/runs`.

    `Path` turns `s3://bucket` into `s3:/bucket`, a folder `s3:` on this disk.
    """
    if re.fullmatch(r"[a-z][a-z0-9+.-]+:", path.parts[0] if path.parts else ""):
        address = str(path).replace(":/", "://", 1)
        raise InputError(f"{option} {address}: only cubes can be in a bucket; give a path on this machine")


def ensure_reachable(where: Location) -> None:
    """Check that a bucket or a web server answers. Raises InputError or IncompleteError with the remedy."""
    if isinstance(where, ObjectPath):
        where.ensure_reachable()


def zarr_store(where: Location) -> Any:
    """The location in the form that zarr-python and xarray take; their annotations have no common type for it."""
    return str(where) if isinstance(where, Path) else where.zarr_store()


def kvstore(where: Location) -> dict[str, Any] | None:
    """The location in the form that tensorstore takes; None where it has no driver, as for `az://`: read and write the
    array with zarr-python there."""
    if isinstance(where, Path):
        folder = where.resolve() if ".." in where.parts else where  # tensorstore refuses ".." in a path
        return {"driver": "file", "path": f"{folder}/"}
    return where.kvstore()


def store_errors(where: Location) -> AbstractContextManager[object]:
    """Errors of a bucket behind zarr-python's reads and writes in one line; those of a disk already are."""
    return nullcontext() if isinstance(where, Path) else where.bucket.reaching()


@contextmanager
def read_errors(where: Location) -> Iterator[None]:
    """Errors of zarr-python's reads in one line: InputError where metadata or chunks are damaged, OSError where the
    disk or the bucket refuses, FileNotFoundError where there is nothing to read."""
    try:
        with store_errors(where):
            yield
    except (OSError, MmvsfError):
        raise
    except DAMAGE as error:
        raise damaged(where, error) from error


DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RuntimeError)
"""What zarr-python and json raise for damaged content, by where they notice it. JSON that is nested too deeply is a
RecursionError, which is a RuntimeError."""


def damaged(where: object, error: Exception) -> InputError:
    """The error for stored content that cannot be read."""
    return InputError(f"{where} is damaged: {one_line(error)}; build the cube again with `mmvsf dataset --overwrite`")


def read_each(root: Location, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """(name, content) of the named files or objects below `root`, in order; None for one that does not exist.

    Several objects of a bucket are read at a time, since the latency is longer than the transfer.
    """
    if isinstance(root, Path):
        for name in names:
            yield name, _read(root / name)
        return
    remaining = iter(names)
    with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
        while batch := list(islice(remaining, 4 * OBJECTS_AT_ONCE)):
            yield from zip(batch, pool.map(lambda name: _read(root / name), batch), strict=True)


def _read(where: Location) -> bytes | None:
    try:
        return where.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield the path of an empty draft beside `path`, which replaces it when the block ends without an error.

    A kill or a power cut leaves the old file or the new one, never half of it: the draft is synced before it is
    renamed, and the folder after that. The new file has the mode that the umask gives, even where the library that
    writes the draft is stricter (such as those that write a temporary file of mode 0600 first). An error removes the
    draft. Creates the folder. Raises OSError.
    """
    _create_folder(path.parent)
    draft = _draft_of(path)
    try:
        draft.write_bytes(b"")
        mode = draft.stat().st_mode & 0o777
        yield draft
        draft.chmod(mode)
        _sync(draft, os.O_RDONLY)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


DRAFT = ".tmp"
"""How the names of drafts end."""


def _draft_of(path: Path) -> Path:
    """The draft of a file, which no other thread of any process on this machine writes."""
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}{DRAFT}")


def _create_folder(folder: Path) -> None:
    """Create a folder and those above it, each synced to the disk."""
    if folder.is_dir():
        return
    _create_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, so that a power cut does not undo what was created, renamed or removed
    there. Raises OSError."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that syncs no folders, as some network mounts
            raise
    finally:
        os.close(handle)


def write_whole(where: Location, content: bytes) -> None:
    """Replace a file or object, so that a kill or a power cut leaves the old one or the new one. Raises OSError."""
    if isinstance(where, ObjectPath):
        where.write_bytes(content)
        return
    with atomic_file(where) as draft:
        draft.write_bytes(content)


def write_many(root: Location, contents: Mapping[str, bytes], *, sync: bool = True) -> None:
    """Replace many files or objects below `root`, each as `write_whole` does; in a bucket several at a time.

    Without `sync` a power cut may leave any of them empty until `sync_all` is called. Raises OSError.
    """
    if not isinstance(root, Path):
        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            list(pool.map(lambda name: write_whole(root / name, contents[name]), contents))
        return
    paths = {root / name: content for name, content in contents.items()}
    for folder in () if sync else {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in paths.items():
        if sync:
            write_whole(path, content)
            continue
        draft = _draft_of(path)
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def sync_all(where: Location) -> None:
    """Write to the disk what `write_many` left to the system. In a bucket everything is there already."""
    if isinstance(where, Path):
        os.sync()


def size(where: Location) -> int:
    """The bytes of a file or object. Raises FileNotFoundError where there is none, IsADirectoryError for a folder."""
    if isinstance(where, ObjectPath):
        return where.size()
    status = where.stat()
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(where))
    return status.st_size


def read_range(where: Location, start: int, length: int) -> tuple[bytes, int]:
    """(`length` bytes of a file or object from byte `start` on, fewer where it ends before; bytes of the whole).

    Raises FileNotFoundError where there is no such file or object, OSError where it cannot be read.
    """
    if length == 0:
        return b"", size(where)
    if isinstance(where, ObjectPath):
        return where.read_range(start, length)
    with where.open("rb") as stream:
        stream.seek(start)
        return stream.read(length), os.fstat(stream.fileno()).st_size


def objects(where: Location) -> Iterator[tuple[str, int]]:
    """(name below `where`, bytes) of every file or object, sorted by name; nothing where `where` does not exist.

    Raises InputError on a web server, which lists nothing."""
    if isinstance(where, ObjectPath):
        yield from sorted(where.objects())
        return
    if where.is_dir():
        yield from sorted(_files(str(where), ""))


def _files(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    """(name with `prefix`, bytes) of every file below a folder, in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield f"{prefix}{entry.name}", entry.stat().st_size


def remove_tree(where: Location) -> None:
    """Remove everything below `where`, and the folder itself."""
    if isinstance(where, ObjectPath):
        where.remove_tree()
    else:
        shutil.rmtree(where, ignore_errors=True)


def can_list(where: Location) -> bool:
    """Whether the objects below a location can be listed; plain HTTP has no listing."""
    return not str(where).startswith(("http://", "https://"))
