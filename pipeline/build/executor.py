"""Running many tasks: in this process, on local worker processes, or on any Dask cluster, behind one interface.

On one machine workers are threads of this process as far as these scale: they start at once and share what they open.

The graph has one node a task, and only a bounded number of tasks is submitted at a time, since a scheduler
that holds all tasks of a large region at once is slow and large.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future as ConcurrentFuture
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.pipeline.crew import Crew

from .cluster_watch import MEMORY, PATIENCE, ClusterWatch
from .memory import keep_freed_memory

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

Task = TypeVar("Task")
Context = TypeVar("Context")
Result = TypeVar("Result")

IN_FLIGHT_PER_WORKER = 4

MOST_THREADS = 8
"""Of one process: what a build does in Python, a tenth of its work, only one thread does at a time."""

VERSION = version("mmvsf")

WAIT_FOR_SCHEDULER = 10
"""Seconds that a scheduler has to answer."""

WAIT_FOR_WORKERS = 60
"""Seconds that a cluster has to start its first worker."""


class Executor(Protocol):
    """Runs `function(task, context)` for every task and yields results as they come, in any order."""

    @property
    def workers(self) -> int:
        """Tasks that run at once."""

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context
    ) -> Generator[Result, None, None]: ...


class SerialExecutor:
    """Runs tasks one after another in this process."""

    workers = 1

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context
    ) -> Generator[Result, None, None]:
        keep_freed_memory()
        for task in tasks:
            yield function(task, context)


class ThreadExecutor:
    """Runs tasks on so many threads of this process, which help each other where there are fewer tasks than threads."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context
    ) -> Generator[Result, None, None]:
        """Raises what a task raised, once those that run have ended."""
        keep_freed_memory()
        waiting = iter(tasks)
        done: SimpleQueue[ConcurrentFuture[Result]] = SimpleQueue()
        running = 0
        with Crew(self.workers) as crew:
            while True:
                # No more than run at once: an idle thread helps with the tasks that hold memory before it begins one.
                for task in islice(waiting, self.workers - running):
                    crew.submit(function, task, context).add_done_callback(done.put)
                    running += 1
                if not running:
                    return
                result = done.get().result()
                running -= 1
                yield result


class DaskExecutor:
    """Runs tasks on the workers of a Dask client, also on those that join later."""

    def __init__(self, client: "Client", patience: float = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        """seconds that the cluster may do nothing"""

    @property
    def workers(self) -> int:
        """Tasks that run at once: threads of all workers."""
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context
    ) -> Generator[Result, None, None]:
        """Raises what a task raised, and IncompleteError if the cluster lost a task for good or makes no progress."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        client, watch = self._client, ClusterWatch(self._client, self._patience)
        # A task of its own, not scattered data: those are lost with the last worker, this one is run again on the next.
        shared = client.submit(_unchanged, context, pure=False)
        waiting = iter(tasks)
        running: set[Future[Any]] = set()
        done: SimpleQueue[Future[Any]] = SimpleQueue()

        def submit() -> None:
            wanted = watch.threads * IN_FLIGHT_PER_WORKER - len(running)
            if batch := list(islice(waiting, max(wanted, 0))):
                futures = client.map(function, batch, [shared] * len(batch), pure=False)
                running.update(futures)
                for future in futures:
                    future.add_done_callback(done.put)

        submit()
        try:
            while running:
                watch.look()
                try:
                    batch = _finished(done, watch.every)
                    results: list[Result] = _results(client, batch, watch)
                except Empty:
                    continue
                watch.progress()
                running.difference_update(batch)
                for future in batch:
                    future.release()
                submit()
                yield from results
        except (KilledWorker, FutureCancelledError) as error:
            problem = watch.problem() or f"a worker was lost again and again ({one_line(error, 200)}); {MEMORY}"
            raise IncompleteError(f"{problem}; what was finished is kept") from error
        finally:
            for future in running:
                future.release()


def _unchanged(context: Context) -> Context:
    """What all tasks are given."""
    return context


def _finished(done: "SimpleQueue[Future[Any]]", seconds: float) -> "list[Future[Any]]":
    """All tasks that are finished now, since each question to the scheduler costs as much as a task: waits up to
    `seconds` for the first, then raises Empty. One that failed comes alone, after those before it."""
    ended = [done.get(timeout=seconds)]
    while not done.empty():
        ended.append(done.get())
    batch = [future for future in ended if future.status == "finished"] or ended[:1]
    for future in set(ended).difference(batch):
        done.put(future)
    return batch


def _results(client: "Client", batch: "list[Future[Any]]", watch: ClusterWatch) -> list[Any]:
    """The results of finished tasks; another worker repeats one if the worker that held it is lost meanwhile. Raises
    what a task raised, and as `ClusterWatch.look`."""
    while True:
        try:
            return list(client.sync(partial(client.gather, batch, asynchronous=True), callback_timeout=watch.every))
        except TimeoutError:
            if any(future.status == "error" for future in batch):  # the task's own
                raise
            watch.look()


class LocalExecutor:
    """Runs tasks on worker processes of this machine, which start with the first task: where all is done, none do."""

    def __init__(self, count: int, start: Callable[[], DaskExecutor]) -> None:
        self.workers = count
        self._start = start
        self._started: DaskExecutor | None = None

    def run(
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context
    ) -> Generator[Result, None, None]:
        """See `DaskExecutor.run`."""
        waiting = iter(tasks)
        first = next(waiting, None)
        if first is None:
            return
        if self._started is None:
            self._started = self._start()
        yield from self._started.run(function, chain([first], waiting), context)


@contextmanager
def executor(workers: int | None, scheduler: str | None = None) -> Generator[Executor, None, None]:
    """An executor: a Dask cluster at `scheduler`, else threads of this process, or worker processes where there are
    more than `MOST_THREADS`.

    `workers` None means one per processor. Raises InputError for fewer than one; IncompleteError if local workers do
    not start, or if the scheduler does not answer, has no workers, or has workers with another version of this package.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is at least 1, or None for one per processor; found {workers}")
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
            try:
                client = Client(scheduler, timeout=f"{WAIT_FOR_SCHEDULER}s")
            except (OSError, TimeoutError, ValueError) as error:
                raise IncompleteError(f"no Dask scheduler answers at {scheduler}: {one_line(error)}") from error
            with client:
                _ensure_workers(client, scheduler)
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


def _ensure_workers(client: "Client", scheduler: str) -> None:
    """Raise IncompleteError unless a cluster has a worker, and its workers have this version of the package."""
    try:
        client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS)
    except TimeoutError as error:
        raise IncompleteError(
            f"the Dask scheduler at {scheduler} has no workers; start some (`dask worker {scheduler}`)"
        ) from error
    found = client.run(version, "mmvsf", on_error="return").values()
    others = {theirs if isinstance(theirs, str) else "none" for theirs in found} - {VERSION}
    if others:
        raise IncompleteError(
            f"workers of {scheduler} have another version of mmvsf ({', '.join(sorted(others))}; here it is {VERSION});"
            " install the same on all"
        )
