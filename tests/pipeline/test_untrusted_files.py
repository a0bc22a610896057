"""Bytes and addresses from outside choose neither the parser nor the host."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

import mmvsf.pipeline
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.imagery.scene_pixels import read_bands, read_quality
from mmvsf.pipeline.layers.imagery.table import ProductTable, SceneReader
from mmvsf.pipeline.raster.io import ReadError, gdal_environment, raster_grid, read_raster
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene, unsigned
from mmvsf.pipeline.sources.archive.rasters import ArchiveImagery
from mmvsf.pipeline.sources.stac.hrefs import local_href, remote_href
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.base import Request, Response, StandIn, status
from .conftest import Outcome
from .test_failures import BROKEN, assert_only_that_day_failed
from .tiny_archive import EAST, TinyArchive, write_raster

QUICK = RetryPolicy(attempts=2, first_wait=0.01, longest_wait=0.05, connect=2, request=5, deadline=20)
PUBLIC, LOOPBACK, OFFICE = "https://catalog.example/stac", "http://127.0.0.1:9000/stac", "https://10.1.2.3/stac"
WINDOW = (slice(0, 8), slice(0, 8))


class Files(StandIn):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def answer(self, request: Request) -> Response:
        return Response.of_file(self.root, request.path, request)


def secret(folder: Path) -> Asset:
    """A raster beside the archive, which no item names."""
    path = folder / "secret.tif"
    write_raster(path, np.full((EAST.rows, EAST.columns), 4242, np.int16), EAST)
    return Asset(str(path), raster_grid(path))


def write_vrt(path: Path, source: Path) -> None:
    """A VRT under the name of a TIFF."""
    transform = ", ".join(map(str, EAST.transform.to_gdal()))
    path.write_text(
        f'<VRTDataset rasterXSize="{EAST.columns}" rasterYSize="{EAST.rows}"><SRS>EPSG:{EAST.epsg}</SRS>'
        f'<GeoTransform>{transform}</GeoTransform><VRTRasterBand dataType="Int16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(path) as file:
        assert file.driver == "VRT" and (file.read(1) == 4242).all()


def test_a_vrt_in_the_place_of_a_tiff_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_resting", {})
    hidden = secret(tmp_path)
    (tmp_path / "web").mkdir()
    path = tmp_path / "web/B06.tif"
    write_vrt(path, Path(hidden.href))
    with pytest.raises(ReadError, match="GeoTIFF"):
        raster_grid(path)
    with gdal_environment(), pytest.raises(ReadError, match="not recognized"):
        read_raster(Asset(str(path), hidden.grid), WINDOW)
    with Files(path.parent) as server, pytest.raises(ReadError, match="not recognized"):
        RemoteReader(NoAuth(), QUICK).window(Asset(f"{server.url}/B06.tif", hidden.grid), WINDOW)


OTHERS: dict[str, bytes] = {
    "WMS": b"<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>",
    "tile index": b"<GDALTileIndexDataset><IndexDataset>x.gpkg</IndexDataset></GDALTileIndexDataset>",
    "pipeline": b'{"type": "gdal_streamed_alg", "command_line": "gdal raster pipeline ! read x"}',
    "STAC": b'{"type": "FeatureCollection", "stac_version": "1.0.0", "features": []}',
    "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "ENVI": bytes(100),
    "grid of text": b"ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_only_a_tiff_is_a_raster(tmp_path: Path, kind: str) -> None:
    """In the place of a scene, of labels or of a static layer: all are opened by one function."""
    path = tmp_path / "labels.tif"
    path.write_bytes(OTHERS[kind])
    (tmp_path / "labels.hdr").write_text("ENVI\nsamples = 2\nlines = 1\nbands = 1\ndata type = 1\n")
    with pytest.raises(ReadError, match="GeoTIFF"):
        raster_grid(path)
    grid = RasterGrid("EPSG:32615", (30, 0, 0, 0, -30, 0), (8, 8))
    with gdal_environment(), pytest.raises(ReadError, match="not recognized"):
        read_raster(Asset(str(path), grid), WINDOW)


def test_a_tile_that_fills_the_memory_is_not_read(tmp_path: Path) -> None:
    """A file of a megabyte may declare tiles of gigabytes."""
    path, side = tmp_path / "bomb.tif", 24_576
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", crs="EPSG:32615",
        transform=EAST.transform, tiled=True, blockxsize=side, blockysize=side, compress="deflate", SPARSE_OK=True,
    ):  # fmt: skip
        pass
    grid = RasterGrid("EPSG:32615", tuple(EAST.transform)[:6], (side, side))
    with gdal_environment(), pytest.raises(ReadError, match="tiles of 24576 x 24576"):
        read_raster(Asset(str(path), grid), WINDOW)


@pytest.mark.slow
def test_a_vrt_in_an_archive_fails_its_day(
    tiny: TinyArchive, built: TinyArchive, dataset: Callable[..., Outcome]
) -> None:
    hidden = secret(tiny.folder)
    tiny.write_recipe(imagery__complete_above=0.5)
    write_vrt(tiny.file(BROKEN, "B06"), Path(hidden.href))
    outcome = dataset(tiny)
    assert outcome.code == 1 and "could not be read" in outcome.error
    assert dataset(tiny, "--accept-failed").code == 0
    assert_only_that_day_failed(tiny, built)


@pytest.mark.parametrize(
    "name", ["B06.tif.aux.xml", "B06.aux.xml", "B06.tfw", "B06.tif.msk", "B06.tif.ovr"], ids=lambda name: name
)
def test_files_beside_a_raster_change_nothing(tmp_path: Path, name: str) -> None:
    """Read outside of `gdal_environment`, too, as a third party's source may do."""
    path = tmp_path / "B06.tif"
    values = np.arange(EAST.rows * EAST.columns).reshape(EAST.rows, EAST.columns).astype(np.int16)
    write_raster(path, values, EAST)
    asset = Asset(str(path), raster_grid(path))
    (tmp_path / name).write_text(
        "60\n0\n0\n-60\n500000\n5000000\n"
        if name.endswith("tfw")
        else "<PAMDataset><SRS>EPSG:32601</SRS><GeoTransform>5e5, 60, 0, 5e6, 0, -60</GeoTransform></PAMDataset>"
    )
    assert raster_grid(path) == asset.grid
    np.testing.assert_array_equal(read_raster(asset, WINDOW), values[WINDOW])


