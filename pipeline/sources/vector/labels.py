"""Labels from polygons and points: land parcel systems (LPIS), EuroCrops, fiboa, field surveys.

While a build is planned, the features of each year over the region are read once, repaired, projected and kept in the
data folder as a FlatGeobuf, whose index gives each block its own. A worker draws them at 5 x 5 points a pixel, so that
majority and purity come about as with a raster.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import ClassTable, Legend, classes_by_name, read_class_table
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.storage.location import atomic_file
from mmvsf.pipeline.layers.labels.known_legends import KNOWN_LEGENDS
from mmvsf.pipeline.layers.labels.resample import POINTS
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .burn import burn
from .choice import Choice
from .columns import as_texts
from .files import VectorFile, open_vector

if TYPE_CHECKING:
    from .features import Features

VECTOR_VERSION = 1
"""Raised when the same features give other labels."""

MOST_CLASSES = 2000
"""More values than that are identifiers, not classes."""

REACH = 20_000_000.0
"""Metres from the corner of the lattice to the edges of the fine grid, more than any projection reaches."""


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
        """See `LabelSource`. The licence of somebody's file is not known."""
        known = KNOWN_LEGENDS.get(self.section.legend or "")
        return Origin("vector", source=known.source, licence=known.licence) if known else Origin("vector")

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return self._table.legend

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Reads the features of the year, unless they are kept from before."""
        file = self._file(year)
        choice = Choice(self._column(year), self.section.year_column, year, self._codes, self.section.edge or 0.0)
        prepared = self.cache / f"{self._identity(file, choice)}-{self._place()}.fgb"
        notes = prepared.with_suffix(".json")
        if not (prepared.is_file() and notes.is_file()):
            from .features import read_features  # geopandas takes long to import

            features = read_features(file, choice, self.place)
            self.cache.mkdir(parents=True, exist_ok=True)
            _write(features, self.place.crs, prepared)
            with atomic_file(notes) as draft:
                draft.write_text(json.dumps(features.notes), encoding="utf-8")
        self.notes_of[year] = tuple(json.loads(notes.read_text(encoding="utf-8")))
        return Asset(str(prepared), fine_grid(self.place))

    def notes(self, year: int) -> tuple[str, ...]:
        """See `LabelSource`."""
        return self.notes_of.get(year, ())

    def fingerprint(self, asset: Asset) -> str:
        """See `LabelSource`. Of the files and of how they are read, not of the region they were prepared for."""
        return Path(asset.href).name.partition("-")[0]

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`."""
        (a, _, left, _, e, top), (rows, columns) = asset.grid.transform, window
        box = (left + a * columns.start, top + e * rows.stop, left + a * columns.stop, top + e * rows.start)
        try:
            frame = open_vector(Path(asset.href)).read(["code"], [box])
        except InputError as error:
            raise ReadError(f"{error}; delete it, and it is made again") from error
        return burn(np.asarray(frame.geometry.array), frame["code"].to_numpy(np.int64), asset.grid, window, POINTS)

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

    def _file(self, year: int) -> VectorFile:
        return open_vector(self._path(year), self.section.layer)

    def _identity(self, file: VectorFile, choice: Choice) -> str:
        """A text that changes with what the labels of a year depend on, beside the region."""
        digest = hashlib.sha256(
            repr((VECTOR_VERSION, file.layer, choice.class_column, choice.year_column, choice.edge)).encode()
        )
        digest.update(repr((choice.year if choice.year_column else None, sorted(choice.codes.items()))).encode())
        for part in file.parts:
            with part.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        return digest.hexdigest()

    def _place(self) -> str:
        boxes = [list(self.place.block_geobox(block).boundingbox) for block in self.place.blocks]
        return hashlib.sha256(repr((self.place.crs, boxes)).encode()).hexdigest()[:16]


def fine_grid(grid: Grid) -> RasterGrid:
    """The lattice of a cube with POINTS x POINTS cells in each pixel, the same however far the cube reaches."""
    x, y = grid.origin or (grid.left, grid.top)
    pixels = int(REACH / grid.resolution)
    cell, side = grid.resolution / POINTS, 2 * pixels * POINTS
    transform = (cell, 0.0, x - pixels * grid.resolution, 0.0, -cell, y + pixels * grid.resolution)
    return RasterGrid(grid.crs, transform, (side, side))


def _write(features: "Features", crs: str, path: Path) -> None:
    import geopandas

    frame = geopandas.GeoDataFrame({"code": features.codes}, geometry=features.shapes, crs=crs)
    with atomic_file(path) as draft:
        written = draft.with_suffix(".fgb")  # GDAL makes a folder of a name that ends otherwise
        frame.to_file(written, driver="FlatGeobuf", engine="pyogrio", geometry_type="Unknown", index=False)
        if open_vector(written).features != len(frame):  # GDAL does not raise what fails while it closes a file
            raise OSError(f"{written} was not written whole")
        written.replace(draft)
