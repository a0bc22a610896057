"""Cubes are at home in every store of objects: each test runs against servers that others wrote."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import xarray as xr
import zarr
from werkzeug.serving import make_server
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Request, Response

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.storage.location import (
    Location,
    ensure_reachable,
    kvstore,
    location,
    objects,
    read_each,
    read_errors,
    read_range,
    remove_tree,
    size,
    write_whole,
    zarr_store,
)
from mmvsf.datasets.storage.lock import write_lock
from mmvsf.datasets.variables import Status
from tests.servers.programs import KEY, python_web_server
from tests.servers.services import Services, place, services, settings

from .test_lock import holding, lock_of

__all__ = ["place", "services", "settings"]
pytestmark = [pytest.mark.stand_in, pytest.mark.slow]


def test_objects_are_written_read_listed_and_removed(place: Location) -> None:
    ensure_reachable(place)
    assert not place.exists() and list(objects(place)) == []
    names = ["a", "a b+%c", "b/c/0/0", "bb/x"]
    for name in reversed(names):
        write_whole(place / name, name.encode() * 3)
    write_whole(place / "a", b"0123456789")
    assert list(objects(place)) == [("a", 10), *((name, 3 * len(name)) for name in names[1:])]
    assert list(objects(place / "b")) == [("c/0/0", 21)]
    assert place.is_dir() and (place / "a").is_file() and not (place / "b").is_file() and not (place / "a").is_dir()
    assert (place / "a b+%c").read_bytes() == b"a b+%c" * 3 and size(place / "a") == 10
    parts = [read_range(place / "a", *part) for part in ((2, 3), (8, 4), (10, 2), (12, 2), (0, 0))]
    assert parts == [(b"234", 10), (b"89", 10), *[(b"", 10)] * 3]
    assert list(read_each(place, ["a", "none"])) == [("a", b"0123456789"), ("none", None)]
    (place / "a").unlink()
    (place / "a").unlink(missing_ok=True)
    reads: list[Callable[[], object]] = [
        (place / "a").read_bytes,
        lambda: size(place / "a"),
        lambda: read_range(place / "a", 0, 1),
    ]
    for read in reads:
        with pytest.raises(FileNotFoundError, match=f"{place}/a"):
            read()
    remove_tree(place / "b")
    assert [name for name, _ in objects(place)] == ["a b+%c", "bb/x"]


def make_array(root: Location) -> zarr.Array:
    group = zarr.create_group(zarr_store(root), zarr_format=3)
    array = group.create_array("v", shape=(64, 64), shards=(32, 32), chunks=(8, 8), dtype="int16", fill_value=-1)
    array[:32] = np.arange(2048, dtype="int16").reshape(32, 64)
    return array


def open_with_tensorstore(array: Location) -> tensorstore.TensorStore:
    return tensorstore.open({"driver": "zarr3", "kvstore": kvstore(array)}, open=True).result()


def test_zarr_and_tensorstore_write_and_read_the_same(place: Location) -> None:
    make_array(place)
    expected = np.full((64, 64), -1, "int16")
    expected[:32] = np.arange(2048).reshape(32, 64)
    assert np.array_equal(zarr.open_array(zarr_store(place / "v"), mode="r")[...], expected)
    assert {name for name, _ in objects(place)} == {"zarr.json", "v/zarr.json", "v/c/0/0", "v/c/0/1"}
    if str(place).startswith("az://"):
        assert kvstore(place / "v") is None
        return
    pixels = open_with_tensorstore(place / "v")
    assert np.array_equal(pixels.read().result(), expected)
    pixels[40:44, 40:44].write(np.int16(5)).result()
    assert int(zarr.open_array(zarr_store(place / "v"), mode="r")[40, 43]) == 5


def test_a_second_writer_is_refused_and_a_dead_one_replaced(place: Location, request: pytest.FixtureRequest) -> None:
    kind = ("bucket", place / "cube.zarr")
    if "fauxqs" in request.node.name:
        with pytest.raises(InputError, match="conditional writes"), write_lock(kind[1], "mmvsf dataset"):
            pass
        return
    with holding(kind) as process:
        with pytest.raises(IncompleteError, match=f"process {process.pid} on"), write_lock(kind[1], "mmvsf extend"):
            pass
        process.kill()
        process.wait()
        with write_lock(kind[1], "mmvsf extend"):
            pass
    assert not lock_of(kind[1]).exists()


def test_a_bucket_that_does_not_exist(place: Location) -> None:
    wrong = location(str(place).replace("://cubes", "://nowhere"))
    with pytest.raises(InputError, match=r"there is no bucket 'nowhere' at 127.0.0.1.*; create it"):
        write_whole(wrong / "a", b"1")
    if not str(place).startswith("gs://"):  # fake-gcs-server answers with 500 where Google's own says NoSuchBucket
        with pytest.raises(InputError, match="there is no bucket 'nowhere'"):
            ensure_reachable(wrong)


def copy_cube(cube: Cube, place: Location) -> Location:
    for name, _ in objects(cube.path):
        write_whole(place / name, (cube.path / name).read_bytes())
    return place


def assert_reads_the_same(place: Location, cube: Cube) -> None:
    """Every way of reading gives what the cube on a disk gives."""
    opened = Cube.open(place)
    assert opened.digest == cube.digest
    for name in ("blocks/status", "weather/tmin", "seasons/split"):
        assert np.array_equal(opened.array(name), cube.array(name), equal_nan=name.startswith("weather"))
    day = int(np.argwhere(cube.array("blocks/status") == Status.STORED)[0][0])
    for name in ("imagery/reflectance", "imagery/quality", "labels/crop"):
        spec = cube.spec.array(name)
        chosen = np.array([day + 1, day]) if spec.dims[0] == "time" else np.array([1, 0])
        index = (chosen, *(slice(None),) * (len(spec.dims) - 1))
        pixels = opened.pixels(name).read(index)
        assert np.array_equal(pixels, cube.pixels(name).read(index)) and (pixels != spec.fill).any()
    tile = f"tiles/{cube.grid.tiles[0].name}/labels"
    assert open_cube(place)[tile].to_dataset().load().identical(open_cube(cube.path)[tile].to_dataset().load())
    assert verify_cube(place).damage == ()


def test_a_cube_is_read_as_on_a_disk(place: Location, grown_cube: Cube) -> None:
    copy = copy_cube(grown_cube, place / "grown.zarr")
    assert_reads_the_same(copy, grown_cube)
    assert verify_cube(copy, list_only=True).damage == ()
    name = next(name for name, _ in objects(copy) if "/imagery/reflectance/c/" in name)
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name}.* is missing"):
        Cube.open(copy).pixels("imagery/reflectance").read((slice(None), slice(None), slice(None), slice(None)))


CLOSED = "http://127.0.0.1:9"
AZURE = f"AccountName=devstoreaccount1;BlobEndpoint={CLOSED}/devstoreaccount1"
SIGNED = "SharedAccessSignature=sv=2021&sig=hush"


@pytest.mark.parametrize(
    ("address", "environment", "error", "message"),
    [
        ("gs://cubes", {"STORAGE_EMULATOR_HOST": "127.0.0.1:9"}, IncompleteError, "no Google Cloud Storage service"),
        ("az://cubes", {"AZURE_STORAGE_CONNECTION_STRING": f"{AZURE};{SIGNED}"}, IncompleteError, "no Azure Blob"),
        (f"{CLOSED}/x", {}, IncompleteError, "no web server answers at 127.0.0.1:9; check the address"),
        ("az://cubes", {}, InputError, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://cubes", {"AZURE_STORAGE_CONNECTION_STRING": "hush"}, InputError, "neither AccountName nor BlobEndpoint"),
        ("az://cubes", {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "hush!"}, InputError, "Invalid Access Key"),
        ("gs://cubes", {"GOOGLE_APPLICATION_CREDENTIALS": "/none.json"}, InputError, "/none.json"),
    ],
)  # fmt: skip
def test_wrong_settings_in_one_line_without_secrets(
    settings: pytest.MonkeyPatch, address: str, environment: dict[str, str], error: type[Exception], message: str
) -> None:
    for name, value in environment.items():
        settings.setenv(name, value)
    with pytest.raises(error, match=message) as raised:
        ensure_reachable(location(address))
    assert "\n" not in str(raised.value) and "hush" not in str(raised.value)


def test_a_wrong_key_or_signature_is_refused_without_showing_it(
    services: Services, settings: pytest.MonkeyPatch
) -> None:
    right = services.get("azurite")[1]["AZURE_STORAGE_CONNECTION_STRING"]
    key, signature = f"AccountKey={KEY}", "SharedAccessSignature=sv=2021-08-06&sig=aHVzaA%3D%3D"
    for wrong in ("AccountKey=aHVzaA==", signature):
        settings.setenv("AZURE_STORAGE_CONNECTION_STRING", right.replace(key, wrong))
        with pytest.raises(InputError, match=r"refused access .*; check AZURE_STORAGE_ACCOUNT_NAME") as raised:
            ensure_reachable(location("az://cubes/x"))
        assert "aHVzaA" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    ["gs://b/x", "gs://Bucket/x", "az://no_underscore/x", "az://a--b", "https://me:hush@example.org/x", "https://",
     "https://example.org/x?sig=hush", "https://example.org/../x", "ftp://example.org/hush"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InputError, match="https://HOST/PATH") as raised:
        location(address)
    assert "hush" not in str(raised.value)


def test_addresses_of_a_web_server_are_quoted() -> None:
    place = location("https://example.org:8443/my%20cubes/iowa%2B.zarr/")
    assert place.name == "iowa+.zarr" and str(place / "a b") == "https://example.org:8443/my%20cubes/iowa%2B.zarr/a%20b"
    assert location(str(place)) == place
    assert str(location("https://example.org")) == "https://example.org"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with an array, whose name has to be quoted."""
    root = tmp_path / "my cube+%41.zarr"
    make_array(root)
    (root / "text").write_bytes(b"0123456789")
    return root


