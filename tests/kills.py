"""Kill builds and extensions at random moments, run them again, and compare the cube with that of undisturbed ones.

python -m tests.kills 100 [--s3] [--seed 1]

Every kill is a SIGKILL of `mmvsf dataset` or `mmvsf extend`, in turns, at a random moment of the time that an
undisturbed run takes. It prints a line for each kill, and fails if a cube differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from mmvsf.datasets.cube.cube import digest

from .pipeline.tiny_archive import TinyArchive, recipe
from .servers.s3 import S3

SMALLER = {
    "period__start": "2021-05-01",
    "labels__years": [2021],
    "split": {"places": recipe()["split"]["places"]},
    "weather__variables": ["wind", "tmin"],
}
"""The recipe of the cube that is extended: on a disk a year less, before the other one, so that shards are renamed"""

SMALLER_IN_A_BUCKET = {
    **SMALLER,
    "period__start": "2020-06-01",
    "period__end": "2020-06-30",
    "labels__years": [2020],
}
"""In a bucket the year after it is added, since shards cannot be renamed there"""


@dataclass
class Kills:
    """Builds and extensions of the cube of a tiny archive, in a folder or in the bucket of a stand-in of S3."""

    folder: Path
    bucket: str = ""
    """address of the data folder; empty for one on disk"""
    environment: Mapping[str, str] = field(default_factory=dict)
    """variables that lead to the bucket"""

    def __post_init__(self) -> None:
        archive = TinyArchive(self.folder).write()
        self.whole, self.smaller = archive.recipe, self.folder / "smaller.yaml"
        archive.write_recipe(**(SMALLER_IN_A_BUCKET if self.bucket else SMALLER)).rename(self.smaller)
        archive.write_recipe()

    def data(self, name: str) -> str:
        """The data folder of a cube."""
        return f"{self.bucket}/{name}" if self.bucket else str(self.folder / name)

    def start(self, command: str, recipe: Path, data: str) -> subprocess.Popen[str]:
        """Start a command of the program on a recipe."""
        arguments = [command, str(recipe), "--data-dir", data, "--workers", "1"]
        return subprocess.Popen(
            [sys.executable, "-m", "mmvsf.datasets.command", *arguments],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, recipe: Path, data: str) -> float:
        """Run a command undisturbed and return its seconds. Raises RuntimeError if it fails."""
        began = time.monotonic()
        _, error = (process := self.start(command, recipe, data)).communicate()
        if process.returncode:
            raise RuntimeError(f"mmvsf {command} ended with {process.returncode}: {error}")
        return time.monotonic() - began

    def verify(self, data: str) -> str:
        """The digest of a cube in which every object is what its manifest says. Raises RuntimeError otherwise."""
        arguments = ["verify", f"{data}/tiny.zarr"]
        command = [sys.executable, "-m", "mmvsf.datasets.command", *arguments]
        ended = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(f"mmvsf verify ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
        return digest(f"{data}/tiny.zarr")

    def kill(self, command: str, recipe: Path, data: str, seconds: float) -> bool:
        """Kill a command after some seconds. Returns False if it had ended by then."""
        process = self.start(command, recipe, data)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        return False


def kill_at_random(kills: Kills, count: int, seed: int, report: Callable[[str], None] = print) -> list[str]:
    """Kill as many builds and extensions, in turns, and return what was wrong, one sentence each."""
    random_number = random.Random(seed)
    undisturbed = kills.data("undisturbed")
    seconds = {"dataset": kills.run("dataset", kills.whole, undisturbed)}
    expected = kills.verify(undisturbed)
    extended = kills.data("extended")
    kills.run("dataset", kills.smaller, extended)
    seconds["extend"] = kills.run("extend", kills.whole, extended)
    problems = [] if kills.verify(extended) == expected else ["an undisturbed extension has another digest"]
    for number in range(count):
        command = ("dataset", "extend")[number % 2]
        data = kills.data(f"killed-{number}")
        if command == "extend":
            kills.run("dataset", kills.smaller, data)
        after = random_number.uniform(0, seconds[command])
        killed = kills.kill(command, kills.whole, data, after)
        try:
            kills.run(command, kills.whole, data)
            result = "" if kills.verify(data) == expected else "the digest differs"
        except RuntimeError as error:
            result = str(error)
        what = f"{command} {'killed' if killed else 'ended before it was killed'} after {after:.2f} s"
        report(f"{number + 1}: {what}: {result or 'the same digest'}")
        if result:
            problems.append(f"{what}: {result}")
        elif not kills.bucket:
            shutil.rmtree(data)
    return problems


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Kill builds and extensions at random moments.")
    parser.add_argument("count", type=int, help="number of kills")
    parser.add_argument("--s3", action="store_true", help="in a bucket of the stand-in of S3 instead of a folder")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, S3() if given.s3 else nullcontext() as server:
        environment = server.environment() if server is not None else {}
        os.environ.update(environment)
        kills = Kills(Path(folder), "s3://cubes/kills" if given.s3 else "", environment)
        problems = kill_at_random(kills, given.count, given.seed)
    print(f"{given.count} kills, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
