"""From a product that a recipe declares to a `Product`."""

from functools import reduce
from operator import or_

from mmvsf.datasets.recipe.product import CustomProduct, MaskMap
from mmvsf.datasets.variables import QUALITY_FILL

from .masks import LAYOUTS, QUALITY_NAMES, BitTable, CodeTable, Decoder, FillMask
from .products import BandAsset, Product
from .satellites import Constellation, Tiling

EVERY_FIVE_DAYS = Constellation(5, 1, 40_075)
"""Of satellites that are not known: one pass in five days everywhere; an assumption of the estimates."""

FILE_PIXELS = 10_000
"""Pixels on the side of a file whose product says its resolution; an assumption of the estimates, as are tiles of 512
pixels in it."""
UNKNOWN_RESOLUTION = 10.0


def custom_product(declared: CustomProduct) -> Product:
    """The product as all others are described."""
    fill = None if declared.fill == "nan" else float(declared.fill)
    bands = {
        name: BandAsset((band.asset,), band.number or 0, band.scale, band.offset)
        for name, band in declared.bands.items()
    }
    side = FILE_PIXELS * (declared.resolution or UNKNOWN_RESOLUTION) / 1000
    resolution = "" if declared.resolution is None else f", {declared.resolution:g} m"
    mask = declared.mask
    return Product(
        name=declared.name,
        family=declared.family or declared.name,
        collections=(declared.collection or declared.name,),
        bands=bands,
        quality=(mask.asset,) if isinstance(mask, MaskMap) else next(iter(bands.values())).keys,
        quality_number=mask.number or 0 if isinstance(mask, MaskMap) else next(iter(bands.values())).number,
        nodata=fill,
        scale=declared.scale,
        offset=declared.offset,
        any_numbers=True,
        from_recipe=True,
        files=declared.files or "",
        mask_dtype=LAYOUTS[mask.layout][0] if isinstance(mask, MaskMap) and mask.layout else None,
        decode_quality=_decoder(mask) if isinstance(mask, MaskMap) else FillMask(fill),
        constellation=EVERY_FIVE_DAYS,
        tiling=Tiling(side, side, 512),
        processing=f"{declared.processing or 'as the recipe declares it'}{resolution}",
        licence=declared.licence,
    )


def _decoder(mask: MaskMap) -> Decoder:
    if mask.layout is not None:
        return LAYOUTS[mask.layout][1]
    table = tuple((key, _bits(names)) for key, names in mask.table.items())
    return CodeTable(table) if mask.codes is not None else BitTable(table)


def _bits(names: tuple[str, ...]) -> int:
    """Bits of `imagery/quality` of several names; no data where one of them says so."""
    return QUALITY_FILL if "nodata" in names else int(reduce(or_, (QUALITY_NAMES[name] for name in names)))
