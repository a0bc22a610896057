"""Benchmarks: `make bench`. Prints figures and the machine; asserts nothing.

Every comparison runs in one process on the same files, in turn, several times, and prints medians.
`--document docs/performance.md` replaces the sections of the courses that were run.

    race     whole builds of granules of true size, on disk and over a slow network, against other tools
    growth   builds of 4 to 256 blocks: time and memory of a block
    limits   where the time of a build goes, and what other ways to compress would give
    cluster  a Dask cluster: what a task costs, builds by 1, 2 and 4 workers over a slow network; plans of large regions
    idle     runs with nothing to do, on disk and in a bucket; the start of the command; the plan of a state
    windows  windows a second from a cube of true size, on disk and in a bucket behind a delay, against other readers
    format   what the cube format costs: checked reads, the end of a build and a listing of a large, simulated cube
    damage   a thousand random damages of a small cube: found, raised by the loader, repaired
    apply    maps, embeddings and forecasts of 64 blocks: pixels a second, workers, and a kill
    train    training windows a second that the loader gives and that the model takes, and how long it waits for them;
             the operations of a step against what the machine multiplies, and where the time goes
    demo     time and peak memory of every stage of `make demo`
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .document import machine, write_sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["race", "windows", "format", "damage", "train", "demo"])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--courses", nargs="+", default=["own", "other"], help="own, other, sentinel-2")
    parser.add_argument("--network", choices=["without", "with", "only"], default="with", help="courses over a network")
    parser.add_argument("--contenders", default="", help="a regular expression that the names of contenders hold")
    parser.add_argument("--stackstac", help="a Python that has stackstac")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    options.data_dir = options.data_dir.resolve()  # recipes are written into it
    print(f"machine: {machine()}")
    for name in options.what:
        if name in COURSES:
            sections = importlib.import_module(f"{__package__}.{COURSES[name]}").course(options)
            if options.document:
                write_sections(options.document, sections)
        else:
            BENCHES[name](options.data_dir, options.repeats)


COURSES = {
    "race": "race_sections",
    "growth": "growth",
    "limits": "limits",
    "cluster": "cluster",
    "windows": "windows",
    "train": "train",
    "apply": "apply",
    "idle": "idle",
}
"""Courses with sections in docs/performance.md: the module whose `course(options)` measures and returns them"""


def bench_demo(data_dir: Path, repeats: int) -> None:
    """Every stage of the demo in a new folder: seconds and peak memory of the stage's largest process."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DATA_DIR": f"{folder}/data", "RUNS_DIR": f"{folder}/runs"}
        total = 0.0
        for stage in ("dataset", "pretrain", "cropmap", "report"):
            seconds, peak = _measure([sys.executable, "-m", "mmvsf.datasets.command", stage, "sandbox"], environment)
            total += seconds
            print(f"demo, {stage}: {seconds:.0f} s, peak {peak / 2**30:.2f} GiB")
        print(f"demo, all: {total:.0f} s")
        for path in sorted(Path(folder).glob("runs/sandbox/*/metrics.json")):
            print(path.parent.name, json.dumps(json.loads(path.read_text()).get("training", {})))


def _measure(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """(seconds, bytes of the largest process) of a command and its children."""
    code = (
        "import resource, subprocess, sys; status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    )
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code, *command], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return time.monotonic() - started, int(result.stdout.split()[-1]) * 1024


def bench_format(data_dir: Path, repeats: int) -> None:
    """See `tests.format_bench`."""
    from mmvsf.datasets.cube.cube import Cube
    from tests import format_bench

    from .train import ensure_sandbox

    format_bench.reads(Cube.open(ensure_sandbox(data_dir)))
    format_bench.large(2500)


def bench_damage(data_dir: Path, repeats: int) -> None:
    """See `tests.damage`."""
    from tests import damage

    damage.report(1000)


BENCHES: dict[str, Callable[[Path, int], None]] = {
    "format": bench_format,
    "damage": bench_damage,
    "demo": bench_demo,
}

if __name__ == "__main__":
    main()
