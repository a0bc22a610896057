"""A scene file that is replaced under the same id and version is read again, and nothing else is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rasterio

from mmvsf.datasets.cube.cube import digest
from mmvsf.pipeline.layers.imagery import replaced
from mmvsf.pipeline.raster import fingerprint
from mmvsf.pipeline.sources.stac.declared_state import declared_state
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport import remote_raster as remote

from ..servers.archive import ArchiveServer
from .conftest import Outcome, build_tiny
from .test_slow_servers import HASTY
from .tiny_archive import SCENES, TinyArchive, write_raster

Build = Callable[..., Outcome]
CHANGED = SCENES[-1]
USED = len(SCENES) - 1
"""Scenes of the cube: one of the archive is an older version of another."""


def write_other_pixels(file: Path) -> None:
    """The same raster with other numbers: of the same size on disk, but for compression."""
    with rasterio.open(file) as stored:
        values = stored.read(1)
    values[values > 0] += 1
    write_raster(file, values, CHANGED.granule, -9999)


def times(archive: TinyArchive) -> dict[str, int]:
    """When each ledger entry of the imagery was written."""
    ledger = archive.data / "tiny.zarr.ledger"
    return {path.name + path.parent.name: path.stat().st_mtime_ns for path in ledger.glob("imagery/*/*.json")}


@pytest.mark.slow
def test_a_replaced_file_is_read_again(finished: TinyArchive, tmp_path: Path, dataset: Build) -> None:
    before, old = times(finished), digest(finished.cube)
    write_other_pixels(finished.file(CHANGED, "B05"))
    assert dataset(finished).code == 0
    changed = {name for name, time in times(finished).items() if time != before[name]}
    shard = str((CHANGED.day - type(CHANGED.day)(1970, 1, 1)).days // 32)
    assert changed and all(name.endswith(shard) for name in changed)
    fresh = TinyArchive(tmp_path / "fresh", finished.items)
    shutil.copytree(finished.root, fresh.root)
    shutil.copy(finished.recipe, fresh.recipe)
    build_tiny(fresh)
    assert digest(finished.cube) == digest(fresh.cube) != old
    later = times(finished)
    assert dataset(finished).code == 0 and times(finished) == later


def test_a_copied_archive_is_not_read_again(
    finished: TinyArchive, tmp_path: Path, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another path and other times, but the same content; the files are looked at once."""
    before, looks = times(finished), []
    monkeypatch.setattr(
        "mmvsf.pipeline.sources.archive.rasters.scene_fingerprint",
        lambda hrefs: looks.append(1) or fingerprint.scene_fingerprint(hrefs),
    )
    shutil.move(finished.root, tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").rglob("*.tif"):
        os.utime(path, (1, 1))
    (finished.folder / "archive").symlink_to(tmp_path / "elsewhere")
    assert dataset(finished).code == 0 and times(finished) == before and len(looks) == 2 * USED
    looks.clear()
    assert dataset(finished).code == 0 and times(finished) == before and not looks


def test_what_an_item_says_of_its_files() -> None:
    keys = (("B02", "blue"), ("Fmask",))
    asset: dict[str, Any] = {"href": "x"}
    silent = {"properties": {}, "assets": {"blue": asset, "Fmask": asset}}
    assert declared_state(silent, keys) == ""
    updated = {**silent, "properties": {"updated": "2024-01-01T00:00:00Z"}}
    assert declared_state(updated, keys) == "2024-01-01T00:00:00Z"
    known = {"blue": {**asset, "file:checksum": "1220ab"}, "Fmask": {**asset, "file:checksum": "1220cd"}}
    checked = declared_state({**updated, "assets": known}, keys)
    assert checked not in ("", "2024-01-01T00:00:00Z")
    other = {**known, "Fmask": {**asset, "file:checksum": "1220ce"}}
    assert declared_state({**updated, "assets": other}, keys) != checked
    for hostile in ({"assets": []}, {"assets": {"Fmask": 3}, "properties": [1]}, {"properties": {"updated": 7}}):
        assert declared_state(hostile, keys) == ""


@pytest.mark.slow
@pytest.mark.stand_in
@pytest.mark.parametrize("says", [True, False], ids=["the item says", "only the server says"])
def test_a_replaced_file_of_a_public_archive(
    says: bool, tiny: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRY_POLICY", HASTY)
    monkeypatch.setattr(remote, "_resting", {})
    with ArchiveServer(tiny.root, access="sas") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        public = {"imagery__source": "stac", "imagery__path": None, "imagery__catalog": "planetary-computer"}
        tiny.write_recipe(**public, labels=None)
        if says:
            for item in server.items:
                item["properties"]["updated"] = "2024-01-01T00:00:00Z"
        assert dataset(tiny).code == 0
        before = times(tiny)
        server.requests.clear()
        assert dataset(tiny).code == 0 and times(tiny) == before
        files = [request for request in server.requests if request.path.endswith(".tif")]
        assert len(files) == 1 + (0 if says else USED)  # one for the right of access
        for asset in ("B05", "Fmask"):
            write_other_pixels(tiny.file(CHANGED, asset)) if asset == "B05" else grow(tiny.file(CHANGED, asset))
        if says:
            next(item for item in server.items if item["id"] == CHANGED.id)["properties"]["updated"] = "2024-02-01"
        assert dataset(tiny).code == 0
        assert 0 < sum(time != before[name] for name, time in times(tiny).items()) < len(before)


def grow(file: Path) -> None:
    """Bytes that no reader looks at, so that the size changes."""
    file.write_bytes(file.read_bytes() + bytes(100))


def test_a_scene_of_another_catalogue_is_taken_for_the_same() -> None:
    from .test_imagery_units import scene

    class Source:
        def state(self, scene: Any) -> str:
            return "new"

        def content(self, scene: Any) -> str:
            return ""

    found = scene("a")
    (identity,) = replaced.inputs_of([found], {}, Source())  # type: ignore[arg-type]
    for where, same in (("other.example", True), ("", False)):
        inputs = {identity: [where, "old", "", ""]}
        (marked,) = replaced.mark_replaced([found], inputs, Source())  # type: ignore[arg-type]
        assert (marked.generation == "") == same and marked.state == "new"
