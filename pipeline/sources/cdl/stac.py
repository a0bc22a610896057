"""Labels in the Planetary Computer: the Cropland Data Layer of 2008 to 2021, with its confidence, and ESA WorldCover of
2020 and 2021, in tiles; no account.

Items of the collection `usda-cdl` with `usda_cdl:type` `cropland` hold a tile of a year: the assets `cropland` (codes)
and, where NASS gave it, `confidence` (percent). Others hold crop frequencies and cultivated land. A tile's year is its
`start_datetime`. Described in github.com/stactools-packages/usda-cdl. Items of `esa-worldcover` hold the asset `map`;
described in github.com/stactools-packages/esa-worldcover.
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
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.crs import same_crs
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import Mosaic, mosaics
from mmvsf.pipeline.sources.stac.boxes import search_box
from mmvsf.pipeline.sources.stac.catalogs import Catalog, catalog
from mmvsf.pipeline.sources.stac.hrefs import remote_href
from mmvsf.pipeline.sources.stac.items import item_of, tile_of
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.endpoints import plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, guard_logs

from .collections import DEFAULT_COLLECTION, LABEL_COLLECTIONS, LabelCollection


@register_source("planetary-computer")
@dataclass(frozen=True)
class StacLabels(LabelSource):
    """Codes of a collection in a STAC catalogue, each year on one grid of all that it covers."""

    recipe_lines: ClassVar[dict[str, bool]] = {"collection": False}
    has_confidence: ClassVar[bool] = True
    catalog: Catalog
    retry_policy: RetryPolicy
    place: Grid
    """the grid whose tiles are searched for"""
    tiles: dict[str, tuple[Asset, ...]] = field(default_factory=dict, compare=False)
    """href of an asset of this source -> its tiles; filled by `asset` and sent to workers with the source"""
    collection: str = DEFAULT_COLLECTION

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        retry_policy, name = http.RETRY_POLICY, section.collection or DEFAULT_COLLECTION
        if name not in LABEL_COLLECTIONS:
            raise InputError(f"labels.collection is one of {', '.join(LABEL_COLLECTIONS)}; found {name}")
        if section.confidence and LABEL_COLLECTIONS[name].confidence is None:
            raise InputError(f"labels: {name} has no confidence; remove the line labels.confidence")
        return cls(catalog("planetary-computer", retry_policy), retry_policy, site.grid, collection=name)

    @property
    def _about(self) -> LabelCollection:
        return LABEL_COLLECTIONS[self.collection]

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return self.catalog.access.requirements()

    def origin(self) -> Origin:
        """See `LabelSource`."""
        source = f"{self._about.source}, through the Planetary Computer"
        return Origin(self.catalog.name, plain_url(self.catalog.url), self.collection, source, self._about.licence)

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return self._about.legend

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Searches the catalogue. Raises IncompleteError if it does not answer."""
        href = self._href(year, self._about.codes)
        if href not in self.tiles:
            self._search(year)
        return Asset(href, self._about.whole(self.tiles[href][0].grid, Coverage(self.place).meridian))

    def confidence(self, year: int) -> Asset | None:
        """See `LabelSource`."""
        codes = self.asset(year)
        href = self._href(year, self._about.confidence or "")
        return replace(codes, href=href) if self.tiles.get(href) else None

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. uint8; 0, or 255 for confidence, beyond what the collection covers."""
        fill = 0 if asset.href.rpartition("#")[2] == self._about.codes else CONFIDENCE_FILL
        reader = self.catalog.reader(self.retry_policy)
        return Mosaic(asset.grid, self.tiles[asset.href]).read(window, reader.window, fill, np.uint8)

    def _search(self, year: int) -> None:
        from mmvsf.pipeline.sources.stac.search import find_items  # its client is long to import

        guard_logs()
        about, coverage = self._about, Coverage(self.place)
        tiles: dict[str, list[Asset]] = {key: [] for key in (about.codes, about.confidence) if key}
        when = date(year, 1, 1), date(year, 12, 31)
        locate = partial(remote_href, self.catalog.url)
        for entry in find_items(self.catalog, self.retry_policy, [about.name], search_box(self.place), [when]):
            item = item_of(entry, about.name)
            of_year = (item.text("start_datetime") or item.text("datetime")).startswith(f"{year}-")
            if not of_year or (about.only and item.text(about.only[0]) != about.only[1]):
                continue
            for key in tiles:
                if key == about.codes or key in item.assets:
                    asset = tile_of(item, entry, locate, key, self._grid_of_file)
                    if coverage.blocks(asset.grid).size:
                        tiles[key].append(asset)
        if not tiles[about.codes]:
            raise InputError(
                f"{self.catalog.name} has no labels of {year} over this region in {about.name}, which has"
                f" {about.covers}. Leave the year out of labels.years{about.elsewhere}"
            )
        self._refuse_other_grids([tile for assets in tiles.values() for tile in assets], year)
        self.tiles.update({self._href(year, key): tuple(assets) for key, assets in tiles.items()})

    def _refuse_other_grids(self, tiles: list[Asset], year: int) -> None:
        """Raise ReadError unless all tiles of a year are on one lattice in the collection's CRS."""
        if len(mosaics(tiles)) > 1 or not same_crs(tiles[0].grid.crs, self._about.crs):
            raise ReadError(
                f"labels of {year}: the tiles of {self.collection} are not all on one {self._about.crs} grid"
            )

    def _href(self, year: int, key: str) -> str:
        return f"{self.catalog.name}:{self.collection}/{year}#{key}"

    def _grid_of_file(self, item: str, key: str, href: str) -> RasterGrid:
        return self.catalog.reader(self.retry_policy).grid(href)
