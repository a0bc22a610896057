"""STAC items as scenes: the same rules for a folder of items and for a public catalogue."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import shapely
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.layers.imagery.products import BandAsset, Product
from mmvsf.pipeline.raster.resample import is_crs
from mmvsf.pipeline.raster.scene import FOOTPRINT_MARGIN_DEGREES, Asset, RasterGrid, Scene, granule_time, solar_day

from .hrefs import Locate

OUTLINE_SLACK = 0.1
"""Part of a raster's side by which the middle of its outline may miss it."""

FindGrid = Callable[[str, str, str], RasterGrid]
"""(item id, asset key, href) -> the grid of a file whose item does not say it"""


def product_of(item: dict[str, Any], period: Period, products: Sequence[Product], blocks: Any) -> Product | None:
    """The product of an item that is wanted: one of the products, with a `solar_day` in the period and an outline that
    meets the blocks (see `blocks_lonlat`). None for any other. Raises InputError for an item that lacks what says
    whether it counts."""
    collection = item.get("collection", "")
    candidates = [product for product in products if collection in product.collections]
    if not candidates:
        return None
    outline = outline_of(item)
    if not period.contains(solar_day(acquired_at(item), ring_of(outline))):
        return None
    if not outline.buffer(FOOTPRINT_MARGIN_DEGREES).intersects(blocks):
        return None
    return next((product for product in candidates if _counts(item, product)), None)


def _counts(item: dict[str, Any], product: Product) -> bool:
    """Whether an item of a product's collection has the properties that the product wants of its scenes. Raises
    InputError for an item that lacks one of them."""
    for key, allowed in product.only.items():
        value = item.get("properties", {}).get(key)
        if value is None:
            raise InputError(
                f"item {item.get('id')} has no {key}; {product.name} takes scenes with {' or '.join(allowed)}: add the"
                " property to the item"
            )
        if str(value).lower().replace("_", "-") not in allowed:
            return False
    return True


def blocks_lonlat(grid: Grid) -> Any:
    """The recipe's blocks as one shape in degrees."""
    boxes = shapely.union_all([shapely.box(*grid.block_geobox(block).boundingbox) for block in grid.blocks])
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    shape = shapely.transform(boxes, to_lonlat.transform, interleaved=False)
    shapely.prepare(shape)
    return shape


def acquired_at(item: dict[str, Any]) -> datetime:
    """When a scene was taken: as its name says where it is an HLS granule's, else as the item says. Raises InputError
    for an item without a datetime."""
    text = item.get("properties", {}).get("datetime") or item.get("properties", {}).get("start_datetime")
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(f"item {item.get('id')}: '{text}' is no datetime") from error
    said = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return granule_time(str(item.get("id"))) or said


def outline_of(item: dict[str, Any]) -> Any:
    try:
        shape = shapely.from_geojson(json.dumps(item["geometry"]))
    except (KeyError, shapely.GEOSException) as error:
        raise InputError(f"item {item.get('id')}: has no usable geometry") from error
    if shape is None or shape.area == 0:
        raise InputError(f"item {item.get('id')}: has an empty geometry; it must be the outline of the scene")
    return shape


def ring_of(outline: Any) -> tuple[tuple[float, float], ...]:
    """The outer ring of an outline, or of the hull of its parts."""
    ring = outline.exterior if outline.geom_type == "Polygon" else outline.convex_hull
    return tuple((float(x), float(y)) for x, y in shapely.get_coordinates(ring))


def scene_of(item: dict[str, Any], locate: Locate, product: Product, find_grid: FindGrid | None = None) -> Scene:
    """The scene that an item describes. `locate` is given its hrefs.

    Where an asset does not say its grid, or one that lies elsewhere than the outline, `find_grid` is asked. Raises
    InputError for an item that lacks something.
    """
    outline = outline_of(item)
    return Scene(
        id=str(item["id"]),
        product=product.name,
        acquired=acquired_at(item),
        version=_version(item, product),
        bands=tuple(
            replace(asset_of(item, outline, locate, band.keys, find_grid), band=band.number)
            for band in product.bands.values()
        ),
        quality=replace(asset_of(item, outline, locate, product.quality, find_grid), band=product.quality_number),
        offset=_offset(item, product),
        footprint=ring_of(outline),
    )


def asset_of(
    item: dict[str, Any], outline: Any, locate: Locate, keys: tuple[str, ...], find_grid: FindGrid | None
) -> Asset:
    """The first of the named assets that the item has, with its grid; `outline` is that of the item in degrees.

    Raises InputError for an item that lacks something, or whose grid lies elsewhere and cannot be looked up."""
    assets, properties = item.get("assets", {}), item.get("properties", {})
    key = next((key for key in keys if key in assets), None)
    if key is None:
        raise InputError(
            f"item {item['id']} has no asset {' or '.join(keys)} (it has {', '.join(sorted(assets)) or 'none'});"
            " a scene needs the bands of the cube and its mask"
        )
    asset = assets[key]
    where = f"item {item['id']}, asset {key}"
    if "href" not in asset:
        raise InputError(f"{where}: has no href")
    try:
        href = locate(str(asset["href"]))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    merged = {**properties, **asset}
    code = _crs(str(item["id"]), merged)
    transform, shape = merged.get("proj:transform"), merged.get("proj:shape")
    if not (code and transform and shape):
        if find_grid is not None:
            return Asset(href, find_grid(str(item["id"]), key, href))
        raise InputError(
            f"{where}: has no projection; add proj:code, proj:transform and proj:shape"
            " (STAC projection extension, e.g. with `rio stac`)"
        )
    grid = _declared_grid(where, code, transform, shape)
    if not _is_under(outline, grid):
        # Read where the item says, such a scene would give no pixel, as if it had not been acquired.
        if find_grid is not None:
            return Asset(href, find_grid(str(item["id"]), key, href))
        raise InputError(f"{where}: its grid ({code}, {transform[:6]}) lies elsewhere than the item's outline")
    return Asset(href, grid)