@pytest.fixture
def web(published: Path) -> Iterator[Location]:
    """The folder on a web server that takes byte ranges: that of Werkzeug, which Flask builds on."""

    @Request.application
    def serve(request: Request) -> Response:
        response = send_from_directory(published.parent, request.path.lstrip("/"), request.environ)
        response.headers.remove("Date")  # the server sends its own, which can be a second later; no client takes two
        return response

    server = make_server("127.0.0.1", 0, serve, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield location(f"http://127.0.0.1:{server.server_port}/my%20cube%2B%2541.zarr")
    server.shutdown()


def test_files_of_a_web_server_are_read(web: Location) -> None:
    ensure_reachable(web)
    ensure_reachable(web / "nothing/here")
    assert web.is_dir() and (web / "v").is_dir() and not (web / "none").is_dir() and not web.is_file()
    assert (web / "text").read_bytes() == b"0123456789" and size(web / "text") == 10
    parts = [read_range(web / "text", *part) for part in ((2, 3), (8, 4), (10, 2))]
    assert parts == [(b"234", 10), (b"89", 10), (b"", 10)]
    assert list(read_each(web, ["text", "none"])) == [("text", b"0123456789"), ("none", None)]
    with pytest.raises(FileNotFoundError, match=re.escape("/my%20cube%2B%2541.zarr/none")):
        (web / "none").read_bytes()
    array = zarr.open_group(zarr_store(web), mode="r")["v"]
    assert isinstance(array, zarr.Array) and np.array_equal(array[1], np.arange(64, 128))
    assert np.array_equal(open_with_tensorstore(web / "v")[1].read().result(), np.arange(64, 128))


def test_a_cube_on_a_web_server(web: Location, published: Path, grown_cube: Cube) -> None:
    copy_cube(grown_cube, published / "grown.zarr")
    assert_reads_the_same(web / "grown.zarr", grown_cube)


def test_files_of_a_web_server_are_neither_listed_nor_written(web: Location) -> None:
    """The server answers a request for a list as if there were nothing, which must not be taken for an empty group."""
    lists: list[Callable[[], object]] = [
        lambda: list(objects(web)),
        lambda: list(zarr.open_group(zarr_store(web), mode="r").members()),
        lambda: xr.open_zarr(zarr_store(web), consolidated=False),
    ]
    for listed in lists:
        with pytest.raises(InputError, match="cannot be listed"):
            listed()
    changes: list[Callable[[], object]] = [
        lambda: write_whole(web / "text", b""),
        (web / "text").unlink,
        lambda: remove_tree(web),
    ]
    for change in changes:
        with pytest.raises(InputError):
            change()
    with pytest.raises(InputError, match="is read-only"), write_lock(web, "mmvsf dataset"):
        pass
    assert (web / "text").read_bytes() == b"0123456789"


def test_a_web_server_without_byte_ranges_is_named(published: Path) -> None:
    with python_web_server(published.parent) as url:
        web = location(f"{url}/my%20cube%2B%2541.zarr")
        assert (web / "text").read_bytes() == b"0123456789"
        with pytest.raises(InputError, match="byte ranges"):
            read_range(web / "text", 2, 3)
        with pytest.raises(InputError, match="byte ranges"), read_errors(web):
            zarr.open_array(zarr_store(web / "v"), mode="r")[:4, :4]
