"""Threads that run tasks, and help each other with the parts of a task."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import ContextVar
from threading import Event
from typing import Any, Self, TypeVar

from mmvsf.datasets.errors import MmvsfError

Part = TypeVar("Part")
Result = TypeVar("Result")

_crew: ContextVar["Crew"] = ContextVar("crew")
"""The crew of this thread, unset in every other thread."""


class StoppedError(MmvsfError):
    """The run that a task belongs to was ended."""


class Crew:
    """So many threads of this process. Leaving its context drops what has not begun, and waits for the rest."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, initializer=_crew.set, initargs=(self,))
        self._stopped = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    @property
    def stopped(self) -> bool:
        """Whether its context was left."""
        return self._stopped.is_set()

    def submit(self, task: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Run a task on the next thread that is idle."""
        return self._pool.submit(task, *arguments)

    def share(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """See `each`. The calling thread works on the parts too, so that a busy crew cannot block it."""
        remaining = deque(enumerate(parts))
        results: dict[int, Result] = {}

        def work() -> None:
            while remaining and not self.stopped:
                try:
                    number, part = remaining.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    results[number] = function(part)
                except BaseException:
                    remaining.clear()
                    raise

        helpers = [self._pool.submit(work) for _ in range(min(self.threads, len(remaining)) - 1)]
        try:
            work()
        finally:
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()
        _refuse_stopped(self)
        return [results[number] for number in sorted(results)]


def each(function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """`function` of every part of a task, in order: on this thread, and on those of its crew that have nothing else to
    do. Raises what `function` raises, and StoppedError where the run was ended."""
    crew = _crew.get(None)
    return [function(part) for part in parts] if crew is None else crew.share(function, parts)


def each_waiting(function: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> list[Result]:
    """As `each`, on so many more threads: for parts that mostly wait for a server."""
    crew = _crew.get(None)

    def work(part: Part) -> Result:
        _refuse_stopped(crew)
        return function(part)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _refuse_stopped(crew: Crew | None) -> None:
    if crew is not None and crew.stopped:
        raise StoppedError("the run was stopped")