@pytest.mark.parametrize(
    "href",
    [
        "/etc/hostname",
        "scenes/B06.tif",
        "../B06.tif",
        "",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "/vsizip//data/a.zip/B06.tif",
        "/vsicurl/https://files.example/B06.tif",
        "vrt:///data/B06.tif",
        "zip+https://files.example/a.zip!B06.tif",
        "zip:///data/a.zip!B06.tif",
        "GTIFF_DIR:1:/data/B06.tif",
        "s3://bucket/B06.tif",
        "ftp://files.example/B06.tif",
        "https:///B06.tif",
        "https://[::1/B06.tif",
        "https://user:password@files.example/B06.tif",
        "https://files.example/B06.tif\0.txt",
        "https://files.example/B06.tif\r\nX: y",
        "http://127.0.0.1/B06.tif",
        "http://127.1/B06.tif",
        "http://2130706433/B06.tif",
        "http://0x7f.0.0.1/B06.tif",
        "http://0.0.0.0/B06.tif",
        "http://[::1]/B06.tif",
        "http://[::ffff:127.0.0.1]/B06.tif",
        "http://localhost/B06.tif",
        "http://LOCALHOST./B06.tif",
        "http://10.0.0.1/B06.tif",
        "http://192.168.0.1/B06.tif",
        "http://172.16.0.1/B06.tif",
        "http://[fd00::1]/B06.tif",
        "http://169.254.169.254/latest/meta-data/B06.tif",
        "http://metadata.google.internal/B06.tif",
    ],
)
def test_an_href_that_a_public_catalogue_may_not_give(href: str) -> None:
    with pytest.raises(InputError) as raised:
        remote_href(PUBLIC, href)
    assert "\n" not in str(raised.value) and "\0" not in str(raised.value) and "password@" not in str(raised.value)


