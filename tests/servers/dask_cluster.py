"""A Dask cluster of separate processes on loopback, started as a person starts one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTED_WITHIN = 180
"""Seconds; a busy machine takes long to start a program."""

ROOT = Path(__file__).parents[2]


@contextmanager
def process(
    module: str, *arguments: object, folder: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A command line in a folder and environment of its own; workers find the modules of the tests, too."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (folder / f"{module}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=folder,
            env={**clean, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, int]]:
    """`dask scheduler` on a free port; gives its address and the number of its process."""
    answer = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", answer)
    with process("distributed.cli.dask_scheduler", *options, folder=folder, environment={}) as running:
        deadline = time.monotonic() + STARTED_WITHIN
        # The file is there before its content is.
        while not (answer.is_file() and answer.read_text().rstrip().endswith("}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield json.loads(answer.read_text())["address"], running.pid


@contextmanager
def worker(address: str, folder: Path, environment: dict[str, str], threads: int = 1) -> Iterator[int]:
    """`dask worker`; gives the number of its process."""
    options = ("--host", "127.0.0.1", "--nthreads", threads, "--no-dashboard", "--no-nanny")
    options = (*options, "--local-directory", folder)
    with process("distributed.cli.dask_worker", address, *options, folder=folder, environment=environment) as running:
        yield running.pid
