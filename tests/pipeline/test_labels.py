"""Labels come to the imagery's grid, point by point."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio import warp

from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import grouped, read_legend
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_GROUPS
from mmvsf.pipeline.layers.labels.resample import BlockLabels, LabelTask, label_tasks, read_labels
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.archive.labels import ArchiveLabels

from . import stored as of_tile
from .conftest import Outcome, build_tiny
from .tiny_archive import COLUMNS, LEFT, PIXEL, ROWS, TOP, TinyArchive, label_rasters, write_raster

Build = Callable[..., Outcome]


@cache
def positions(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(row, column) in the rasters of 2020 of points x points in every pixel: (row, column, point)."""
    _, raster = label_rasters()[2020]
    to_albers = Transformer.from_crs(32615, 5070, always_xy=True)
    shares = [(i + 0.5) / points for i in range(points)]
    row, column = np.empty((2, ROWS, COLUMNS, points**2))
    for r in range(ROWS):
        for c in range(COLUMNS):
            x = [LEFT + (c + share) * PIXEL for _ in shares for share in shares]
            y = [TOP - (r + share) * PIXEL for share in shares for _ in shares]
            east, north = to_albers.transform(x, y)
            row[r, c] = (raster.top - np.array(north)) / 30
            column[r, c] = (np.array(east) - raster.left) / 30
    return row, column


