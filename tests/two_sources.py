"""A shipped recipe built twice from stand-ins, by STAC and by Earth Engine, and the two cubes compared.

    python -m tests.two_sources iowa --blocks 2

runs the command line as a person would, with the recipe and its period as they are shipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

from mmvsf.datasets.cube.cube import Cube, digest

from .servers.public import arguments, public_services

EXACT = ("imagery", "labels", "scenes", "splits")
"""Groups that must be the same to the byte; weather and ground of Earth Engine are rounded differently."""


def compare(one: Path, other: Path) -> dict[str, float | None]:
    """Array -> largest difference between two cubes (None: they are of other shapes or types, or NaN elsewhere)."""
    cube = Cube.open(one)
    found: dict[str, float | None] = {}
    for path in sorted(one.rglob("zarr.json")):
        name = str(path.parent.relative_to(one))
        arrays = [zarr.open(str(folder / name), mode="r") for folder in (one, other)]
        if not isinstance(arrays[0], zarr.Array):
            continue
        # Pixels block by block: outside of the recipe's blocks nothing is stored, but the grid is the whole state.
        pixels = arrays[0].shape[-2:] == cube.grid.shape
        parts = [(..., *cube.grid.block_slices(block)) for block in cube.grid.blocks] if pixels else [(...,)]
        largest = [difference(*(np.asarray(array[part]) for array in arrays)) for part in parts]
        found[name] = None if None in largest else max(most for most in largest if most is not None)
    return found


def difference(a: np.ndarray, b: np.ndarray) -> float | None:
    """Largest difference of two arrays: 0.0 if they are equal, text included."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return None
    if a.dtype.kind not in "iuf":
        return 0.0 if np.array_equal(a, b) else None
    if a.dtype.kind == "f":
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return None
        a, b = np.nan_to_num(a), np.nan_to_num(b)
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def main() -> int:
    given = arguments(__doc__).parse_args()
    with (
        public_services(given.recipe, given.blocks, given.every) as served,
        tempfile.TemporaryDirectory() as folder,
    ):
        cubes = []
        for source in ("public", "earthengine"):
            data = Path(folder) / source
            command = ["mmvsf", "dataset", given.recipe, "--blocks", str(given.blocks), "--data-dir", str(data)]
            started = time.monotonic()
            program = Path(sys.executable).with_name("mmvsf")
            subprocess.run([program, *command[1:], "--source", source], env={**os.environ, **served}, check=True)
            print(f"{source}: {time.monotonic() - started:.0f} s", flush=True)
            cubes.append(data / f"{given.recipe}.zarr")
        found = compare(*cubes)
        groups = {group: digest(cubes[0] / group) == digest(cubes[1] / group) for group in EXACT}
    for name, largest in found.items():
        print(f"{name:40} {'DIFFERS' if largest is None else f'{largest:g}'}")
    wrong = [name for name, most in found.items() if most is None or (name.startswith(EXACT) and most > 0)]
    wrong += [f"files of {group}" for group, same in groups.items() if not same]
    print(f"not the same: {', '.join(wrong)}" if wrong else f"the same to the byte: {', '.join(EXACT)}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
