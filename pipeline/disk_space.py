"""Disk space: how much a cube will need, and whether that much is free."""

import shutil
from pathlib import Path

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, objects

BYTES_PER_UNIT_PIXEL = 7.2
"""Of a (day, block) unit: six int16 bands and the mask, compressed. An upper bound: the simulated cube takes 5.1, since
cloudy units store their mask only and an outline in a catalogue is larger than the data."""

BYTES_PER_LABEL_PIXEL = 1.0
"""Code and purity; the simulated cube takes 0.35."""

BYTES_PER_STATIC_PIXEL = 4.0
"""Of one layer: float32, which hardly compresses."""

LEAST_SHARE = 0.5
"""A cube takes at least this share of its estimate: cloudy units store their mask only."""


def cube_bytes(
    grid: Grid, units: int, label_years: int, weather_days: int, variables: int, static_layers: int = 0
) -> int:
    """Bytes that a cube of so many (day, block) units will take, an upper bound."""
    block = grid.block**2
    rows, columns = grid.weather_shape
    # Cells without a block are NaN throughout and take almost no space.
    cells = min(rows * columns, len(grid.blocks) * (grid.block // grid.weather_cell + 2) ** 2)
    labels = label_years * len(grid.blocks) * block * BYTES_PER_LABEL_PIXEL
    static = static_layers * len(grid.blocks) * block * BYTES_PER_STATIC_PIXEL
    return round(units * block * BYTES_PER_UNIT_PIXEL + labels + static + weather_days * cells * variables * 4)


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
