"""What HLS L30, HLS S30 and Sentinel-2 L2A look like: asset keys, scale, offset, nodata, masks.

HLS v2 user guide (LP DAAC, 2023) for the HLS products; Sentinel-2 Products Specification Document 14.9 and the
processing baseline 04.00 notice (ESA, 25 January 2022) for L2A.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL, Quality

REFLECTANCE_MAX = np.iinfo(np.int16).max
"""Numbers above this (a reflectance of 3.28) saturate."""


@dataclass(frozen=True)
class Product:
    """How to read one kind of scene."""

    name: str
    collections: tuple[str, ...]
    """STAC collection ids that hold it"""
    bands: tuple[tuple[str, ...], ...]
    """for each band of the cube, the asset keys it may go by, the usual one first"""
    quality: tuple[str, ...]
    """the asset keys that the mask may go by"""
    nodata: int
    """stored number of a pixel without data"""
    decode_quality: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """stored mask -> bits of `imagery/quality`"""
    processing: str
    """what was done to the reflectance, for the cube's metadata"""
    licence: str


def decode_fmask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """HLS Fmask -> quality bits. The layouts agree; bit 0 is unused in v2 and dropped, 255 stays no data."""
    return np.where(mask == QUALITY_FILL, np.uint8(QUALITY_FILL), mask & np.uint8(0b11111110)).astype(np.uint8)


_SCL_BITS = {
    0: QUALITY_FILL,  # no data
    1: QUALITY_FILL,  # saturated or defective
    2: 0,  # dark area: topographic shade, which the ground shows through
    3: Quality.SHADOW,
    4: 0,  # vegetation
    5: 0,  # not vegetated
    6: Quality.WATER,
    7: 0,  # unclassified
    8: Quality.CLOUD,  # medium probability
    9: Quality.CLOUD,  # high probability
    10: Quality.CLOUD,  # thin cirrus
    11: Quality.SNOW,
}


def decode_scl(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sentinel-2 scene classification -> quality bits. Codes that SCL does not define become no data."""
    table = np.full(256, QUALITY_FILL, np.uint8)
    for code, bits in _SCL_BITS.items():
        table[code] = bits
    return table[mask]


_HLS_PROCESSING = "nadir BRDF-adjusted surface reflectance at a prescribed sun angle (HLS v2)"

PRODUCTS: dict[str, Product] = {
    product.name: product
    for product in (
        Product(
            "hls-l30",
            ("hls2-l30", "HLSL30_2.0", "HLSL30.v2.0"),
            (("B02",), ("B03",), ("B04",), ("B05",), ("B06",), ("B07",)),
            ("Fmask",),
            REFLECTANCE_FILL,
            decode_fmask,
            _HLS_PROCESSING,
            "NASA open data",
        ),
        Product(
            "hls-s30",
            ("hls2-s30", "HLSS30_2.0", "HLSS30.v2.0"),
            (("B02",), ("B03",), ("B04",), ("B8A",), ("B11",), ("B12",)),
            ("Fmask",),
            REFLECTANCE_FILL,
            decode_fmask,
            _HLS_PROCESSING,
            "NASA open data; contains modified Copernicus Sentinel data",
        ),
        Product(
            "sentinel-2-l2a",
            ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs"),
            (
                ("B02", "blue"),
                ("B03", "green"),
                ("B04", "red"),
                ("B8A", "nir08"),
                ("B11", "swir16"),
                ("B12", "swir22"),
            ),
            ("SCL", "scl"),
            0,
            decode_scl,
            "surface reflectance at the sun and view angle of the acquisition (Sen2Cor)",
            "Copernicus Sentinel data, free and open",
        ),
    )
}

PRODUCT_OF_COLLECTION: dict[str, str] = {
    collection: product.name for product in PRODUCTS.values() for collection in product.collections
}


def to_reflectance(stored: NDArray[np.generic], nodata: int, offset: int) -> NDArray[np.int16]:
    """A product's numbers -> the cube's int16 reflectance (scale 1e-4, fill -9999), same shape.

    Negative reflectance is kept, as the products do; what would fall to the fill value or below becomes the
    smallest number above it.
    """
    numbers = stored.astype(np.int32)
    shifted = np.clip(numbers + offset, REFLECTANCE_FILL + 1, REFLECTANCE_MAX)
    return np.where(numbers == nodata, REFLECTANCE_FILL, shifted).astype(np.int16)
