"""A failed read never looks like a cloud, and a full or read-only disk loses nothing that was done."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube, digest

from .conftest import Command, Outcome
from .tiny_archive import EAST, SCENES, TinyArchive, write_raster

pytestmark = pytest.mark.slow

Build = Callable[..., Outcome]
BROKEN = SCENES[4]
"""One of three scenes of 2021-05-05."""
OTHER_DAYS = [scene.day for scene in SCENES if scene.day != BROKEN.day]


def truncate(path: Path) -> None:
    """Cut a file off in the middle of its pixels."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def not_a_picture(path: Path) -> None:
    path.write_bytes(b"<html>404 Not Found</html>")


def missing(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    """The same pixels at another place than the item says."""
    write_raster(path, pixels(path), replace(EAST, left=EAST.left + 30))


def other_zone(path: Path) -> None:
    """The same pixels in another projection than the item says."""
    write_raster(path, pixels(path), replace(EAST, epsg=32614))


def pixels(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def floats(path: Path) -> None:
    write_raster(path, pixels(path).astype(np.float32) / 1e4, EAST)


def day_of(archive: TinyArchive, name: str, day: date) -> Any:
    cube = Cube.open(archive.cube)
    return cube.array(name)[cube.calendar.index((day - date(1970, 1, 1)).days)]


def assert_only_that_day_failed(archive: TinyArchive, built: TinyArchive) -> None:
    """All but the eastern scene's first blocks; no pixel of a failed block-day is stored."""
    status = day_of(archive, "blocks/status", BROKEN.day)
    assert (status == 4).any()
    for block_row, block_column in np.argwhere(status == 4):
        rows, columns = slice(block_row * 32, block_row * 32 + 32), slice(block_column * 32, block_column * 32 + 32)
        assert (day_of(archive, "imagery/reflectance", BROKEN.day)[:, rows, columns] == -9999).all()
        for name in ("imagery/quality", "imagery/scene"):
            assert (day_of(archive, name, BROKEN.day)[rows, columns] == 255).all()
    for name in ("imagery/reflectance", "imagery/quality", "imagery/scene", "blocks/status", "chunks/clear_fraction"):
        for day in OTHER_DAYS:
            np.testing.assert_array_equal(day_of(archive, name, day), day_of(built, name, day))


@pytest.mark.parametrize(
    ("damage", "asset"),
    [
        (truncate, "B06"),
        (truncate, "Fmask"),
        (not_a_picture, "Fmask"),
        (missing, "B06"),
        (moved, "B06"),
        (other_zone, "Fmask"),
        (floats, "B06"),
        (floats, "Fmask"),
    ],
)
def test_a_scene_that_cannot_be_read(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, damage: Callable[[Path], None], asset: str
) -> None:
    file = tiny.file(BROKEN, asset)
    kept = file.read_bytes()
    damage(file)
    tiny.write_recipe(imagery__complete_above=0.5)
    outcome = dataset(tiny)
    assert outcome.code == 1
    for part in ("could not be read", str(file), "2021-05-05", "--accept-failed", "rest is done"):
        assert part in outcome.error
    assert not Cube.open(tiny.cube, allow_incomplete=True).complete
    assert dataset(tiny, "--accept-failed").code == 0
    assert_only_that_day_failed(tiny, built)
    file.write_bytes(kept)
    assert dataset(tiny).code == 0
    assert digest(tiny.cube) == digest(built.cube)


def test_a_failure_can_be_accepted_and_is_retried_by_the_next_run(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, mmvsf: Command
) -> None:
    tiny.write_recipe(imagery__complete_above=0.5)
    file = tiny.file(BROKEN, "B06")
    kept = file.read_bytes()
    truncate(file)
    assert dataset(tiny, "--accept-failed").code == 0
    assert Cube.open(tiny.cube).complete
    assert_only_that_day_failed(tiny, built)
    assert mmvsf("check", tiny.cube).code == 0
    assert dataset(tiny).code == 1
    file.write_bytes(kept)
    assert dataset(tiny).code == 0
    assert digest(tiny.cube) == digest(built.cube)


def test_too_many_accepted_failures_are_incomplete(tiny: TinyArchive, dataset: Build) -> None:
    for scene in SCENES[3:]:
        not_a_picture(tiny.file(scene, "Fmask"))
    outcome = dataset(tiny, "--accept-failed")
    assert outcome.code == 1 and "complete_above" in outcome.error


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["mmvsf", *sys.argv[2:]]
from mmvsf.datasets.command import main
main()
"""


@pytest.mark.parametrize("limit", [1200, 6000, 60_000])
def test_a_full_disk(tiny: TinyArchive, built: TinyArchive, dataset: Build, limit: int) -> None:
    """Files cannot grow beyond `limit` bytes: the root, the summaries or the shards fail."""
    command = [sys.executable, "-c", LIMITED, str(limit), "dataset", str(tiny.recipe), "--data-dir", str(tiny.data)]
    ended = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and str(tiny.data) in lines[0], ended.stderr
    assert dataset(tiny).code == 0
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("name", ["imagery/586/x262_y4842.json", "labels/2020/x262_y4842.json"])
def test_a_disk_that_fills_up_keeps_what_is_done(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, *arguments: Any, **options: Any) -> int:
        if name in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        outcome = dataset(tiny)
    assert outcome.code == 1 and "No space left" in outcome.error and "run the same command again" in outcome.error
    done = list((tiny.data / "tiny.zarr.ledger").rglob("*.json"))
    assert done
    before = {path: path.stat().st_mtime_ns for path in done}
    assert dataset(tiny).code == 0
    assert {path: path.stat().st_mtime_ns for path in done} == before
    assert digest(tiny.cube) == digest(built.cube)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that takes no write; as root, permissions would not do."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        if os.geteuid() == 0:
            pytest.skip("needs a read-only file system, and this machine allows no mount")
        folder.chmod(0o500)
    yield folder
    if not mounted.returncode:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder(tiny: TinyArchive, mmvsf: Command, read_only: Path) -> None:
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", read_only, "--workers", 1)
    assert outcome.code == 1 and str(read_only) in outcome.error


def test_a_file_where_the_data_folder_should_be(tiny: TinyArchive, mmvsf: Command) -> None:
    tiny.data.write_text("a file")
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert outcome.code in (1, 2) and str(tiny.data) in outcome.error
    assert tiny.data.read_text() == "a file"
