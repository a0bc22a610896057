"""The arrays of the group `imagery`."""

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


def imagery_group(grid: Grid, calendar: Calendar) -> GroupSpec:
    days, (height, width) = len(calendar), grid.shape
    block, chunk = grid.block, grid.chunk
    pixel_dims, mapped = ("time", "y", "x"), {"grid_mapping": "spatial_ref"}
    pixel_shape, pixel_shards, pixel_chunks = (
        (days, height, width),
        (SHARD_DAYS, block, block),
        (1, chunk, chunk),
    )
    arrays = (
        ArraySpec(
            "reflectance",
            ("time", "band", "y", "x"),
            (days, len(BANDS), height, width),
            "int16",
            (1, len(BANDS), chunk, chunk),
            REFLECTANCE_FILL,
            (SHARD_DAYS, len(BANDS), block, block),
            {
                "long_name": "surface reflectance",
                "standard_name": "surface_bidirectional_reflectance",
                "units": "1",
                "scale_factor": REFLECTANCE_SCALE,
                "_FillValue": REFLECTANCE_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "quality",
            pixel_dims,
            pixel_shape,
            "uint8",
            pixel_chunks,
            QUALITY_FILL,
            pixel_shards,
            {
                "long_name": "quality bits in the layout of HLS Fmask; 255 is no data",
                "flag_masks": [mask for _, mask, _ in QUALITY_FLAGS],
                "flag_values": [value for _, _, value in QUALITY_FLAGS],
                "flag_meanings": " ".join(name for name, _, _ in QUALITY_FLAGS),
                "missing_code": QUALITY_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "scene",
            pixel_dims,
            pixel_shape,
            "uint8",
            pixel_chunks,
            SCENE_FILL,
            pixel_shards,
            {
                "long_name": "index into the scenes of this day and block (group scenes); 255 is none",
                "missing_code": SCENE_FILL,
                **mapped,
            },
        ),
        ArraySpec(
            "status",
            ("time", "block_y", "block_x"),
            (days, grid.blocks_y, grid.blocks_x),
            "uint8",
            (SHARD_DAYS, grid.blocks_y, grid.blocks_x),
            int(Status.OUTSIDE),
            None,
            {"long_name": "what became of a block on a day", **flag_attributes(Status)},
        ),
        ArraySpec(
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
        ),
        time_axis(calendar),
        ArraySpec(
            "band",
            ("band",),
            (len(BANDS),),
            "string",
            (len(BANDS),),
            "",
            None,
            {"common_names": [b.common_name for b in BANDS], "wavelengths_um": [b.wavelength for b in BANDS]},
            np.array([b.name for b in BANDS], dtype=object),
        ),
        *yx_axes(*grid.coordinates()),
        spatial_ref(grid.geobox),
    )
    return GroupSpec("imagery", arrays, geo_attributes(grid.geobox))
