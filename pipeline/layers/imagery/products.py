"""The products that scenes can be of: which files a scene has, what their numbers mean, which scenes count.

A package that reads another product registers it beside its source with `register_product`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE

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

ItemOffset = Callable[[str, Mapping[str, Any], int | None], int]
"""(item id, properties of the item, offset that its bands declare, in stored numbers, if any) -> the offset to add to
the stored numbers. Raises InputError where the item does not say enough."""


@dataclass(frozen=True)
class BandAsset:
    """Where a product has a band, and what its numbers mean: (stored number + offset of the item) x scale + offset."""

    keys: tuple[str, ...]
    """the asset keys it may go by, the usual one first"""
    number: int = 1
    """band of the file, see `Asset.band`"""
    scale: float | None = None
    """None: the product's"""
    offset: float | None = None
    """None: the product's"""
    shift: float = 0.0
    """what is added after scale and offset to come to the unit of the cube, such as from kelvins"""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """properties of the scenes that have the band, as `Product.only`"""


@dataclass(frozen=True, kw_only=True)
class Product:
    """How to read one kind of scene."""

    name: str
    """as recipes write it: lower-case letters, digits and hyphens"""
    family: str
    """products of one family may be mixed in a cube: the same processing gives the same ground the same reflectance"""
    collections: tuple[str, ...]
    """STAC collection ids that hold it"""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """item property -> the values (lower case, hyphens for underscores) of the scenes of a collection that count"""
    bands: Mapping[str, BandAsset]
    """name of the band in a cube -> where it is; in the order of the cube for a product of `products_of`"""
    quality: tuple[str, ...]
    """the asset keys that the mask may go by"""
    quality_number: int = 1
    """band of the mask's file, see `Asset.band`"""
    nodata: float | None
    """stored number of a pixel without data; None: NaN only"""
    scale: float = REFLECTANCE_SCALE
    """reflectance of one step of the stored numbers, of bands that have no scale of their own"""
    offset: float = 0.0
    """reflectance of the stored number 0, where it is the same for all scenes"""
    item_offset: ItemOffset | None = None
    """rule for a product whose scenes differ in their offset; None: items that declare another one are refused"""
    any_numbers: bool = False
    """whether files may hold numbers of any type, also of floating point; otherwise bands are integers"""
    files: str = ""
    """pattern of the names of files in a folder without STAC items"""
    mask_dtype: type[np.unsignedinteger[Any]] | None = np.uint8
    """None: any"""
    decode_quality: Callable[[NDArray[Any]], NDArray[np.uint8]]
    """stored mask (of `mask_dtype`) -> bits of `imagery/quality`, same shape"""
    updated: str = "updated"
    """item property that changes when a scene is processed again, for items that tell no version"""
    from_recipe: bool = False
    """whether a recipe declares it: its items may say a date without a time, and a collection may hold several sensors
    and flights"""
    radar: bool = False
    """whether scenes say their relative orbit and, where others of the collection have other bands, their
    polarisations"""
    one_grid: bool = False
    """whether all files of all scenes of a tile have the same grid"""
    constellation: Constellation
    tiling: Tiling
    processing: str
    """what was done to the reflectance, for the cube's metadata"""
    licence: str

    def declared(self, band: str) -> tuple[float, float]:
        """(scale, offset) that an item should declare for a band."""
        asset = self.bands[band]
        return (
            self.scale if asset.scale is None else asset.scale,
            self.offset if asset.offset is None else asset.offset,
        )

    def narrowed(self, bands: Iterable[str]) -> "Product":
        """The product with these bands only, in this order. Raises InputError for a band that it lacks."""
        wanted = tuple(bands)
        if missing := [name for name in wanted if name not in self.bands]:
            raise InputError(f"imagery.bands: {self.name} has no {', '.join(missing)}; it has {', '.join(self.bands)}")
        assets = {name: self.bands[name] for name in wanted}
        only = dict(self.only)
        for asset in assets.values():
            only |= asset.only
        return replace(self, bands=assets, only=only)


PRODUCTS: dict[str, Product] = {}
"""name -> product; filled by `register_product`"""


def register_product(product: Product) -> None:
    """Make a product known by its name. Call it when the module of a source that reads the product is imported, so
    that worker processes know it too. Raises ValueError where another product has the name."""
    if PRODUCTS.get(product.name, product) != product:
        raise ValueError(f"there is a product {product.name} already; give this one another name")
    PRODUCTS[product.name] = product


def product_named(name: str) -> Product:
    """The product of a name. Raises InputError, with the names that there are, for an unknown one."""
    if name not in PRODUCTS:
        raise InputError(f"imagery.products takes some of {', '.join(PRODUCTS)}; found '{name}'")
    return PRODUCTS[name]


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
        f"item {identity} does not say whether its reflectance contains the offset of baseline 04.00; add"
        " s2:processing_baseline, or raster:bands with scale and offset, to the item"
    )


def _assets(**keys: str | tuple[str, ...]) -> dict[str, BandAsset]:
    """Bands by name, of asset keys."""
    return {name: BandAsset((key,) if isinstance(key, str) else key) for name, key in keys.items()}


_HLS_PROCESSING = "nadir BRDF-adjusted surface reflectance at a prescribed sun angle (HLS v2)"

HLS_L30 = Product(
    name="hls-l30",
    family="hls",
    collections=("hls2-l30", "HLSL30_2.0", "HLSL30.v2.0"),
    bands={
        **_assets(blue="B02", green="B03", red="B04", nir="B05", swir1="B06", swir2="B07", coastal="B01"),
        # Degrees Celsius (HLS v2 user guide, table 8).
        "thermal1": BandAsset(("B10",), scale=0.01),
        "thermal2": BandAsset(("B11",), scale=0.01),
    },
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
    bands=_assets(
        blue="B02",
        green="B03",
        red="B04",
        nir="B8A",
        swir1="B11",
        swir2="B12",
        coastal="B01",
        rededge1="B05",
        rededge2="B06",
        rededge3="B07",
        nir_broad="B08",
    ),
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
    bands=_assets(
        blue=("B02", "blue"),
        green=("B03", "green"),
        red=("B04", "red"),
        nir=("B8A", "nir08"),
        swir1=("B11", "swir16"),
        swir2=("B12", "swir22"),
        coastal=("B01", "coastal"),
        rededge1=("B05", "rededge1"),
        rededge2=("B06", "rededge2"),
        rededge3=("B07", "rededge3"),
        nir_broad=("B08", "nir"),
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
    bands={
        **_assets(
            blue=("blue", "SR_B2"),
            green=("green", "SR_B3"),
            red=("red", "SR_B4"),
            nir=("nir08", "SR_B5"),
            swir1=("swir16", "SR_B6"),
            swir2=("swir22", "SR_B7"),
            coastal=("coastal", "SR_B1"),
        ),
        # Kelvins (Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-1).
        "surface_temperature": BandAsset(
            ("lwir11", "ST_B10"),
            scale=0.00341802,
            offset=149.0,
            shift=-273.15,
            only={"landsat:correction": ("l2sp",)},
        ),
    },
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
