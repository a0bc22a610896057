"""Tasks on threads, processes and a Dask cluster give the same results, and what goes wrong is one error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvsf.datasets.errors import IncompleteError
from mmvsf.model import tasks
from mmvsf.model.tasks import run_tasks

WORDS = ["corn", "soy", "oats", "rye", "hay"]


@pytest.mark.parametrize("workers", [1, 2, 8, None])
def test_every_task_is_done_once(workers: int | None) -> None:
    threads = torch.get_num_threads()
    assert sorted(run_tasks(str.upper, WORDS, workers)) == sorted(word.upper() for word in WORDS)
    assert list(run_tasks(str.upper, [], workers)) == []
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_ends_the_run(workers: int, tmp_path: Path) -> None:
    missing = [tmp_path / name for name in WORDS]
    with pytest.raises(FileNotFoundError):
        list(run_tasks(Path.read_text, missing, workers))


@pytest.mark.slow
def test_a_dask_cluster_does_tasks() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        assert sorted(run_tasks(str.upper, WORDS, scheduler=cluster.scheduler_address)) == sorted(map(str.upper, WORDS))


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(tasks, "WAIT_FOR_SCHEDULER", 0.2)
    with pytest.raises(IncompleteError, match=r"the Dask scheduler tcp://127\.0\.0\.1:9 does not answer"):
        list(run_tasks(str.upper, WORDS, scheduler="tcp://127.0.0.1:9"))
