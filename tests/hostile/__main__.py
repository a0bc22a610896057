"""Hostile recipes and files in any number:

    python -m tests.hostile --count 5000 --seed 1

prints how many were refused and taken, and each that ended in a traceback, took longer than 5 s of CPU time (30 s where
it was taken), or changed a file elsewhere.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from .run import SEED, run_files, run_recipes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="mutations of each recipe, and files in all")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=("recipes", "files"))
    given = parser.parse_args()
    faults = 0
    for name, run in (("recipes", run_recipes), ("files", run_files)):
        if given.only in (None, name):
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                table = run(Path(folder), given.count, given.seed)
            print(f"{name}: {table.text}\n{time.monotonic() - started:.0f} s in all", flush=True)
            faults += len(table.faults)
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
