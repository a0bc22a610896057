"""The CDL from the Planetary Computer, with its confidence, and from NASS: real clients against stand-ins that fail."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.layers.labels.resample import label_tasks, read_labels
from mmvsf.pipeline.raster.io import ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.report.labels import labels_section
from mmvsf.pipeline.report.view import ReportView
from mmvsf.pipeline.sources.cdl.cropscape import CropScapeLabels
from mmvsf.pipeline.sources.cdl.nass import NassLabels
from mmvsf.pipeline.sources.cdl.stac import StacLabels
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.transport import http, signing
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from ..servers.archive import ArchiveServer
from ..servers.base import Fault, Response, corrupt, empty, reset, status, truncated
from ..servers.cropscape import LEFT as WEST_EDGE
from ..servers.cropscape import TOP as NORTH_EDGE
from ..servers.cropscape import CropScape, codes_of
from ..servers.earthengine_public import cdl_images
from ..servers.ground import COVER_STEP, NO_CONFIDENCE, confidence_of, cover_of
from ..servers.nass import NassServer
from .conftest import Command, Outcome, build_tiny
from .earthengine_session import serving
from .stored import contents, stored
from .tiny_archive import BLOCK, LEFT, TOP, TinyArchive

pytestmark = pytest.mark.stand_in

Build = Callable[..., Outcome]
QUICK = RetryPolicy(attempts=4, first_wait=0.01, longest_wait=0.05, connect=2, request=3, deadline=20)
GRID = Grid("EPSG:32615", 30.0, LEFT, TOP, 2, 3, BLOCK, 16, 48, tuple((y, x) for y in range(2) for x in range(3)))
YEARS = [2020, 2021]

_x, _y = Transformer.from_crs(32615, 5070, always_xy=True).transform(LEFT + 1440, TOP - 960)
MIDDLE = int((NORTH_EDGE - _y) // 30), int((_x - WEST_EDGE) // 30)
"""(row, column) of the country's pixels in the middle of the tiny region"""


def around(size: int) -> tuple[slice, slice]:
    """A window of the country's pixels around the tiny region."""
    return slice(MIDDLE[0] - size, MIDDLE[0] + size), slice(MIDDLE[1] - size, MIDDLE[1] + size)


def in_national_grid(asset: Asset, window: tuple[slice, slice]) -> tuple[slice, slice]:
    """A window of the country's pixels, counted in the grid of an asset."""
    row = round((asset.grid.transform[5] - NORTH_EDGE) / 30)
    column = round((WEST_EDGE - asset.grid.transform[2]) / 30)
    rows, columns = window
    return slice(rows.start + row, rows.stop + row), slice(columns.start + column, columns.stop + column)


