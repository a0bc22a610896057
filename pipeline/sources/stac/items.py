"""STAC items as scenes: the same rules for a folder of items and for a public catalogue.

Where a scene lies is decided by the grid of its mask, never by the outline of its item: outlines are split or not at
180 degrees, cross themselves, lie elsewhere. An item that cannot be read becomes a faulty scene, which fails its day
in the blocks it may concern and nothing else.
"""

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import MOST_ORBITS
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.raster.crs import is_crs
from mmvsf.pipeline.raster.resample import pixel_positions
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, granule_time

from .boxes import OUTLINE_MARGIN
from .hrefs import Locate
from .item import Item, ItemAsset, Point, outline_of, shortened

FindGrid = Callable[[str, str, str], RasterGrid]
"""(item id, asset key, href) -> the grid of a file, from its header. Raises ReadError."""

OUTLINE_SLACK = 0.1
"""Part of a raster's side by which its item's outline may miss it."""


def item_of(entry: Any, collection: str) -> Item:
    """An item of a catalogue whose items are all needed. Raises InputError for a faulty one."""
    try:
        return Item.check(entry)
    except InputError as error:
        raise InputError(f"an item of {collection} is faulty: {error}") from None


def tile_of(item: Item, entry: Any, locate: Locate, key: str, find_grid: FindGrid) -> Asset:
    """An asset of such an item, see `asset_of`. Raises InputError."""
    try:
        return asset_of(item, outline_of(entry), locate, (key,), find_grid)
    except InputError as error:
        raise InputError(f"item {item.id}: {error}") from None


def counts(item: Item, product: Product) -> bool:
    """Whether an item of a product's collection has the properties that the product wants of its scenes. Raises
    InputError for an item that lacks one of them."""
    for key, allowed in product.only.items():
        value = item.text(key)
        if not value:
            raise InputError(
                f"it has no {key}; {product.name} takes scenes with {' or '.join(allowed)}: add the property to the"
                " item"
            )
        if value.lower().replace("_", "-") not in allowed:
            return False
    polarisations = item.properties.get("sar:polarizations")
    if product.radar and isinstance(polarisations, list):
        return set(product.bands) <= {str(name).lower() for name in polarisations}
    return True


def orbit_of(item: Item, product: Product) -> int:
    """The relative orbit of a radar scene, 0 for other products. Raises InputError for an item that says none."""
    if not product.radar:
        return 0
    text = item.text("sat:relative_orbit")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= MOST_ORBITS:
        raise InputError(f"sat:relative_orbit is {shortened(text)}, which is none of 1 to {MOST_ORBITS}")
    return int(text)


def asset_of(
    item: Item, outline: tuple[Point, ...], locate: Locate, keys: tuple[str, ...], find_grid: FindGrid
) -> Asset:
    """The first of the named assets that the item has, with its grid: the one that it says, or that of the file's
    header where it says none, or one that lies elsewhere than the outline. `locate` is given its href.

    Raises InputError for an item that lacks something, ReadError where a header cannot be read."""
    key, asset = file_of(item, keys)
    try:
        href = locate(asset.href)
        grid = declared_grid(item, asset)
    except InputError as error:
        raise InputError(f"asset {key}: {error}") from None
    if grid is None or not _is_near(outline, grid):
        grid = find_grid(item.id, key, href)
    return Asset(href, grid)


def file_of(item: Item, keys: tuple[str, ...]) -> tuple[str, ItemAsset]:
    """The first of the named assets that the item has, with its key. Raises InputError if it has none, or a wrong
    one."""
    key = next((key for key in keys if key in item.assets), None)
    if key is None:
        names = ", ".join(sorted(item.assets)[:20]) or "none"
        raise InputError(
            f"it has no asset {' or '.join(keys)} (it has {names}); a scene needs the bands of the cube and its mask"
        )
    try:
        return key, item.asset(key)
    except InputError as error:
        raise InputError(f"asset {key}: {error}") from None


def declared_grid(item: Item, asset: ItemAsset) -> RasterGrid | None:
    """The grid that an asset or its item declares, None if they do not.

    Raises InputError for one that is rotated, of impossible numbers or in no CRS of places on the earth.
    """
    shared = item.projection
    crs, transform, shape = asset.crs or shared.crs, asset.transform or shared.transform, asset.shape or shared.shape
    if not (crs and transform and shape):
        return None
    if crs.startswith("EPSG:327") and granule_time(item.id):
        # Every HLS granule is in the northern form of its UTM zone, with negative northings south of the equator. Many
        # items written before 23 May 2022 say the southern form, also for tiles of the north
        # (github.com/NASA-IMPACT/hls-cmr_stac, pull request 10; github.com/microsoft/PlanetaryComputer, issue 486).
        crs = re.sub(r"^EPSG:327(?=\d\d$)", "EPSG:326", crs)
    if not is_crs(crs):
        raise InputError(f"proj:code {crs[:80]} is not a known CRS of places on the earth")
    a, b, c, d, e, f = transform
    return RasterGrid(crs, (a, b, c, d, e, f), shape)


