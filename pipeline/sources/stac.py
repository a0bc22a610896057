"""Scenes from a public STAC catalogue, read from where it says they lie."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import pystac_client
from numpy.typing import NDArray
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError
from mmvsf.datasets.grid import Grid
from mmvsf.datasets.region import Period

from ..mapping import same_crs
from ..products import Product
from ..raster import gdal_environment
from ..scene import Asset, RasterGrid, Scene
from .catalogs import Catalog
from .http import Patience, guard_logs, reason_of, redact
from .progress import tell
from .protocols import ReadError, Requirement
from .remote import RemoteReader
from .stac_items import blocks_lonlat, product_of, scene_of

MOST_NAMED = 40
"""Collections named where one is missing; large catalogues have hundreds."""

PAGE = 200
"""Items a page; catalogues allow 250 or more."""


@dataclass(frozen=True)
class StacImagery:
    """Scenes of one catalogue."""

    catalog: Catalog
    patience: Patience
    days_at_once: int = 8
    """days of a task that are read at the same time"""

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> list[Scene]:
        """See `ImagerySource`. Reads a byte of the newest scene too, so that what stands in the way of reading is
        said before any work. Raises InputError for a product that the catalogue lacks, for missing or wrong
        credentials, and if nothing matched; IncompleteError if the catalogue does not answer."""
        guard_logs()
        collections = self._collections(products)
        self.catalog.access.prepare()
        blocks = blocks_lonlat(grid)
        grids = _Grids(self._reader)
        scenes: dict[str, Scene] = {}
        seen = 0
        for item in self._items(collections, blocks.bounds, period):
            seen += 1
            product = product_of(item, period, products, blocks)
            if product is not None and item["id"] not in scenes:
                scenes[item["id"]] = scene_of(item, None, product, grids.find(product))
        if not scenes:
            raise InputError(
                f"{self.catalog.name}: none of the {seen} items found is a scene of {', '.join(products)} between"
                f" {period.start} and {period.end} over this region; check period, products and area of the recipe"
            )
        ordered = sorted(scenes.values(), key=lambda scene: (scene.acquired, scene.id))
        self._check_access(ordered[-1].quality.href)
        return ordered

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`."""
        return self._reader.window(asset, window)

    def requirements(self) -> tuple[Requirement, ...]:
        """What a person needs to read the files; see `protocols`."""
        return self.catalog.access.requirements()

    @property
    def _reader(self) -> RemoteReader:
        return RemoteReader(self.catalog.access, self.patience)

    def _collections(self, products: tuple[str, ...]) -> list[str]:
        missing = [name for name in products if name not in self.catalog.collections]
        if missing:
            raise InputError(
                f"{self.catalog.name} has no {', '.join(missing)}; it has {', '.join(self.catalog.collections)}"
                " (imagery.catalog, imagery.products)"
            )
        return [self.catalog.collections[name] for name in products]

    def _items(
        self, collections: list[str], bbox: tuple[float, float, float, float], period: Period
    ) -> Iterator[dict[str, Any]]:
        """All items of the collections in a box of degrees and in the months of a period."""
        where = f"{self.catalog.name} ({self.catalog.url})"
        client_io = StacApiIO(timeout=(self.patience.connect, self.patience.request), max_retries=self.patience.retry())
        try:
            client = pystac_client.Client.open(self.catalog.url, stac_io=client_io)
            self._refuse_missing(client, collections, where)
            for first, last in spans(period):
                found = client.search(
                    collections=collections, bbox=bbox, datetime=f"{first}T00:00:00Z/{last}T23:59:59Z", limit=PAGE
                )
                matched: int | None = None
                count = 0
                for page in found.pages_as_dicts():
                    matched = page.get("numberMatched", matched)
                    count += len(page["features"])
                    if matched:
                        tell(f"scenes of {self.catalog.name}, {first} to {last}", count, matched)
                    yield from page["features"]
                if matched is not None and count < matched:
                    raise IncompleteError(
                        f"{where} announced {matched} items and gave {count}; run again, it may have been busy"
                    )
        except APIError as error:
            raise self._explain(error, where) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IncompleteError(f"{where} does not answer as a STAC API: {reason_of(error)}") from None

    def _refuse_missing(self, client: pystac_client.Client, collections: list[str], where: str) -> None:
        """Raise InputError, with the collections that there are, if one is missing."""
        for name in collections:
            if client.get_collection(name) is None:
                known = sorted(found.id for found in client.get_collections())
                more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
                raise InputError(
                    f"{where} has no collection {name}; it has {', '.join(known[:MOST_NAMED]) or 'none'}{more}. Check"
                    " imagery.catalog and imagery.products, and MMVSF_STAC_URL if it is set"
                )

    def _explain(self, error: APIError, where: str) -> MmvsfError:
        status = getattr(error, "status_code", None)
        if status is None:
            return IncompleteError(f"{where} does not answer: {reason_of(error)}; check the network and run again")
        if status == 404:
            return InputError(f"{where} has no such page or collection; check imagery.catalog and MMVSF_STAC_URL")
        return IncompleteError(f"{where} refuses the search (HTTP {status}); run again later")

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

    Source: all HLS granules of an MGRS tile stand on one grid of 3660 x 3660 pixels (HLS v2 user guide, 4.1).
    """

    def __init__(self, reader: RemoteReader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, str], RasterGrid] = {}

    def find(self, product: Product) -> Any:
        """A `FindGrid` for scenes of a product."""

        def grid(identity: str, key: str, href: str) -> RasterGrid:
            tile = re.search(r"[._]T?(\d{1,2}[C-X][A-Z]{2})[._]", identity)
            # The files of an HLS granule share their grid; those of Sentinel-2 differ by resolution.
            place = (tile.group(1) if tile else href, "" if product.name.startswith("hls") else key)
            if place not in self._known:
                try:
                    with gdal_environment():
                        self._known[place] = _named(self._reader.grid(href))
                except ReadError as error:
                    raise IncompleteError(f"{error}; its item does not say its grid") from None
            return self._known[place]

        return grid


def _named(grid: RasterGrid) -> RasterGrid:
    """The grid with the code of its UTM zone as CRS, where its file spells the zone out."""
    code = next((f"EPSG:{32600 + zone}" for zone in range(1, 61) if same_crs(grid.crs, f"EPSG:{32600 + zone}")), None)
    return grid._replace(crs=code) if code else grid


def spans(period: Period) -> list[tuple[date, date]]:
    """The runs of days that a period holds: (first, last), both included."""
    days = (period.start + timedelta(number) for number in range((period.end - period.start).days + 1))
    return [(run[0], run[-1]) for held, group in groupby(days, key=period.contains) if held and (run := list(group))]
