"""The arrays of the group `imagery`."""

from typing import Any

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import (
    BANDS,
    QUALITY_FILL,
    QUALITY_FLAGS,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    SCENE_FILL,
)

from .calendar import SHARD_DAYS, Calendar
from .conventions import geo_attributes
from .coordinates import spatial_ref, time_axis, yx_axes
from .grid import Grid

MAPPED = {"grid_mapping": "spatial_ref"}

CHUNK_DAYS = 8
"""Days of a chunk of reflectance. Against one day, seasons are read faster (96 x 96 pixels: 6 to 8 ms instead of 10),
twelve single days of a window as fast (0.8 ms), and a build compresses in half the time."""


def imagery_group(grid: Grid, calendar: Calendar) -> GroupSpec:
    arrays = (
        _reflectance(grid, len(calendar)),
        *_masks(grid, len(calendar)),
        time_axis(calendar),
        _bands(),
        *yx_axes(*grid.coordinates()),
        spatial_ref(grid.geobox),
    )
    return GroupSpec("imagery", arrays, geo_attributes(grid.geobox, "daily surface reflectance"))


def _reflectance(grid: Grid, days: int) -> ArraySpec:
    return ArraySpec(
        "reflectance",
        ("time", "band", "y", "x"),
        (days, len(BANDS), *grid.shape),
        "int16",
        (CHUNK_DAYS, len(BANDS), grid.chunk, grid.chunk),
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

    def mask(name: str, fill: int, chunk: int, attributes: dict[str, Any]) -> ArraySpec:
        shards, chunks = (SHARD_DAYS, grid.block, grid.block), (SHARD_DAYS, chunk, chunk)
        attributes = {**attributes, "missing_code": fill, **MAPPED}
        return ArraySpec(name, ("time", "y", "x"), (days, *grid.shape), "uint8", chunks, fill, shards, attributes)

    quality = {
        "long_name": "quality bits in the layout of HLS Fmask; 255 is no data",
        "flag_masks": [mask for _, mask, _ in QUALITY_FLAGS],
        "flag_values": [value for _, _, value in QUALITY_FLAGS],
        "flag_meanings": " ".join(name for name, _, _ in QUALITY_FLAGS),
    }
    scene = {"long_name": "index into the scenes of this day and block (group scenes); 255 is no scene"}
    return mask("quality", QUALITY_FILL, grid.chunk, quality), mask("scene", SCENE_FILL, grid.block, scene)


def _bands() -> ArraySpec:
    attributes = {"common_names": [band.common_name for band in BANDS], "wavelengths_um": [b.wavelength for b in BANDS]}
    names = np.array([band.name for band in BANDS], dtype=object)
    return ArraySpec("band", ("band",), (len(BANDS),), "string", (len(BANDS),), "", None, attributes, names)
