"""What a Dask cluster costs, how a build scales on it over a slow network, and what the planning of a large one takes.

Scheduler, workers and the process that builds are separate processes on loopback. They share this machine's
processors, so simulated tasks sleep.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from distributed import Client

from mmvsf.pipeline.build.dask_executor import DaskExecutor
from mmvsf.pipeline.layers.imagery.plan import ShardTask
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from tests.servers.dask_cluster import scheduler, worker

from .archive import RACES
from .document import Section, stamp
from .race import DELAY, MEGABYTES, Course, ask

PACKAGES = ("dask", "distributed", "rasterio", "numpy")

SCENES = 24
"""Of a task: a month of HLS over a few blocks of one tile"""

SLEEPS = ((1_000, 64, 0.1), (10_000, 64, 0.1), (100_000, 64, 0.1))
"""(tasks, threads of the workers, seconds that each sleeps)"""

WORKERS = (1, 2, 4)

AREAS = ("19", "48", "conus")
"""Iowa, Texas and all 49, each on one grid"""

TASKS = f"""Simulated tasks of nine blocks and {SCENES} scenes, which sleep, in the threads of one worker process. The
overhead per task in the scheduler and in the process that builds is CPU time, and does not depend on how long a task
takes; both hold four tasks per thread, however many there are.
"""

BUILDS = f"""The race's region over a slow network ({1000 * DELAY:.0f} ms before each answer, {MEGABYTES:.0f} MB/s for
all workers together), by workers of one thread that have started before the command. CPU time is that of the workers,
the scheduler and the command.
"""

PLANS = """Simulated scenes of HLS at 30 m, April to October of three years: Sentinel-2 every third day and Landsat
every eighth day in each tile of the region. Scenes, plan, ledger entries and tasks as a build makes them, in one
process. A build makes one cube per state; Texas is the largest.
"""


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


def course(options: argparse.Namespace) -> list[Section]:
    """Simulated tasks, builds by 1, 2 and 4 workers, and plans up to the size of the contiguous United States."""
    measured = stamp("cluster", PACKAGES, options.repeats)
    return [_tasks(measured), *_builds(options, measured), _plans(measured)]


@contextmanager
def dask_cluster(workers: int, threads: int, environment: dict[str, str]) -> Iterator[Cluster]:
    """A scheduler and so many workers of so many threads."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        address, number = stack.enter_context(scheduler(Path(name)))
        started = [stack.enter_context(worker(address, Path(name), environment, threads)) for _ in range(workers)]
        with Client(address) as client:
            client.wait_for_workers(workers)
        yield Cluster(address, number, tuple(started))


def sleep(task: ShardTask, seconds: float) -> int:
    """The work of a simulated task."""
    time.sleep(seconds)
    return task.shard


def simulated_tasks(count: int) -> Iterator[ShardTask]:
    """Tasks of nine blocks of one tile, each with so many scenes as a search gives them."""
    grid = RasterGrid("EPSG:32615", (30.0, 0.0, 399960.0, 0.0, -30.0, 4700040.0), (3660, 3660))
    moment = datetime(2022, 6, 1, 17, 1, tzinfo=UTC)
    scenes = []
    for number in range(SCENES):
        name = f"HLS.S30.T15TVG.{2022152 + number}T170100.v2.0"
        *bands, mask = (Asset(f"https://example.org/hls/{name}/{name}.B{band:02d}.tif", grid) for band in range(7))
        scenes.append(Scene(name, "hls-s30", moment, "2.0", tuple(bands), mask, 0, 19144 + number))
    keys = frozenset(scene.key for scene in scenes)
    blocks = tuple((row, column) for row in range(3) for column in range(3))
    task = ShardTask(0, blocks, tuple(scenes), ("0" * 64,) * 9, (keys,) * 9)
    return (replace(task, shard=number) for number in range(count))


