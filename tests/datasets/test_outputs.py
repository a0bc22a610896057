"""Output files are read back before they get their name, whatever the disk or GDAL does not report."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage import geotiff
from mmvsf.datasets.storage.geotiff import RasterHeader, cog_file, gdal_errors
from mmvsf.datasets.storage.outputs import verified_file, write_verified
from mmvsf.datasets.storage.run_lock import run_lock
from tests.full_disk import full_disk

SIDE = 600
HEADER = RasterHeader(
    (SIDE, SIDE), "uint8", "EPSG:32615", Affine(30, 0, 500_000, 0, -30, 4_650_000), 0, ("crop",),
    tags={0: {"year": "2021"}, 1: {"class_1": "Corn"}}, colours={0: (0, 0, 0, 0), 1: (255, 211, 0, 255)},
)  # fmt: skip
PIXELS = np.random.default_rng(0).integers(0, 200, (1, SIDE, SIDE), dtype=np.uint8)
SOURCE = """
import sys
from pathlib import Path
from tests.datasets.test_outputs import write_cog
write_cog(Path(sys.argv[1]))
"""


def write_cog(path: Path, step: int = 200) -> None:
    with cog_file(path, HEADER) as target:
        for row in range(0, SIDE, step):
            rows = slice(row, row + step)
            target.write(PIXELS[:, rows], rows, slice(0, SIDE))
        target.finish(overview_resampling="nearest")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------------- files


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "runs/metrics.json"
    for content in (b"{}", bytes(3_000_000), b""):
        write_verified(path, content)
        assert path.read_bytes() == content and names(path.parent) == ["metrics.json"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(lambda b: b[:-1], "2000000 of 2000001 bytes"), (lambda b: b[:-1] + b"x", "from byte 1048576 on")],
)
def test_a_file_that_reads_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path, write = tmp_path / "model.safetensors", Path.write_bytes
    path.write_bytes(b"before")
    monkeypatch.setattr(Path, "write_bytes", lambda where, content: write(where, damage(content) if content else b""))
    with pytest.raises(OSError, match=reason) as caught:
        write_verified(path, bytes(2_000_001))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before" and names(tmp_path) == ["model.safetensors"]


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="File too large") as caught, full_disk(1000):
        write_verified(path, bytes(1001))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before" and names(tmp_path) == ["report.html"]


def test_a_check_of_another_format(tmp_path: Path) -> None:
    def check(draft: Path) -> None:
        if not draft.read_bytes().endswith(b"end"):
            raise ValueError("it has no end")

    with pytest.raises(OSError, match="it has no end"), verified_file(tmp_path / "x", check) as draft:
        draft.write_bytes(b"begin")
    assert names(tmp_path) == []
    with verified_file(tmp_path / "x", check) as draft:
        draft.write_bytes(b"the end")
    assert names(tmp_path) == ["x"]


# ---------------------------------------------------------------------- rasters


def test_a_cog_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    write_cog(path)
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(source.read(), PIXELS)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and source.overviews(1) == [2]
        assert source.tags()["year"] == "2021" and source.tags(1)["class_1"] == "Corn"
        assert source.colormap(1)[1] == (255, 211, 0, 255) and source.descriptions == ("crop",)
    assert names(tmp_path) == ["map.tif"]


@pytest.mark.slow
def test_a_raster_that_may_exceed_4_gib_is_a_big_tiff(tmp_path: Path) -> None:
    """GDAL decides by the uncompressed size, here 2.06 GiB; no pixel is written, so that the file is small."""
    formats = {}
    for side in (SIDE, 47_000):
        with cog_file(tmp_path / "map.tif", replace(HEADER, shape=(side, side))) as target:
            target.finish(overviews="none", sparse_ok="true")
        formats[side] = (tmp_path / "map.tif").read_bytes()[:4]
    assert formats == {SIDE: b"II*\0", 47_000: b"II+\0"}


def test_a_disk_that_is_full_at_any_size_leaves_the_old_raster_or_a_whole_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.tif"
    write_cog(path)
    whole = path.stat().st_size
    written, sizes = 0, [100, 400, 1000, *range(10_000, int(1.5 * whole), whole // 12), whole - 1, whole]
    for size in sizes:
        path.write_bytes(b"before")
        try:
            with full_disk(size):
                write_cog(path)
        except OSError as error:
            assert error.strerror == "File too large" and error.filename == str(path)
            assert path.read_bytes() == b"before"
        else:
            written += 1
            with rasterio.open(path) as source:
                np.testing.assert_array_equal(source.read(), PIXELS)
        assert names(tmp_path) == ["map.tif"]
    assert 0 < written < len(sizes) - 10
    assert capfd.readouterr() == ("", "")


def test_a_file_system_that_is_full(tmp_path: Path) -> None:
    """A mount of its own in a namespace of its own, with space for the draft and a part of the final file."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mount")
    script = 'mount -t tmpfs -o size=500k none "$1" && { "$2" -c "$3" "$1/map.tif"; ls -A "$1"; }'
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, SOURCE],
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert ended.stderr.splitlines()[-1].startswith("OSError: [Errno 5] No space left on device: '"), ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("part", ["pixels", "tags", "colours", "end", "overview"])
def test_a_raster_that_reads_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """GDAL's copy succeeds, and the file is not what was written."""

    def copy(source: Path, target: Path, **options: Any) -> None:
        if part in ("pixels", "tags", "colours"):
            with rasterio.open(source, "r+") as draft:
                if part == "pixels":
                    draft.write(PIXELS[:, :1, :1] + 1, window=rasterio.windows.Window(599, 599, 1, 1))
                elif part == "tags":
                    draft.update_tags(year="2020")
                else:
                    draft.write_colormap(1, {1: (255, 0, 0, 255)})
        rasterio.shutil.copy(source, target, **options)
        if part == "end":
            os.truncate(target, target.stat().st_size - 1000)
        if part == "overview":
            with rasterio.open(target) as whole:
                start = int(whole.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=0))
            content = bytearray(target.read_bytes())
            content[start : start + 4] = bytes(4)
            target.write_bytes(content)

    path = tmp_path / "map.tif"
    path.write_bytes(b"before")
    monkeypatch.setattr(geotiff, "copy_raster", copy)
    with pytest.raises(OSError, match="was not written completely") as caught:
        write_cog(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before" and names(tmp_path) == ["map.tif"]


def test_two_rasters_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"before")
    other = replace(HEADER, colours={}, tags={})
    with (
        pytest.raises(OSError, match="File too large"),
        full_disk(10_000),
        cog_file(tmp_path / "a", HEADER) as a,
        cog_file(tmp_path / "b", other) as b,
    ):
        a.write(np.ones((1, 8, 8), np.uint8), slice(0, 8), slice(0, 8))
        b.write(PIXELS, slice(0, SIDE), slice(0, SIDE))
        a.finish()
        b.finish()
    assert names(tmp_path) == ["a", "b"]
    assert {(tmp_path / name).read_bytes() for name in "ab"} == {b"before"}


