"""The archive source of imagery: a folder with STAC items and COGs."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.imagery.products import Product, product_named
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import FoundScenes, ImagerySource, Origin, SourceSite
from mmvsf.pipeline.raster.io import raster_grid, read_raster
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.stac.hrefs import local_href
from mmvsf.pipeline.sources.stac.select import SceneSelection
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from .entries import read_entries


@register_source("archive")
@dataclass(frozen=True)
class ArchiveImagery(ImagerySource):
    """Scenes from `items.json` (an ItemCollection) or `catalog.json` (a static catalogue) in a folder."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}
    root: Path

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`."""
        return cls(site.path(section.path or ""))

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        return Origin("archive", licence=product_named(product).licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Raises InputError for a missing catalogue, and if nothing matched or all is faulty."""
        selection = SceneSelection(grid, period, products)
        for entry in read_entries(self.root):
            if entry.fault:
                selection.fail(entry.fault)
            else:
                selection.take(entry.content, partial(local_href, entry.folder), self._grid_of_file)
        return selection.found(str(self.root))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`. Files on web servers are read with the same patience as those of public catalogues."""
        if urlsplit(asset.href).scheme in ("http", "https"):
            return RemoteReader(NoAuth(), http.RETRY_POLICY).window(asset, window)
        return read_raster(asset, window)

    def _grid_of_file(self, product: Product, item: str, key: str, href: str) -> RasterGrid:
        if urlsplit(href).scheme in ("http", "https"):
            return RemoteReader(NoAuth(), http.RETRY_POLICY).grid(href)
        return raster_grid(href)
