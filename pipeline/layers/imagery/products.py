"""The products that scenes can be of: which files a scene has, what their numbers mean, which scenes count.

A package that reads another product registers it beside its source with `register_product`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import BANDS, REFLECTANCE_FILL, REFLECTANCE_SCALE

from .masks import decode_fmask, decode_qa_pixel, decode_scl
from .satellites import (
    HLS_TILES,
    LANDSAT,
    LANDSAT_SCENES,
    SENTINEL_2,
    SENTINEL_2_TILES,
    Constellation,
    Tiling,
)

REFLECTANCE_MAX = np.iinfo(np.int16).max
"""Numbers above this (a reflectance of 3.28) saturate."""

LARGEST_DENOMINATOR = 1_000_000
"""Scales and offsets are taken as fractions of the cube's scale with at most this denominator: 2.75e-5 is 11/40."""

ItemOffset = Callable[[str, Mapping[str, Any], int | None], int]
"""(item id, properties of the item, offset that its bands declare, in stored numbers, if any) -> the offset to add to
the stored numbers. Raises InputError where the item does not say enough."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """How to read one kind of scene. Reflectance is (stored number + offset of the item) x `scale` + `offset`."""

    name: str
    """as recipes write it: lower-case letters, digits and hyphens"""
    family: str
    """products of one family may be mixed in a cube: the same processing gives the same ground the same reflectance"""
    collections: tuple[str, ...]
    """STAC collection ids that hold it"""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """item property -> the values (lower case, hyphens for underscores) of the scenes of a collection that count"""
    bands: tuple[tuple[str, ...], ...]
    """for each band of the cube, the asset keys it may go by, the usual one first"""
    quality: tuple[str, ...]
    """the asset keys that the mask may go by"""
    nodata: int
    """stored number of a pixel without data"""
    scale: float = REFLECTANCE_SCALE
    """reflectance of one step of the stored numbers"""
    offset: float = 0.0
    """reflectance of the stored number 0, where it is the same for all scenes"""
    item_offset: ItemOffset | None = None
    """rule for a product whose scenes differ in their offset; None: items that declare another one are refused"""
    mask_dtype: type[np.unsignedinteger[Any]] = np.uint8
    decode_quality: Callable[[NDArray[Any]], NDArray[np.uint8]]
    """stored mask (of `mask_dtype`) -> bits of `imagery/quality`, same shape"""
    updated: str = "updated"
    """item property that changes when a scene is processed again, for items that tell no version"""
    one_grid: bool = False
    """whether all files of all scenes of a tile have the same grid"""
    constellation: Constellation
    tiling: Tiling
    processing: str
    """what was done to the reflectance, for the cube's metadata"""
    licence: str


def to_reflectance(stored: NDArray[np.generic], product: Product, offset: int) -> NDArray[np.int16]:
    """A product's numbers -> the cube's int16 reflectance (scale 1e-4, fill -9999), same shape.

    `offset` is that of the scene, in stored numbers. Where the product has another scale than the cube, reflectance is
    rounded to the nearest step, halves to even, without an error of floating point. Negative reflectance is kept, as
    the products do; what would fall to the fill value or below becomes the smallest number above it, and what is above
    3.2767 becomes that.
    """
    numbers = stored.astype(np.int32)
    factor, shift, divisor = _steps(product.scale, product.offset)
    values: NDArray[Any] = numbers + offset
    if (factor, shift, divisor) != (1, 0, 1):
        # Halves are exact in floating point, and nothing else comes closer to one than 1 / divisor.
        values = np.rint((values.astype(np.int64) * factor + shift) / divisor)
    np.clip(values, REFLECTANCE_FILL + 1, REFLECTANCE_MAX, out=values)
    return np.where(numbers == product.nodata, REFLECTANCE_FILL, values).astype(np.int16)


@cache  # three numbers a product
def _steps(scale: float, offset: float) -> tuple[int, int, int]:
    """Whole numbers (factor, shift, divisor): a stored number n is (n x factor + shift) / divisor steps of the cube."""
    factor, shift = (
        Fraction(value / REFLECTANCE_SCALE).limit_denominator(LARGEST_DENOMINATOR) for value in (scale, offset)
    )
    divisor = int(np.lcm(factor.denominator, shift.denominator))
    return int(factor * divisor), int(shift * divisor), divisor


PRODUCTS: dict[str, Product] = {}
"""name -> product; filled by `register_product`"""


def register_product(product: Product) -> None:
    """Make a product known by its name. Call it when the module of a source that reads the product is imported, so
    that worker processes know it too. Raises ValueError where another product has the name, or for one without an
    asset for each band of a cube."""
    if PRODUCTS.get(product.name, product) != product:
        raise ValueError(f"there is a product {product.name} already; give this one another name")
    if len(product.bands) != len(BANDS):
        raise ValueError(f"product {product.name} has {len(product.bands)} bands; a cube has {len(BANDS)}")
    PRODUCTS[product.name] = product


def product_named(name: str) -> Product:
    """The product of a name. Raises InputError, with the names that there are, for an unknown one."""
    if name not in PRODUCTS:
        raise InputError(f"imagery.products takes some of {', '.join(PRODUCTS)}; found '{name}'")
    return PRODUCTS[name]


