"""Running many tasks: in this process, on local worker processes, or on any Dask cluster, behind one interface.

On one machine workers are threads of this process as far as these scale: they start at once and share what they open.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future as ConcurrentFuture
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.pipeline.crew import Crew

from .dask_executor import DaskExecutor, connected
from .memory import keep_freed_memory

if TYPE_CHECKING:
    from distributed import LocalCluster

Task = TypeVar("Task")
Context = TypeVar("Context")
Result = TypeVar("Result")

MOST_THREADS = 8
"""Of one process: what a build does in Python, a tenth of its work, only one thread does at a time."""


class Executor(Protocol):
    """Runs `function(task, context)` for every task and yields results as they come, in any order.

    `ahead` is how many more tasks a process may begin than it has workers, where tasks mostly wait for a server, so
    that some are read while others are written; each takes the memory of a task."""

    @property
    def workers(self) -> int:
        """Tasks that run at once."""

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context, ahead: int = 0
    ) -> Generator[Result, None, None]: ...


class SerialExecutor:
    """Runs tasks one after another in this process; with some ahead, on threads."""

    workers = 1

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context, ahead: int = 0
    ) -> Generator[Result, None, None]:
        """See `ThreadExecutor.run`."""
        if ahead:
            yield from ThreadExecutor(self.workers).run(function, tasks, context, ahead)
            return
        keep_freed_memory()
        for task in tasks:
            yield function(task, context)


class ThreadExecutor:
    """Runs tasks on so many threads of this process, which help each other where there are fewer tasks than threads."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context, ahead: int = 0
    ) -> Generator[Result, None, None]:
        """Raises what a task raised, once those that run have ended."""
        keep_freed_memory()
        waiting = iter(tasks)
        done: SimpleQueue[ConcurrentFuture[Result]] = SimpleQueue()
        running, most = 0, self.workers + ahead
        with Crew(most) as crew:
            while True:
                # No more than run at once: an idle thread helps with the tasks that hold memory before it begins one.
                for task in islice(waiting, most - running):
                    crew.submit(function, task, context).add_done_callback(done.put)
                    running += 1
                if not running:
                    return
                result = done.get().result()
                running -= 1
                yield result


class LocalExecutor:
    """Runs tasks on worker processes of this machine, which start with the first task: where all is done, none do."""

    def __init__(self, count: int, start: Callable[[], DaskExecutor]) -> None:
        self.workers = count
        self._start = start
        self._started: DaskExecutor | None = None

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context, ahead: int = 0
    ) -> Generator[Result, None, None]:
        """See `DaskExecutor.run`."""
        waiting = iter(tasks)
        first = next(waiting, None)
        if first is None:
            return
        if self._started is None:
            self._started = self._start()
        yield from self._started.run(function, chain([first], waiting), context, ahead)


@contextmanager
def executor(workers: int | None, scheduler: str | None = None) -> Generator[Executor, None, None]:
    """An executor: a Dask cluster at `scheduler`, else threads of this process, or worker processes where there are
    more than `MOST_THREADS`.

    `workers` None means one per processor. Raises InputError for fewer than one; IncompleteError if local workers do
    not start, or if the scheduler does not answer, has no workers, or has workers with another version of this package.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, or None for one per processor; found {workers}")
    count = workers or os.cpu_count() or 1
    if scheduler is None and count <= MOST_THREADS:
        yield SerialExecutor() if count == 1 else ThreadExecutor(count)
        return
    import dask
    from distributed import Client

    settings = {
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.comm.timeouts.connect": "30s",
        # Tasks hold whole shards for seconds; moving or spilling them would only cost.
        "distributed.scheduler.work-stealing": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        "distributed.worker.preload": ["mmvsf.pipeline.build.worker"],
    }
    if not logging.getLogger("mmvsf").isEnabledFor(logging.DEBUG):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(settings):
        if scheduler is not None:
            with connected(scheduler) as client:
                yield DaskExecutor(client)
            return
        with ExitStack() as stack:

            def start() -> DaskExecutor:
                return DaskExecutor(stack.enter_context(Client(stack.enter_context(_local_cluster(count)))))

            yield LocalExecutor(count, start)


def _local_cluster(count: int) -> "LocalCluster":
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: builds that run side by side have one each
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise IncompleteError(
            f"the worker processes did not start ({one_line(error)}); a script that builds with more than one worker"
            ' must do so under `if __name__ == "__main__":`, since each worker imports the script'
        ) from error