def _tasks(measured: str) -> Section:
    rows = [
        "| tasks | threads | sleep per task | seconds | tasks/s | scheduler per task | peak | build per task | peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for tasks, threads, seconds in SLEEPS:
        rows.append(_row_of_tasks(tasks, threads, seconds))
        print(rows[-1], flush=True)
    return Section("A Dask cluster: what a task costs", "\n".join((TASKS, measured, "", *rows)))


def _row_of_tasks(tasks: int, threads: int, seconds: float) -> str:
    with dask_cluster(1, threads, {}) as cluster, Client(cluster.address) as client:
        run = DaskExecutor(client)
        list(run.run(sleep, simulated_tasks(threads), 0.0))  # everything is imported
        before, own_before, started = _usage(cluster.scheduler), _usage(os.getpid()), time.perf_counter()
        count = sum(1 for _ in run.run(sleep, simulated_tasks(tasks), seconds))
        taken, after, own = time.perf_counter() - started, _usage(cluster.scheduler), _usage(os.getpid())
    cells = [f"{count:,}", str(threads), f"{1000 * seconds:.0f} ms", f"{taken:.0f}", f"{count / taken:.0f}"]
    for first, last in ((before, after), (own_before, own)):
        milliseconds = 1000 * (last.cpu_seconds - first.cpu_seconds) / count
        cells += [f"{milliseconds:.2f} ms", f"{last.peak_bytes / 2**20:.0f} MiB"]
    return "| " + " | ".join(cells) + " |"


def _builds(options: argparse.Namespace, measured: str) -> Iterator[Section]:
    rows = [
        "| region | workers | seconds | one worker's time / its time | CPU seconds | requests | most at once |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in options.courses:
        race = Course(RACES[name], options.data_dir / "archive/race", network=True)
        first = 0.0
        for count in WORKERS:
            runs = [_build(race, count) for _ in range(options.repeats)]
            seconds, cpu = (statistics.median(run[part] for run in runs) for part in (0, 1))
            first = first or seconds
            counts = runs[-1][2]
            cells = (name, count, f"{seconds:.1f}", f"{first / seconds:.2f}", f"{cpu:.1f}")
            rows.append("| " + " | ".join(map(str, (*cells, counts["requests"], counts["most_at_once"]))) + " |")
            print(rows[-1], flush=True)
    yield Section("A Dask cluster: workers over a slow network", "\n".join((BUILDS, measured, "", *rows)))


def _build(race: Course, count: int) -> tuple[float, float, dict[str, Any]]:
    """(seconds, CPU seconds, counts of the network) of a build by so many workers."""
    out = race.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    with race.open() as environment, dask_cluster(count, 1, environment) as cluster:
        processes = (cluster.scheduler, *cluster.workers)
        command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(race.own_recipe())]
        options = ["--data-dir", str(out), "--scheduler", cluster.address]
        before, started = sum(_usage(each).cpu_seconds for each in processes) + _children(), time.perf_counter()
        subprocess.run([*command, *options], env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        cpu = sum(_usage(each).cpu_seconds for each in processes) + _children() - before
        counts = ask(environment, "/__counts")
    shutil.rmtree(out, ignore_errors=True)
    return seconds, cpu, counts


def _plans(measured: str) -> Section:
    rows = [
        "| area | blocks | scenes | units | tasks | size of a task | CPU seconds | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for area in AREAS:
        answer = subprocess.run([sys.executable, "-m", "tests.bench.conus", area], stdout=subprocess.PIPE, check=True)
        facts = json.loads(answer.stdout)
        sizes = f"{facts['task_bytes'] / 1000:.0f} kB | {facts['cpu_seconds']:.0f} | {facts['peak'] / 2**30:.2f} GiB"
        counts = " | ".join(f"{facts[name]:,}" for name in ("blocks", "scenes", "units", "tasks"))
        rows.append(f"| {facts['area']} | {counts} | {sizes} |")
        print(rows[-1], flush=True)
    return Section("Planning up to the size of the contiguous United States", "\n".join((PLANS, measured, "", *rows)))


def _usage(number: int) -> Usage:
    process = psutil.Process(number)
    times = process.cpu_times()
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return Usage(times.user + times.system, peak)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