def check_products(names: Iterable[str], where: str) -> None:
    """Raise InputError, beginning with `where`, for products of a recipe that are unknown or must not be mixed."""
    try:
        first, *others = (product_named(name) for name in names)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for other in others:
        if other.family != first.family:
            raise InputError(
                f"{where}: imagery.products mixes {first.name} ({first.processing}) and {other.name}"
                f" ({other.processing}), which give other numbers for the same ground; build one cube of each"
            )


def sentinel_2_offset(identity: str, properties: Mapping[str, Any], declared: int | None) -> int:
    """The offset of a Sentinel-2 L2A scene, an `ItemOffset`: -1000 from processing baseline 04.00 on (notice of ESA,
    25 January 2022) unless the archive has removed it.

    Dates do not decide, since old scenes were reprocessed. Decided by what the item says, in this order: the archive's
    flag, the declared offset, the processing baseline. Raises InputError for an item that says none of them.
    """
    if properties.get("earthsearch:boa_offset_applied") is True:
        return 0
    if declared is not None:
        return declared
    baseline = str(properties.get("s2:processing_baseline", properties.get("processing:version")))
    if re.fullmatch(r"\d+(\.\d+)?", baseline):
        return -1000 if float(baseline) >= 4.0 else 0
    raise InputError(
        f"item {identity} does not say whether its reflectance carries the offset of baseline 04.00; add"
        " s2:processing_baseline, or raster:bands with scale and offset, to the item"
    )


_HLS_PROCESSING = "nadir BRDF-adjusted surface reflectance at a prescribed sun angle (HLS v2)"

HLS_L30 = Product(
    name="hls-l30",
    family="hls",
    collections=("hls2-l30", "HLSL30_2.0", "HLSL30.v2.0"),
    bands=(("B02",), ("B03",), ("B04",), ("B05",), ("B06",), ("B07",)),
    quality=("Fmask",),
    nodata=REFLECTANCE_FILL,
    decode_quality=decode_fmask,
    one_grid=True,
    constellation=LANDSAT,
    tiling=HLS_TILES,
    processing=_HLS_PROCESSING,
    licence="NASA open data",
)
HLS_S30 = Product(
    name="hls-s30",
    family="hls",
    collections=("hls2-s30", "HLSS30_2.0", "HLSS30.v2.0"),
    bands=(("B02",), ("B03",), ("B04",), ("B8A",), ("B11",), ("B12",)),
    quality=("Fmask",),
    nodata=REFLECTANCE_FILL,
    decode_quality=decode_fmask,
    one_grid=True,
    constellation=SENTINEL_2,
    tiling=HLS_TILES,
    processing=_HLS_PROCESSING,
    licence="NASA open data; contains modified Copernicus Sentinel data",
)
SENTINEL_2_L2A = Product(
    name="sentinel-2-l2a",
    family="sentinel-2-l2a",
    collections=("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs"),
    bands=(
        ("B02", "blue"),
        ("B03", "green"),
        ("B04", "red"),
        ("B8A", "nir08"),
        ("B11", "swir16"),
        ("B12", "swir22"),
    ),
    quality=("SCL", "scl"),
    nodata=0,
    item_offset=sentinel_2_offset,
    decode_quality=decode_scl,
    constellation=SENTINEL_2,
    tiling=SENTINEL_2_TILES,
    processing="surface reflectance at the sun and view angle of the acquisition (Sen2Cor)",
    licence="Copernicus Sentinel data, free and open",
)
LANDSAT_C2_L2 = Product(
    name="landsat-c2-l2",
    family="landsat-c2-l2",
    collections=("landsat-c2-l2", "landsat-c2l2-sr"),
    only={
        # TM and ETM+ of Landsat 4 to 7 have other bands, another atmospheric correction and no cirrus band.
        "platform": ("landsat-8", "landsat-9"),
        # Tier 2 may lie more than 12 m, and so a good part of a pixel, beside where it should.
        "landsat:collection_category": ("t1",),
        # With and without surface temperature; the reflectance is the same.
        "landsat:correction": ("l2sp", "l2sr"),
    },
    bands=(
        ("blue", "SR_B2"),
        ("green", "SR_B3"),
        ("red", "SR_B4"),
        ("nir08", "SR_B5"),
        ("swir16", "SR_B6"),
        ("swir22", "SR_B7"),
    ),
    quality=("qa_pixel", "QA_PIXEL"),
    nodata=0,
    # Saturation (QA_RADSAT) is not read: such pixels keep the reflectance that they have.
    scale=2.75e-5,
    offset=-0.2,
    mask_dtype=np.uint16,
    decode_quality=decode_qa_pixel,
    updated="created",
    constellation=LANDSAT,
    tiling=LANDSAT_SCENES,
    processing="surface reflectance at the sun and view angle of the acquisition (LaSRC, Landsat Collection 2 Level 2)",
    licence="public domain (USGS)",
)
for _product in (HLS_L30, HLS_S30, SENTINEL_2_L2A, LANDSAT_C2_L2):
    register_product(_product)
