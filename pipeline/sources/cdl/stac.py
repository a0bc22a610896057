"""The Cropland Data Layer in the Planetary Computer: 2008 to 2021, in tiles, with its confidence; no account.

Items of the collection `usda-cdl` with `usda_cdl:type` `cropland` hold a tile of a year: the assets `cropland` (codes)
and, where NASS gave it, `confidence` (percent). Others hold crop frequencies and cultivated land. A tile's year is its
`start_datetime`. Described in github.com/stactools-packages/usda-cdl.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_ATTRIBUTION, CDL_FIRST_YEAR, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.resample import same_crs
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import Mosaic, mosaics
from mmvsf.pipeline.sources.stac.boxes import search_box
from mmvsf.pipeline.sources.stac.catalogs import Catalog, catalog
from mmvsf.pipeline.sources.stac.hrefs import remote_href
from mmvsf.pipeline.sources.stac.items import item_of, tile_of
from mmvsf.pipeline.sources.stac.search import find_items
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.endpoints import plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, guard_logs
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader

from .cropscape import CRS, national_grid

COLLECTION, CODES, CONFIDENCE = "usda-cdl", "cropland", "confidence"
FILL = {CODES: 0, CONFIDENCE: CONFIDENCE_FILL}
"""Number where there is no tile, beyond the borders of the CDL."""


@register_source("planetary-computer")
@dataclass(frozen=True)
class StacLabels(LabelSource):
    """Codes of the CDL from a STAC catalogue, each year on its own national grid."""

    has_confidence: ClassVar[bool] = True
    catalog: Catalog
    retry_policy: RetryPolicy
    place: Grid
    """the grid whose tiles are searched for"""
    tiles: dict[str, tuple[Asset, ...]] = field(default_factory=dict, compare=False)
    """href of an asset of this source -> its tiles; filled by `asset` and sent to workers with the source"""

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        retry_policy = http.RETRY_POLICY
        return cls(catalog("planetary-computer", retry_policy), retry_policy, site.grid)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return self.catalog.access.requirements()

    def origin(self) -> Origin:
        """See `LabelSource`."""
        source = f"{CDL_ATTRIBUTION}, through the Planetary Computer"
        return Origin(self.catalog.name, plain_url(self.catalog.url), COLLECTION, source, CDL_LICENCE)

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return CDL

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Searches the catalogue. Raises IncompleteError if it does not answer."""
        if self._href(year, CODES) not in self.tiles:
            self._search(year)
        return self._asset(year, CODES)

    def confidence(self, year: int) -> Asset | None:
        """See `LabelSource`."""
        codes = self.asset(year)
        return replace(codes, href=self._href(year, CONFIDENCE)) if self.tiles[self._href(year, CONFIDENCE)] else None

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. uint8; 0, or 255 for confidence, beyond the borders of the CDL."""
        fill = FILL[asset.href.rpartition("#")[2]]
        reader = RemoteReader(self.catalog.access, self.retry_policy)
        return Mosaic(asset.grid, self.tiles[asset.href]).read(window, reader.window, fill, np.uint8)

    def _search(self, year: int) -> None:
        guard_logs()
        coverage = Coverage(self.place)
        tiles: dict[str, list[Asset]] = {CODES: [], CONFIDENCE: []}
        when = date(year, 1, 1), date(year, 12, 31)
        locate = partial(remote_href, self.catalog.url)
        for entry in find_items(self.catalog, self.retry_policy, [COLLECTION], search_box(self.place), [when]):
            item = item_of(entry, COLLECTION)
            of_year = (item.text("start_datetime") or item.text("datetime")).startswith(f"{year}-")
            if item.text("usda_cdl:type") != "cropland" or not of_year:
                continue
            for key in tiles:
                if key == CODES or key in item.assets:
                    asset = tile_of(item, entry, locate, key, self._grid_of_file)
                    if coverage.blocks(asset.grid).size:
                        tiles[key].append(asset)
        if not tiles[CODES]:
            raise InputError(
                f"{self.catalog.name} has no Cropland Data Layer of {year} over this region; it has the contiguous US"
                f" from {CDL_FIRST_YEAR} to 2021. Leave the year out of labels.years, or take labels.source: cropscape"
            )
        _refuse_other_grids(tiles[CODES] + tiles[CONFIDENCE], year)
        self.tiles.update({self._href(year, key): tuple(assets) for key, assets in tiles.items()})

    def _asset(self, year: int, key: str) -> Asset:
        href = self._href(year, key)
        return Asset(href, national_grid(self.tiles[href][0].grid))

    def _href(self, year: int, key: str) -> str:
        return f"{self.catalog.name}:{COLLECTION}/{year}#{key}"

    def _grid_of_file(self, item: str, key: str, href: str) -> RasterGrid:
        return RemoteReader(self.catalog.access, self.retry_policy).grid(href)


def _refuse_other_grids(tiles: list[Asset], year: int) -> None:
    """Raise ReadError unless all tiles of a year are on one lattice in the CDL's CRS."""
    if len(mosaics(tiles)) > 1 or not same_crs(tiles[0].grid.crs, CRS):
        raise ReadError(f"labels of {year}: the tiles of {COLLECTION} are not all on one grid of {CRS}")
