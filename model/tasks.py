"""Running many tasks: on threads of this process, on processes of this machine, or on a Dask cluster.

Every task computes with one thread, so that its result does not depend on how many run at once; a network as small as
these is about as fast so as with several.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import torch

from mmvsf.datasets.errors import IncompleteError, one_line

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_THREADS = 8
"""Of one process: what a task does in Python only one thread does at a time."""
WAIT_FOR_SCHEDULER = 10
"""Seconds that a Dask scheduler has to answer."""


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None, scheduler: str | None = None
) -> Iterator[Result]:
    """The results of a function that can be pickled, as they come.

    `workers` threads, or processes where there are more than MOST_THREADS; None for one per processor, with a GPU one.
    `scheduler` is the address of a Dask cluster, whose workers must reach the same files. Raises what a task raises,
    once those that run have ended, and IncompleteError where the cluster does not answer or a process dies.
    """
    if scheduler is not None:
        yield from _on_cluster(function, tasks, scheduler)
        return
    count = min(workers or (1 if torch.cuda.is_available() else os.cpu_count() or 1), len(tasks))
    call = partial(_alone, function)
    if count <= 1:
        with _one_thread():
            yield from map(function, tasks)
        return
    pool: Executor
    if count <= MOST_THREADS:
        pool = ThreadPoolExecutor(count)
    else:
        pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
    with _one_thread(), pool:
        waiting = iter(tasks)
        running: set[Future[Result]] = {pool.submit(call, task) for task in islice(waiting, count)}
        failed: BaseException | None = None
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    error = future.exception()
                    if error is None:
                        yield future.result()
                    failed = failed or error
                if failed is None:
                    running |= {pool.submit(call, task) for task in islice(waiting, len(done))}
            if failed is not None:
                raise failed
        except BrokenExecutor as error:
            raise IncompleteError(f"a worker process died ({one_line(error)}); use fewer --workers") from error


def _alone(function: Callable[[Task], Result], task: Task) -> Result:
    torch.set_num_threads(1)  # of this thread or process
    return function(task)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _on_cluster(function: Callable[[Task], Result], tasks: Sequence[Task], scheduler: str) -> Iterator[Result]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=WAIT_FOR_SCHEDULER, set_as_default=False)
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise IncompleteError(f"the Dask scheduler {scheduler} does not answer ({one_line(error)})") from error
    with client:
        futures: list[Any] = client.map(partial(_alone, function), tasks, pure=False)
        for future in futures:
            yield future.result()
