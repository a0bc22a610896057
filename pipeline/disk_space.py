"""Disk space: how much is free, how much is used, and whether a build fits."""

import shutil
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, objects

LEAST_SHARE = 0.5
"""A cube takes at least this share of its estimate: cloudy units store their mask only."""


def free_bytes(path: Location) -> int | None:
    """Free bytes of the disk that a path is or will be on; None for a bucket, which has no limit."""
    if not isinstance(path, Path):
        return None
    existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free


def stored_bytes(path: Location) -> int:
    """Bytes of all files below a path, or of all objects; 0 where there is none."""
    return sum(size for _, size in objects(path))


def ensure_space(path: Location, needed: int) -> None:
    """Raise InputError if the disk of a path cannot hold the least that may be written where `needed` bytes is the
    upper bound. Anything between is tried: a full disk ends a build, and finished work is kept."""
    free = free_bytes(path)
    if free is not None and free < LEAST_SHARE * needed:
        raise InputError(
            f"{path} will need about {megabytes(needed)} more, and {megabytes(free)} are free; free some space, choose"
            " another --data-dir, or build less (--blocks, area.sample, period)"
        )


def megabytes(count: float) -> str:
    """A number of bytes as text, in MB, GB or TB."""
    if count >= 1e12:
        return f"{count / 1e12:.1f} TB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
