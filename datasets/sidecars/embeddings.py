"""The layout of an encoder's embeddings: a Zarr 3 cube on the patches of a cube's pixels.

embedding   (year or time, y, x, feature) float16; NaN outside the blocks and where nothing was ever clear
images      (year or time, y, x) uint16: number of images up to then in which the patch was clear
done        (block_y, block_x) uint8: 1 where a block is written
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.layout import georeferenced
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

FORMAT = "mmvsf-embeddings"
FORMAT_VERSION = 1


def embeddings_path(region: str, runs_dir: Path) -> Path:
    """The folder of a region's embeddings."""
    return runs_dir / region / "embeddings.zarr"


def block_slices(grid: Grid, block: BlockIndex, patch: int) -> tuple[slice, slice]:
    """Rows and columns of a block in the grid of patches of `patch` pixels per side."""
    side = grid.block // patch
    return slice(block[0] * side, (block[0] + 1) * side), slice(block[1] * side, (block[1] + 1) * side)


def embedding_layout(
    name: str,
    grid: Grid,
    patch: int,
    features: int,
    *,
    years: Sequence[int] = (),
    days: Sequence[int] = (),
    attributes: dict[str, Any],
) -> GroupSpec:
    """The group of embeddings, one per year, or one per day of `days` (since 1970-01-01) where these are given. A block
    of the cube is one chunk, so that blocks are written independently."""
    axis, steps = ("time", days) if days else ("year", years)
    time = {"standard_name": "time", "units": "days since 1970-01-01", "calendar": "standard"} if days else {}
    height, width = grid.shape[0] // patch, grid.shape[1] // patch
    side, count = grid.block // patch, len(steps)
    mapped = {"grid_mapping": "spatial_ref"}
    arrays = (
        ArraySpec(
            "embedding",
            (axis, "y", "x", "feature"),
            (count, height, width, features),
            "float16",
            (1, side, side, features),
            "NaN",
            attributes={"long_name": "embedding of the encoder", "units": "1", **mapped},
        ),
        ArraySpec(
            "images",
            (axis, "y", "x"),
            (count, height, width),
            "uint16",
            (1, side, side),
            0,
            attributes={"long_name": "images up to then in which some of the patch was clear", "units": "1", **mapped},
        ),
        ArraySpec(
            "done",
            ("block_y", "block_x"),
            (grid.blocks_y, grid.blocks_x),
            "uint8",
            (grid.blocks_y, grid.blocks_x),
            0,
            attributes={"long_name": "1 where a block is written"},
        ),
        ArraySpec(axis, (axis,), (count,), "int32", (count,), 0, attributes=time, data=np.array(steps, np.int32)),
    )
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, **attributes}
    return georeferenced(name, arrays, grid.geobox.zoom_out(patch), "embeddings of an encoder", known, ("done",))