def test_a_catalogue_names_files_as_near_as_itself() -> None:
    href = "https://files.example/a%20b/B06.tif?signature=1"
    assert all(remote_href(catalog, href) == href for catalog in (PUBLIC, LOOPBACK, OFFICE))
    assert remote_href(LOOPBACK, "http://127.0.0.1:9001/B06.tif") == "http://127.0.0.1:9001/B06.tif"
    assert remote_href(OFFICE, "https://10.1.2.4/B06.tif") == "https://10.1.2.4/B06.tif"
    for catalog, near in ((OFFICE, "http://127.0.0.1/B06.tif"), (LOOPBACK, "http://169.254.169.254/B06.tif")):
        with pytest.raises(InputError, match="private address"):
            remote_href(catalog, near)


@pytest.mark.parametrize(
    "href",
    [
        "/vsizip//data/a.zip/B06.tif",
        "/vsicurl/https://files.example/B06.tif",
        "file:///vsicurl/https://files.example/B06.tif",
        "../../../../../../../../../../vsimem/B06.tif",
        "zip:///data/a.zip!B06.tif",
        "s3://bucket/B06.tif",
        "a%00b.tif",
        "http://169.254.169.254/B06.tif",
        "https://user:password@files.example/B06.tif",
    ],
)
def test_an_href_that_an_archive_may_not_give(tmp_path: Path, href: str) -> None:
    with pytest.raises(InputError):
        local_href(tmp_path, href)


def test_hrefs_of_an_archive(tmp_path: Path) -> None:
    for name in ("a b.tif", "100%25.tif"):
        (tmp_path / name).touch()
    folder = str(tmp_path.resolve())
    assert local_href(tmp_path, "a%20b.tif") == f"{folder}/a b.tif"
    assert local_href(tmp_path, "100%25.tif") == f"{folder}/100%25.tif"
    assert local_href(tmp_path, f"file://{folder}/a%20b.tif") == f"{folder}/a b.tif"
    assert local_href(tmp_path, "https://files.example/B06.tif") == "https://files.example/B06.tif"


def test_files_of_an_archive_on_a_web_server_are_read_patiently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    monkeypatch.setattr(remote, "_resting", {})
    asset = secret(tmp_path)
    with Files(tmp_path) as server:
        server.fail("secret", status(503), times=1)
        read = ArchiveImagery(tmp_path).read(Asset(f"{server.url}/secret.tif", asset.grid), WINDOW)
    assert (read == 4242).all()


SIGNED = "https://me:TOPSECRET@account.example/tiles/Fmask.tif?sv=2023&sig=TOPSECRET"


class WrongNumbers:
    """A source whose files hold numbers of a type that no product has."""

    days_at_once = 1

    def places(self, asset: Asset) -> tuple[Asset, ...]:
        return (asset,)

    def read(self, asset: Asset, window: tuple[slice, slice]) -> np.ndarray:
        return np.zeros((8, 8), np.complex64)


def test_errors_do_not_show_what_signs_an_address() -> None:
    """They enter the ledger of the cube, which is shared."""
    grid = RasterGrid("EPSG:32615", (30, 0, 0, 0, -30, 0), (8, 8))
    asset = Asset(SIGNED, grid)
    assert asset.name == "https://account.example/tiles/Fmask.tif"
    assert unsigned("what is this?/B04.tif") == "what is this?/B04.tif"
    scene = Scene("x", "hls-l30", datetime(2022, 1, 1, tzinfo=UTC), "v2", (asset,) * 6, asset, 0, 1)
    reader = SceneReader(WrongNumbers(), ProductTable())
    out = np.empty((6, 8, 8), np.int16)
    for read in (lambda: read_quality(scene, grid, reader), lambda: read_bands(scene, grid, reader, out)):
        with pytest.raises(ReadError, match=r"^https://account\.example/tiles/Fmask\.tif: ") as error:
            read()
        assert "TOPSECRET" not in str(error.value)


def test_messages_name_a_file_without_what_signs_it() -> None:
    """All that is written beside the reader of remote files, which removes secrets from whatever it raises."""
    package = Path(mmvsf.pipeline.__file__).parent
    shown = re.compile(r"\{[\w.]*\.href\}")
    found = [path for path in package.rglob("*.py") if shown.search(path.read_text())]
    assert not found
