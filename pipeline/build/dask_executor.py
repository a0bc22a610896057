"""Running tasks on the workers of a Dask cluster.

The graph has one node a task, and only a bounded number of tasks is submitted at a time, since a scheduler
that holds all tasks of a large region at once is slow and large.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from mmvsf.datasets.errors import IncompleteError, one_line

from .cluster_watch import MEMORY, PATIENCE, ClusterWatch
from .memory import keep_freed_memory

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Context = TypeVar("Context")
Result = TypeVar("Result")

IN_FLIGHT_PER_WORKER = 4

VERSION = version("mmvsf")

WAIT_FOR_SCHEDULER = 10
"""Seconds that a scheduler has to answer."""

WAIT_FOR_WORKERS = 60
"""Seconds that a cluster has to start its first worker."""


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
        self, function: Callable[[Task, Context], Result], tasks: Iterable[Task], context: Context, ahead: int = 0
    ) -> Generator[Result, None, None]:
        """Raises what a task raised, and IncompleteError if the cluster lost a task for good or makes no progress. A
        worker runs as many tasks at once as it was started with threads, none `ahead`."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.protocol.pickle import dumps

        client, watch = self._client, ClusterWatch(self._client, self._patience)
        # A task of its own, not scattered data: those are lost with the last worker, this one is run again on the next.
        shared = client.submit(_unchanged, context, pure=False)
        waiting = iter(tasks)
        running: set[Future[Any]] = set()
        done: SimpleQueue[Future[Any]] = SimpleQueue()

        def submit() -> None:
            wanted = watch.threads * IN_FLIGHT_PER_WORKER - len(running)
            if batch := list(islice(waiting, max(wanted, 0))):
                # As bytes, which the scheduler passes on; it would load and dump each of hundreds of addresses itself.
                packed = [dumps((function, task)) for task in batch]
                futures = client.map(run_packed, packed, [shared] * len(batch), pure=False)
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


def run_packed(packed: bytes, context: Any) -> Any:
    """On a worker: run a task that was sent as bytes, with its function."""
    from distributed.protocol.pickle import loads

    keep_freed_memory()
    function, task = loads(packed)
    return function(task, context)


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


@contextmanager
def connected(scheduler: str) -> Iterator["Client"]:
    """A client of the cluster at an address. Raises IncompleteError if its scheduler does not answer, has no workers,
    or if it or a worker has another version of this package."""
    from distributed import Client

    try:
        client = Client(scheduler, timeout=f"{WAIT_FOR_SCHEDULER}s")
    except (OSError, TimeoutError, ValueError) as error:
        raise IncompleteError(f"no Dask scheduler answers at {scheduler}: {one_line(error)}") from error
    with client:
        _ensure_workers(client, scheduler)
        yield client


def _ensure_workers(client: "Client", scheduler: str) -> None:
    """Raise IncompleteError unless a cluster has a worker, and all of it has this version of the package."""
    try:
        client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS)
    except TimeoutError as error:
        raise IncompleteError(
            f"the Dask scheduler at {scheduler} has no workers; start some (`dask worker {scheduler}`)"
        ) from error
    try:
        theirs = client.run_on_scheduler(version, "mmvsf")
    except PackageNotFoundError:
        theirs = None
    installed = {("the scheduler", theirs)}
    for answer in client.run(version, "mmvsf", on_error="return").values():
        installed.add(("a worker", answer if isinstance(answer, str) else None))
    if others := sorted(f"{part} has {found or 'none'}" for part, found in installed if found != VERSION):
        raise IncompleteError(
            f"the cluster at {scheduler} has another version of mmvsf ({', '.join(others)}; here it is {VERSION});"
            " install the same on all"
        )
