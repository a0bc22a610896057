"""Terrain and soil from public archives: STAC tiles of the Planetary Computer, which need no account, Earth Engine,
and GeoTIFFs on disk.

elevation    Copernicus DEM GLO-30: one arc second (30 m) of the world's land, wider pixels towards the poles; a
             surface model, so trees and roofs count. Heights above the geoid EGM2008. There are no tiles of the sea.
soil_water   gNATSGO `aws0_100`: water that plants can draw from the upper metre of soil, in mm, of the US; mean of a
             map unit's components (USDA NRCS, gSSURGO user guide, table Valu1).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.static import Static
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, Requirement, SourceSite, StaticSource
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_measured
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.earthengine.client import QUOTA, requirements
from mmvsf.pipeline.sources.earthengine.pixels import SCHEME, asset_id, fetch_pixels, grid_of_band, list_images
from mmvsf.pipeline.sources.stac.boxes import search_box, search_polygons
from mmvsf.pipeline.sources.stac.catalogs import Catalog, catalog
from mmvsf.pipeline.sources.stac.hrefs import remote_href
from mmvsf.pipeline.sources.stac.items import item_of, tile_of
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.endpoints import plain_url, public_address
from mmvsf.pipeline.sources.transport.http import RetryPolicy, guard_logs

PUBLIC_CATALOG = "planetary-computer"
"""Where a recipe's `public` static layers come from."""

MASKED = -9999.0
"""Requested from Earth Engine in place of a masked pixel; no elevation and no amount of water."""

NO_SOIL = 2147483648.0
"""Means unknown in gNATSGO's files. They declare it, but as the integer one less, which no float32 can hold; so a copy
of them may have it as if it were a value."""


@dataclass(frozen=True)
class StaticData:
    """Where a layer comes from, and under which licence."""

    collection: str
    """of the Planetary Computer"""
    asset: str
    earthengine: str
    """image collection of Earth Engine; its images have the layer as their first band"""
    covers: str
    source: str
    licence: str


STATIC_DATA: dict[str, StaticData] = {
    "elevation": StaticData(
        "cop-dem-glo-30",
        "data",
        "COPERNICUS/DEM/GLO30",
        "the world's land except a few countries",
        "Copernicus DEM GLO-30, release of 2021; © DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018,"
        " provided under COPERNICUS by the European Union and ESA; all rights reserved",
        "free for any use with that notice (Copernicus DEM licence)",
    ),
    "soil_water": StaticData(
        "gnatsgo-rasters",
        "aws0_100",
        # A public asset of the community catalogue (gee-community-catalog.org), copied from the Planetary Computer.
        "projects/sat-io/open-datasets/gNATSGO/raster/aws0_100",
        "the United States",
        "Soil Survey Staff, Gridded National Soil Survey Geographic (gNATSGO) Database, aws0_100; USDA Natural"
        " Resources Conservation Service",
        "public domain",
    ),
}


@register_source("public")
@dataclass(frozen=True)
class StacStatic(StaticSource):
    """Layers from a STAC catalogue that has the Planetary Computer's collections."""

    catalog: Catalog
    retry_policy: RetryPolicy

    @classmethod
    def from_recipe(cls, section: Static, site: SourceSite) -> Self:
        """See `StaticSource`."""
        retry_policy = http.RETRY_POLICY
        return cls(catalog(PUBLIC_CATALOG, retry_policy), retry_policy)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return self.catalog.access.requirements()

    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        """See `StaticSource`."""
        from mmvsf.pipeline.sources.stac.search import find_items  # its client is long to import

        guard_logs()
        data, coverage = _data(layer), Coverage(grid)
        tiles: dict[str, Asset] = {}
        locate = partial(remote_href, self.catalog.url)
        for entry in find_items(self.catalog, self.retry_policy, [data.collection], search_box(grid), [None]):
            item = item_of(entry, data.collection)
            asset = tile_of(item, entry, locate, data.asset, self._grid_of_file)
            if coverage.blocks(asset.grid).size:
                tiles[item.id] = asset
        return _checked(list(tiles.values()), layer, f"{self.catalog.name}, {data.collection}")

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """See `StaticSource`."""
        return self.catalog.reader(self.retry_policy).measured(asset, window)

    def origin(self, layer: str) -> Origin:
        """See `StaticSource`."""
        data = _data(layer)
        source = f"{data.source}; through {self.catalog.name}"
        return Origin(self.catalog.name, plain_url(self.catalog.url), data.collection, source, data.licence)

    def _grid_of_file(self, item: str, key: str, href: str) -> RasterGrid:
        return self.catalog.reader(self.retry_policy).grid(href)


