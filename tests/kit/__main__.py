"""Make the conformance kit: `python -m tests.kit DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from .write import write_kit

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.kit DIR")
    print(f"{len(write_kit(Path(sys.argv[1])))} cubes in {sys.argv[1]}")