def pixels(window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(window[0].start, window[0].stop), np.arange(window[1].start, window[1].stop)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short waits, nothing left of another test, and GDAL as the tasks of a build have it."""
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    monkeypatch.setattr(remote, "_resting", {})
    monkeypatch.setattr(signing, "_tokens", {})
    with gdal_environment():
        yield


@pytest.fixture
def server(built: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    with ArchiveServer(built.root, access="sas") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def source(server: ArchiveServer) -> StacLabels:
    return StacLabels(catalog("planetary-computer", QUICK), QUICK, GRID)


# ---------------------------------------------------------------------- Planetary Computer


def test_tiles_are_one_raster_of_the_year(source: StacLabels) -> None:
    window = around(300)  # 18 km: over several tiles of 15 km
    asset = source.asset(2021)
    assert asset.grid.resolution == 30 and asset.grid.crs == "EPSG:5070" and len(source.tiles[asset.href]) >= 1
    wide = StacLabels(
        source.catalog, QUICK, Grid(GRID.crs, 30, LEFT - 15360, TOP + 15360, 1, 1, 1024, 64, 64, ((0, 0),))
    )
    asset = wide.asset(2021)
    assert len(wide.tiles[asset.href]) >= 4
    codes = wide.read(asset, in_national_grid(asset, window))
    np.testing.assert_array_equal(codes, codes_of(2021, *pixels(window)))
    confidence = wide.confidence(2021)
    assert confidence is not None and confidence.grid == asset.grid
    np.testing.assert_array_equal(
        wide.read(confidence, in_national_grid(confidence, window)), confidence_of(2021, *pixels(window))
    )


def test_the_labels_are_those_of_cropscape(source: StacLabels, tmp_path: Path) -> None:
    with CropScape() as other:
        cropscape = CropScapeLabels(tmp_path / "cache", other.service, QUICK)
        known = {code: code for code in source.legend().codes}
        for one, two in zip(
            label_tasks(source, GRID, (2021,), "majority", ""), label_tasks(cropscape, GRID, (2021,), "majority", ""),
            strict=True,
        ):  # fmt: skip
            found = [read_labels(task, GRID, where, "majority", tuple(known), known)
                     for task, where in ((one, source), (two, cropscape))]  # fmt: skip
            np.testing.assert_array_equal(found[0].crop, found[1].crop)
            np.testing.assert_array_equal(found[0].purity, found[1].purity)


@pytest.mark.slow
def test_worldcover_of_the_planetary_computer(server: ArchiveServer, tiny: TinyArchive, dataset: Build) -> None:
    """Its classes at the middle of every pixel, from several tiles, for a recipe that names the collection."""
    section = {"source": "planetary-computer", "collection": "esa-worldcover", "years": YEARS}
    tiny.write_recipe(labels=section)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(tiny.cube)
    (record,) = [record for record in cube.attributes["sources"] if record["role"] == "labels"]
    assert record["collection"] == "esa-worldcover" and record["licence"] == "CC-BY-4.0"
    x, y = np.meshgrid(LEFT + 30 * (np.arange(96) + 0.5), TOP - 30 * (np.arange(64) + 0.5))
    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(x, y)
    column, row = np.floor(lon / COVER_STEP).astype(int), np.floor(lat / COVER_STEP).astype(int)
    inside = (column % 20 > 2) & (column % 20 < 17) & (row % 20 > 2) & (row % 20 < 17)
    crop = np.asarray(stored(tiny, "labels/crop")[1])
    expected = np.array(
        [cover_of(2021, np.array([r]), np.array([c]))[0, 0] for r, c in zip(row.flat, column.flat, strict=True)]
    )
    assert inside.sum() > 2000
    np.testing.assert_array_equal(crop[inside], expected.reshape(crop.shape)[inside])
    tiny.write_recipe(labels=section | {"confidence": True})
    assert "esa-worldcover has no confidence" in dataset(tiny).error
    tiny.write_recipe(labels=section | {"collection": "io-lulc"})
    assert "labels.collection is one of usda-cdl, esa-worldcover" in dataset(tiny).error


def test_a_year_after_the_last(source: StacLabels) -> None:
    with pytest.raises(InputError, match=r"2023.*to 2021.*cropscape"):
        source.asset(2023)


def test_confidence_of_what_carries_the_label(source: StacLabels) -> None:
    """Point by point: the mean of the confidence of those points of a pixel that carry its label and are known."""
    (task,) = label_tasks(source, Grid(*_one_block()), (2021,), "majority", "", confidence=True)
    known = {code: code for code in source.legend().codes}
    crop, purity, confidence = read_labels(task, Grid(*_one_block()), source, "majority", tuple(known), known)
    steps = (np.arange(BLOCK * 5) + 0.5) * 6
    xs, ys = np.meshgrid(LEFT + steps, TOP - steps)
    x, y = Transformer.from_crs(32615, 5070, always_xy=True).transform(xs, ys)
    row, column = ((NORTH_EDGE - y) // 30).astype(int), ((x - WEST_EDGE) // 30).astype(int)
    window = slice(row.min(), row.max() + 1), slice(column.min(), column.max() + 1)
    at = row - window[0].start, column - window[1].start
    codes = codes_of(2021, *pixels(window))[at].reshape(BLOCK, 5, BLOCK, 5)
    percent = confidence_of(2021, *pixels(window))[at].reshape(BLOCK, 5, BLOCK, 5)
    for r, c in np.random.default_rng(0).integers(0, BLOCK, (200, 2)):
        own = percent[r, :, c][codes[r, :, c] == crop[r, c]]
        own = own[own != NO_CONFIDENCE]
        assert confidence[r, c] == (int(own.sum(dtype=int)) // own.size if own.size else 255)
    assert (confidence == 255).any() and (confidence < 255).mean() > 0.8 and purity.max() == 100


def _one_block() -> tuple[object, ...]:
    return "EPSG:32615", 30.0, LEFT, TOP, 1, 1, BLOCK, 16, 48, ((0, 0),)


FAULTS: list[tuple[str, Fault]] = [
    ("ground/cropland", status(503)),
    ("ground/cropland", status(403)),
    ("ground/cropland", reset()),
    ("ground/confidence", truncated()),
    ("ground/confidence", empty()),
    ("/stac/search", status(429, retry_after=0)),
]


@pytest.mark.parametrize(("where", "fault"), FAULTS)
def test_a_fault_that_passes(server: ArchiveServer, source: StacLabels, where: str, fault: Fault) -> None:
    server.fail(where, fault, times=1)
    window = around(40)
    asset, confidence = source.asset(2020), source.confidence(2020)
    assert confidence is not None
    np.testing.assert_array_equal(source.read(asset, in_national_grid(asset, window)), codes_of(2020, *pixels(window)))
    np.testing.assert_array_equal(
        source.read(confidence, in_national_grid(asset, window)), confidence_of(2020, *pixels(window))
    )


def test_a_fault_that_stays_is_never_no_data(server: ArchiveServer, source: StacLabels) -> None:
    server.fail("ground/cropland", status(404))
    asset = source.asset(2020)
    with pytest.raises(ReadError, match="404"):
        source.read(asset, in_national_grid(asset, around(5)))


@pytest.mark.slow
def test_a_cube_with_confidence_from_two_sources(
    tiny: TinyArchive, server: ArchiveServer, tmp_path: Path, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Planetary Computer and Earth Engine give the same labels and the same confidence, to the byte."""
    labels = {"source": "planetary-computer", "years": YEARS, "groups": "default", "confidence": True}
    tiny.write_recipe(labels=labels)
    assert mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 1).code == 0
    other = TinyArchive(tmp_path / "other", tiny.items)
    other.folder.mkdir()
    other.root.symlink_to(tiny.root)
    other.write_recipe(labels={**labels, "source": "earthengine"})
    with serving(cdl_images(range(2020, 2022)), monkeypatch):
        build_tiny(other)
    assert contents(tiny.cube, "labels") == contents(other.cube, "labels")
    cube = Cube.open(tiny.cube)
    assert cube.confidence and "Planetary Computer" in cube.attributes["label_source"]
    confidence = stored(tiny, "labels/confidence")
    assert confidence.dtype == np.uint8 and ((confidence <= 100) | (confidence == 255)).all() and confidence.any()
    checked = mmvsf("check", tiny.cube, "--json")
    assert checked.code == 0 and "mean confidence 50 %" in checked.out
    (table,) = [part for part in labels_section(ReportView(cube)).elements if part.kind == "table"]
    (row,) = [row for row in table.rows if row[0].text == "mean confidence"]
    known = confidence[0][confidence[0] != 255]
    assert row[1].text == f"{known.mean():.1f} %"


