"""The archive source: a folder with STAC items and COGs, weather files and label rasters."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pystac
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.crops import CDL
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.grid import Grid
from mmvsf.datasets.legend import Legend, read_legend
from mmvsf.datasets.region import Period

from ..mapping import is_crs
from ..products import PRODUCT_OF_COLLECTION, PRODUCTS, Product
from ..raster import raster_grid, read_raster
from ..scene import Asset, RasterGrid, Scene
from .protocols import ReadError

FOOTPRINT_MARGIN_DEGREES = 0.01
"""Outlines in catalogues are simplified; a kilometre more costs a mask read and loses no pixel."""


@dataclass(frozen=True)
class ArchiveImagery:
    """Scenes from `items.json` (an ItemCollection) or `catalog.json` (a static catalogue) in a folder."""

    root: Path

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> list[Scene]:
        """See `ImagerySource`. Raises InputError for a missing catalogue, for an item that does not say what is
        needed, and if nothing matched."""
        blocks = blocks_lonlat(grid)
        scenes, seen = [], 0
        for item, folder in self._items():
            seen += 1
            product = PRODUCT_OF_COLLECTION.get(item.get("collection", ""))
            if product not in products:
                continue
            acquired = _acquired(item)
            if not period.contains(acquired.date()):
                continue
            outline = _outline(item)
            if not outline.buffer(FOOTPRINT_MARGIN_DEGREES).intersects(blocks):
                continue
            scenes.append(_scene(item, folder, PRODUCTS[product], acquired, outline))
        if not scenes:
            raise InputError(
                f"{self.root}: none of its {seen} items is a scene of {', '.join(products)} between {period.start}"
                f" and {period.end} over this region; check period, products and area of the recipe"
            )
        return sorted(scenes, key=lambda scene: (scene.acquired, scene.id))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`."""
        return read_raster(asset, window)

    def _items(self) -> Iterator[tuple[dict[str, Any], Path]]:
        """Items as dictionaries, each with the folder its relative hrefs start from."""
        collection, catalog = self.root / "items.json", self.root / "catalog.json"
        if collection.is_file():
            try:
                content = json.loads(collection.read_text(encoding="utf-8"))
                features = content["features"]
                if not all(isinstance(item, dict) and "id" in item for item in features):
                    raise TypeError("one of its features is no item with an id")
            except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
                raise InputError(f"{collection} is no STAC ItemCollection: {one_line(error)}") from error
            for item in features:
                yield item, self.root
        elif catalog.is_file():
            try:
                for entry in pystac.Catalog.from_file(str(catalog)).get_items(recursive=True):
                    yield entry.to_dict(transform_hrefs=False), Path(str(entry.get_self_href())).parent
            except (pystac.STACError, pystac.STACTypeError, AttributeError, OSError, LookupError, ValueError) as error:
                raise InputError(f"{catalog} cannot be read as a STAC catalogue: {one_line(error)}") from error
        else:
            raise InputError(
                f"{self.root} holds neither items.json (a STAC ItemCollection) nor catalog.json (a static"
                " catalogue); point imagery.path at the folder that does"
            )


