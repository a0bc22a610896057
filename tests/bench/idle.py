"""What a run with nothing to do takes, the start of the command line, and the plan of a state.

Every figure is of processes of their own, in seconds of processor time, which others on the machine hardly change.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tests.pipeline.tiny_archive import TinyArchive
from tests.servers.s3 import S3

from .document import Section, stamp
from .planning import Planning, measure_planning

GOALS = {"idle": 2.0, "planning": 10.0}
"""Seconds"""


def course(options: argparse.Namespace) -> list[Section]:
    """Build the sandbox if it is not there, and measure. Prints the tables."""
    data, repeats = options.data_dir, options.repeats
    sandbox = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", "sandbox", "--data-dir", str(data)]
    _seconds(sandbox)
    seal = data / "sandbox.zarr.ledger/finished.json"
    runs: dict[str, list[float]] = {"`mmvsf --help`": [], "sealed": [], "full": []}
    for _ in range(repeats):
        runs["`mmvsf --help`"].append(_seconds([*sandbox[:3], "--help"]))
        runs["sealed"].append(_seconds(sandbox))
        seal.unlink()
        runs["full"].append(_seconds(sandbox))
    first, again = _requests()
    names = {
        "sealed": f"`mmvsf dataset sandbox`, nothing changed (goal: below {GOALS['idle']:.0f} s)",
        "full": "the same without the seal: planned and compared",
    }
    rows = [f"| {names.get(name, name)} | {statistics.median(found):.2f} |" for name, found in runs.items()]
    planned = _planning(options.repeats)
    idle = [
        stamp("idle", ("numpy", "zarr", "pydantic"), repeats),
        "",
        "| command | CPU seconds |",
        "|---|---|",
        *rows,
        "",
        f"A small cube in a bucket (S3 on loopback) took {first:,} requests to build, and {again} to find it finished.",
    ]
    plan = [
        stamp("idle", ("numpy", "scipy"), repeats),
        "",
        f"Scenes of 7 x 7 tiles are matched to the blocks of a state (goal: 10,000 blocks below"
        f" {GOALS['planning']:.0f} s).",
        "",
        "| blocks | scenes | units of work | CPU seconds | peak GiB of the process |",
        "|---|---|---|---|---|",
        f"| {planned.blocks:,} | {planned.scenes:,} | {planned.units:,} | {planned.seconds:.1f} |"
        f" {planned.peak_bytes / 2**30:.2f} |",
    ]
    sections = [Section("A run with nothing to do", "\n".join(idle)), Section("The plan of a state", "\n".join(plan))]
    for section in sections:
        print(f"{section.title}\n\n{section.body}\n")
    return sections


def _seconds(command: list[str], environment: Mapping[str, str] = os.environ) -> float:
    """Processor time of a process and its own. Raises CalledProcessError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=dict(environment), stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _requests() -> tuple[int, int]:
    """Requests to build a small cube in a bucket, and of a run with nothing to do."""
    with tempfile.TemporaryDirectory() as folder, S3() as server:
        archive = TinyArchive(Path(folder)).write()
        command = [sys.executable, "-m", "mmvsf.datasets.command", "dataset", str(archive.recipe), "--workers", "1"]

        def count() -> int:
            before = len(server.requests)
            _seconds([*command, "--data-dir", "s3://cubes/idle"], {**os.environ, **server.environment()})
            return len(server.requests) - before

        return count(), count()


def _planning(repeats: int) -> Planning:
    """The fastest of several processes."""
    script = "from tests.bench.idle import print_planning; print_planning()"
    answers = [subprocess.check_output([sys.executable, "-c", script], text=True) for _ in range(repeats)]

    return min((Planning(**json.loads(answer)) for answer in answers), key=lambda planning: planning.seconds)


def print_planning() -> None:
    """`measure_planning` as JSON: the main part of a process of its own."""
    print(json.dumps(asdict(measure_planning())))
