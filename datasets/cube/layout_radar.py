"""The arrays of the group `radar`, and what `blocks` says of its passes."""

from typing import TYPE_CHECKING

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import BACKSCATTER_FILL, BACKSCATTER_SCALE, Status

from .calendar import SHARD_DAYS, Calendar
from .conventions import geo_attributes
from .coordinates import flag_attributes, spatial_ref, time_axis, yx_axes
from .grid import Grid
from .layout_imagery import CHUNK_DAYS

if TYPE_CHECKING:
    from .spec import CubeSpec

MAPPED = {"grid_mapping": "spatial_ref"}


def radar_group(grid: Grid, spec: "CubeSpec") -> GroupSpec:
    """Backscatter, one array a direction of the passes, since the same ground looks different from the other side;
    `grid` is the tile's own."""
    count, names = len(spec.polarisations), np.array(spec.polarisations, dtype=object)
    arrays = [
        ArraySpec(
            orbit,
            ("time", "polarisation", "y", "x"),
            (len(spec.calendar), count, *grid.shape),
            "int16",
            (CHUNK_DAYS, count, grid.chunk, grid.chunk),
            BACKSCATTER_FILL,
            (SHARD_DAYS, count, grid.block, grid.block),
            {
                "long_name": f"radar backscatter (gamma0, terrain-corrected) of {orbit} passes",
                "units": "dB",
                "scale_factor": BACKSCATTER_SCALE,
                "_FillValue": BACKSCATTER_FILL,
                "comment": "average 10 ** (dB / 10), not dB",
                **MAPPED,
            },
        )
        for orbit in spec.orbits
    ]
    axis = ArraySpec("polarisation", ("polarisation",), (count,), "string", (count,), "", data=names)
    axes = (time_axis(spec.calendar), axis, *yx_axes(*grid.coordinates()), spatial_ref(grid.geobox))
    return GroupSpec("radar", (*arrays, *axes), geo_attributes(grid.geobox, "daily radar backscatter"))


def passes_of_blocks(grid: Grid, calendar: Calendar, orbits: tuple[str, ...]) -> tuple[ArraySpec, ...]:
    """For each direction the status of each block and day, and the relative orbit of the pass."""

    def array(name: str, fill: int, attributes: dict[str, object]) -> ArraySpec:
        shape, chunks = (len(calendar), grid.blocks_y, grid.blocks_x), (SHARD_DAYS, grid.blocks_y, grid.blocks_x)
        return ArraySpec(name, ("time", "y", "x"), shape, "uint8", chunks, fill, None, {**attributes, **MAPPED})

    arrays: list[ArraySpec] = []
    for orbit in orbits:
        text = f"what became of the {orbit} radar pass over a block on a day"
        number = f"relative orbit of the {orbit} radar pass over a block on a day; 0 where none is stored"
        arrays.append(array(f"{orbit}_status", int(Status.OUTSIDE), {"long_name": text, **flag_attributes(Status)}))
        arrays.append(array(f"{orbit}_orbit", 0, {"long_name": number, "missing_code": 0}))
    return tuple(arrays)
