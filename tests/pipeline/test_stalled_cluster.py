"""A Dask cluster that makes no progress is reported with what to do, and does not hang."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster

from mmvsf.datasets.errors import IncompleteError
from mmvsf.pipeline.build.cluster_watch import ClusterWatch
from mmvsf.pipeline.build.dask_executor import DaskExecutor

pytestmark = pytest.mark.slow

PATIENCE = 3.0
"""Seconds, in place of a minute."""
KEPT: list[bytearray] = []
"""What a worker does not give back."""
SETTINGS = {
    "distributed.worker.memory.pause": 0.5,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
}


def number(task: int, context: int) -> int:
    return task + context


def slow(task: int, context: float) -> int:
    time.sleep(context)
    return task


def keep_memory(task: int, context: int) -> int:
    """Take more memory than a worker may have before it is paused, and keep it."""
    KEPT.append(bytearray(context))
    time.sleep(0.5)
    return task


@pytest.fixture
def client() -> Iterator[Client]:
    """A cluster of one worker process with half a gigabyte."""
    import dask

    with (
        dask.config.set(SETTINGS),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=600_000_000, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_worker_paused_by_its_memory_limit(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    started = time.monotonic()
    with pytest.raises(IncompleteError, match="1 of 1 Dask workers are paused by their memory limit; give each worker"):
        list(DaskExecutor(client, PATIENCE).run(keep_memory, range(20), 400_000_000))
    assert time.monotonic() - started < 30
    assert "is paused by its memory limit and starts no task" in caplog.text


def test_a_worker_that_is_frozen(client: Client) -> None:
    (worker,) = client.run(os.getpid).values()
    results = DaskExecutor(client, PATIENCE).run(slow, range(100), 0.05)
    next(results)
    os.kill(worker, signal.SIGSTOP)
    try:
        with pytest.raises(IncompleteError, match="none of the 1 Dask workers has sent a heartbeat"):
            list(results)
    finally:
        os.kill(worker, signal.SIGCONT)


def test_a_cluster_without_workers(client: Client) -> None:
    results = DaskExecutor(client, PATIENCE).run(slow, range(100), 0.05)
    next(results)
    client.cluster.scale(0)
    with pytest.raises(IncompleteError, match="the Dask cluster has no workers left"):
        list(results)
    with pytest.raises(IncompleteError, match="the Dask cluster has no workers left"):
        list(DaskExecutor(client, 0.5).run(number, range(3), 1))


def test_all_workers_are_lost_and_others_come(client: Client) -> None:
    results = DaskExecutor(client, 60).run(slow, range(30), 0.05)
    first = next(results)
    (worker,) = client.run(os.getpid).values()
    os.kill(worker, signal.SIGKILL)  # its nanny starts another
    assert sorted([first, *results]) == list(range(30))


def test_questions_to_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """About one for each task at most, where asking for each task and for the number of workers makes two."""
    asked = []
    ask = Client.sync
    monkeypatch.setattr(Client, "sync", lambda *args, **options: asked.append(args) or ask(*args, **options))
    with (
        LocalCluster(n_workers=1, threads_per_worker=32, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        list(DaskExecutor(client).run(slow, range(512), 0.1))
    assert len(asked) < 800


def test_a_long_task_is_no_stall(client: Client) -> None:
    assert list(DaskExecutor(client, PATIENCE).run(slow, [1], PATIENCE + 2)) == [1]


def test_a_scheduler_that_is_gone() -> None:
    class Gone:
        status = "connecting"

    watch = ClusterWatch(Gone(), 0.12)  # type: ignore[arg-type]
    with pytest.raises(IncompleteError, match="the Dask scheduler does not answer"):
        for _ in range(100):
            time.sleep(0.02)
            watch.look()
