"""A scene has a clear pixel only with all six bands: another scene of the day takes its place, or nothing does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from mmvsf.datasets.variables import Status
from mmvsf.pipeline.layers.imagery.block_shard import BlockShard
from mmvsf.pipeline.raster.io import read_masked
from mmvsf.pipeline.raster.scene import Asset

from .conftest import Outcome
from .reference import FILL
from .stored import stored_day
from .test_imagery_units import CLOUDY, MOMENT, RASTER, SHARD_DAYS, scene, shards
from .tiny_archive import EAST, SCENES, TinyArchive, write_raster

GAP = np.s_[4:8, 4:8]
"""Pixels of the left block that scene `a` has no data for."""
SNOW = 0b10000
DAY = scene("a").day % SHARD_DAYS
AT = 0
"""The only day that the arrays hold"""
Pixels = Callable[[str], NDArray[Any]]


class Files:
    """The files of scenes `a` (bands of 1000, with the gap), `b` (2000) and `c` (3000); counts how often each is
    read."""

    def __init__(self, missing: tuple[int, ...], **masks: NDArray[np.uint8]) -> None:
        self.missing, self.masks, self.reads = missing, masks, Counter[str]()

    def __call__(self, href: str) -> NDArray[Any]:
        self.reads[href] += 1
        name, what = href.split("/")
        if what == "mask":
            return self.masks.get(name, np.zeros(RASTER.shape, np.uint8))
        values = np.full(RASTER.shape, {"a": 1000, "b": 2000, "c": 3000}[name], np.int16)
        if name == "a" and int(what) in self.missing:
            values[GAP] = FILL
        return values


def seen(files: Files, *names: str, skip_below_clear: float = 0.0) -> BlockShard:
    """The left block, of scenes that are preferred in this order."""
    found = [scene(name, MOMENT + timedelta(seconds=number)) for number, name in enumerate(names)]
    return shards(found, files, skip_below_clear)[0]


@pytest.mark.parametrize("missing", [(0, 1, 2, 3, 4, 5), (3,)], ids=["no band", "one of six"])
def test_another_scene_of_the_day_fills_the_gap(missing: tuple[int, ...]) -> None:
    block = seen(files := Files(missing), "a", "b")
    expected = np.full((32, 32), 1000)
    expected[GAP] = 2000
    np.testing.assert_array_equal(block.reflectance[AT], np.broadcast_to(expected, (6, 32, 32)))
    np.testing.assert_array_equal(block.scene[AT], expected // 1000 - 1)
    assert [entry[2].id for entry in block.scenes] == ["a", "b"]
    assert block.clear_pixels()[AT].all() and set(files.reads.values()) == {1}


def test_a_pixel_that_no_scene_has_is_not_clear() -> None:
    block = seen(Files((3,)), "a")
    assert block.status[DAY] == Status.STORED
    assert (block.quality[AT][GAP] == 255).all() and (block.scene[AT][GAP] == 255).all()
    assert (block.reflectance[AT][(slice(None), *GAP)] == FILL).all()
    assert block.clear_pixels()[AT].sum() == 32 * 32 - 16 == (block.quality[AT] == 0).sum()


def test_the_best_of_the_others_is_used() -> None:
    cloudy, snowy = (np.full(RASTER.shape, bits, np.uint8) for bits in (CLOUDY, SNOW))
    block = seen(Files((0,), b=cloudy, c=snowy), "a", "b", "c")
    assert (block.quality[AT][GAP] == SNOW).all() and (block.reflectance[AT][(slice(None), *GAP)] == 3000).all()


def test_a_cloud_needs_no_bands() -> None:
    """It stays a cloud of the preferred scene, with the bands that there are."""
    mask = np.zeros(RASTER.shape, np.uint8)
    mask[GAP] = CLOUDY
    block = seen(files := Files((0,), a=mask, b=mask), "a", "b")
    assert (block.quality[AT][GAP] == CLOUDY).all() and (block.scene[AT] == 0).all()
    assert (block.reflectance[AT][(0, *GAP)] == FILL).all() and (block.reflectance[AT][(1, *GAP)] == 1000).all()
    assert not any(href.startswith("b/") and href != "b/mask" for href in files.reads)


def test_the_gap_counts_for_the_share_of_clear_pixels() -> None:
    mask = np.full(RASTER.shape, CLOUDY, np.uint8)
    mask[:8, :8] = 0
    enough, block = 64 / 32**2, seen(Files((5,), a=mask), "a", skip_below_clear=0.05)
    assert enough > 0.05 > enough - 16 / 32**2
    assert block.status[DAY] == Status.SKIPPED_CLOUDY and (block.reflectance[AT] == FILL).all()
    assert (block.quality[AT][GAP] == 255).all() and not block.clear_pixels().any()


def test_a_scene_without_any_band_was_not_acquired() -> None:
    class Empty(Files):
        def __call__(self, href: str) -> NDArray[Any]:
            return super().__call__(href) if href.endswith("mask") else np.full(RASTER.shape, FILL, np.int16)

    block = seen(Empty(()), "a")
    assert block.status[DAY] == Status.NOT_ACQUIRED and not block.scenes
    assert (block.quality == 255).all() and (block.scene == 255).all()


def test_a_cloudy_block_reads_no_band() -> None:
    mask = np.full(RASTER.shape, CLOUDY, np.uint8)
    seen(files := Files((), a=mask), "a", skip_below_clear=0.05)
    assert set(files.reads) == {"a/mask"}


def test_the_no_data_of_the_file_itself(tmp_path: Path) -> None:
    """Declared as a number, or by a mask inside the file."""
    values = np.arange(EAST.rows * EAST.columns, dtype=np.int16).reshape(EAST.rows, EAST.columns) % 500
    window = np.s_[0:6, 2:40]
    grid = RASTER._replace(transform=tuple(EAST.transform)[:6], shape=values.shape)
    numbered, masked, plain = tmp_path / "numbered.tif", tmp_path / "masked.tif", tmp_path / "plain.tif"
    write_raster(numbered, values, EAST, 7)
    write_raster(masked, values, EAST)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(masked, "r+") as file:
        file.write_mask(values != 7)
    write_raster(plain, values, EAST)
    for path in (numbered, masked):
        found = read_masked(Asset(str(path), grid), window)
        np.testing.assert_array_equal(np.ma.getmaskarray(found), values[window] == 7)
    assert (values[window] == 7).any() and not np.ma.isMaskedArray(read_masked(Asset(str(plain), grid), window))


def test_a_cube_honours_the_no_data_of_the_file_itself(
    tiny: TinyArchive, built: TinyArchive, dataset: Callable[..., Outcome]
) -> None:
    last = SCENES[-1]
    file = tiny.file(last, "B06")
    with rasterio.open(file) as stored:
        values = stored.read(1)
    values[12:20, 30:50] = 32
    write_raster(file, values, EAST, 32)
    assert dataset(tiny).code == 0
    lost = np.s_[0:8, 45:65]  # the granule begins 12 rows above the region, and 15 columns to the right of its edge
    before, after = (stored_day(cube, "imagery/quality", last.day)[lost] for cube in (built, tiny))
    assert (after == 255).all() and (before != 255).any()
    assert (stored_day(tiny, "imagery/reflectance", last.day)[:, *lost] == FILL).all()
