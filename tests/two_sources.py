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

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.storage.manifest import Record

from .servers.public import arguments, public_services

EXACT = ("imagery", "blocks", "labels", "scenes")
"""Groups that must be the same to the byte; weather and ground of Earth Engine are rounded differently."""


def compare(one: Cube, other: Cube) -> dict[str, float | None]:
    """Array -> largest difference between two cubes (None: they are of other shapes or types, or NaN elsewhere), of
    the weather, the ground and the sums of chunks."""
    names = [
        f"{group.name}/{array.name}"
        for group in tile_layout(one.spec, one.grid.tiles[0].grid)
        for array in group.arrays
        if group.name in ("chunks", "weather") and array.data is None
    ]
    differences = {name: difference(one.array(name), other.array(name)) for name in names}
    for name in one.static_layers:
        of_blocks = [difference(one.static(block)[name], other.static(block)[name]) for block in one.grid.blocks]
        differences[f"static/{name}"] = None if None in of_blocks else max(most or 0.0 for most in of_blocks)
    return differences


def objects_of(cube: Cube, group: str) -> dict[str, Record]:
    """The objects of a group such as `imagery` in all tiles, or of `scenes`, with their hashes."""
    assert cube.objects is not None
    return {
        f"{part}/{name}": record
        for part in cube.objects.manifest.parts
        for name, record in cube.objects.part(part).items()
        if group in (part, name.partition("/")[0])
    }


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
            cubes.append(Cube.open(data / f"{given.recipe}.zarr"))
        found = compare(*cubes)
        groups = {group: objects_of(cubes[0], group) == objects_of(cubes[1], group) for group in EXACT}
    for name, largest in found.items():
        print(f"{name:40} {'DIFFERS' if largest is None else f'{largest:g}'}")
    wrong = [name for name, most in found.items() if most is None]
    wrong += [f"files of {group}" for group, same in groups.items() if not same]
    print(f"not the same: {', '.join(wrong)}" if wrong else f"the same to the byte: {', '.join(EXACT)}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
