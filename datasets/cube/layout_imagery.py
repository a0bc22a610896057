"""The arrays of the group `imagery`."""

from typing import Any

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import (
    BANDS,
    CLEAR_FRACTION_FILL,
    QUALITY_FILL,
    QUALITY_FLAGS,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    SCENE_FILL,
    Status,
)

from .calendar import SHARD_DAYS, Calendar
from .coordinates import flag_attributes, geo_attributes, spatial_ref, time_axis, yx_axes
from .grid import Grid

MAPPED = {"grid_mapping": "spatial_ref"}


def imagery_group(grid: Grid, calendar: Calendar) -> GroupSpec:
    arrays = (
        _reflectance(grid, len(calendar)),
        *_masks(grid, len(calendar)),
        *_summaries(grid, len(calendar)),
        time_axis(calendar),
        _bands(),
        *yx_axes(*grid.coordinates()),
        spatial_ref(grid.geobox),
    )
    return GroupSpec("imagery", arrays, geo_attributes(grid.geobox))


def _reflectance(grid: Grid, days: int) -> ArraySpec:
    return ArraySpec(
        "reflectance",
        ("time", "band", "y", "x"),
        (days, len(BANDS), *grid.shape),
        "int16",
        (1, len(BANDS), grid.chunk, grid.chunk),
        REFLECTANCE_FILL,
        (SHARD_DAYS, len(BANDS), grid.block, grid.block),
        {
            "long_name": "surface reflectance",
            "standard_name": "surface_bidirectional_reflectance",
            "units": "1",
            "scale_factor": REFLECTANCE_SCALE,
            "_FillValue": REFLECTANCE_FILL,
            **MAPPED,
        },
    )


def _masks(grid: Grid, days: int) -> tuple[ArraySpec, ArraySpec]:
    """The arrays of one byte a pixel and day: quality and scene."""

    def mask(name: str, fill: int, attributes: dict[str, Any]) -> ArraySpec:
        shards, chunks = (SHARD_DAYS, grid.block, grid.block), (1, grid.chunk, grid.chunk)
        attributes = {**attributes, "missing_code": fill, **MAPPED}
        return ArraySpec(name, ("time", "y", "x"), (days, *grid.shape), "uint8", chunks, fill, shards, attributes)

    quality = {
        "long_name": "quality bits in the layout of HLS Fmask; 255 is no data",
        "flag_masks": [mask for _, mask, _ in QUALITY_FLAGS],
        "flag_values": [value for _, _, value in QUALITY_FLAGS],
        "flag_meanings": " ".join(name for name, _, _ in QUALITY_FLAGS),
    }
    scene = {"long_name": "index into the scenes of this day and block (group scenes); 255 is none"}
    return mask("quality", QUALITY_FILL, quality), mask("scene", SCENE_FILL, scene)


def _summaries(grid: Grid, days: int) -> tuple[ArraySpec, ArraySpec]:
    """What became of each block, and how clear each chunk was, by day."""
    status = ArraySpec(
        "status",
        ("time", "block_y", "block_x"),
        (days, grid.blocks_y, grid.blocks_x),
        "uint8",
        (SHARD_DAYS, grid.blocks_y, grid.blocks_x),
        int(Status.OUTSIDE),
        None,
        {"long_name": "what became of a block on a day", **flag_attributes(Status)},
    )
    clear_fraction = ArraySpec(
        "clear_fraction",
        ("time", "chunk_y", "chunk_x"),
        (days, *grid.chunk_shape),
        "uint8",
        (SHARD_DAYS, *grid.chunk_shape),
        CLEAR_FRACTION_FILL,
        None,
        {
            "long_name": "share of clear pixels of a chunk, rounded down; 255 where it was not seen",
            "units": "percent",
            "missing_code": CLEAR_FRACTION_FILL,
        },
    )
    return status, clear_fraction


def _bands() -> ArraySpec:
    attributes = {"common_names": [band.common_name for band in BANDS], "wavelengths_um": [b.wavelength for b in BANDS]}
    names = np.array([band.name for band in BANDS], dtype=object)
    return ArraySpec("band", ("band",), (len(BANDS),), "string", (len(BANDS),), "", None, attributes, names)
