"""A cube and a run's folder have one writer at a time, whatever becomes of the others."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.storage.location import Location, location
from mmvsf.datasets.storage.lock import write_lock
from mmvsf.datasets.storage.writer import Writer
from tests.servers.base import status
from tests.servers.s3 import S3

HOLD = """
import sys
from mmvsf.datasets.storage.location import location
from mmvsf.datasets.storage.lock import write_lock
if sys.argv[2] == "without flock":
    import errno, fcntl
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")
    fcntl.flock = refuse
with write_lock(location(sys.argv[1]), "mmvsf dataset"):
    print("locked", flush=True)
    sys.stdin.read()
"""

Kind = tuple[str, Location]


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3]:
    with S3() as running:
        yield running


WITHOUT_KERNEL = ["without flock", pytest.param("bucket", marks=pytest.mark.stand_in)]
"""The kinds of lock that a killed process leaves."""


@pytest.fixture(params=["flock", *WITHOUT_KERNEL])
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """How a lock is kept, and the cube to lock."""
    if request.param == "bucket":
        for name, value in request.getfixturevalue("s3_server").environment().items():
            monkeypatch.setenv(name, value)
        return "bucket", location(f"s3://cubes/{tmp_path.name}/cube.zarr")
    if request.param == "without flock":
        monkeypatch.setattr(fcntl, "flock", refusal(errno.ENOLCK))
    return request.param, tmp_path / "data/cube.zarr"


def refusal(number: int) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@contextmanager
def holding(kind: Kind) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(kind[1]), kind[0]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def lock_of(cube: Location) -> Location:
    return cube.with_name("cube.zarr.lock")


def written(cube: Location, content: bytes) -> None:
    lock = lock_of(cube)
    if isinstance(lock, Path):
        lock.parent.mkdir(exist_ok=True)
    lock.write_bytes(content)


def test_a_lock_lasts_as_long_as_its_block(kind: Kind) -> None:
    cube = kind[1]
    with pytest.raises(ZeroDivisionError), write_lock(cube, "mmvsf dataset"):
        entry = json.loads(lock_of(cube).read_text())
        assert (entry["pid"], entry["purpose"]) == (os.getpid(), "mmvsf dataset")
        assert entry["started"] <= entry["since"] and entry["host"]
        1 / 0  # noqa: B018
    assert not lock_of(cube).exists()
    with write_lock(cube, "mmvsf dataset"):
        pass


def test_a_second_writer_is_refused_in_one_line(kind: Kind) -> None:
    with holding(kind) as process:
        with pytest.raises(IncompleteError) as raised, write_lock(kind[1], "mmvsf extend"):
            pass
        assert lock_of(kind[1]).exists()
        message = str(raised.value)
        assert (
            f"{kind[1]} is being written by process {process.pid} on {os.uname().nodename} (mmvsf dataset, " in message
        )
        assert "wait until that ends" in message and "\n" not in message
        assert (f"delete {lock_of(kind[1])} if that process is dead" in message) == (kind[0] != "flock")
        process.communicate("")
        with write_lock(kind[1], "mmvsf extend"):
            pass


def test_a_stopped_writer_keeps_its_lock_and_a_killed_one_loses_it(kind: Kind) -> None:
    with holding(kind) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(IncompleteError), write_lock(kind[1], "mmvsf extend"):
            pass
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has asked for its exit status
        assert lock_of(kind[1]).exists()
        with write_lock(kind[1], "mmvsf extend"):
            assert json.loads(lock_of(kind[1]).read_text())["pid"] == os.getpid()
    assert not lock_of(kind[1]).exists()


def test_a_block_inside_another_one_passes(kind: Kind) -> None:
    with write_lock(kind[1], "mmvsf extend"):
        with write_lock(kind[1], "mmvsf dataset"):
            pass
        assert json.loads(lock_of(kind[1]).read_text())["purpose"] == "mmvsf extend"
        with write_lock(kind[1].with_name("other.zarr"), "mmvsf dataset"):
            pass


def test_another_thread_does_not_pass(kind: Kind) -> None:
    refused = []

    def second() -> None:
        try:
            with write_lock(kind[1], "mmvsf dataset"):
                pass
        except IncompleteError as error:
            refused.append(error)

    with write_lock(kind[1], "mmvsf extend"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_a_link_to_a_cube_has_the_lock_of_the_cube(tmp_path: Path) -> None:
    (tmp_path / "disk/cube.zarr").mkdir(parents=True)
    (tmp_path / "data").symlink_to("disk")
    with holding(("flock", tmp_path / "disk/cube.zarr")), pytest.raises(IncompleteError):  # noqa: SIM117
        with write_lock(tmp_path / "data/cube.zarr", "mmvsf dataset"):
            pass


def test_a_file_that_was_removed_before_it_was_locked_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder removes the file after the next writer has opened it: that writer must open the new file."""
    cube, flock, calls = tmp_path / "cube.zarr", fcntl.flock, []

    def late(stream: Any, operation: int) -> None:
        calls.append(lock_of(cube).exists())
        if calls == [False, True]:  # the first call is a trial of the file system
            lock_of(cube).unlink()
        flock(stream, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with write_lock(cube, "mmvsf dataset"):
        monkeypatch.undo()
        assert len(calls) == 3
        with lock_of(cube).open() as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_another_error_of_the_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refusal(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), write_lock(tmp_path / "cube.zarr", "mmvsf dataset"):
        pass


THIS = Writer.this("mmvsf dataset")
GONE = replace(THIS, pid=2**22 + 1)
"""A number above the largest that Linux gives to a process."""


@pytest.mark.parametrize(
    ("writer", "dead"),
    [
        (THIS, False),
        (GONE, True),
        (replace(THIS, ticks=THIS.ticks + 1), True),
        (replace(THIS, boot="an earlier one", machine="a"), False),
        (replace(GONE, host="elsewhere"), False),
        (replace(GONE, machine="another of this name"), False),
        (replace(GONE, namespace="pid:[1]"), False),
        (replace(GONE, boot=""), False),
    ],
    ids=["alive", "gone", "number used again", "not this machine", "host", "machine", "container", "no Linux"],
)
@pytest.mark.parametrize("kind", WITHOUT_KERNEL, indirect=True)
def test_a_lock_is_taken_over_from_the_dead_of_this_host_only(kind: Kind, writer: Writer, dead: bool) -> None:
    assert writer.is_dead() == dead
    written(kind[1], writer.content())
    if dead:
        with write_lock(kind[1], "mmvsf extend"):
            pass
        assert not lock_of(kind[1]).exists()
        return
    with pytest.raises(IncompleteError, match=f"process {writer.pid} on {writer.host}"):  # noqa: SIM117
        with write_lock(kind[1], "mmvsf extend"):
            pass
    assert lock_of(kind[1]).read_bytes() == writer.content()


def test_after_a_reboot_every_writer_of_before_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, dead in (("abc", True), ("", False)):
        monkeypatch.setattr("mmvsf.datasets.storage.writer._machine", lambda machine=machine: machine)
        assert replace(Writer.this("x"), boot="an earlier one").is_dead() == dead


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_lock_that_cannot_be_read_is_kept(kind: Kind, content: bytes) -> None:
    written(kind[1], content)
    if kind[0] == "flock":  # only the kernel's lock counts
        with write_lock(kind[1], "mmvsf extend"):
            pass
        return
    with pytest.raises(IncompleteError, match="another process"), write_lock(kind[1], "mmvsf extend"):
        pass


@pytest.mark.parametrize("kind", WITHOUT_KERNEL, indirect=True)
def test_two_that_find_the_same_stale_lock(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second must not remove the new lock of the first."""
    written(kind[1], GONE.content())
    is_dead = Writer.is_dead

    def first_comes_in_between(writer: Writer) -> bool:
        answer = is_dead(writer)
        written(kind[1], THIS.content())
        return answer

    monkeypatch.setattr(Writer, "is_dead", first_comes_in_between)
    with pytest.raises(IncompleteError, match=f"process {THIS.pid} "), write_lock(kind[1], "mmvsf extend"):
        pass
    assert lock_of(kind[1]).read_bytes() == THIS.content()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    yield s3_server
    s3_server.clear_faults()


@pytest.mark.stand_in
def test_a_service_that_ignores_conditions_is_refused(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = s3.answer
    monkeypatch.setattr(
        s3, "answer", lambda asked: answer(replace(asked, headers={**asked.headers, "if-none-match": ""}))
    )
    cube = location(f"s3://cubes/{tmp_path.name}/cube.zarr")
    with pytest.raises(InputError, match="conditional writes"), write_lock(cube, "mmvsf dataset"):
        pass
    assert not lock_of(cube).exists()


@pytest.mark.stand_in
def test_a_lock_whose_first_answer_was_lost(s3: S3, tmp_path: Path) -> None:
    """The stand-in stores the lock before it answers with an error, so the repeated request finds one."""
    s3.fail("PUT .*lock", status(500), times=1)
    cube = location(f"s3://cubes/{tmp_path.name}/cube.zarr")
    with write_lock(cube, "mmvsf dataset"):
        assert json.loads(lock_of(cube).read_text())["pid"] == os.getpid()
    assert not lock_of(cube).exists()
