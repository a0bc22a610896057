"""What is forecast of each pixel, and how it is stored: as the cube stores its bands, and NDVI beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE, band_scales
from mmvsf.model.metrics import has_ndvi, ndvi

Stored = NDArray[np.int16]
"""REFLECTANCE_FILL where unknown"""


def variables_of(bands: Sequence[str]) -> tuple[str, ...]:
    """What is forecast: the bands, and NDVI where they are enough for it."""
    return (*bands, "ndvi") if has_ndvi(bands) else tuple(bands)


def compared(bands: Sequence[str]) -> str:
    """The variable in which scenarios are compared."""
    return "ndvi" if has_ndvi(bands) else bands[0]


def scales_of(bands: Sequence[str]) -> NDArray[np.float64]:
    """(K,) what stored integers of the variables are multiplied by."""
    return np.append(band_scales(bands), [REFLECTANCE_SCALE] * has_ndvi(bands))


def with_ndvi(images: Floats, bands: Sequence[str]) -> Floats:
    """All variables (..., K, H, W) of images (..., C, H, W)."""
    if not has_ndvi(bands):
        return images
    return np.concatenate([images, ndvi(images, bands)[..., None, :, :]], axis=-3)


def as_stored(values: Floats, scale: Any) -> Stored:
    """Numbers as they are stored, of numbers in their units, NaN where unknown."""
    known = np.isfinite(values)
    limits = np.iinfo(np.int16)
    scaled = np.round(np.where(known, values, 0) / scale).clip(limits.min, limits.max)
    scaled[scaled == REFLECTANCE_FILL] += 1
    return np.where(known, scaled, REFLECTANCE_FILL).astype(np.int16)


def in_units(stored: Stored, scale: Any) -> Floats:
    """Numbers in their units, NaN where unknown, of stored ones."""
    return np.where(stored == REFLECTANCE_FILL, np.nan, stored * np.asarray(scale)).astype(np.float32)
