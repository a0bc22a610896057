"""Paths that a command writes to, checked before the work."""

from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import check_local


def check_output(path: Path, option: str, suffixes: tuple[str, ...]) -> None:
    """Raise InputError unless the path given for an option can name a file of a format with one of the suffixes."""
    check_local(path, option)
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; give the name of a file in it")
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{option} {path}: the name must end in {' or '.join(suffixes)}")
