"""Print what is wrong with a cube: `python -m mmvsf.datasets.format CUBE [--list]`."""

import argparse
import sys

from .objects import objects_at
from .validate import validate


def main() -> int:
    """1 if there is a finding, 0 for a sound cube."""
    parser = argparse.ArgumentParser(prog="python -m mmvsf.datasets.format", description="Validate a cube.")
    parser.add_argument("cube", help="a path, s3://BUCKET/PREFIX or https://...")
    parser.add_argument("--list", action="store_true", help="compare names and lengths, hash and decode nothing")
    arguments = parser.parse_args()
    findings = validate(objects_at(arguments.cube), hashes=not arguments.list, pixels=not arguments.list)
    for code, name, message in findings:
        print(f"{code:20} {name}: {message}")
    print(f"{len(findings)} findings" if findings else "sound", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
