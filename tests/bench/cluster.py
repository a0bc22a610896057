"""What a Dask cluster costs and how a build scales on it: `make bench ARGS=cluster`. Prints tables for docs/scaling.md.

Scheduler, workers and the process that builds are separate processes on loopback. They share this machine's
processors, so a task that works for nobody else sleeps.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from distributed import Client

from mmvsf.pipeline.build.dask_executor import DaskExecutor
from mmvsf.pipeline.layers.imagery.plan import ShardTask
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from tests.servers.dask_cluster import scheduler, worker

from .archive import RACES
from .race import Course

SCENES = 24
"""Of a task: a month of HLS over a few blocks of one tile"""

SLEEPS = ((1_000, 64, 0.1), (10_000, 64, 0.1), (100_000, 64, 0.1), (10_000, 256, 1.0))
"""(tasks, threads of the workers, seconds that each sleeps)"""

WORKERS = (1, 2, 4)


@dataclass(frozen=True)
class Usage:
    """What a process took."""

    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Cluster:
    address: str
    scheduler: int
    workers: tuple[int, ...]
    """numbers of the processes"""


def bench_cluster(data_dir: Path, repeats: int) -> None:
    """Both tables; a build is repeated so many times."""
    print("| tasks | threads | a task sleeps | seconds | tasks/s | threads busy | scheduler | build |")
    print("|---|---|---|---|---|---|---|---|")
    for tasks, threads, seconds in SLEEPS:
        print(_row_of_tasks(tasks, threads, seconds), flush=True)
    print("\n| workers | seconds | CPU seconds | requests at once |\n|---|---|---|---|")
    for name in ("own", "other"):
        course = Course(RACES[name], data_dir / "archive/race", network=True)
        for count in WORKERS * repeats:
            print(_row_of_build(course, count), flush=True)


@contextmanager
def dask_cluster(workers: int, threads: int, environment: dict[str, str]) -> Iterator[Cluster]:
    """A scheduler and so many workers of so many threads."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        address, number = stack.enter_context(scheduler(Path(name)))
        started = [stack.enter_context(worker(address, Path(name), environment, threads)) for _ in range(workers)]
        yield Cluster(address, number, tuple(started))


def sleep(task: ShardTask, seconds: float) -> int:
    """The work of a simulated task."""
    time.sleep(seconds)
    return task.shard


def simulated_task(number: int) -> ShardTask:
    """A task of nine blocks of one tile as a search gives it, with names and addresses of their own."""
    grid = RasterGrid("EPSG:32615", (30.0, 0.0, 399960.0, 0.0, -30.0, 4700040.0), (3660, 3660))
    moment = datetime(2022, 6, 1, 17, 1, tzinfo=UTC)
    scenes = []
    for count in range(SCENES):
        name = f"HLS.S30.T15TVG.{2022000 + count}T170100.v2.{number}"
        *bands, mask = (Asset(f"https://example.org/hls/{name}/{name}.B{band:02d}.tif", grid) for band in range(7))
        scenes.append(Scene(name, "hls-s30", moment, "2.0", tuple(bands), mask, 0, 19144 + count))
    keys = frozenset(scene.key for scene in scenes)
    blocks = tuple((row, column) for row in range(3) for column in range(3))
    return ShardTask(number, blocks, tuple(scenes), ("0" * 64,) * 9, (keys,) * 9)


def _row_of_tasks(tasks: int, threads: int, seconds: float) -> str:
    with dask_cluster(1, threads, {}) as cluster, Client(cluster.address) as client:
        client.wait_for_workers(1)
        run = DaskExecutor(client)
        list(run.run(sleep, map(simulated_task, range(threads)), 0.0))  # everything is imported
        before, mine, started = _usage(cluster.scheduler), _own_cpu(), time.perf_counter()
        count = sum(1 for _ in run.run(sleep, map(simulated_task, range(tasks)), seconds))
        taken, after = time.perf_counter() - started, _usage(cluster.scheduler)
        own = Usage(_own_cpu() - mine, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    busy = count * seconds / taken / threads
    cells = (f"{count:,}", str(threads), f"{1000 * seconds:.0f} ms", f"{taken:.0f}", f"{count / taken:.0f}")
    spent = (_spent(Usage(after.cpu_seconds - before.cpu_seconds, after.peak_bytes), count), _spent(own, count))
    return "| " + " | ".join((*cells, f"{busy:.0%}", *spent)) + " |"


def _row_of_build(course: Course, count: int) -> str:
    """A build of the race's region over the slow network, by workers that are up before it starts."""
    out = course.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    with course.open() as environment, dask_cluster(count, 1, environment) as cluster:
        command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(course.own_recipe())]
        options = ["--data-dir", str(out), "--scheduler", cluster.address]
        with Client(cluster.address) as client:
            client.wait_for_workers(count)
        processes = (cluster.scheduler, *cluster.workers)
        before = sum(_usage(each).cpu_seconds for each in processes)
        children = _children_cpu()
        started = time.perf_counter()
        subprocess.run([*command, *options], env={**psutil.Process().environ(), **environment}, check=True)
        taken = time.perf_counter() - started
        cpu = sum(_usage(each).cpu_seconds for each in processes) - before + _children_cpu() - children
        counts = course.counts(environment)
    shutil.rmtree(out, ignore_errors=True)
    return f"| {course.race.name}, {count} | {taken:.1f} | {cpu:.1f} | {counts['most_at_once']} |"


def _spent(usage: Usage, tasks: int) -> str:
    return f"{1000 * usage.cpu_seconds / tasks:.2f} ms a task, {usage.peak_bytes / 2**20:.0f} MiB"


def _usage(number: int) -> Usage:
    process = psutil.Process(number)
    times = process.cpu_times()
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return Usage(times.user + times.system, peak)


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
