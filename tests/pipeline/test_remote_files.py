"""Files on web servers: few requests, every form of TIFF as GDAL reads it from disk, and no answer that gives other
pixels than the file's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from urllib3.util import connection

from mmvsf.pipeline.raster.io import ReadError, gdal_environment, read_masked
from mmvsf.pipeline.raster.range_file import RangeFile, merged
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.transport import line, remote_file
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.base import Fault, Request, Response, StandIn, hang

pytestmark = pytest.mark.stand_in

ONCE = RetryPolicy(attempts=1, first_wait=0.01, longest_wait=0.02, connect=2, request=5, deadline=20)
SIDE = 850
GRID = RasterGrid("EPSG:32615", (30.0, 0.0, 300000.0, 0.0, -30.0, 4600020.0), (SIDE, SIDE))
WINDOW = (slice(300, 800), slice(300, 500))
"""Three rows and one column of tiles of 256 pixels."""


class Files(StandIn):
    """The files of a folder."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def answer(self, request: Request) -> Response:
        return Response.of_file(self.root, request.path, request)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        texts = [request.headers["range"].removeprefix("bytes=").split("-") for request in self.requests]
        return [(int(first), int(last) + 1) for first, last in texts]


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_resting", {})
    remote._headers.clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Files]:
    with Files(tmp_path) as server:
        yield server


def numbers(seed: int = 3) -> Any:
    return np.random.default_rng(seed).integers(1, 250, (SIDE, SIDE)).astype(np.int16)


def write(path: Path, values: Any, **options: Any) -> None:
    profile = {
        "driver": "COG", "width": SIDE, "height": SIDE, "count": 1, "dtype": values.dtype, "crs": GRID.crs,
        "nodata": -9999, "transform": GRID.geobox.transform, "compress": "deflate", **options,
    }  # fmt: skip
    if profile["driver"] == "COG":
        profile["blocksize"] = 256
    with rasterio.open(path, "w", **profile) as file:
        for band in range(file.count):
            file.write(values + band, band + 1)


def remote_window(server: Files, window: Any = WINDOW, policy: RetryPolicy = ONCE, band: int = 1) -> Any:
    return RemoteReader(NoAuth(), policy).masked(Asset(f"{server.url}/a.tif", GRID, band), window)


def test_a_file_takes_one_request_and_one_a_row_of_tiles(server: Files, tmp_path: Path) -> None:
    values = numbers()
    write(tmp_path / "a.tif", values, predictor="yes")
    np.testing.assert_array_equal(remote_window(server), values[WINDOW])
    assert [request.method for request in server.requests] == ["GET"] * 4
    fetched = sum(min(stop, (tmp_path / "a.tif").stat().st_size) - start for start, stop in server.ranges)
    with rasterio.open(tmp_path / "a.tif") as file:
        places = [(row, column) for row in (1, 2, 3) for column in (1,)]
        tiles = sum(int(file.get_tag_item(f"BLOCK_SIZE_{c}_{r}", "TIFF", bidx=1)) for r, c in places)
    assert tiles < fetched < tiles + remote.HEADER_BYTES + 200
    # Its header is kept, and so are no tiles.
    other = (slice(0, 200), slice(0, 200))
    np.testing.assert_array_equal(remote_window(server, other), values[other])
    assert len(server.requests) == 5


def test_a_small_file_takes_one_request(server: Files, tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.full((SIDE, SIDE), 7, np.int16))
    assert (tmp_path / "a.tif").stat().st_size < remote.HEADER_BYTES
    assert (remote_window(server) == 7).all() and len(server.requests) == 1


def test_a_file_whose_server_says_nothing_of_its_content_is_not_kept(server: Files, tmp_path: Path) -> None:
    """One of the same size may take its place."""
    write(tmp_path / "a.tif", numbers())
    server.fail(".", lambda request, right: replace(right, headers=_without(right.headers, "ETag")))
    remote_window(server)
    remote_window(server)
    assert len(server.requests) == 8


def _without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


