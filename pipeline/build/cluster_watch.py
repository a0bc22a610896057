"""Notices a Dask cluster that makes no progress: no workers, all of them paused, or a scheduler that is gone.

Dask itself waits for ever: a paused worker starts no task until its memory shrinks, and a cluster without workers may
get some.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from mmvsf.datasets.errors import IncompleteError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 60.0
"""Seconds that a cluster may do nothing, and that a worker may be paused before it is reported."""

ANSWER_SECONDS = 10.0
"""A scheduler that takes longer for a question about its workers counts as gone."""

NO_SCHEDULER = "the Dask scheduler does not answer; check its log, or restart it"
LOOK = "check the logs of its workers"
MEMORY = "give each worker more memory, or use fewer per machine (--workers)"


class ClusterWatch:
    """Watches a cluster while results are awaited."""

    def __init__(self, client: "Client", patience: float = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        self.every = patience / 12
        """seconds between two looks"""
        self._looked = self._progress = time.monotonic()
        self._paused: dict[str, float] = {}
        """address of a paused worker -> since when"""
        self._tasks: dict[str, Any] = {}
        """address of a worker -> the tasks that it was given"""
        self._reported: set[str] = set()
        self._heard: dict[str, tuple[Any, float]] = {}
        """address of a worker -> (time of its last sign of life by the scheduler's clock, by this process's)"""
        self.threads = 1
        """of all workers, when last looked at: how many tasks run at once"""
        self._workers()

    def progress(self) -> None:
        """A task is done."""
        self._progress = time.monotonic()

    def look(self) -> None:
        """Look at the cluster, if the last look was long enough ago. Raises IncompleteError where nothing has been able
        to run for as long as patience lasts."""
        now = time.monotonic()
        if now - self._looked < self.every:
            return
        self._looked = now
        problem = self.problem()
        if problem is None:
            self._progress = now
        elif now - self._progress >= self._patience:
            raise IncompleteError(f"{problem}; what was finished is kept, run again to continue")

    def problem(self) -> str | None:
        """Why no task runs; None if one does."""
        now = time.monotonic()
        workers = self._workers()
        if workers is None:
            return NO_SCHEDULER
        self._note_paused(workers, now)
        if not workers:
            return f"the Dask cluster has no workers left; {LOOK}, and start some"
        alive = {address: worker for address, worker in workers.items() if not self._is_silent(address, worker, now)}
        if not alive:
            return f"none of the {len(workers)} Dask workers has sent a heartbeat; {LOOK}"
        if any(tasks and address not in self._paused for address, tasks in self._tasks.items() if address in alive):
            return None
        paused = [worker for address, worker in alive.items() if address in self._paused]
        if any(worker["metrics"].get("task_counts", {}).get("executing") for worker in paused):
            return None  # what a paused worker has begun goes on
        if self._paused:
            return f"{len(self._paused)} of {len(workers)} Dask workers are paused by their memory limit; {MEMORY}"
        return f"none of the {len(workers)} Dask workers makes progress; {LOOK}"

    def _workers(self) -> dict[str, dict[str, Any]] | None:
        """Address -> what the scheduler knows of a worker; None if it does not answer. Notes their tasks too."""
        if self._client.status != "running":
            return None
        scheduler = self._client.scheduler
        if scheduler is None:
            return None
        try:
            answer = self._client.sync(scheduler.identity, callback_timeout=ANSWER_SECONDS)
            self._tasks = self._client.sync(scheduler.processing, workers=None, callback_timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError):
            return None
        workers: dict[str, dict[str, Any]] = answer["workers"]
        self.threads = max(1, sum(int(worker["nthreads"]) for worker in workers.values()))
        return workers

    def _note_paused(self, workers: dict[str, dict[str, Any]], now: float) -> None:
        """Report a worker that has been paused for as long as patience lasts, once, while others may go on."""
        paused = [address for address, worker in workers.items() if worker["status"] == "paused"]
        self._paused = {address: self._paused.get(address, now) for address in paused}
        for address, since in self._paused.items():
            if now - since >= self._patience and address not in self._reported:
                self._reported.add(address)
                text = "the Dask worker %s is paused by its memory limit and starts no task; %s"
                logging.getLogger("mmvsf").warning(text, address, MEMORY)

    def _is_silent(self, address: str, worker: dict[str, Any], now: float) -> bool:
        """Whether a worker's last sign of life is too long ago. Only differences are looked at: clocks of two machines
        differ."""
        sign = worker.get("last_seen")
        if address not in self._heard or self._heard[address][0] != sign:
            self._heard[address] = sign, now
        return now - self._heard[address][1] >= self._patience / 2