@register_source("earthengine")
@dataclass(frozen=True)
class EarthEngineStatic(StaticSource):
    """Layers from Earth Engine, at the native pixels of its images. Credentials come from the environment."""

    quota: ClassVar[str] = QUOTA

    @classmethod
    def from_recipe(cls, section: Static, site: SourceSite) -> Self:
        """See `StaticSource`."""
        return cls()

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return requirements()

    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        """See `StaticSource`."""
        collection = _data(layer).earthengine
        tiles = []
        for image in list_images(collection, None, None, search_polygons(grid)):
            band = str(image["bands"][0]["id"])
            tiles.append(Asset(f"{SCHEME}{asset_id(image)}#{band}", grid_of_band(image, band)))
        return _checked(tiles, layer, f"Earth Engine, {collection}")

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """See `StaticSource`."""
        image, _, band = asset.href.removeprefix(SCHEME).partition("#")

        def build(ee: Any) -> Any:
            return ee.Image(image).select([band]).unmask(MASKED, False)

        values = fetch_pixels(image, build, 1, asset.grid, window)[band].astype(np.float64)
        return np.where((values == MASKED) | (values == NO_SOIL), np.nan, values)

    def origin(self, layer: str) -> Origin:
        """See `StaticSource`."""
        data = _data(layer)
        source = f"{data.source}; through Google Earth Engine ({data.earthengine})"
        return Origin("earthengine", public_address("earthengine"), data.earthengine, source, data.licence)


@register_source("archive")
@dataclass(frozen=True)
class ArchiveStatic(StaticSource):
    """Layers from a folder: `elevation.tif` and `soil_water.tif`, or folders `elevation/`, `soil_water/` of tiles, in
    any projection, metres and millimetres, with their no-data value declared."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}
    root: Path

    @classmethod
    def from_recipe(cls, section: Static, site: SourceSite) -> Self:
        """See `StaticSource`."""
        return cls(site.path(section.path or ""))

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return True

    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        """See `StaticSource`."""
        single = self.root / f"{layer}.tif"
        paths = [single] if single.is_file() else sorted((self.root / layer).glob("*.tif"))
        if not paths:
            raise InputError(
                f"there is no {layer} at {single}, and no folder {self.root / layer} with tiles of it; check"
                " static.path and static.layers"
            )
        try:
            return [Asset(str(path), raster_grid(path)) for path in paths]
        except ReadError as error:
            raise InputError(f"static layer {layer}: {error}") from error

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """See `StaticSource`."""
        return read_measured(asset, window)

    def origin(self, layer: str) -> Origin:
        """See `StaticSource`."""
        return Origin("archive", source=f"{layer} of an archive on disk", licence="see `attribution`")


def _checked(tiles: list[Asset], layer: str, where: str) -> list[Asset]:
    """The tiles. Raises InputError if there are none."""
    if not tiles:
        raise InputError(
            f"{where} has no {layer} over this region; it covers {STATIC_DATA[layer].covers}. Leave {layer} out of"
            " static.layers, or take it from files on disk (static.source: archive)"
        )
    return tiles


def _data(layer: str) -> StaticData:
    """Where a layer comes from. Raises InputError for one that no public archive is known for."""
    if layer not in STATIC_DATA:
        raise InputError(f"no public archive is known for {layer}; take it from files on disk (static.source: archive)")
    return STATIC_DATA[layer]
