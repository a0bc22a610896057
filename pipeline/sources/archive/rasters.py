"""The archive source: a folder with STAC items and COGs, weather files and label rasters."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import pystac
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend, read_legend
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Imagery, Labels, Period
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.table import SIX_BANDS, ProductTable
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_codes, read_raster
from mmvsf.pipeline.raster.scene import Asset, Scene
from mmvsf.pipeline.sources.stac.hrefs import local_href
from mmvsf.pipeline.sources.stac.items import blocks_lonlat, product_of, scene_of
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from .files import items_of_files


@register_source("archive")
@dataclass(frozen=True)
class ArchiveImagery(ImagerySource):
    """Scenes from `items.json` (an ItemCollection) or `catalog.json` (a static catalogue) in a folder, or from files
    whose names say what they are."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "custom": False}
    root: Path
    products: ProductTable = SIX_BANDS

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`."""
        return cls(site.path(section.path or ""), ProductTable.of(section))

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        return Origin("archive", licence=self.products.named(product).licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> list[Scene]:
        """See `ImagerySource`. Raises InputError for a missing catalogue, for an item that does not say what is
        needed, and if nothing matched."""
        blocks, wanted = blocks_lonlat(grid), [self.products.named(name) for name in products]
        scenes, seen = [], 0
        for item, folder in self._items(period, wanted):
            seen += 1
            product = product_of(item, period, wanted, blocks)
            if product is not None:
                scenes.append(scene_of(item, partial(local_href, folder), product))
        if not scenes:
            raise InputError(
                f"{self.root}: none of its {seen} items is a scene of {', '.join(products)} between {period.start}"
                f" and {period.end} over this region; check period, products and area of the recipe"
            )
        return sorted(scenes, key=lambda scene: (scene.acquired, scene.id))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`. Files on web servers are read with the same patience as those of public catalogues."""
        if urlsplit(asset.href).scheme in ("http", "https"):
            return RemoteReader(NoAuth(), http.RETRY_POLICY).window(asset, window)
        return read_raster(asset, window)

    def _items(self, period: Period, products: Sequence[Product]) -> Iterator[tuple[dict[str, Any], Path]]:
        """Items as dictionaries, each with the folder its relative hrefs start from. `items.json` is not needed where
        all products are of files."""
        for product in products:
            if product.files:
                yield from ((item, self.root) for item in items_of_files(self.root, product, period))
        if all(product.files for product in products):
            return
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


@register_source("archive")
@dataclass(frozen=True)
class ArchiveLabels(LabelSource):
    """One label raster a year; `pattern` holds {year} in place of the year."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "legend": True}
    pattern: str
    legend_path: Path | None
    """None: the classes of the CDL"""

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        legend = None if section.legend in (None, "cdl") else site.path(section.legend)
        return cls(str(site.path(section.path or "")), legend)

    def origin(self) -> Origin:
        """See `LabelSource`. The licence of rasters with a legend of their own is not known."""
        return Origin("archive", licence=CDL_LICENCE if self.legend_path is None else "")

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
        """See `LabelSource`. 0 where the raster declares no data."""
        return read_codes(asset, window)
