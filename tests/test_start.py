"""The command line starts without the packages that only some commands need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "zarr", "odc.geo", "torch", "xarray", "rasterio", "tensorstore", "dask", "scipy", "pandas", "pyproj")

MOUNT = """
import sys
from mmvsf.datasets.command import build_app
build_app()
"""
LOOK = """
from pathlib import Path
from mmvsf.pipeline.build.seal import finished_build
assert finished_build("sandbox", Path(sys.argv[1])) is None
"""


def loaded(script: str, *arguments: object) -> set[str]:
    """Those of `HEAVY` that a script imports in a process of its own."""
    script += f"\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_commands_are_mounted_without_packages_for_data() -> None:
    assert not loaded(MOUNT)


def test_a_look_whether_there_is_anything_to_do_needs_none_for_pixels(tmp_path: object) -> None:
    assert loaded(MOUNT + LOOK, tmp_path) <= {"numpy", "pyproj"}
