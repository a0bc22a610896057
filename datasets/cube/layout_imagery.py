"""The arrays of the group `imagery`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import (
    QUALITY_FILL,
    QUALITY_FLAGS,
    REFLECTANCE,
    REFLECTANCE_FILL,
    SCENE_FILL,
    Band,
)

from .calendar import SHARD_DAYS
from .conventions import geo_attributes
from .coordinates import spatial_ref, time_axis, yx_axes
from .grid import Grid

if TYPE_CHECKING:
    from .spec import CubeSpec

MAPPED = {"grid_mapping": "spatial_ref"}

CHUNK_DAYS = 8
"""Days of a chunk of reflectance. Against one day, seasons are read faster (96 x 96 pixels: 6 to 8 ms instead of 10),
twelve single days of a window as fast (0.8 ms), and a build compresses in half the time."""


def imagery_group(grid: Grid, spec: "CubeSpec") -> GroupSpec:
    """The images; `grid` is the tile's own."""
    bands, days = spec.bands, len(spec.calendar)
    arrays = (
        _reflectance(grid, days, bands),
        *_masks(grid, days),
        time_axis(spec.calendar),
        _band_axis(bands),
        *yx_axes(*grid.coordinates()),
        spatial_ref(grid.geobox),
    )
    return GroupSpec("imagery", arrays, geo_attributes(grid.geobox, "daily surface reflectance"))


def _reflectance(grid: Grid, days: int, bands: tuple[Band, ...]) -> ArraySpec:
    quantities = {band.quantity for band in bands}
    described: dict[str, Any] = {"long_name": "surface reflectance and other bands; see the coordinate `band`"}
    if quantities == {REFLECTANCE}:
        described = {
            "long_name": REFLECTANCE.long_name,
            "standard_name": REFLECTANCE.standard_name,
            "units": REFLECTANCE.units,
        }
    scales = {quantity.scale for quantity in quantities}
    if len(scales) == 1:  # of several, each band has its own; CF knows one for an array
        described |= {"scale_factor": scales.pop()}
    return ArraySpec(
        "reflectance",
        ("time", "band", "y", "x"),
        (days, len(bands), *grid.shape),
        "int16",
        (CHUNK_DAYS, len(bands), grid.chunk, grid.chunk),
        REFLECTANCE_FILL,
        (SHARD_DAYS, len(bands), grid.block, grid.block),
        {**described, "_FillValue": REFLECTANCE_FILL, **MAPPED},
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


def _band_axis(bands: tuple[Band, ...]) -> ArraySpec:
    attributes: dict[str, Any] = {
        "common_names": [band.common_name for band in bands],
        "wavelengths_um": [band.wavelength for band in bands],
    }
    if {band.quantity for band in bands} != {REFLECTANCE}:
        attributes |= {
            "quantities": [band.quantity.long_name for band in bands],
            "units_of_bands": [band.quantity.units for band in bands],
            "scale_factors": [band.quantity.scale for band in bands],
        }
    names = np.array([band.name for band in bands], dtype=object)
    return ArraySpec("band", ("band",), (len(bands),), "string", (len(bands),), "", None, attributes, names)
