"""Targets from a column of polygons or points: yields of fields, measurements at places."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.target import Target
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite
from mmvsf.pipeline.layers.target_source import TargetSource
from mmvsf.pipeline.raster.scene import Asset

from .choice import Choice
from .files import open_vector
from .prepared import draw, fine_grid, fingerprint, prepare


@register_source("vector")
@dataclass(frozen=True)
class VectorTargets(TargetSource):
    """Numbers of polygons and points in a GeoPackage, GeoParquet, GeoJSON, Shapefile or FlatGeobuf."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "column": True, "year_column": False, "layer": False}
    section: Target
    pattern: str
    """path with {year} in place of the year"""
    place: Grid
    cache: Path
    """folder of the prepared features"""
    notes_of: dict[int, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """year -> what was left out or repaired; filled by `asset`"""

    @classmethod
    def from_recipe(cls, section: Target, site: SourceSite) -> Self:
        """See `TargetSource`."""
        return cls(section, str(site.path(section.path or "")), site.grid, site.cache("vector"))

    def origin(self) -> Origin:
        """See `TargetSource`."""
        return Origin("vector")

    def asset(self, year: int) -> Asset:
        """See `TargetSource`. Reads the features of the year, unless they are kept from before."""
        path = Path(self.pattern.replace("{year}", str(year)))
        if not path.is_file():
            raise InputError(f"there are no numbers of {year} at {path}; check path and years under targets")
        column = (self.section.column or "").replace("{year}", str(year))
        choice = Choice(column, self.section.year_column, year, None, 0.0)
        prepared, self.notes_of[year] = prepare(open_vector(path, self.section.layer), choice, self.place, self.cache)
        return Asset(str(prepared), fine_grid(self.place))

    def notes(self, year: int) -> tuple[str, ...]:
        """See `TargetSource`."""
        return self.notes_of.get(year, ())

    def fingerprint(self, asset: Asset) -> str:
        """See `TargetSource`."""
        return fingerprint(asset)

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """See `TargetSource`."""
        return draw(asset, window)
