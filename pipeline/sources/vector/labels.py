"""Labels from polygons and points: land parcel systems (LPIS), EuroCrops, fiboa, field surveys.

A worker draws the features at 5 x 5 points a pixel, so that majority and purity come about as with a raster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import ClassTable, Legend, classes_by_name, read_class_table
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.pipeline.layers.labels.known_legends import KNOWN_LEGENDS
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.scene import Asset

from .choice import Choice
from .columns import as_texts
from .files import open_vector
from .prepared import draw, fine_grid, fingerprint, prepare

MOST_CLASSES = 2000
"""More values than that are identifiers, not classes."""


@register_source("vector")
@dataclass(frozen=True)
class VectorLabels(LabelSource):
    """Classes of polygons and points in a GeoPackage, GeoParquet, GeoJSON, Shapefile or FlatGeobuf."""

    recipe_lines: ClassVar[dict[str, bool]] = {
        "path": True,
        "class_column": True,
        "legend": False,
        "year_column": False,
        "layer": False,
        "edge": False,
    }
    section: Labels
    pattern: str
    """path with {year} in place of the year"""
    legend_path: Path | None
    """None: a known legend, or that of the file"""
    place: Grid
    cache: Path
    """folder of the prepared features"""
    notes_of: dict[int, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """year -> what was left out or repaired; filled by `asset`"""

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        named = section.legend is None or section.legend in KNOWN_LEGENDS
        legend = None if named else site.path(section.legend or "")
        return cls(section, str(site.path(section.path or "")), legend, site.grid, site.cache("vector"))

    def origin(self) -> Origin:
        """See `LabelSource`. The licence of a user's file is not known."""
        known = KNOWN_LEGENDS.get(self.section.legend or "")
        return Origin("vector", source=known.source, licence=known.licence) if known else Origin("vector")

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return self._table.legend

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Reads the features of the year, unless they are kept from before."""
        choice = Choice(self._column(year), self.section.year_column, year, self._codes, self.section.edge or 0.0)
        file = open_vector(self._path(year), self.section.layer)
        prepared, self.notes_of[year] = prepare(file, choice, self.place, self.cache)
        return Asset(str(prepared), fine_grid(self.place))

    def notes(self, year: int) -> tuple[str, ...]:
        """See `LabelSource`."""
        return self.notes_of.get(year, ())

    def fingerprint(self, asset: Asset) -> str:
        """See `LabelSource`."""
        return fingerprint(asset)

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`."""
        return np.nan_to_num(draw(asset, window), nan=0.0).astype(np.uint16)

    @cached_property
    def _table(self) -> ClassTable:
        if self.legend_path is not None:
            return read_class_table(self.legend_path)
        if self.section.legend is not None:
            return KNOWN_LEGENDS[self.section.legend].table
        texts: set[str] = set()
        for path, column in sorted({(self._path(year), self._column(year)) for year in self.section.years}):
            texts |= set(filter(None, as_texts(open_vector(path, self.section.layer).column(column))))
        if not texts or len(texts) > MOST_CLASSES:
            raise InputError(
                f"labels.class_column: the column {self.section.class_column} of {self.pattern} holds {len(texts)}"
                f" values; the column of classes has 1 to {MOST_CLASSES}"
            )
        return ClassTable(classes_by_name(texts))

    @cached_property
    def _codes(self) -> Mapping[str, int]:
        """Value of the column -> code. Of a legend without values, a class is named by its code or its name."""
        table = self._table
        if table.values is not None:
            return table.values
        names = {entry.name: entry.code for entry in table.legend.classes}
        by_code = {str(entry.code): entry.code for entry in table.legend.classes}
        return names if self.section.legend is None else {"0": 0, **by_code, **names}

    def _path(self, year: int) -> Path:
        path = Path(self.pattern.replace("{year}", str(year)))
        if not path.is_file():
            raise InputError(f"there are no labels of {year} at {path}; check labels.path and labels.years")
        return path

    def _column(self, year: int) -> str:
        return (self.section.class_column or "").replace("{year}", str(year))
