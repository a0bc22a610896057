"""What the cube of a tiny archive holds, read with zarr-python alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from .tiny_archive import BLOCK, COLUMNS, ROWS, TinyArchive

TILE = "tiles/x65_y1210"
"""The tile of 4 x 4 blocks that the region lies in; its left edge is a block west of the region's."""


def of_region(values: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    """The part of an array of the tile that the recipe covers: 2 x 3 blocks of 32 pixels."""
    unit = {"blocks": BLOCK, "chunks": 16}.get(name.partition("/")[0], 1)
    return values[..., : ROWS // unit, BLOCK // unit : (BLOCK + COLUMNS) // unit]


def stored(archive: TinyArchive, name: str) -> NDArray[np.generic]:
    """The region in an array such as `labels/crop`."""
    return of_region(np.asarray(open_array(archive, name)), name)


def stored_day(archive: TinyArchive, name: str, day: date) -> NDArray[np.generic]:
    """One day of the region."""
    first = int(np.asarray(open_array(archive, "imagery/time"))[0])
    return of_region(np.asarray(open_array(archive, name)[(day - date(1970, 1, 1)).days - first]), name)


def open_array(archive: TinyArchive, name: str) -> zarr.Array[zarr.core.metadata.v3.ArrayV3Metadata]:
    """An array of the tile."""
    return zarr.open_array(str(archive.cube / TILE / name), mode="r")  # type: ignore[return-value]


def contents(cube: Path, group: str) -> dict[str, bytes]:
    """Every object of a group such as `imagery`, of `imagery/quality` or of `scenes`."""
    folder = cube / group if group == "scenes" else cube / TILE / group
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files
    return files
