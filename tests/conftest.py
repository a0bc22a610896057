"""What all tests share: threads, examples, marks, and one small cube."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

# One thread each: small tensors gain nothing from more, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from mmvsf.datasets.cube.cube import Cube

from .cubes import CubeBuilder

# Syncing waits for the disk; a power cut that a test could notice does not happen. Commands in other processes sync.
os.fsync = lambda fd: None
os.sync = lambda: None

# An example that takes long on a busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


WITH_TORCH = (
    "model",
    "datasets/test_dataset.py",
    "datasets/test_loader.py",
    "datasets/test_site_layers.py",
    "test_readme.py",
)
"""The tests that need the extra `train`."""
collect_ignore = [] if find_spec("torch") else list(WITH_TORCH)


def pytest_report_header() -> str | None:
    return f"torch is not installed: without {', '.join(collect_ignore)}" if collect_ignore else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs torch, and skip what needs real data, or Node and its packages, where they are missing."""
    with_torch = [Path(__file__).parent / name for name in WITH_TORCH]
    without_data = pytest.mark.skip(reason="needs real data: set MMVSF_REAL_DATA")
    without_node = pytest.mark.skip(reason="needs Node, and its packages: npm ci --prefix tests/javascript")
    has_node = bool(shutil.which("node")) and (Path(__file__).parent / "javascript/node_modules").is_dir()
    for item in items:
        if any(path in (item.path, *item.path.parents) for path in with_torch):
            item.add_marker(pytest.mark.train)
        if item.get_closest_marker("real_data") and not os.environ.get("MMVSF_REAL_DATA"):
            item.add_marker(without_data)
        if item.get_closest_marker("javascript") and not has_node:
            item.add_marker(without_node)


@pytest.fixture(scope="session")
def grown_cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Three sites of 2 x 2 chunks of 16 pixels, three years; the first site and the last year are for testing.

    Not to be changed: copy it first."""
    return CubeBuilder().write(tmp_path_factory.mktemp("cubes") / "grown.zarr")
