"""A Dask cluster of separate processes builds the cube that one process builds, byte by byte, in a bucket.

The scheduler and its workers are started as a person starts them. They share nothing with the build but the archive's
folder (a public archive needs none), the package, and the environment that leads to the bucket.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.storage.location import objects
from mmvsf.datasets.storage.object_path import ObjectPath
from mmvsf.pipeline.build import dask_executor as execute
from tests.servers.dask_cluster import STARTED_WITHIN, scheduler, worker
from tests.servers.s3 import S3

from .conftest import Command
from .tiny_archive import TinyArchive

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]


@pytest.fixture(scope="module")
def cluster(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers."""
    folder, environment = tmp_path_factory.mktemp("cluster"), s3_server.environment()
    with (
        scheduler(folder) as (address, _),
        worker(address, folder, environment),
        worker(address, folder, environment),
    ):
        yield address


def test_a_cluster_gives_the_same_bytes(
    tiny: TinyArchive, built: TinyArchive, cluster: str, s3: S3, data: ObjectPath, mmvsf: Command
) -> None:
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", data, "--scheduler", cluster)
    assert outcome.code == 0, outcome.err
    cube = data / "tiny.zarr"
    assert Cube.open(cube).digest == digest(cube) == digest(built.cube)
    shards = [name for name, _ in objects(built.cube) if "/c/" in name]
    assert all((cube / name).read_bytes() == (built.cube / name).read_bytes() for name in shards) and len(shards) > 50


def test_a_build_that_is_killed_goes_on(
    tiny: TinyArchive, built: TinyArchive, cluster: str, s3: S3, data: ObjectPath, mmvsf: Command
) -> None:
    arguments = ["dataset", str(tiny.recipe), "--data-dir", str(data), "--scheduler", cluster]
    running = subprocess.Popen(
        [sys.executable, "-m", "mmvsf.datasets.command", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        while running.poll() is None and time.monotonic() < deadline and not dict(objects(data / "tiny.zarr.ledger")):
            time.sleep(0.01)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert dict(objects(data / "tiny.zarr.ledger")) and mmvsf("check", data / "tiny.zarr").code == 1
    assert mmvsf(*arguments).code == 0
    assert digest(data / "tiny.zarr") == digest(built.cube)


def test_a_worker_without_credentials(
    tiny: TinyArchive, s3: S3, data: ObjectPath, mmvsf: Command, tmp_path: Path
) -> None:
    environment = {name: value for name, value in s3.environment().items() if "KEY" not in name}
    with scheduler(tmp_path) as (address, _), worker(address, tmp_path, environment):
        outcome = mmvsf("dataset", tiny.recipe, "--data-dir", data, "--scheduler", address)
    assert outcome.code == 2 and "no AWS credentials were found" in outcome.error and "worker" in outcome.error


def test_a_cluster_without_workers(
    tiny: TinyArchive, s3: S3, data: ObjectPath, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "WAIT_FOR_WORKERS", 0.5)
    with scheduler(tmp_path) as (address, _):
        outcome = mmvsf("dataset", tiny.recipe, "--data-dir", data, "--scheduler", address)
    assert outcome.code == 1 and f"dask worker {address}" in outcome.error


def test_no_scheduler_is_said_before_the_sources_are_asked(
    tiny: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "WAIT_FOR_SCHEDULER", 0.5)
    (tiny.root / "items.json").unlink()
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--scheduler", "127.0.0.1:9")
    assert outcome.code == 1 and "no Dask scheduler answers at 127.0.0.1:9" in outcome.error


def test_workers_of_another_version(
    tiny: TinyArchive, cluster: str, s3: S3, data: ObjectPath, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = execute.VERSION
    monkeypatch.setattr(execute, "VERSION", "99.0")
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", data, "--scheduler", cluster)
    assert outcome.code == 1 and "install the same" in outcome.error
    assert f"a worker has {installed}, the scheduler has {installed}" in outcome.error
