"""Scenes from a public STAC catalogue, read from where it says they lie."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.table import SIX_BANDS, ProductTable
from mmvsf.pipeline.layers.source import ImagerySource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.crs import same_crs
from mmvsf.pipeline.raster.io import ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.endpoints import plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, guard_logs, redact
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader

from .boxes import search_box
from .catalogs import KNOWN_GAPS, Catalog, catalog
from .hrefs import remote_href
from .items_file import read_items
from .select import SceneSelection

MOST_FAILURES = 3
"""After so many headers in a row that cannot be read, their server is taken to be out of reach."""


@dataclass(frozen=True)
class StacImagery(ImagerySource):
    """Scenes of one catalogue."""

    recipe_lines: ClassVar[dict[str, bool]] = {"catalog": True, "items": False, "custom": False}
    catalog: Catalog
    retry_policy: RetryPolicy
    days_at_once: int = 16
    """days of a task that are read at the same time"""
    products: ProductTable = SIX_BANDS
    items: Path | None = None
    """a file with the items of the catalogue, which is not asked then"""

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`: of a recipe that names one catalogue. Raises InputError for one that is not known."""
        items = None if section.items is None else site.path(section.items)
        return cls.of(str(section.catalog or ""), ProductTable.of(section), items)

    @classmethod
    def of(cls, name: str, products: ProductTable, items: Path | None = None) -> Self:
        """The source of a catalogue. Raises InputError for one that is not known."""
        retry_policy = http.RETRY_POLICY
        return cls(catalog(name, retry_policy), retry_policy, products=products, items=items)

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        (collection,) = self._collections((product,))
        licence = self.products.named(product).licence
        return Origin(self.catalog.name, plain_url(self.catalog.url), collection, licence=licence)

    def known_gap(self, product: str, day: date) -> str:
        """See `ImagerySource`."""
        since, reason = KNOWN_GAPS.get((self.catalog.name, product), (date.max, ""))
        return reason if day >= since else ""

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Reads a byte of the newest scene too, so that what stands in the way of reading is
        said before any work. Raises InputError for a product that the catalogue lacks, for missing or wrong
        credentials, and if nothing matched; IncompleteError if the catalogue does not answer."""
        guard_logs()
        self._collections(products)
        self.catalog.access.prepare()
        grids, locate = _Grids(self._reader), partial(remote_href, self.catalog.url)
        selection = SceneSelection(grid, period, [self.products.named(name) for name in products])
        for item in read_items(self.items) if self.items else self.find(grid, period, products):
            selection.take(item, locate, grids.find)
        found = selection.found(str(self.items or self.catalog.name))
        self._check_access(next(scene for scene in reversed(found.scenes) if not scene.fault).quality.href)
        return found

    def find(self, grid: Grid, period: Period, products: tuple[str, ...]) -> Iterator[Any]:
        """The items that the catalogue has of some products, unchecked. Raises what `find_items` raises, and InputError
        for a product that the catalogue lacks."""
        from .search import find_items  # its client is long to import

        collections = self._collections(products)
        return find_items(self.catalog, self.retry_policy, collections, search_box(grid), search_days(period))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`."""
        return self._reader.masked(asset, window)

    def state(self, scene: Scene) -> str:
        """See `ImagerySource`: what the item says, and where it says nothing, what the server says of the mask."""
        return scene.state or self._reader.state(scene.quality.href)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return self.catalog.access.requirements()

    @property
    def _reader(self) -> RemoteReader:
        return self.catalog.reader(self.retry_policy)

    def _collections(self, products: tuple[str, ...]) -> list[str]:
        return [self.catalog.collection_of(self.products.named(name)) for name in products]

    def _check_access(self, href: str) -> None:
        try:
            for _ in range(2):
                answer = self._reader.ask(href)
                if answer.status not in (400, 401, 403):
                    break
                self.catalog.access.renew(href)
        except ReadError as error:
            raise IncompleteError(f"{self.catalog.name}: {error}") from None
        if answer.status in (400, 401, 403):
            raise InputError(redact(f"{href}: {answer.reason}; {self.catalog.access.remedy}"))
        if answer.status is None:
            raise IncompleteError(redact(f"{href}: {answer.reason}; check the network and run again"))


class _Grids:
    """Grids of files whose items do not say them (LP DAAC's): from the first header of each tile.

    Source: all HLS granules of an MGRS tile are on one grid of 3660 x 3660 pixels (HLS v2 user guide, 4.1).
    """

    def __init__(self, reader: RemoteReader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, str], RasterGrid] = {}
        self._failures = 0

    def find(self, product: Product, identity: str, key: str, href: str) -> RasterGrid:
        """A `FindSceneGrid`. Raises ReadError, and IncompleteError after several failures in a row."""
        # Of a product that a recipe declares it is not known whether the files of a tile share their grid.
        tile = None if product.any_numbers else re.search(r"[._]T?(\d{1,2}[C-X][A-Z]{2})[._]", identity)
        # The files of an HLS granule share their grid; those of Sentinel-2 differ by resolution.
        place = (tile.group(1) if tile else href, "" if product.one_grid else key)
        if place not in self._known:
            try:
                with gdal_environment():
                    self._known[place] = _named(self._reader.grid(href))
            except ReadError as error:
                self._failures += 1
                if self._failures < MOST_FAILURES:
                    raise
                raise IncompleteError(f"{error}; its item does not say its grid") from None
            self._failures = 0
        return self._known[place]


def _named(grid: RasterGrid) -> RasterGrid:
    """The grid with the code of its UTM zone as CRS, where its file spells the zone out."""
    code = next((f"EPSG:{32600 + zone}" for zone in range(1, 61) if same_crs(grid.crs, f"EPSG:{32600 + zone}")), None)
    return grid._replace(crs=code) if code else grid


def search_days(period: Period) -> list[tuple[date, date]]:
    """The runs of UTC days in which scenes of a period may have been acquired: (first, last), both included. The days
    of a period are solar days at the scene, which differ from UTC days by one at most."""
    return [(first - timedelta(days=1), last + timedelta(days=1)) for first, last in period.runs]