def reference(points: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Majority of the points of a pixel, the smaller code of equals, and its share in whole per cent."""
    codes, raster = label_rasters()[2020]
    rows, columns = positions(points)
    crop, purity = np.zeros((2, ROWS, COLUMNS), int)
    for r in range(ROWS):
        for c in range(COLUMNS):
            votes: Counter[int] = Counter()
            for row, column in zip(rows[r, c], columns[r, c], strict=True):
                inside = 0 <= row < raster.rows and 0 <= column < raster.columns
                votes[int(codes[int(row), int(column)]) if inside else 0] += 1
            most = max(votes.values())
            crop[r, c] = min(code for code, count in votes.items() if count == most)
            purity[r, c] = most * 100 // points**2 if crop[r, c] else 0
    return crop, purity


def stored(archive: TinyArchive, name: str, year: int) -> NDArray[np.generic]:
    return np.asarray(of_tile.stored(archive, f"labels/{name}")[year - 2020])


def test_majority_of_25_points_of_another_crs(built: TinyArchive) -> None:
    crop, purity = reference(5)
    np.testing.assert_array_equal(stored(built, "crop", 2020), crop)
    np.testing.assert_array_equal(stored(built, "purity", 2020), purity)
    assert len(np.unique(purity)) > 10


@pytest.mark.slow
def test_nearest_to_the_centre(tiny: TinyArchive) -> None:
    tiny.write_recipe(labels__method="nearest")
    build_tiny(tiny)
    crop = reference(1)[0]
    np.testing.assert_array_equal(stored(tiny, "crop", 2020), crop)
    # Its purity is the share of the pixel that carries the code of the centre, be it the majority's or not.
    codes, raster = label_rasters()[2020]
    row, column = (np.floor(position).astype(int) for position in positions(5))
    inside = (row >= 0) & (row < raster.rows) & (column >= 0) & (column < raster.columns)
    points = np.where(inside, codes[row.clip(0, raster.rows - 1), column.clip(0, raster.columns - 1)], 0)
    share = (points == crop[..., None]).sum(-1) * 4
    np.testing.assert_array_equal(stored(tiny, "purity", 2020), np.where(crop > 0, share, 0))
    assert share[crop > 0].min() < 50


@pytest.mark.parametrize(("codes", "crop", "purity"), [((9, 3, 7), 3, 48), ((9, 0, 7), 0, 0)])
def test_of_equals_the_smaller_code_counts(codes: tuple[int, int, int], crop: int, purity: int) -> None:
    """12, 12 and 1 of a pixel's 25 points, each in a pixel of 6 m of its own, in any order."""
    cells = np.stack([np.random.default_rng(n).permutation(np.repeat(codes, (12, 12, 1))) for n in range(256)])
    raster = cells.reshape(16, 16, 5, 5).swapaxes(1, 2).reshape(80, 80)

    class Source:
        def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
            return raster[window]

    grid = Grid("EPSG:32615", 30.0, LEFT, TOP, 1, 1, 16, 16, 16, ((0, 0),))
    asset = Asset("here", RasterGrid("EPSG:32615", (6.0, 0.0, LEFT, 0.0, -6.0, TOP), (80, 80)))
    task = LabelTask(2020, (0, 0), "labels/2020/block", asset, "")
    found = read_labels(task, grid, Source(), "majority", (3, 7, 9), {3: 3, 7: 7, 9: 9})
    assert (found.crop == crop).all() and (found.purity == purity).all()


def test_labels_on_the_own_grid_are_copied(built: TinyArchive) -> None:
    codes, _ = label_rasters()[2021]
    own = codes[20 : 20 + ROWS, 10 : 10 + COLUMNS]
    np.testing.assert_array_equal(stored(built, "crop", 2021), own)
    np.testing.assert_array_equal(stored(built, "purity", 2021), np.where(own > 0, 100, 0))


def test_labels_whose_rows_run_north(tmp_path: Path) -> None:
    grid = Grid("EPSG:32615", PIXEL, LEFT, TOP, 1, 1, 32, 16, 48, ((0, 0),), (0.0, 0.0))
    codes, raster = label_rasters()[2021]
    found = []
    for name in ("north", "south"):
        path = tmp_path / name / "crop_2021.tif"
        write_raster(path, codes, raster)
        if name == "south":
            with rasterio.open(path, "r+") as file:
                file.write(codes[::-1], 1)
                file.transform = file.transform * Affine.translation(0, file.height) * Affine.scale(1, -1)
        source = ArchiveLabels(str(path), None)
        (task,) = label_tasks(source, grid, (2021,), "majority", "")
        found.append(read_labels(task, grid, source, "majority", CDL.codes, {code: code for code in CDL.codes}))
    np.testing.assert_array_equal(found[1].crop, found[0].crop)
    np.testing.assert_array_equal(found[1].purity, found[0].purity)
    assert len(np.unique(found[0].crop)) > 1


@pytest.mark.slow
def test_beyond_the_raster_nothing_is_known(tiny: TinyArchive) -> None:
    codes, raster = label_rasters()[2021]
    write_raster(tiny.root / "labels/crop_2021.tif", codes[:40, :40], raster)
    build_tiny(tiny)
    crop = stored(tiny, "crop", 2021)
    np.testing.assert_array_equal(crop[:20, :30], codes[20:40, 10:40])
    assert not crop[20:].any() and not crop[:, 30:].any()


def test_the_legend_travels_with_the_labels(built: TinyArchive) -> None:
    attributes = of_tile.open_array(built, "labels/crop").attrs
    assert attributes["flag_values"] == [1, 5, 36, 111]
    assert attributes["flag_meanings"] == "corn soybeans alfalfa open_water"
    assert attributes["flag_names"] == ["Corn", "Soybeans", "Alfalfa", "Open Water"]
    assert attributes["flag_colors"][0] == "#ffd300" and attributes["flag_colors"][3] == "#4b70a3"


def test_a_code_that_the_legend_does_not_list(tiny: TinyArchive, dataset: Build) -> None:
    codes, raster = label_rasters()[2020]
    codes[60, 60:62] = 26, 250
    write_raster(tiny.root / "labels/crop_2020.tif", codes, raster)
    outcome = dataset(tiny)
    assert outcome.code == 2
    for part in ("crop_2020.tif", "26, 250", "legend", "write 0"):
        assert part in outcome.error
    # Labels come first, so that a gap in the legend shows before hours of imagery.
    assert not (tiny.data / "tiny.zarr.ledger/imagery").exists()


@pytest.mark.slow
def test_a_legend_that_changes_is_applied(tiny: TinyArchive, dataset: Build) -> None:
    build_tiny(tiny)
    legend = tiny.root / "labels/legend.csv"
    legend.write_text(legend.read_text().replace("Corn", "Maize"))
    outcome = dataset(tiny)
    assert outcome.code == 2 and "legend" in outcome.error and "--overwrite" in outcome.error


@pytest.mark.slow
def test_labels_that_cannot_be_read(tiny: TinyArchive, dataset: Build) -> None:
    path = tiny.root / "labels/crop_2020.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    outcome = dataset(tiny)
    assert outcome.code == 1 and str(path) in outcome.error
    path.write_bytes(whole)
    assert dataset(tiny).code == 0


@pytest.mark.slow
def test_a_block_that_cannot_be_read_leaves_the_others(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read(task: LabelTask, *rest: Any) -> BlockLabels:
        asked.append((task.year, task.block))
        if asked[-1] == (2020, (0, 1)) and len(asked) < 13:
            raise ReadError("a tile is spoilt")
        return read_labels(task, *rest)

    monkeypatch.setattr("mmvsf.pipeline.layers.labels.layer.read_labels", read)
    outcome = dataset(tiny)
    assert outcome.code == 1 and len(asked) == 12
    assert "labels: 1 of 12 could not be read, for example a tile is spoilt (2020, block 0,1)" in outcome.error
    assert dataset(tiny).code == 0 and asked[12:] == [(2020, (0, 1))]
    assert digest(tiny.cube) == digest(built.cube)


def test_a_source_out_of_reach_is_not_asked_for_every_block(
    tiny: TinyArchive, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(task: LabelTask, *rest: Any) -> BlockLabels:
        raise ReadError("no answer in time")

    monkeypatch.setattr("mmvsf.pipeline.layers.labels.layer.read_labels", read)
    monkeypatch.setattr("mmvsf.pipeline.build.run.MOST_FAILURES", 3)
    outcome = dataset(tiny)
    assert outcome.code == 1 and "3 of 12 could not be read, for example no answer in time" in outcome.error
    assert "; 9 were not tried after 3 failures in a row" in outcome.error


def test_a_year_without_a_raster(tiny: TinyArchive, dataset: Build) -> None:
    (tiny.root / "labels/crop_2021.tif").unlink()
    outcome = dataset(tiny)
    assert outcome.code == 2 and "no labels of 2021" in outcome.error and "labels.years" in outcome.error


def test_confidence_from_an_archive(tiny: TinyArchive, dataset: Build) -> None:
    codes, raster = label_rasters()[2021]
    percent = np.where(codes % 2, 90, 40).astype(np.uint8)
    percent[25, 15] = 255
    write_raster(tiny.root / "labels/sure_2021.tif", percent, raster)
    write_raster(tiny.root / "labels/sure_2020.tif", *label_rasters()[2020])
    tiny.write_recipe(labels__confidence_path="archive/labels/sure_{year}.tif")
    assert dataset(tiny).code == 0
    known = codes[20 : 20 + ROWS, 10 : 10 + COLUMNS] > 0
    expected = np.where(known, percent[20 : 20 + ROWS, 10 : 10 + COLUMNS], 255)
    np.testing.assert_array_equal(stored(tiny, "confidence", 2021), expected)

    write_raster(tiny.root / "labels/sure_2021.tif", percent[:, 1:], raster)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "sure_2021.tif is not on the grid of" in outcome.error
    (tiny.root / "labels/sure_2021.tif").unlink()
    outcome = dataset(tiny)
    assert outcome.code == 2 and "no rasters of confidence of 2021" in outcome.error


def test_confidence_of_an_archive_needs_its_path(tiny: TinyArchive, dataset: Build) -> None:
    tiny.write_recipe(labels__confidence=True)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "in labels.confidence_path" in outcome.error
    tiny.write_recipe(labels__confidence_path="archive/labels/sure.tif")
    outcome = dataset(tiny)
    assert outcome.code == 2 and "labels.confidence_path needs {year}" in outcome.error


@pytest.mark.parametrize(
    ("crs", "transform", "part"),
    [
        (None, Affine(30, 0, LEFT, 0, -30, TOP), "no CRS"),
        ("EPSG:32615", Affine(30, 5, LEFT, 5, -30, TOP), "rotated"),
    ],
)
def test_labels_that_lie_nowhere(
    tiny: TinyArchive, dataset: Build, crs: str | None, transform: Affine, part: str
) -> None:
    path = tiny.root / "labels/crop_2021.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8", crs=crs, transform=transform
    ) as file:
        file.write(np.ones((1, 9, 9), np.uint8))
    outcome = dataset(tiny)
    assert outcome.code == 2 and str(path) in outcome.error and part in outcome.error


REAL = os.environ.get("MMVSF_REAL_DATA")


@pytest.mark.slow
@pytest.mark.real_data
def test_a_real_cdl_tile(tmp_path: Path) -> None:
    """Nearest neighbour of every centre, mapped by GDAL; where the majority is unanimous it is the nearest too."""
    tile = Path(str(REAL)) / "cdl/2021_30m_cdls_-91095_1822575_15000.tif"
    with rasterio.open(tile) as file:
        codes, transform, crs = file.read(1), file.transform, file.crs
        x, y = Transformer.from_crs(crs, 32614, always_xy=True).transform(*(transform @ (250, 250)))
    block = 7680.0
    left, top = x // block * block, (y // block + 1) * block
    grid = Grid("EPSG:32614", 30.0, left, top, 1, 1, 256, 64, 128, ((0, 0),))
    legend = tmp_path / "legend.csv"
    legend.write_text("code,name\n" + "\n".join(f"{code},class {code}" for code in np.unique(codes) if code))
    known = read_legend(legend).codes
    same = {code: code for code in known}
    source = ArchiveLabels(str(tile), tile.with_name("legend.csv"))
    (task,) = label_tasks(source, grid, (2021,), "nearest", "")
    nearest, *_ = read_labels(task, grid, source, "nearest", known, same)
    centres = np.meshgrid(left + 30 * (np.arange(256) + 0.5), top - 30 * (np.arange(256) + 0.5))
    east, north = (np.array(axis) for axis in warp.transform("EPSG:32614", crs, *(axis.ravel() for axis in centres)))
    column, row = np.floor((east - transform.c) / 30).astype(int), np.floor((transform.f - north) / 30).astype(int)
    inside = (row >= 0) & (row < 500) & (column >= 0) & (column < 500)
    wanted = np.zeros(65536, int)
    wanted[inside] = codes[row[inside], column[inside]]
    np.testing.assert_array_equal(nearest.ravel(), wanted)
    majority, purity, _ = read_labels(task, grid, source, "majority", known, same)
    assert 0.3 < (purity == 100).mean() < 1
    np.testing.assert_array_equal(majority[purity == 100], nearest[purity == 100])
    assert (purity[majority > 0] >= 100 // len(known)).all()
    groups = grouped(CDL, CDL_GROUPS, {}).stored_codes()
    source = ArchiveLabels(str(tile), None)
    crops, share, _ = read_labels(task, grid, source, "nearest", source.legend().codes, groups)
    np.testing.assert_array_equal(crops, np.array([groups.get(code, 0) for code in range(256)])[nearest])
    assert {1, 2, 5, 7} <= set(np.unique(crops)) and (share == 100).mean() > (purity == 100).mean()
