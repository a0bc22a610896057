"""What all tests share: threads, examples, the tier of each test, and one small cube."""

from __future__ import annotations

import os

# One thread each: small tensors gain nothing from more, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from mmvsf.datasets.cube.cube import Cube

from .cubes import CubeBuilder

# An example that takes long on a busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def grown_cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Three sites of 2 x 2 chunks of 16 pixels, three years; the first site and the last year are for testing.

    Not to be changed: copy it first."""
    return CubeBuilder().write(tmp_path_factory.mktemp("cubes") / "grown.zarr")
