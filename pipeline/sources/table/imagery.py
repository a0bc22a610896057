"""The table source of imagery: series of single points, such as cameras, plots or pixels that others extracted."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.place import SitePoint
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, Origin, SourceSite, Window
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

from .rows import DATE, SITE, days_of, numbers_of, read_rows

NO_SITE, OTHER_SITE, OTHER_DAY, NO_NUMBER = (
    "without a site", "of other sites", "outside the period", "without a number",
)  # fmt: skip
"""Reasons to leave out a row."""

MOST_NAMED = 8
"""Sites that a message names."""


class Series(NamedTuple):
    """The rows of a table."""

    rows: dict[tuple[str, int], NDArray[np.float32]]
    """(site, day since 1970-01-01) -> (column,) numbers, NaN where there is none"""
    nameless: int
    """rows without a site"""


@register_source("table")
@dataclass(frozen=True)
class TableImagery(ImagerySource):
    """Rows of a table as scenes of one pixel: that of the recipe's site which the row names."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "custom": True, "site_column": False}
    path: Path
    products: ProductTable
    sites: tuple[tuple[str, RasterGrid], ...]
    """(name, pixel)"""
    site_column: str = SITE

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`. Raises InputError for a recipe without sites, and for blocks of several pixels."""
        products = ProductTable.of(section)
        if not site.sites:
            raise InputError("imagery: source 'table' needs sites; write area.sites")
        if site.grid.block != 1:
            raise InputError(f"imagery: source 'table' needs blocks of one pixel; grid.block is {site.grid.block}")
        if len(section.products) != 1 or [each.mask for each in section.custom or ()] != ["none"]:
            raise InputError("imagery: source 'table' needs one product of imagery.custom, with mask: none")
        pixels = tuple((point.name, _pixel(point, site.grid)) for point in site.sites)
        _refuse_shared(pixels)
        return cls(site.path(section.path or ""), products, pixels, section.site_column or SITE)

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        return Origin("table", licence=self.products.named(product).licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. A row without a number in any column is no scene. Raises InputError for a table that
        cannot be read, has two rows of one site and day, or has none of a site of the recipe."""
        product = self.products.named(products[0])
        places = dict(self.sites)
        rows, nameless = _series(self.path, self.site_column, _columns(product))
        self._refuse_absent({site for site, _ in rows}, grid)
        left_out = {NO_SITE: nameless, **dict.fromkeys((OTHER_SITE, OTHER_DAY, NO_NUMBER), 0)}
        scenes = []
        for (site, day), numbers in rows.items():
            reason = _reason_against(site, day, numbers, places, period)
            if reason:
                left_out[reason] += 1
            else:
                scenes.append(self._scene(site, day, numbers, product, places[site]))
        if not scenes:
            raise InputError(f"{self.path}: none of its {len(rows)} rows is in the period and has a number")
        kept = {reason: count for reason, count in left_out.items() if count}
        return FoundScenes(
            tuple(sorted(scenes, key=lambda scene: (scene.acquired, scene.id))), len(rows) + nameless, kept
        )

    def read(self, asset: Asset, window: Window) -> NDArray[Any]:
        """See `ImagerySource`."""
        site, day, column = asset.href.split("/", 2)  # the name of a column may hold a slash
        product = self.products.named(self.products.custom[0].name)
        columns = _columns(product)
        try:
            rows = _series(self.path, self.site_column, columns).rows
            numbers = rows[site, day_number(date.fromisoformat(day))]
        except (InputError, KeyError) as error:
            raise ReadError(f"{self.path} has no row of {site} on {day} any more: {error}") from error
        return np.full((1, 1), numbers[columns.index(column)])[window]

    def content(self, scene: Scene) -> str:
        """See `ImagerySource`: the state of a scene comes from its numbers."""
        return scene.state

    def _refuse_absent(self, present: set[str], grid: Grid) -> None:
        """Raise InputError where the table has no row of a site in a grid's blocks."""
        pixels = {RasterGrid.of(grid.block_geobox(block)) for block in grid.blocks}
        if absent := sorted(name for name, pixel in self.sites if pixel in pixels and name not in present):
            raise InputError(
                f"{self.path}: none of its rows is of the sites {_named(absent)} of the recipe; its column"
                f" {self.site_column} has {_named(sorted(present))}. Name sites alike in both, or leave them out of"
                " area.sites"
            )

    def _scene(
        self,
        site: str,
        day: int,
        numbers: NDArray[np.float32],
        product: Product,
        pixel: RasterGrid,
    ) -> Scene:
        on = date_of(day)
        noon = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        bands = tuple(Asset(f"{site}/{on}/{band.keys[0]}", pixel) for band in product.bands.values())
        state = sha256(numbers.tobytes()).hexdigest()[:16]
        return Scene(f"{site}.{on}", product.name, noon, "", bands, bands[0], 0, day, state=state)


def _named(sites: list[str]) -> str:
    more = f" and {len(sites) - MOST_NAMED} more" if len(sites) > MOST_NAMED else ""
    return ", ".join(sites[:MOST_NAMED]) + more


def _columns(product: Product) -> tuple[str, ...]:
    return tuple(band.keys[0] for band in product.bands.values())


def _reason_against(
    site: str, day: int, numbers: NDArray[np.float32], places: dict[str, RasterGrid], period: Period
) -> str:
    """Why a row is no scene of the cube; empty for one that is."""
    if site not in places:
        return OTHER_SITE
    if not period.contains(date_of(day)):
        return OTHER_DAY
    return NO_NUMBER if np.isnan(numbers).all() else ""


@lru_cache(maxsize=2)  # some 100 bytes a row
def _indexed(path: Path, state: tuple[int, int], site_column: str, columns: tuple[str, ...]) -> Series:
    found = read_rows(path, site_column, (DATE, *columns), "imagery.path")
    days = days_of(found.table, path)
    numbers = np.stack([numbers_of(found.table, column, path) for column in columns], axis=1).astype(np.float32)
    rows: dict[tuple[str, int], NDArray[np.float32]] = {}
    for name, day, values in zip(found.sites.tolist(), days.tolist(), numbers, strict=True):
        if rows.setdefault((name, day), values) is not values:
            raise InputError(
                f"{path} has two rows of {name} on {date_of(day)}; name sites apart with imagery.site_column"
            )
    return Series(rows, found.nameless)


def _series(path: Path, site_column: str, columns: tuple[str, ...]) -> Series:
    """All rows of a table. Raises InputError."""
    try:
        entry = path.stat()
    except OSError as error:
        raise InputError(f"imagery.path: there is no table at {path}") from error
    return _indexed(path, (entry.st_size, entry.st_mtime_ns), site_column, columns)


def _pixel(point: SitePoint, grid: Grid) -> RasterGrid:
    """The pixel of a site, which is a block."""
    row, column = grid.block_of_point(point.lon, point.lat)
    return RasterGrid.of(grid.geobox[row : row + 1, column : column + 1])


def _refuse_shared(pixels: tuple[tuple[str, RasterGrid], ...]) -> None:
    """Raise InputError where two sites lie in one pixel."""
    taken: dict[RasterGrid, str] = {}
    for name, pixel in pixels:
        if (other := taken.setdefault(pixel, name)) != name:
            raise InputError(
                f"area.sites: {other} and {name} are in the same pixel of {pixel.resolution:g} m; use smaller pixels,"
                " or move one of them into the next"
            )
