"""The scenes of a cube among the entries of a catalogue, and what of these was left out and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.missing import NoSceneError
from mmvsf.pipeline.layers.imagery.plan import BESIDE
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.raster.coverage import Coverage, solar_noon
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

from .declared_state import declared_state
from .hrefs import Locate
from .item import MOST_TEXT, Item, outline_of, shortened
from .item_time import acquired_at, says_a_date
from .items import asset_of, counts, offset_of, orbit_of, place_of, taken_by, version_of

FindSceneGrid = Callable[[Product, str, str, str], RasterGrid]
"""(product, item id, asset key, href) -> the grid of a file, from its header. Raises ReadError."""

OTHER_PRODUCT = "of a product not requested"
OTHER_KIND = "of another platform, tier or correction"
OTHER_PASS = "of another direction or polarisation"
NO_COLLECTION = "without a collection"
OTHER_DAY = "outside the period"
"""Reasons to leave out an entry."""


class SceneSelection:
    """Takes the entries of a catalogue one by one."""

    def __init__(self, grid: Grid, period: Period, products: Iterable[Product]) -> None:
        self.items = 0
        self._coverage = Coverage(grid)
        self._period = period
        self._products = list(products)
        self._scenes: list[Scene] = []
        self._grids: dict[RasterGrid, RasterGrid] = {}
        """each once: most scenes of a tile have the same, and seven of them would take half of a scene's memory"""
        self._left_out = Counter[str]()
        self._undated: list[str] = []

    def take(self, entry: Any, locate: Locate, find_grid: FindSceneGrid) -> None:
        """Look at an entry, whatever it is: keep its scene, or the reason why there is none."""
        self.items += 1
        try:
            reason = self._take(entry, locate, find_grid)
        except (InputError, ReadError) as error:
            reason = self._take_faulty(entry, one_line(error))
        if reason:
            self._left_out[reason] += 1

    def fail(self, reason: str) -> None:
        """Note an entry that could not even be read as JSON."""
        self.items += 1
        self._undated.append(reason)

    def found(self, where: str) -> FoundScenes:
        """What was taken. Raises InputError, beginning with `where`, if there is nothing to read."""
        sound = [scene for scene in self._scenes if not scene.fault]
        faults = [f"{scene.id}: {scene.fault}" for scene in self._scenes if scene.fault] + self._undated
        if not sound and faults:
            raise InputError(f"{where}: no entry can be used, {len(faults)} are faulty, for example {faults[0]}")
        if not sound:
            names = ", ".join(product.name for product in self._products)
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._left_out.items()) or "there is none"
            if not self.items:
                raise NoSceneError(
                    f"{where}: the catalogue has no scene of {names} between {self._period.start} and"
                    f" {self._period.end} over this region; check period, products and area of the recipe"
                )
            raise NoSceneError(
                f"{where}: none of its {self.items} items is a scene of {names} between {self._period.start} and"
                f" {self._period.end} over this region ({reasons}); check period, products"
                " and area of the recipe"
            )
        ordered = sorted(self._scenes, key=lambda scene: (scene.acquired, scene.id))
        return FoundScenes(tuple(ordered), self.items, dict(self._left_out), tuple(self._undated))

    def _take(self, entry: Any, locate: Locate, find_grid: FindSceneGrid) -> str:
        """Keep the scene of an entry. Returns the reason why there is none, empty if there is one. Raises InputError
        or ReadError for a faulty entry."""
        products = self._candidates(entry)
        if not products:
            return OTHER_PRODUCT if entry.get("collection") else NO_COLLECTION
        acquired = acquired_at(entry)
        if acquired is None:
            raise InputError("it has no datetime that can be read")
        if not any(self._period.contains(day) for day in _days_around(acquired)):
            return OTHER_DAY
        item = Item.check(entry)
        product = next((product for product in products if counts(item, product)), None)
        if product is None:
            return OTHER_PASS if products[0].radar else OTHER_KIND
        outline = outline_of(entry)

        def asset(keys: tuple[str, ...], number: int) -> Asset:
            file = asset_of(item, outline, locate, keys, partial(find_grid, product))
            return Asset(file.href, self._grids.setdefault(file.grid, file.grid), number)

        quality = asset(product.quality, product.quality_number)
        if product.from_recipe and says_a_date(entry):
            acquired = solar_noon(acquired.date(), quality.grid)
        day = self._coverage.day(acquired, quality.grid)
        if reason := self._reason_against(day, quality.grid):
            return reason
        bands = tuple(asset(band.keys, band.number) for band in product.bands.values())
        version, offset, orbit = version_of(item, product), offset_of(item, product), orbit_of(item, product)
        state = declared_state(entry, (product.quality, *(band.keys for band in product.bands.values())))
        other = taken_by(item, product)
        self._scenes.append(
            Scene(item.id, product.name, acquired, version, bands, quality, offset, day, "", state, orbit, other)
        )
        return ""

    def _take_faulty(self, entry: Any, fault: str) -> str:
        """Keep a faulty entry as a scene that fails its day in the blocks it may concern: those under a grid that one
        of its assets declares, or within its outline, or all. Returns the reason why it does not concern the cube."""
        files = [band.keys for product in self._products for band in product.bands.values()]
        keys = tuple(key for names in (*(product.quality for product in self._products), *files) for key in names)
        cube = RasterGrid.of(self._coverage.grid.geobox)
        place = place_of(entry, keys) or cube
        if not self._coverage.blocks(place).size:
            return BESIDE
        name = str(entry.get("id"))[:MOST_TEXT] if isinstance(entry, dict) and entry.get("id") else ""
        name = name if name.isprintable() and name else f"entry {self.items}"
        acquired = acquired_at(entry)
        if acquired is None:
            self._undated.append(f"{name}: {fault}")
            return ""
        if says_a_date(entry) and any(product.from_recipe for product in self._products):
            acquired = solar_noon(acquired.date(), cube)
        day = self._coverage.day(acquired, cube)  # an outline may be the whole world
        if reason := self._reason_against(day, place):
            return reason
        candidates = self._products
        with suppress(InputError):
            candidates = self._candidates(entry) or candidates
            item = Item.check(entry)
            candidates = [product for product in candidates if counts(item, product)] or candidates
        self._scenes.append(Scene(name, candidates[0].name, acquired, "", (), Asset("", place), 0, day, fault))
        return ""

    def _reason_against(self, day: int, raster: RasterGrid) -> str:
        """Why a scene of that day and place is none of the cube, empty for one that is."""
        if not self._period.contains(date_of(day)):
            return OTHER_DAY
        return "" if self._coverage.blocks(raster).size else BESIDE

    def _candidates(self, entry: Any) -> list[Product]:
        """The products that an entry may be of, by its collection. Raises InputError for an entry that is no item."""
        if not isinstance(entry, dict):
            raise InputError(f"it is not an item; found {shortened(entry)}")
        collection = entry.get("collection")
        if collection is not None and not isinstance(collection, str):
            raise InputError(f"collection is {shortened(collection)}, which is not a string")
        return [product for product in self._products if collection in product.collections]


def _days_around(acquired: datetime) -> Iterator[date]:
    """The days that the solar day of a moment may be."""
    for days in (-1, 0, 1):
        with suppress(OverflowError):
            yield acquired.date() + timedelta(days)
