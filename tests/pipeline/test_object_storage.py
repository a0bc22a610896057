"""A cube in a bucket is the cube of a folder, object by object, and is built, killed, read and refused like one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import xarray as xr

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import resolve_path
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage import verified
from mmvsf.datasets.storage.location import LOCAL_FOLDER, Location, local_folder, location, objects, read_range, size
from mmvsf.datasets.storage.manifest import Manifest, Record
from mmvsf.datasets.storage.object_path import ObjectPath
from mmvsf.datasets.storage.verified import VerifiedObjects
from mmvsf.pipeline.build.executor import SerialExecutor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from tests.servers.base import reset, status
from tests.servers.s3 import S3

from .conftest import Command
from .stored import TILE
from .tiny_archive import TinyArchive

pytestmark = [pytest.mark.usefixtures("s3"), pytest.mark.slow, pytest.mark.stand_in]


def build_in(archive: TinyArchive, data: ObjectPath, **options: bool) -> ObjectPath:
    plan = build_plan(str(archive.recipe), data)
    build(plan, SerialExecutor(), Progress(lambda *_: None), **options)
    assert isinstance(plan.cube, ObjectPath)
    return plan.cube


@pytest.fixture
def stored(built: TinyArchive) -> ObjectPath:
    """The finished cube in a bucket. Not to be changed."""
    place = ObjectPath.parse("s3://cubes/stored")
    return place / "tiny.zarr" if (place / "tiny.zarr/zarr.json").is_file() else build_in(built, place)


def assert_same(cube: ObjectPath, built: TinyArchive) -> None:
    """Object by object; the root holds times, and manifest.json the hash of the root."""
    of_the_root = ("zarr.json", "manifest.json")
    assert dict(objects(cube)).keys() == dict(objects(built.cube)).keys()
    for name, _ in objects(cube):
        assert name in of_the_root or (cube / name).read_bytes() == (built.cube / name).read_bytes(), name
    assert Cube.open(cube).digest == digest(cube) == digest(built.cube)


def test_the_same_objects_as_in_a_folder(stored: ObjectPath, built: TinyArchive) -> None:
    assert_same(stored, built)
    assert {name.split("/")[0] for name, _ in objects(stored.parent)} == {"tiny.zarr", "tiny.zarr.ledger"}
    bucket = ObjectPath.parse("s3://cubes")
    assert not any((bucket / name).is_file() for name in ("zarr.json", "stored/zarr.json")), "a group above the cube"


def test_a_second_run_writes_no_shard(stored: ObjectPath, built: TinyArchive, s3: S3) -> None:
    first = len(s3.requests)
    build_in(built, ObjectPath.parse("s3://cubes/stored"))
    written = [request.path for request in s3.requests[first:] if request.method == "PUT"]
    assert written and not [path for path in written if "/imagery/reflectance/c/" in path or "/labels/crop/c/" in path]


def test_every_reading_command(stored: ObjectPath, built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    assert mmvsf("check", stored).code == 0
    assert mmvsf("digest", stored).out == mmvsf("digest", built.cube).out
    x, y = Cube.open(stored).grid.geobox.extent.centroid.coords[0]
    place = ("--day", "2021-05-13", "--x", x, "--y", y)
    assert mmvsf("explain", stored, *place).out == mmvsf("explain", built.cube, *place).out
    for cube, name in ((stored, "bucket.tif"), (built.cube, "folder.tif")):
        assert mmvsf("export", cube, "--what", "crop", "--year", 2020, "--out", tmp_path / name).code == 0
    assert (tmp_path / "bucket.tif").read_bytes() == (tmp_path / "folder.tif").read_bytes()
    options = (built.recipe, "--data-dir", stored.parent, "--runs-dir", tmp_path)
    assert str(stored) in "".join(mmvsf("summary", *options).out.split())
    assert mmvsf("report", *options).code == 0 and (tmp_path / "tiny/report.html").is_file()


def test_xarray_and_the_reader_see_the_same(stored: ObjectPath, built: TinyArchive) -> None:
    weather = (open_cube(place)[f"{TILE}/weather"].to_dataset().load() for place in (str(stored), built.cube))
    xr.testing.assert_identical(*weather)
    images = []
    for cube in (Cube.open(stored), Cube.open(built.cube)):
        reader = WindowReader(cube, Normalisation.of([cube]))
        status = cube.array("blocks/status")
        time, row, column = np.argwhere(status == 2)[0]
        block = cube.grid.block
        days = cube.calendar.days[time : time + 1]
        window = Window(int(row) * block, int(column) * block, block, 2020, (0, 0), days)
        images.append(reader.images(window, days)[0])
    assert np.array_equal(*images) and images[0].any()


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("mmvsf.pipeline.build.run:sweep_leftovers", 1),  # the root is there, and nothing else
        ("mmvsf.pipeline.ledger:Ledger.write", 9),
        ("mmvsf.datasets.cube.write:write_manifest", 1),
        ("mmvsf.datasets.cube.write:sync_all", 1),  # all of it but the root
    ],
    ids=["root", "ledger", "manifest", "all-but-the-root"],
)
def test_killed_and_run_again(
    tiny: TinyArchive, built: TinyArchive, data: ObjectPath, mmvsf: Command, where: str, count: int
) -> None:
    script = Path(__file__).with_name("kill_at.py")
    command = [sys.executable, str(script), where, str(count), "dataset", str(tiny.recipe), "--data-dir", str(data)]
    ended = subprocess.run([*command, "--workers", "1"], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    cube = data / "tiny.zarr"
    assert "run `mmvsf dataset` again" in mmvsf("check", cube).error
    done = dict(objects(data / "tiny.zarr.ledger"))
    closing = ("root.json", "finished.json")  # written after the root
    every = sum(name not in closing for name, _ in objects(built.data / "tiny.zarr.ledger"))
    assert len(done) == {"sweep_leftovers": 0, "Ledger.write": count - 1}.get(where.partition(":")[2], every)
    assert_same(build_in(tiny, data), built)


def test_killed_while_it_is_removed(tiny: TinyArchive, built: TinyArchive, data: ObjectPath) -> None:
    """`--overwrite` takes the root away first: what is left is taken neither for a cube nor for done."""
    cube = build_in(tiny, data)
    script = Path(__file__).with_name("kill_at.py")
    command = [
        sys.executable,
        str(script),
        "mmvsf.pipeline.build.target:remove_tree",
        "1",
        "dataset",
        str(tiny.recipe),
    ]
    options = ["--data-dir", str(data), "--workers", "1", "--overwrite"]
    ended = subprocess.run([*command, *options], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (cube / "zarr.json").is_file()
    shard = min(name for name, _ in objects(cube) if name.startswith(f"{TILE}/imagery/reflectance/c/"))
    (cube / shard).unlink()
    (cube / TILE / "imagery/reflectance/c/21/7/7/7").write_bytes(b"of another grid")
    assert_same(build_in(tiny, data), built)


def test_what_is_no_cube_is_left_alone(tiny: TinyArchive, data: ObjectPath) -> None:
    (data / "tiny.zarr/letters/1.txt").write_bytes(b"dear")
    with pytest.raises(InputError, match="exists and is not a cube"):
        build_in(tiny, data, overwrite=True)
    assert (data / "tiny.zarr/letters/1.txt").read_bytes() == b"dear"


def test_a_busy_service(tiny: TinyArchive, built: TinyArchive, data: ObjectPath, s3: S3) -> None:
    s3.fail("PUT .*ledger", status(503), times=2, after=3)
    s3.fail("PUT .*imagery/quality/c/", status(500), times=1)
    s3.fail("PUT .*imagery/scene/c/", reset(), times=1)
    assert_same(build_in(tiny, data), built)


def test_a_bucket_that_refuses_while_reading_is_not_called_damaged(stored: ObjectPath, s3: S3, mmvsf: Command) -> None:
    s3.fail("GET .*imagery/quality/c/", status(403))
    outcome = mmvsf("check", stored)
    assert outcome.code == 2 and "refused access" in outcome.error and "damaged" not in outcome.error


WRONG = {
    "endpoint": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "no S3 service answers at 127.0.0.1:9", "AWS_ENDPOINT"),
    "name": ({"AWS_ENDPOINT_URL": "http://me:hush@no.invalid"}, 1, "no S3 service answers at no.invalid", "network"),
    "credentials": ({"AWS_ACCESS_KEY_ID": ""}, 2, "no AWS credentials were found", "set AWS_ACCESS_KEY_ID"),
    "profile": ({"AWS_PROFILE": "nobody"}, 2, "nobody", "fix AWS_PROFILE"),
    "bucket": ({}, 2, "there is no bucket 'nowhere'", "create it"),
}


@pytest.mark.parametrize("command", ["dataset", "check"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_said_at_once(
    built: TinyArchive, mmvsf: Command, case: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, code, what, remedy = WRONG[case]
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    place = "s3://nowhere/x" if case == "bucket" else "s3://cubes/stored"
    began = time.monotonic()
    arguments = (built.recipe, "--data-dir", place) if command == "dataset" else (f"{place}/tiny.zarr",)
    outcome = mmvsf(command, *arguments)
    assert outcome.code == code and what in outcome.error and remedy in outcome.error
    assert time.monotonic() - began < 10
    assert "hush" not in outcome.err + outcome.out


def test_refused_access(s3: S3, stored: ObjectPath, mmvsf: Command) -> None:
    s3.fail(".*", status(403))
    outcome = mmvsf("check", stored)
    assert outcome.code == 2 and "refused access" in outcome.error and "AWS_PROFILE" in outcome.error


def test_a_public_bucket_needs_no_credentials(
    stored: ObjectPath, s3: S3, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.publish("cubes")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    first = len(s3.requests)
    assert mmvsf("check", stored).code == 0
    assert not [request for request in s3.requests[first:] if "authorization" in request.headers]


def test_a_profile(stored: ObjectPath, mmvsf: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[field]\naws_access_key_id = any\naws_secret_access_key = hush\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "field")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert mmvsf("check", stored).code == 0


@pytest.mark.parametrize("text", ["gs://b/x", "s3://B/x", "s3://bucket/../x", "s3://key:hush@bucket/x", "s3://"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InputError) as raised:
        location(text)
    assert "s3://BUCKET" in str(raised.value) and "hush" not in str(raised.value)


def test_a_cube_that_is_not_there(mmvsf: Command) -> None:
    assert "there is no cube at s3://cubes/none.zarr" in mmvsf("check", "s3://cubes/none.zarr").error
    with pytest.raises(FileNotFoundError, match="s3://cubes/none"):
        ObjectPath.parse("s3://cubes/none/").read_bytes()


def test_parts_of_an_object(data: ObjectPath) -> None:
    place = data / "object"
    place.write_bytes(b"0123456789")
    assert size(place) == 10
    parts = [read_range(place, *part) for part in ((2, 3), (8, 4), (10, 2), (12, 2), (0, 0))]
    assert parts == [(b"234", 10), (b"89", 10), *[(b"", 10)] * 3]
    for read in (lambda: size(data / "none"), lambda: read_range(data / "none", 0, 1)):
        with pytest.raises(FileNotFoundError, match="none"):
            read()


def verified_objects(data: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> VerifiedObjects:
    """Three large shards and a small one, `a` to `d`."""
    contents = {name: name.encode() * size for name, size in (("a", 70_000), ("b", 80_000), ("c", 90_000), ("d", 10))}
    for name, content in contents.items():
        (data / name).write_bytes(content)
    records = {name: Record.of(content, shard=True) for name, content in contents.items()}
    monkeypatch.setattr(VerifiedObjects, "record", lambda self, name: records.get(name))
    return VerifiedObjects(data, Manifest({}, records["a"]))


def test_an_object_is_checked_with_one_request(data: ObjectPath, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = verified_objects(data, monkeypatch)
    for name in "abcd":
        first = len(s3.requests)
        assert checked.check(name) and checked.check(name)
        assert [request.method for request in s3.requests[first:]] == ["GET"]
    assert not checked.check("e")
    (data / "a").write_bytes(b"a" * 69_999)
    (data / "b").write_bytes(b"b" * 80_001)
    (data / "c").write_bytes(b"c" * 10)
    (data / "e").write_bytes(b"e")
    again = VerifiedObjects(data, checked.manifest)
    for name, problem in (("a", "has 69999 bytes"), ("b", "has 80001"), ("c", "has 10 bytes"), ("e", "does not list")):
        with pytest.raises(InputError, match=problem):
            again.check(name)


def test_objects_of_a_bucket_are_checked_side_by_side(data: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    checked, all_three = verified_objects(data, monkeypatch), Barrier(3)

    def together(where: Location, start: int, length: int) -> tuple[bytes, int]:
        all_three.wait(timeout=20)
        return read_range(where, start, length)

    monkeypatch.setattr(verified, "read_range", together)
    begun = [checked.begin_check(name) for name in "abc"]
    assert all(finish() for finish in begun)


def test_what_has_to_be_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_folder(Path("data")) == Path("data")
    assert local_folder(ObjectPath.parse("s3://cubes")) == LOCAL_FOLDER
    archive = resolve_path("{data_dir}/archive", tmp_path / "x.yaml", LOCAL_FOLDER)
    assert archive == tmp_path / ".cache/mmvsf/archive"


def test_incomplete(tiny: TinyArchive, data: ObjectPath, s3: S3) -> None:
    """A bucket that stops answering in the middle leaves what is done."""
    s3.fail("PUT .*ledger/imagery", status(403), after=4)
    with pytest.raises(InputError, match="refused access"):
        build_in(tiny, data)
    with pytest.raises(IncompleteError):
        Cube.open(data / "tiny.zarr")
    assert len(dict(objects(data / "tiny.zarr.ledger/imagery"))) == 5  # the stand-in stores first, then refuses
