"""Files are replaced whole, follow the umask, and are counted by their names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmvsf.datasets.storage.location import atomic_file, write_whole


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
