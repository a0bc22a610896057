"""The CDL through CropScape: the real HTTP client against a stand-in, with faults."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import grouped
from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_GROUPS
from mmvsf.pipeline.layers.labels.resample import label_tasks, read_labels
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.sources.cdl.cropscape import TILE, CropScapeLabels
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from tests.servers.base import Fault, corrupt, empty, hang, reset, status, truncated
from tests.servers.cropscape import CropScape, codes_at, geotiff

from .conftest import Command
from .stored import of_region, open_array
from .tiny_archive import LEFT, TOP, TinyArchive

pytestmark = pytest.mark.stand_in

WEST, NORTH = 200_000, 2_100_000
"""Somewhere in Iowa, in metres of EPSG:5070."""


QUICK = RetryPolicy(attempts=4, first_wait=0.01, request=1.5)


@pytest.fixture
def server() -> Iterator[CropScape]:
    with CropScape() as running:
        yield running


@pytest.fixture
def source(server: CropScape, tmp_path: Path) -> CropScapeLabels:
    return CropScapeLabels(tmp_path / "cache", server.service, QUICK)


def window_at(asset: Asset, x: float, y: float, rows: int, columns: int) -> tuple[slice, slice]:
    a, _, left, _, _, top = asset.grid.transform
    row, column = int((top - y) // a), int((x - left) // a)
    return slice(row, row + rows), slice(column, column + columns)


def expected(asset: Asset, window: tuple[slice, slice]) -> NDArray[np.uint8]:
    a, _, left, _, _, top = asset.grid.transform
    rows, columns = (np.arange(part.start, part.stop) + 0.5 for part in window)
    return codes_at(int(asset.href[-4:]), left + columns[None] * a, top - rows[:, None] * a)


@pytest.mark.slow
@pytest.mark.parametrize(("year", "size"), [(2021, 30.0), (2024, 10.0)])
def test_codes_of_two_resolutions(source: CropScapeLabels, year: int, size: float) -> None:
    asset = source.asset(year)
    assert asset.grid.resolution == size and asset.grid.crs == "EPSG:5070"
    window = window_at(asset, WEST, NORTH, 40, 50)
    codes = source.read(asset, window)
    np.testing.assert_array_equal(codes, expected(asset, window))
    assert len(np.unique(codes)) > 2


def test_a_window_over_four_tiles(source: CropScapeLabels, server: CropScape) -> None:
    asset = source.asset(2021)
    _, _, left, _, _, top = asset.grid.transform
    x, y = left + 46 * TILE - 600, top - 20 * TILE + 900
    window = window_at(asset, x, y, 60, 50)
    np.testing.assert_array_equal(source.read(asset, window), expected(asset, window))
    assert sum(request.path.endswith("GetCDLFile") for request in server.requests) == 1 + 4


@pytest.mark.parametrize(("year", "inside"), [(2021, 20), (2024, 59)])
def test_beyond_the_borders_nothing_is_known(source: CropScapeLabels, year: int, inside: int) -> None:
    asset = source.asset(year)
    window = window_at(asset, 2_258_235 - 600, 2_000_000, 10, 80)
    codes = source.read(asset, window)
    np.testing.assert_array_equal(codes, expected(asset, window))
    assert codes[:, :inside].all() and not codes[:, inside:].any()
    for x, y in ((-2_356_095 + 90, 2_000_000), (0, 3_172_605 - 90), (0, 276_915 + 90)):
        assert source.read(asset, window_at(asset, x, y, 3, 3)).all()


def test_what_is_in_the_cache_is_not_asked_for_again(source: CropScapeLabels, server: CropScape) -> None:
    asset = source.asset(2021)
    window = window_at(asset, WEST, NORTH, 9, 9)
    first = source.read(asset, window)
    asked = len(server.requests)
    assert source.asset(2021) == asset
    np.testing.assert_array_equal(source.read(asset, window), first)
    assert len(server.requests) == asked
    assert not list(source.cache.rglob("*.tmp"))


FAULTS: list[tuple[str, Fault]] = [
    ("GetCDLFile", status(429, retry_after=0)),
    ("GetCDLFile", status(429)),
    ("GetCDLFile", status(500)),
    ("GetCDLFile", status(503)),
    ("GetCDLFile", empty()),
    ("GetCDLFile", hang(4)),
    ("nass_data_cache", status(503)),
    ("nass_data_cache", status(404)),
    ("nass_data_cache", reset()),
    ("nass_data_cache", truncated()),
    ("nass_data_cache", empty()),
    ("nass_data_cache", corrupt(200)),
    ("nass_data_cache", hang(4)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "fault"), FAULTS)
def test_what_fails_for_a_time_is_tried_again(
    source: CropScapeLabels, server: CropScape, where: str, fault: Fault
) -> None:
    asset = source.asset(2021)
    server.fail(where, fault, times=1)
    window = window_at(asset, WEST, NORTH, 20, 20)
    np.testing.assert_array_equal(source.read(asset, window), expected(asset, window))


@pytest.mark.slow
@pytest.mark.parametrize(("where", "fault"), [FAULTS[3], FAULTS[9], FAULTS[11]])
def test_what_fails_for_good_is_never_no_data(
    source: CropScapeLabels, server: CropScape, where: str, fault: Fault
) -> None:
    asset = source.asset(2021)
    server.fail(where, fault)
    window = window_at(asset, WEST, NORTH, 20, 20)
    with pytest.raises(ReadError):
        source.read(asset, window)
    assert [path.name for path in source.cache.rglob("*.tif")] == ["probe.tif"]
    server.clear_faults()
    np.testing.assert_array_equal(source.read(asset, window), expected(asset, window))


@pytest.mark.parametrize("year", [1999, 2025])
def test_a_year_that_is_not_there(source: CropScapeLabels, year: int) -> None:
    with pytest.raises(InputError, match=str(year)):
        source.asset(year)


def test_a_service_that_does_not_answer(source: CropScapeLabels, server: CropScape) -> None:
    server.fail(".", status(503))
    with pytest.raises(IncompleteError, match=r"503; try again later, or take .*nass.*archive"):
        replace(source, retry_policy=replace(QUICK, attempts=20)).asset(2021)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("crs", "shift", "size", "part"),
    [("EPSG:32615", 0, 30, "EPSG:32615"), ("EPSG:5070", 7, 30, "grid"), ("EPSG:5070", 0, 56, "grid")],
)
def test_a_file_on_another_grid_is_refused(
    source: CropScapeLabels, server: CropScape, crs: str, shift: int, size: int, part: str
) -> None:
    asset = source.asset(2021)
    foreign = geotiff(np.ones((2100, 2100), np.uint8), -2_356_095 + shift, 3_172_605, size, crs)

    server.fail("nass_data_cache", lambda request, right: replace(right, body=foreign))
    with pytest.raises(MmvsfError, match=part):
        source.read(asset, window_at(asset, WEST, NORTH, 5, 5))


def test_a_year_of_pixels_that_tiles_do_not_hold_whole(source: CropScapeLabels, server: CropScape) -> None:
    """2008 and 2009 were first published with pixels of 56 m."""
    coarse = geotiff(np.ones((80, 80), np.uint8), -1_000, 1_804_000, 56)
    server.fail("nass_data_cache", lambda request, right: replace(right, body=coarse))
    with pytest.raises(InputError, match=r"2009: CropScape has pixels of 56 m.*nass"):
        source.asset(2009)


def test_a_tile_is_fetched_once_for_all_who_ask(source: CropScapeLabels, server: CropScape) -> None:
    asset = source.asset(2021)
    window = window_at(asset, WEST, NORTH, 9, 9)
    before = len(server.requests)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: source.read(asset, window).sum(), range(4)))
    assert len(set(found)) == 1 and len(server.requests) - before == 2


def test_the_labels_of_a_block(source: CropScapeLabels) -> None:
    """Groups, majority and purity of every pixel, point by point."""
    x, y = Transformer.from_crs(5070, 32615, always_xy=True).transform(WEST, NORTH)
    grid = Grid("EPSG:32615", 30.0, x // 30 * 30, y // 30 * 30, 1, 1, 64, 32, 32, ((0, 0),))
    (task,) = label_tasks(source, grid, (2021,), "majority", "")
    groups = {1: 1, 5: 2, 121: 3, 124: 3}
    crop, purity, _ = read_labels(task, grid, source, "majority", source.legend().codes, groups)
    steps = (np.arange(64 * 5) + 0.5) * 6
    xs, ys = np.meshgrid(grid.left + steps, grid.top - steps)
    table = np.zeros(256, int)
    table[list(groups)] = list(groups.values())
    points = table[codes_at(2021, *Transformer.from_crs(32615, 5070, always_xy=True).transform(xs, ys))]
    votes = np.stack([(points == code).reshape(64, 5, 64, 5).sum((1, 3)) for code in range(4)])
    np.testing.assert_array_equal(crop, votes.argmax(0))
    np.testing.assert_array_equal(purity, np.where(crop > 0, votes.max(0) * 4, 0))
    assert len(np.unique(crop)) > 2 and len(np.unique(purity)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("year", [2021, 2024])
def test_purity_is_a_share_of_area(source: CropScapeLabels, year: int) -> None:
    """Pixels of 30 and of 10 m, rotated against the imagery's: the area of each group by 900 points a pixel."""
    x, y = Transformer.from_crs(5070, 32615, always_xy=True).transform(WEST, NORTH)
    grid = Grid("EPSG:32615", 30.0, x // 30 * 30, y // 30 * 30, 1, 1, 32, 32, 32, ((0, 0),))
    groups = grouped(CDL, CDL_GROUPS, {}).stored_codes()
    (task,) = label_tasks(source, grid, (year,), "majority", "")
    crop, purity, _ = read_labels(task, grid, source, "majority", source.legend().codes, groups)
    xs, ys = np.meshgrid(grid.left + np.arange(32 * 30) + 0.5, grid.top - np.arange(32 * 30) - 0.5)
    table = np.array([groups.get(code, 0) for code in range(256)])
    fine = table[codes_at(year, *Transformer.from_crs(32615, 5070, always_xy=True).transform(xs, ys))]
    area = np.stack([(fine == code).reshape(32, 30, 32, 30).mean((1, 3)) for code in range(1, table.max() + 1)])
    mixed = area.max(0) < 1
    assert (crop == area.argmax(0) + 1)[~mixed].all() and (crop == area.argmax(0) + 1).mean() > 0.98
    off = purity[mixed] - 100 * np.take_along_axis(area, crop[None].astype(int) - 1, 0)[0][mixed]
    assert np.abs(off).mean() < 5.5 and abs(off.mean()) < 1 and np.abs(off).max() < 20


def test_tiles_are_whole_files(source: CropScapeLabels) -> None:
    asset = source.asset(2021)
    source.read(asset, window_at(asset, WEST, NORTH, 5, 5))
    (tile,) = source.cache.rglob("*-*/2021/*-*.tif")
    with rasterio.open(tile) as file:
        assert file.read(1).shape == (2050, 2050)


@pytest.mark.slow
def test_a_cube_with_labels_of_the_cdl(
    tiny: TinyArchive, server: CropScape, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the recipe to the cube, at the command line: groups, their legend, the attribution, the cache."""
    monkeypatch.setenv("MMVSF_CROPSCAPE_URL", server.service)
    tiny.write_recipe(labels={"source": "cropscape", "years": [2020, 2021], "groups": "default"})
    shown = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert shown.code == 0 and "soybeans" in shown.out
    assert len(server.requests) == 4  # two years, a probe of each
    options = ("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    assert mmvsf(*options).code == 0
    crop = open_array(tiny, "labels/crop")
    assert crop.attrs["flag_names"][:2] == ["corn", "soybeans"] and crop.attrs["flag_source_codes"][0] == "1 12 13"
    assert "public domain" in zarr.open_group(str(tiny.cube), mode="r").attrs["label_source"]
    to_albers = Transformer.from_crs(32615, 5070, always_xy=True)
    steps = (np.arange(96 * 5) + 0.5) * 6
    xs, ys = np.meshgrid(LEFT + steps, TOP - steps[: 64 * 5])
    stored = grouped(CDL, CDL_GROUPS, {}).stored_codes()
    table = np.array([stored.get(code, 0) for code in range(256)])
    points = table[codes_at(2021, *to_albers.transform(xs, ys))].reshape(64, 5, 96, 5)
    votes = np.stack([(points == code).sum((1, 3)) for code in range(10)])
    np.testing.assert_array_equal(of_region(np.asarray(crop[1]), "labels/crop"), votes.argmax(0))
    asked = len(server.requests)
    assert mmvsf(*options, "--overwrite").code == 0 and len(server.requests) == asked


@pytest.mark.slow
def test_labels_that_cannot_be_fetched_leave_the_rest_built(
    tiny: TinyArchive, server: CropScape, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMVSF_CROPSCAPE_URL", server.service)
    quick = classmethod(lambda cls, section, site: cls(site.cache("cdl"), server.service, QUICK))
    monkeypatch.setattr(CropScapeLabels, "from_recipe", quick)
    tiny.write_recipe(labels={"source": "cropscape", "years": [2021]})
    options = ("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1)
    server.fail("bbox=(?!-30,)", status(404))  # all but the probe
    outcome = mmvsf(*options)
    assert outcome.code == 1 and "labels:" in outcome.err and "404" in outcome.err
    assert len(list((tiny.data / "tiny.zarr.ledger/imagery").rglob("*.json"))) == 30
    server.clear_faults()
    assert mmvsf(*options).code == 0