def test_what_others_print_meanwhile_is_passed_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with gdal_errors(tmp_path):
        os.write(2, b"a warning\n")
    with pytest.raises(OSError, match="Quota exceeded") as caught, gdal_errors(tmp_path):
        os.write(2, b"a warning\n_tiffWriteProc: Quota exceeded.\nanother\n")
    assert caught.value.filename == str(tmp_path)
    assert capfd.readouterr().err == "a warning\na warning\nanother\n"


def test_threads_write_rasters(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = [threading.Thread(target=write_cog, args=(tmp_path / f"{n}.tif", 50)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == ["0.tif", "1.tif", "2.tif"]
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


# ---------------------------------------------------------------------- one writer


WRITER = """
import sys
from pathlib import Path
from mmvsf.datasets.storage.run_lock import run_lock
with run_lock(Path(sys.argv[1]), "mmvsf cropmap"):
    Path(sys.argv[1], "crop_map.tif.1.tmp").write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of writing into a folder."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], text=True, **pipes)
    try:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_drafts_of_a_killed_writer_are_removed_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    (folder / "2021").mkdir(parents=True)
    with writer(folder) as process:
        process.send_signal(signal.SIGSTOP)
        refused = pytest.raises(IncompleteError, match=rf"process {process.pid} .*mmvsf cropmap")
        with refused, run_lock(folder, "mmvsf cropmap"):
            pass
        assert (folder / "crop_map.tif.1.tmp").is_file()
    (folder / "confidence.tif.ab.tmp").mkdir()
    (folder / "confidence.tif.ab.tmp" / "tiled.tif").write_bytes(b"half")
    (folder / "2021" / "loss.png.7.tmp").write_bytes(b"half")
    (folder / "crop_map.tif").write_bytes(b"whole")
    with run_lock(folder, "mmvsf cropmap"):
        assert sorted(path.name for path in folder.rglob("*")) == ["2021", "crop_map.tif"]


def test_drafts_beside_a_file_are_removed(tmp_path: Path) -> None:
    for name in ("report.html.7.tmp", "plan.html.7.tmp", "report.html"):
        (tmp_path / name).write_bytes(b"half")
    with run_lock(tmp_path / "report.html", "mmvsf report"):
        assert names(tmp_path) == ["plan.html.7.tmp", "report.html", "report.html.lock"]
    assert names(tmp_path) == ["plan.html.7.tmp", "report.html"]
