"""A small cube that was built from the tiny archive, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube

from ..pipeline.conftest import build_tiny
from ..pipeline.tiny_archive import TinyArchive


@dataclass(frozen=True)
class Demo:
    """The cube, and the truth that clients must find in its only tile: one day of red as stored."""

    cube: Path
    tile: str
    """path of the tile in the cube"""
    day: int
    """position on the time axis of 5 May 2021"""
    red: NDArray[np.int16]
    """(y, x), -9999 where there is none"""

    @property
    def mean(self) -> float:
        """Mean of the red reflectance."""
        return float(self.red[self.red != -9999].mean() * 1e-4)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    archive = TinyArchive(tmp_path_factory.mktemp("clients")).write()
    build_tiny(archive)
    cube = Cube.open(archive.cube)
    (tile,) = cube.grid.tiles
    day = cube.calendar.index(18_752)
    rows, columns = cube.grid.shape
    red = cube.pixels("imagery/reflectance").read((day, 2, slice(0, rows), slice(0, columns)))
    return Demo(archive.cube, f"tiles/{tile.name}", day, red)