def test_a_year_without_confidence(built: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earth Engine's 2024 has none: its labels are stored, and their confidence is unknown."""
    from mmvsf.pipeline.sources.earthengine.labels import EarthEngineLabels

    with serving(cdl_images(range(2024, 2025)), monkeypatch):
        source = EarthEngineLabels((2024,))
        assert source.confidence(2024) is None
        task = label_tasks(source, GRID, (2024,), "nearest", "", confidence=True)[0]
        known = {code: code for code in source.legend().codes}
        found = read_labels(task, GRID, source, "nearest", tuple(known), known)
    assert found.crop.any() and (found.confidence == 255).all()


# ---------------------------------------------------------------------- NASS


@pytest.fixture
def nass() -> Iterator[NassServer]:
    rows, columns = around(400)
    with NassServer((rows.start, 800, columns.start, 800)) as running:
        yield running


@pytest.fixture
def national(nass: NassServer, tmp_path: Path) -> NassLabels:
    return NassLabels(tmp_path / "cache", nass.url, QUICK)


def test_a_year_is_fetched_once_and_only_when_it_is_read(nass: NassServer, national: NassLabels) -> None:
    asset, window = national.asset(2022), around(60)
    assert [request.method for request in nass.requests] == ["HEAD"]
    for _ in range(2):
        codes = national.read(asset, in_national_grid(asset, window))
        np.testing.assert_array_equal(codes, codes_of(2022, *pixels(window)))
    assert [request.method for request in nass.requests] == ["HEAD", "GET"]
    assert national.asset(2022) == asset and len(nass.requests) == 2
    assert {path.suffix for path in national.cache.rglob("*.*") if path.is_file()} == {".lock", ".tif"}


def test_beyond_the_raster_nothing_is_known(national: NassLabels) -> None:
    asset, window = national.asset(2022), around(450)
    codes = national.read(asset, in_national_grid(asset, window))
    np.testing.assert_array_equal(codes[50:-50, 50:-50], codes_of(2022, *pixels(around(400))))
    assert not codes[:50].any() and not codes[:, -50:].any()


@pytest.mark.parametrize("times", [1, 6])
def test_a_download_goes_on_where_it_broke_off(
    nass: NassServer, national: NassLabels, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """However often, as long as it comes on: only four attempts without a byte are too many."""
    monkeypatch.setattr("mmvsf.pipeline.sources.cdl.nass.CHUNK", 64)
    nass.fail("GET", truncated(), times=times)
    asset, window = national.asset(2021), around(20)
    np.testing.assert_array_equal(
        national.read(asset, in_national_grid(asset, window)), codes_of(2021, *pixels(window))
    )
    second = [request for request in nass.requests if request.method == "GET"][1]
    assert int(second.headers["range"].removeprefix("bytes=").rstrip("-")) > 0


@pytest.mark.parametrize("fault", [status(503), status(429, retry_after=0), reset(), corrupt(100), empty()])
def test_a_download_that_fails_for_a_time(nass: NassServer, national: NassLabels, fault: Fault) -> None:
    asset, window = national.asset(2021), around(20)
    nass.fail("GET", fault, times=1)
    np.testing.assert_array_equal(
        national.read(asset, in_national_grid(asset, window)), codes_of(2021, *pixels(window))
    )
    assert not list(national.cache.rglob("*.part"))


def test_a_download_that_fails_for_good(nass: NassServer, national: NassLabels) -> None:
    asset = national.asset(2021)
    nass.fail("GET", status(503))
    with pytest.raises(ReadError, match="503"):
        national.read(asset, in_national_grid(asset, around(5)))


def packed(name: str, method: int = 0) -> bytes:
    """A zip that says that its one file is packed by a method, whether it is or not."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"imagine")
    local, central = (content.getvalue().index(sign) for sign in (b"PK\3\4", b"PK\1\2"))
    changed = bytearray(content.getvalue())
    changed[local + 8], changed[central + 10] = method, method
    return bytes(changed)


DEFLATE64 = 9


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (packed("2021_30m_cdls.img"), r"0 GeoTIFFs \(2021_30m_cdls.img\).*cropscape"),
        (packed("2021_30m_cdls.tif", DEFLATE64), r"`unzip -p .*2021_30m_cdls.zip.part '\*.tif' > .*2021_30m_cdls.tif`"),
    ],
)
def test_a_zip_of_another_form_is_not_fetched_again(
    nass: NassServer, national: NassLabels, body: bytes, says: str
) -> None:
    nass.fail("GET", lambda request, right: Response(200, body, "application/zip"))
    asset = national.asset(2021)
    with pytest.raises(InputError, match=says):
        national.read(asset, in_national_grid(asset, around(5)))
    assert [request.method for request in nass.requests].count("GET") == 1
    assert list(national.cache.rglob("*.zip.part")) and not list(national.cache.rglob("*.tif*"))


@pytest.mark.parametrize("year", [1999, 2030])
def test_a_year_that_is_not_published(national: NassLabels, year: int) -> None:
    with pytest.raises(InputError, match=str(year)):
        national.asset(year)


def test_a_server_that_does_not_answer(nass: NassServer, national: NassLabels) -> None:
    nass.fail("HEAD", status(503))
    with pytest.raises(IncompleteError, match="503; try again later"):
        national.asset(2021)


@pytest.mark.slow
def test_a_cube_with_labels_of_nass(
    tiny: TinyArchive, nass: NassServer, dataset: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMVSF_NASS_URL", nass.url)
    tiny.write_recipe(labels={"source": "nass", "years": YEARS, "groups": "default"})
    assert dataset(tiny).code == 0
    crop = stored(tiny, "labels/crop")
    assert (crop > 0).mean() > 0.9 and len(np.unique(crop)) > 4
    assert "public domain" in Cube.open(tiny.cube).attributes["label_source"]