@lru_cache(maxsize=256)  # the files of an item share its outline, and those of a tile do
def _is_near(outline: tuple[Point, ...], grid: RasterGrid) -> bool:
    """Whether an outline and a grid have a part in common, as far as their extents tell. An outline without a point
    says nothing: True."""
    if not outline:
        return True
    x, y = np.array(outline).T
    for position, size in zip(pixel_positions(grid, x, y, "EPSG:4326"), grid.shape[::-1], strict=True):
        known = position[np.isfinite(position)]
        slack = OUTLINE_SLACK * size
        if not known.size or known.min() > size + slack or known.max() < -slack:
            return False
    return True


def place_of(entry: Any, keys: Sequence[str]) -> RasterGrid | None:
    """Where a faulty item may lie: on the grid that one of the named assets declares well, else in the box around its
    outline, as a raster of one pixel. None if it says neither."""
    with suppress(InputError):
        item = Item.check(entry)
        for key in keys:
            with suppress(InputError):
                if grid := declared_grid(item, file_of(item, (key,))[1]):
                    return grid
    return _around(outline_of(entry))


def _around(outline: Sequence[Point]) -> RasterGrid | None:
    """The smallest box around some points, the short way round the earth."""
    if not outline:
        return None
    longitudes, latitudes = np.array(outline).T
    west, east = min(
        ((float(turned.min()), float(turned.max())) for turned in (longitudes, longitudes % 360)),
        key=lambda span: span[1] - span[0],
    )
    south, north = float(latitudes.min()) - OUTLINE_MARGIN, float(latitudes.max()) + OUTLINE_MARGIN
    width = min(east - west + 2 * OUTLINE_MARGIN, 360.0)
    return RasterGrid("EPSG:4326", (width, 0.0, west - OUTLINE_MARGIN, 0.0, south - north, north), (1, 1))


VERSIONS = ("processing:version", "s2:processing_baseline", "hls:version")
"""Properties that say a version"""


def version_of(item: Item, product: Product) -> str:
    """The processing version or baseline that an item says. Raises InputError for one that is no text."""
    for key in VERSIONS:
        if key in item.properties:
            return item.text(key)
    _, dot, tail = item.id.rpartition(".v")
    return f"v{tail}" if dot else item.text(product.updated)


def taken_by(item: Item, product: Product) -> str:
    """What tells the scene of an item from others of its time and place that are no versions of it: of products that a
    recipe declares the platform, and the item itself where it says no version. Raises InputError as `Item.text`."""
    if not product.from_recipe:
        return ""
    versioned = any(key in item.properties for key in VERSIONS)
    return f"{item.text('platform')} {'' if versioned else item.id}".strip()


def offset_of(item: Item, product: Product) -> int:
    """What is added to the stored numbers of a scene before the product's scale and offset.

    Raises InputError for an item whose bands declare another scale than the product has, or another offset where the
    product has one for all scenes: its numbers would be read wrongly.
    """
    offsets: dict[float, float] = {}
    for name, band in product.bands.items():
        if not item.assets.keys() & set(band.keys):
            continue
        (scale, zero), (found, offset) = product.declared(name), file_of(item, band.keys)[1].scaling
        if found is not None and not math.isclose(found, scale, rel_tol=1e-6):
            raise InputError(
                f"it declares a scale of {found:g} and {product.name} has {scale:g}; correct the item"
                " (raster:bands), or give it the collection of another product"
            )
        if offset is not None and product.item_offset is None and not math.isclose(offset, zero, abs_tol=1e-9):
            raise InputError(
                f"it declares an offset of {offset:g} and {product.name} has {zero:g}; correct the item (raster:bands),"
                " or give it the collection of another product"
            )
        if offset is not None:
            offsets[offset] = zero
    if product.item_offset is None:
        return 0
    if len(offsets) > 1:
        raise InputError(
            f"its bands declare different offsets ({', '.join(f'{offset:g}' for offset in sorted(offsets))});"
            " a scene has one, correct the item (raster:bands)"
        )
    steps = next((round((offset - zero) / product.scale) for offset, zero in offsets.items()), None)
    return product.item_offset(item.id, item.properties, steps)
