"""Room on the disk: how much is free, how much is used, and whether what is needed fits."""

import shutil
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, objects


def free_bytes(place: Location) -> int | None:
    """Free bytes of the disk that a path is or will be on; None for a bucket, which has no end."""
    if not isinstance(place, Path):
        return None
    existing = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free


def stored_bytes(place: Location) -> int:
    """Bytes of all files or objects of a place; 0 where there is none."""
    return sum(size for _, size in objects(place))


LEAST_SHARE = 0.5
"""A cube takes at least this much of what is reckoned for it: cloudy units keep their mask only."""


def ensure_space(place: Location, needed: int) -> None:
    """Raise InputError if the disk of a path cannot hold even the least that `needed` bytes, an upper bound, may come
    to. What lies between is tried: a full disk ends a build with all that is finished kept."""
    free = free_bytes(place)
    if free is not None and free < LEAST_SHARE * needed:
        raise InputError(
            f"{place} will need about {megabytes(needed)} more, and {megabytes(free)} are free; make room, choose"
            " another --data-dir, or build less of it (--blocks, area.sample, period)"
        )


def megabytes(count: float) -> str:
    """A number of bytes for people."""
    if count >= 1e12:
        return f"{count / 1e12:.1f} TB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