def _declared_grid(where: str, code: str, transform: Any, shape: Any) -> RasterGrid:
    """The grid that an asset declares; `where` begins the message of an error. Raises InputError for one that is not
    made of numbers, is rotated or is in an unknown CRS."""
    try:
        a, b, c, d, e, f = (float(value) for value in transform[:6])
        grid = RasterGrid(code, (a, b, c, d, e, f), (int(shape[0]), int(shape[1])))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: proj:transform takes six numbers and proj:shape two, found {transform} and {shape}"
        ) from error
    if b or d:
        raise InputError(f"{where}: is rotated (proj:transform {transform}); make it north-up, e.g. with `gdalwarp`")
    if not is_crs(grid.crs):
        raise InputError(f"{where}: proj:code {code} is no known CRS")
    return grid


def _is_under(outline: Any, grid: RasterGrid) -> bool:
    """Whether the middle of an outline in degrees is on a grid. One across the antimeridian has no middle: True."""
    west, south, east, north = outline.bounds
    if east - west > 180:
        return True
    x, y = from_lonlat(grid.crs).transform((west + east) / 2, (south + north) / 2)
    a, _, left, _, e, top = grid.transform
    rows, columns = grid.shape
    across, down = (x - left) / (a * columns), (y - top) / (e * rows)
    return all(-OUTLINE_SLACK <= share <= 1 + OUTLINE_SLACK for share in (across, down))


def _crs(identity: str, described: dict[str, Any]) -> str:
    """The CRS that an item or its asset says: a code, of a number or a text, or WKT; empty if it says none.

    Every HLS granule is in the northern form of its UTM zone, with negative northings south of the equator. Many items
    written before 23 May 2022 say the southern form, also for tiles of the north (github.com/NASA-IMPACT/hls-cmr_stac,
    pull request 10; github.com/microsoft/PlanetaryComputer, issue 486); no pixel would be found there.
    """
    code = str(described.get("proj:code") or described.get("proj:epsg") or described.get("proj:wkt2") or "")
    code = f"EPSG:{code}" if code.isdigit() else code
    return re.sub(r"^EPSG:327(?=\d\d$)", "EPSG:326", code) if granule_time(identity) else code


def _version(item: dict[str, Any], product: Product) -> str:
    properties = item.get("properties", {})
    for key in ("processing:version", "s2:processing_baseline", "hls:version"):
        if key in properties:
            return str(properties[key])
    _, dot, tail = str(item["id"]).rpartition(".v")
    return f"v{tail}" if dot else str(properties.get(product.updated, ""))


def _offset(item: dict[str, Any], product: Product) -> int:
    """What is added to the stored numbers of a scene before the product's scale and offset.

    Raises InputError for an item whose bands declare another scale than the product has, or another offset where the
    product has one for all scenes: its numbers would be read wrongly.
    """
    where = f"item {item['id']}"
    shared: dict[float, float] = {}
    for band, asset in product.bands.items():
        scale, offset = product.declared(band)
        found, shift = _declared(item, asset, "scale"), _declared(item, asset, "offset")
        if found is not None and not math.isclose(found, scale, rel_tol=1e-6):
            raise InputError(
                f"{where} declares a scale of {found:g} and {product.name} has {scale:g}; correct the item"
                " (raster:bands), or give it the collection of another product"
            )
        if shift is None:
            continue
        if product.item_offset is not None:
            shared[shift] = offset
        elif not math.isclose(shift, offset, abs_tol=1e-9):
            raise InputError(
                f"{where} declares an offset of {shift:g} and {product.name} has {offset:g}; correct the"
                " item (raster:bands), or give it the collection of another product"
            )
    if product.item_offset is None:
        return 0
    if len(shared) > 1:
        raise InputError(
            f"{where}: its bands declare different offsets ({', '.join(f'{offset:g}' for offset in sorted(shared))});"
            " a scene has one, correct the item (raster:bands)"
        )
    declared = next((round((shift - offset) / product.scale) for shift, offset in shared.items()), None)
    return product.item_offset(str(item["id"]), item.get("properties", {}), declared)


def _declared(item: dict[str, Any], band: BandAsset, key: str) -> float | None:
    """The number that a band of an item declares as its `scale` or `offset` (STAC raster extension 1 and 2)."""
    asset: dict[str, Any] = next((item["assets"][name] for name in band.keys if name in item["assets"]), {})
    described = (asset.get("raster:bands") or asset.get("bands") or [{}])[0]
    value = described.get(key, described.get(f"raster:{key}", asset.get(f"raster:{key}")))
    return None if value is None else _number(value, f"item {item['id']}: the {key} of a band")


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is no number: {value!r}") from error