@dataclass(frozen=True)
class ArchiveLabels:
    """One label raster a year; `pattern` holds {year} in place of the year."""

    pattern: str
    legend_path: Path | None
    """None: the classes of the CDL"""

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return CDL if self.legend_path is None else read_legend(self.legend_path)

    def asset(self, year: int) -> Asset:
        """See `LabelSource`."""
        path = Path(self.pattern.replace("{year}", str(year)))
        if not path.is_file():
            raise InputError(f"there are no labels of {year} at {path}; check labels.path and labels.years")
        try:
            return Asset(str(path), raster_grid(path))
        except ReadError as error:
            raise InputError(f"labels of {year}: {error}") from error

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`."""
        return read_raster(asset, window)


def blocks_lonlat(grid: Grid) -> Any:
    """The recipe's blocks as one shape in degrees."""
    boxes = shapely.union_all([shapely.box(*grid.block_geobox(block).boundingbox) for block in grid.blocks])
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    shape = shapely.transform(boxes, to_lonlat.transform, interleaved=False)
    shapely.prepare(shape)
    return shape


def _acquired(item: dict[str, Any]) -> datetime:
    text = item.get("properties", {}).get("datetime") or item.get("properties", {}).get("start_datetime")
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(f"item {item.get('id')}: '{text}' is no datetime") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _outline(item: dict[str, Any]) -> Any:
    try:
        shape = shapely.from_geojson(json.dumps(item["geometry"]))
    except (KeyError, shapely.GEOSException) as error:
        raise InputError(f"item {item.get('id')}: has no usable geometry") from error
    if shape is None or shape.area == 0:
        raise InputError(f"item {item.get('id')}: has an empty geometry; it must be the outline of the scene")
    return shape


def _scene(item: dict[str, Any], folder: Path, product: Product, acquired: datetime, outline: Any) -> Scene:
    hull = shapely.get_coordinates(outline.convex_hull if outline.geom_type != "Polygon" else outline.exterior)
    return Scene(
        id=str(item["id"]),
        product=product.name,
        acquired=acquired,
        version=_version(item),
        bands=tuple(_asset(item, folder, keys) for keys in product.bands),
        quality=_asset(item, folder, product.quality),
        offset=_offset(item, product),
        footprint=tuple((float(x), float(y)) for x, y in hull),
    )


def _asset(item: dict[str, Any], folder: Path, keys: tuple[str, ...]) -> Asset:
    """The first of the named assets that the item has, with its grid."""
    assets, properties = item.get("assets", {}), item.get("properties", {})
    key = next((key for key in keys if key in assets), None)
    if key is None:
        raise InputError(
            f"item {item['id']} has no asset {' or '.join(keys)} (it has {', '.join(sorted(assets)) or 'none'});"
            " a scene needs its six bands and its mask"
        )
    asset = assets[key]
    merged = {**properties, **asset}
    code = merged.get("proj:code") or (f"EPSG:{merged['proj:epsg']}" if merged.get("proj:epsg") else None)
    transform, shape = merged.get("proj:transform"), merged.get("proj:shape")
    if not (code and transform and shape):
        raise InputError(
            f"item {item['id']}, asset {key}: has no projection; add proj:code, proj:transform and proj:shape"
            " (STAC projection extension, e.g. with `rio stac`)"
        )
    where = f"item {item['id']}, asset {key}"
    if "href" not in asset:
        raise InputError(f"{where}: has no href")
    try:
        a, b, c, d, e, f = (float(value) for value in transform[:6])
        grid = RasterGrid(str(code), (a, b, c, d, e, f), (int(shape[0]), int(shape[1])))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: proj:transform takes six numbers and proj:shape two, found {transform} and {shape}"
        ) from error
    if b or d:
        raise InputError(f"{where}: is rotated (proj:transform {transform}); make it north-up, e.g. with `gdalwarp`")
    if not is_crs(grid.crs):
        raise InputError(f"{where}: proj:code {code} is no known CRS")
    return Asset(_href(str(asset["href"]), folder), grid)


def _href(href: str, folder: Path) -> str:
    parts = urlparse(href)
    if parts.scheme == "file":
        return unquote(parts.path)
    if parts.scheme:
        return href
    return str((folder / href).resolve())


def _version(item: dict[str, Any]) -> str:
    properties = item.get("properties", {})
    for key in ("processing:version", "s2:processing_baseline", "hls:version"):
        if key in properties:
            return str(properties[key])
    _, dot, tail = str(item["id"]).rpartition(".v")
    return f"v{tail}" if dot else str(properties.get("updated", ""))


def _offset(item: dict[str, Any], product: Product) -> int:
    """What is added to the stored numbers before scaling.

    HLS has none. Sentinel-2 L2A has -1000 from processing baseline 04.00 on unless the archive removed it
    already; dates do not decide, since old scenes were reprocessed. Decided by what the item says, in this
    order: the archive's flag, the red band's declared offset, the processing baseline.
    """
    if product.nodata != 0:
        return 0
    properties = item.get("properties", {})
    if properties.get("earthsearch:boa_offset_applied") is True:
        return 0
    red: dict[str, Any] = next((item["assets"][key] for key in product.bands[2] if key in item["assets"]), {})
    bands = red.get("raster:bands") or red.get("bands") or [{}]
    declared = bands[0].get("offset", bands[0].get("raster:offset", red.get("raster:offset")))
    scale = bands[0].get("scale", bands[0].get("raster:scale", red.get("raster:scale", 1e-4)))
    if declared is not None:
        return round(float(declared) / float(scale))
    baseline = properties.get("s2:processing_baseline", properties.get("processing:version"))
    if baseline is not None and re.fullmatch(r"\d+(\.\d+)?", str(baseline)):
        return -1000 if float(str(baseline)) >= 4.0 else 0
    raise InputError(
        f"item {item['id']} does not say whether its reflectance carries the offset of baseline 04.00; add"
        " s2:processing_baseline, or raster:bands with scale and offset, to the item"
    )
