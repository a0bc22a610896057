"""A cube is never blessed with damage in it, has one writer at a time, and is refused where it is of another format."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zarr

from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.storage.manifest import read_manifest

from .conftest import Command, Outcome
from .tiny_archive import TinyArchive

pytestmark = pytest.mark.slow

Build = Callable[..., Outcome]
TILE = "tiles/x65_y1210"


def unlink(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", [unlink, shorten])
@pytest.mark.parametrize("name", ["imagery/reflectance/c/8", "labels/crop/c/0", "blocks/status/c", "weather/tmin/zarr"])
def test_damage_is_refused_and_repaired(
    finished: TinyArchive, dataset: Build, mmvsf: Command, name: str, damage: Callable[[Path], None]
) -> None:
    identity, manifest = digest(finished.cube), read_manifest(finished.cube)
    path = min(path for path in (finished.cube / TILE).rglob("*") if path.is_file() and f"{TILE}/{name}" in str(path))
    damage(path)
    before = snapshot(finished.cube)
    outcome = dataset(finished)
    assert outcome.code == 1 and "mmvsf repair" in outcome.error
    assert path.relative_to(finished.cube).as_posix() in outcome.error
    assert snapshot(finished.cube) == before
    assert read_manifest(finished.cube) == manifest
    assert mmvsf("repair", finished.recipe, "--data-dir", finished.data, "--workers", 1).code == 0
    assert digest(finished.cube) == identity
    assert mmvsf("verify", finished.cube).code == 0


def test_a_flipped_bit_is_repaired_and_not_blessed(finished: TinyArchive, dataset: Build, mmvsf: Command) -> None:
    """A build compares names and lengths only: it keeps the manifest, against which the damage shows."""
    identity = digest(finished.cube)
    path = next((finished.cube / TILE / "imagery/reflectance/c").rglob("[0-9]"))
    path = next(file for file in sorted(path.parents[1].rglob("*")) if file.is_file())
    flip(path)
    assert dataset(finished).code == 0 and digest(finished.cube) == identity
    assert mmvsf("verify", finished.cube).code == 1
    assert mmvsf("repair", finished.recipe, "--data-dir", finished.data, "--workers", 1).code == 0
    assert digest(finished.cube) == identity and mmvsf("verify", finished.cube).code == 0


@pytest.fixture
def paused(tiny: TinyArchive) -> Iterator[subprocess.Popen[bytes]]:
    """A build that was stopped in the middle."""
    command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(tiny.recipe), "--workers", "1"]
    process = subprocess.Popen([*command, "--data-dir", str(tiny.data)], stdout=subprocess.DEVNULL)
    ledger = tiny.data / "tiny.zarr.ledger"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not list(ledger.rglob("*.json")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGSTOP)
    yield process
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)
        process.wait(120)


@pytest.mark.parametrize("command", [("dataset",), ("dataset", "--overwrite"), ("extend",), ("repair",)], ids=" ".join)
def test_a_second_writer_is_refused(
    tiny: TinyArchive, built: TinyArchive, mmvsf: Command, paused: subprocess.Popen[bytes], command: tuple[str, ...]
) -> None:
    before = snapshot(tiny.cube)
    name, *options = command
    outcome = mmvsf(name, tiny.recipe, "--data-dir", tiny.data, "--workers", 1, *options)
    assert outcome.code == 1 and "is being written by" in outcome.error and str(paused.pid) in outcome.error
    assert snapshot(tiny.cube) == before
    os.kill(paused.pid, signal.SIGCONT)
    assert paused.wait(120) == 0
    assert digest(tiny.cube) == digest(built.cube)


@pytest.mark.parametrize("command", ["dataset", "extend", "repair"])
def test_a_cube_of_format_1_is_refused(finished: TinyArchive, mmvsf: Command, command: str) -> None:
    zarr.open_group(str(finished.cube), mode="r+").attrs["format_version"] = 1
    (finished.cube / "manifest.json").unlink()
    (finished.cube / TILE).rename(finished.cube / "imagery")
    (finished.cube / "tiles/zarr.json").unlink()
    (finished.cube / "tiles").rmdir()
    before = snapshot(finished.cube)
    outcome = mmvsf(command, finished.recipe, "--data-dir", finished.data, "--workers", 1)
    assert outcome.code == 2 and "version" in outcome.error and "--overwrite" in outcome.error
    assert snapshot(finished.cube) == before
