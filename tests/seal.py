"""Change a finished cube and write a manifest that fits, for tests of what reads cubes of other content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.place import slices_of
from mmvsf.datasets.storage.location import objects
from mmvsf.datasets.storage.manifest import Manifest, Record, digest_of, split_name, write_manifest, write_parts

SHARDED = ("imagery", "labels", "static")


def change(path: Path, arrays: dict[str, NDArray[Any]]) -> Cube:
    """Set arrays over the whole grid (`blocks/status`, `imagery/quality`, `seasons/split`, ...) and seal the cube."""
    cube = Cube.open(path)
    for name, values in arrays.items():
        group = name.partition("/")[0]
        if group in ("seasons", "scenes"):
            zarr.open_array(path / name, mode="r+")[...] = values
            continue
        spec = cube.spec.array(name)
        for tile in cube.grid.tiles:
            place: tuple[Any, ...] = (...,)
            if "y" in spec.dims:
                rows, columns = slices_of(cube.grid, tile, group)
                place = (*(slice(None),) * spec.dims.index("y"), rows, columns)
            zarr.open_array(path / "tiles" / tile.name / name, mode="r+")[...] = np.asarray(values)[place]
    return seal(path)


def seal(path: Path, **attributes: Any) -> Cube:
    """Write a manifest of what is there, and root attributes; the cube then says that it was written like that."""
    parts: dict[str, dict[str, Record]] = {}
    for name, _ in objects(path):
        place = split_name(name)
        if place is not None:
            sharded = place[0].startswith("tiles/") and place[1].split("/")[0] in SHARDED
            parts.setdefault(place[0], {})[place[1]] = Record.of((path / name).read_bytes(), shard=sharded)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"] |= attributes
    described = write_parts(path, parts)
    root["attributes"]["digest"] = digest_of(described)
    content = json.dumps(root).encode()
    (path / "zarr.json").write_bytes(content)
    write_manifest(path, Manifest(described, Record.of(content)))
    return Cube.open(path)