FORMS: dict[str, dict[str, Any]] = {
    "strips": {"driver": "GTiff"},
    "strips, uncompressed": {"driver": "GTiff", "compress": "none"},
    "one strip a row": {"driver": "GTiff", "blockysize": 1},
    "tiles, uncompressed": {"driver": "GTiff", "tiled": True, "compress": "none"},
    "tiles of another size": {"driver": "GTiff", "tiled": True, "blockxsize": 128, "blockysize": 64},
    "BigTIFF": {"driver": "GTiff", "tiled": True, "BIGTIFF": "YES"},
    "BigTIFF as a COG": {"BIGTIFF": "YES"},
    "big-endian": {"driver": "GTiff", "tiled": True, "ENDIANNESS": "BIG"},
    "a predictor": {"predictor": "yes"},
    "LZW": {"compress": "lzw"},
    "Zstandard": {"compress": "zstd"},
    "LERC": {"compress": "lerc"},
    "packed bits": {"compress": "packbits", "driver": "GTiff", "tiled": True},
    "bands side by side": {"driver": "GTiff", "tiled": True, "count": 3, "interleave": "band"},
    "bands pixel by pixel": {"driver": "GTiff", "tiled": True, "count": 3, "interleave": "pixel"},
    "no overviews": {"OVERVIEWS": "NONE"},
    "JPEG": {"compress": "jpeg", "dtype": "uint8", "nodata": None},
    "WebP": {"compress": "webp", "dtype": "uint8", "count": 3, "nodata": None, "WEBP_LOSSLESS": True},
    "sparse": {"driver": "GTiff", "tiled": True, "SPARSE_OK": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_tiff(server: Files, tmp_path: Path, form: str) -> None:
    """As GDAL reads them from disk, without a request for what was not expected."""
    options, path = FORMS[form], tmp_path / "a.tif"
    values = numbers().astype(options.get("dtype", "int16"))
    if form == "sparse":
        values[256:700, 600:] = -9999
    write(path, values, **options)
    for band in (1, options.get("count", 1)):
        with gdal_environment():
            expected = read_masked(Asset(str(path), GRID, band), WINDOW)
        actual = remote_window(server, band=band)
        np.testing.assert_array_equal(np.ma.getmaskarray(actual), np.ma.getmaskarray(expected))
        np.testing.assert_array_equal(np.ma.getdata(actual), np.ma.getdata(expected))
    assert all(stop - start < path.stat().st_size for start, stop in server.ranges[1:])


def test_a_mask_inside_the_file(server: Files, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, numbers(), driver="GTiff", tiled=True, nodata=None)
        with rasterio.open(path, "r+") as file:
            mask = np.full((SIDE, SIDE), 255, np.uint8)
            mask[400:500, 600:] = 0
            file.write_mask(mask)
    actual = remote_window(server)
    np.testing.assert_array_equal(np.ma.getmaskarray(actual), mask[WINDOW] == 0)
    assert not path.with_suffix(".tif.msk").exists()


def test_a_header_behind_the_pixels_and_larger_than_the_first_request(
    server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, values = tmp_path / "a.tif", numbers()
    write(path, values, driver="GTiff", blockysize=1, compress="none")
    with rasterio.open(path, "r+") as file:
        file.update_tags(note="x" * 5000)  # it does not fit where the directory was
    monkeypatch.setattr(remote, "HEADER_BYTES", 512)
    np.testing.assert_array_equal(remote_window(server), values[WINDOW])


def test_a_file_that_is_scattered(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", numbers(), driver="GTiff", tiled=True)
    monkeypatch.setattr(remote, "HEADER_BYTES", 8)
    monkeypatch.setattr("mmvsf.pipeline.raster.range_file.MOST_STEPS", 0)
    with pytest.raises(ReadError, match="scattered"):
        remote_window(server)


# Answers that are not what was asked for


def whole(request: Request, right: Response) -> Response:
    """A server that knows no ranges."""
    return replace(right, status=200, headers=_without(right.headers, "Content-Range"))


def content_range(text: str) -> Fault:
    return lambda request, right: replace(right, headers={**right.headers, "Content-Range": text})


def shifted(request: Request, right: Response) -> Response:
    first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
    size = right.headers["Content-Range"].rpartition("/")[2]
    return content_range(f"bytes {first + 1}-{min(last + 1, int(size) - 1)}/{size}")(request, right)


def other_size(request: Request, right: Response) -> Response:
    part, _, size = right.headers["Content-Range"].rpartition("/")
    return content_range(f"{part}/{int(size) + 1}")(request, right)


WRONG: dict[str, tuple[Fault, str]] = {
    "another range": (shifted, "requested bytes"),
    "a range in words": (content_range("bytes all of it"), "no valid range"),
    "a range of a file of unknown length": (content_range("bytes 0-99/*"), "no valid range"),
    "a range that ends before it begins": (content_range("bytes 99-0/1000"), "no valid range"),
    "half of the body": (lambda request, right: replace(right, body=right.body[: len(right.body) // 2]), "bytes of"),
    "more than the body": (lambda request, right: replace(right, body=right.body + b"more"), "bytes of"),
    "another size": (other_size, "was replaced"),
    "another ETag": (lambda request, right: replace(right, headers={**right.headers, "ETag": '"b"'}), "was replaced"),
    "a compressed body": (
        lambda request, right: replace(right, headers={**right.headers, "Content-Encoding": "gzip"}),
        "compressed",
    ),
    "a page to log in": (lambda request, right: replace(right, content_type="text/html"), "login page"),
    "beyond its end": (
        lambda request, right: Response(416, b"", headers={"Content-Range": "bytes */99"}),
        "ends before",
    ),
    "nothing new": (lambda request, right: Response(304, b""), "304"),
    "the end of the connection": (lambda request, right: replace(right, cut=len(right.body) // 2), "broke off|bytes"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_answer_that_is_not_what_was_asked_for(server: Files, tmp_path: Path, kind: str) -> None:
    """The attempt fails, and the next gives the file's pixels."""
    fault, reason = WRONG[kind]
    values = numbers()
    write(tmp_path / "a.tif", values)
    for place in range(2):  # of the header, and of tiles
        server.clear_faults()
        server.fail(".", fault, times=1, after=place)
        with pytest.raises(ReadError, match=reason):
            remote_window(server)
        np.testing.assert_array_equal(remote_window(server), values[WINDOW])
        remote._headers.clear()


def test_a_server_that_knows_no_ranges(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file is read whole, once."""
    values = numbers()
    write(tmp_path / "a.tif", values)
    server.fail(".", whole)
    server.answer = lambda request: Response.of_file(tmp_path, request.path, replace(request, headers={}))  # type: ignore[method-assign]
    np.testing.assert_array_equal(remote_window(server), values[WINDOW])
    assert len(server.requests) == 1
    remote._headers.clear()
    monkeypatch.setattr(remote_file, "MOST_WHOLE", 1000)
    with pytest.raises(ReadError, match="the server does not support ranges, and the file is too large"):
        remote_window(server)


@pytest.mark.parametrize("kept", [False, True], ids=["between its header and its tiles", "after its header was kept"])
def test_a_file_that_is_replaced(server: Files, tmp_path: Path, kept: bool) -> None:
    """Never pixels of both: the read fails, and the next attempt reads the new file."""
    old, new = numbers(3), numbers(4)
    write(tmp_path / "a.tif", new)
    right = server.answer
    write(tmp_path / "old.tif", old)
    turn = threading.Lock()
    calls = []

    def answer(request: Request) -> Response:
        with turn:
            calls.append(request)
            return right(replace(request, path="/old.tif")) if len(calls) <= (4 if kept else 1) else right(request)

    server.answer = answer  # type: ignore[method-assign]
    if kept:
        np.testing.assert_array_equal(remote_window(server), old[WINDOW])
    with pytest.raises(ReadError, match="the file was replaced while it was read"):
        remote_window(server)
    np.testing.assert_array_equal(remote_window(server), new[WINDOW])


def test_requests_at_once_are_bounded_and_reads_agree(
    server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = numbers()
    write(tmp_path / "a.tif", values)
    pool = ThreadPoolExecutor(3)
    monkeypatch.setattr(line, "_pool", lambda process: pool)
    server.fail(".", hang(0.02))
    with ThreadPoolExecutor(12) as readers:
        windows = list(readers.map(lambda _: remote_window(server), range(12)))
    assert all(np.array_equal(window, values[WINDOW]) for window in windows)
    assert server.busiest <= 3


def test_connections_are_kept(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", numbers())
    connect, made = connection.create_connection, []

    def create_connection(*arguments: Any, **options: Any) -> Any:
        made.append(arguments)
        return connect(*arguments, **options)

    monkeypatch.setattr(connection, "create_connection", create_connection)
    for _ in range(4):
        remote_window(server)
    assert len(server.requests) == 13 and 1 <= len(made) <= 3


def test_a_redirect_takes_no_password_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a public server leads to gets nothing that the user keeps for it."""
    write(tmp_path / "a.tif", np.full((SIDE, SIDE), 7, np.int16))
    (tmp_path / "netrc").write_text("machine localhost login me password secret-of-mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Files(tmp_path) as store, Files(tmp_path) as gate:
        elsewhere = store.url.replace("127.0.0.1", "localhost")
        gate.answer = lambda request: Response(302, headers={"Location": elsewhere + request.path})  # type: ignore[method-assign]
        assert (remote_window(gate) == 7).all()
        assert store.requests and not any("authorization" in request.headers for request in store.requests)


def test_a_redirect_is_followed_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = numbers()
    write(tmp_path / "a.tif", values)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Files(tmp_path) as store, Files(tmp_path) as gate:
        elsewhere = store.url.replace("127.0.0.1", "localhost")
        gate.answer = lambda request: Response(302, headers={"Location": elsewhere + request.path})  # type: ignore[method-assign]
        np.testing.assert_array_equal(remote_window(gate), values[WINDOW])
        assert len(gate.requests) == 1 and len(store.requests) == 4


# The file that GDAL reads


def sparse(content: bytes, first: int = 100) -> tuple[RangeFile, list[tuple[int, int]]]:
    """A file of this content, and the ranges that were fetched of it."""
    asked: list[tuple[int, int]] = []

    def fetch(ranges: Any) -> list[bytes]:
        asked.extend(ranges)
        return [content[start:stop] for start, stop in ranges]

    return RangeFile("a", len(content), fetch, [(0, content[:first])]), asked


def test_any_reads_in_any_order_give_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvsf.pipeline.raster.range_file.STEP", 50)
    monkeypatch.setattr("mmvsf.pipeline.raster.range_file.MOST_STEPS", 10_000)
    rng = np.random.default_rng(5)
    content = rng.bytes(5000)
    for _ in range(40):
        file, _ = sparse(content)
        for _ in range(30):
            start = int(rng.integers(0, 5100))
            stop = start + int(rng.integers(0, 400))
            if rng.random() < 0.3:
                file.ahead([(start, stop), (start + 900, stop + 950)])
            cursor = file.open("a", "rb")
            cursor.seek(start)
            assert cursor.read(stop - start) == content[start:stop]
            assert cursor.tell() == max(start, min(stop, 5000))
        assert file.failure is None and file.read() == content


def test_what_was_fetched_ahead_is_not_fetched_again() -> None:
    content = bytes(range(256)) * 2000
    file, asked = sparse(content)
    file.ahead([(50, 90), (90, 200_000), (300_000, 400_000), (410_000, 410_500), (500_000, 999_999)])
    assert asked == [(100, 200_000), (300_000, 410_500), (500_000, 512_000)]
    assert file.part(60, 150_000) == content[60:150_000] and file.part(405_000, 410_500) == content[405_000:410_500]
    file.ahead([(60, 150_000), (310_000, 400_000)])
    assert len(asked) == 3
    file.part(450_000, 450_010)
    assert asked[3:] == [(450_000, 450_000 + 32_768)]


def test_ranges_are_joined_where_they_are_near() -> None:
    assert merged([(30, 40), (0, 10), (15, 20), (5, 12)], 5) == [(0, 20), (30, 40)]
    assert merged([], 5) == []


def test_a_failed_fetch_ends_the_file_and_is_kept() -> None:
    def refuse(ranges: Any) -> list[bytes]:
        raise ReadError("no")

    file = RangeFile("a", 1000, refuse, [(0, b"x" * 10)])
    cursor: Any = file.open("a", "rb")
    assert cursor.read(10) == b"x" * 10 and cursor.read(10) == b""
    assert isinstance(file.failure, ReadError)
