"""The archive source of imagery: a folder with STAC items and COGs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.table import SIX_BANDS, ProductTable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, Origin, SourceSite
from mmvsf.pipeline.raster.fingerprint import files_state, scene_fingerprint
from mmvsf.pipeline.raster.io import raster_grid, read_masked
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from mmvsf.pipeline.sources.stac.hrefs import local_href
from mmvsf.pipeline.sources.stac.select import SceneSelection
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from .entries import CATALOG, ArchiveEntry, read_entries
from .files import items_of_files


@register_source("archive")
@dataclass(frozen=True)
class ArchiveImagery(ImagerySource):
    """Scenes from `items.json`, `items.parquet` or `catalog.json` (see `entries`) in a folder, or from files
    whose names say what they are."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "custom": False}
    root: Path
    products: ProductTable = SIX_BANDS

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`."""
        return cls(site.path(section.path or ""), ProductTable.of(section))

    @property
    def is_local(self) -> bool:
        """See `Source`: not with a static catalogue, whose parts may lie anywhere."""
        return not (self.root / CATALOG).exists()

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        return Origin("archive", licence=self.products.named(product).licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Raises InputError for a missing catalogue, and if nothing matched or all is faulty."""
        wanted = [self.products.named(name) for name in products]
        selection = SceneSelection(grid, period, wanted)
        real: dict[Path, Path] = {}
        for entry in self._entries(period, wanted):
            if entry.fault:
                selection.fail(entry.fault)
            else:
                selection.take(entry.content, partial(local_href, entry.folder, real=real), self._grid_of_file)
        return selection.found(str(self.root))

    def state(self, scene: Scene) -> str:
        """See `ImagerySource`: from sizes and times of files; of those on web servers as for a public catalogue."""
        if _is_remote(scene.quality):
            return scene.state or RemoteReader(NoAuth(), http.RETRY_POLICY).state(scene.quality.href)
        return files_state(scene.hrefs)

    def content(self, scene: Scene) -> str:
        """See `ImagerySource`."""
        return "" if _is_remote(scene.quality) else scene_fingerprint(scene.hrefs)

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`. Files on web servers are read with the same patience as those of public catalogues."""
        if _is_remote(asset):
            return RemoteReader(NoAuth(), http.RETRY_POLICY).masked(asset, window)
        return read_masked(asset, window)

    def _entries(self, period: Period, products: list[Product]) -> Iterator[ArchiveEntry]:
        """Items of files, and those of the archive's catalogue, which is not needed where all products are of files."""
        for product in products:
            if product.files:
                yield from (ArchiveEntry(item, self.root) for item in items_of_files(self.root, product, period))
        if not all(product.files for product in products):
            yield from read_entries(self.root)

    def _grid_of_file(self, product: Product, item: str, key: str, href: str) -> RasterGrid:
        if urlsplit(href).scheme in ("http", "https"):
            return RemoteReader(NoAuth(), http.RETRY_POLICY).grid(href)
        return raster_grid(href)


def _is_remote(asset: Asset) -> bool:
    return urlsplit(asset.href).scheme in ("http", "https")
