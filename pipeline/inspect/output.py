"""Paths that a command writes to, checked before the work."""

import re
from pathlib import Path

from mmvsf.datasets.errors import InputError


def check_local(path: Path, option: str) -> None:
    """Raise InputError if the path given for an option is an address such as `s3://bucket/runs`.

    `Path` turns `s3://bucket` into `s3:/bucket`, a folder `s3:` on this disk.
    """
    if re.fullmatch(r"[a-z][a-z0-9+.-]+:", path.parts[0] if path.parts else ""):
        address = str(path).replace(":/", "://", 1)
        raise InputError(f"{option} {address}: only cubes can be in a bucket; give a path on this machine")


def check_output(path: Path, option: str, suffixes: tuple[str, ...]) -> None:
    """Raise InputError unless the path given for an option can name a file of a format with one of the suffixes."""
    check_local(path, option)
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; give the name of a file in it")
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{option} {path}: the name must end in {' or '.join(suffixes)}")
