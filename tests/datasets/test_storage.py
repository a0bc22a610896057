"""Files are replaced whole, reach the disk in the right order, follow the umask, and are read in parts."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmvsf.datasets.storage.location import atomic_file, read_range, size, write_whole


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def file_mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """The mode of a new file under a umask."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_has_the_mode_that_the_umask_gives(tmp_path: Path, file_mode: int) -> None:
    write_whole(tmp_path / "folder/plain", b"content")
    with atomic_file(tmp_path / "library") as draft:
        # A library that writes through a temporary file of its own, which is private.
        handle, name = tempfile.mkstemp(dir=tmp_path)
        os.close(handle)
        Path(name).replace(draft)
    assert [mode(tmp_path / name) for name in ("folder/plain", "library")] == [file_mode, file_mode]
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "library"}


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(ValueError, match="half"), atomic_file(path) as draft:
        draft.write_bytes(b"ne")
        raise ValueError("half way")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename that reaches the disk before the content does leaves an empty file after a power cut."""
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append(f"sync {path.name} of {path.stat().st_size if path.is_file() else 'a folder'}")
        fsync(handle)

    def replaced(source: Path, target: Path) -> None:
        steps.append(f"rename to {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_whole(tmp_path / "a/b/file", b"content")
    draft = f"file.{os.getpid()}-{threading.get_native_id()}.tmp"
    folders = [f"sync {tmp_path.name} of a folder", "sync a of a folder"]
    assert steps == [*folders, f"sync {draft} of 7", "rename to file", "sync b of a folder"]


def test_a_file_system_that_syncs_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuse(number: int) -> Callable[[int], None]:
        def sync(handle: int) -> None:
            if Path(f"/proc/self/fd/{handle}").readlink().is_dir():
                raise OSError(number, os.strerror(number))
            fsync(handle)

        return sync

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "file", b"content")


def test_parts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert size(path) == 10
    parts = [read_range(path, *part) for part in ((2, 3), (8, 4), (10, 2), (12, 2), (0, 0))]
    assert parts == [(b"234", 10), (b"89", 10), *[(b"", 10)] * 3]
    for read in (lambda: size(tmp_path / "none"), lambda: read_range(tmp_path / "none", 0, 1)):
        with pytest.raises(FileNotFoundError):
            read()
    with pytest.raises(IsADirectoryError):
        size(tmp_path)
