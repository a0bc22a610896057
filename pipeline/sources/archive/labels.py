"""The archive source of labels: one raster per year on disk, or a folder of tiles per year."""

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend, read_class_table
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.pipeline.layers.labels.codes import codes_of
from mmvsf.pipeline.layers.labels.known_legends import KNOWN_LEGENDS
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.extent import overlapping
from mmvsf.pipeline.raster.fingerprint import content_fingerprint
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_codes
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import Mosaic, mosaics

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class LabelFiles:
    """The rasters of a year."""

    tiles: tuple[Asset, ...]
    """on one lattice; where two hold a pixel, the first that knows it counts"""
    grid: RasterGrid


@register_source("archive")
@dataclass(frozen=True)
class ArchiveLabels(LabelSource):
    """One label raster a year, or a folder of tiles; `pattern` holds {year} in place of the year."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "legend": True, "confidence_path": False}
    has_confidence: ClassVar[bool] = True
    pattern: str
    legend_path: Path | None
    """None: the classes of `known`"""
    known: str = "cdl"
    """name of a known legend"""
    place: Grid | None = None
    """the grid whose tiles are taken from a folder; None: all"""
    confidence_pattern: str | None = None
    """as `pattern`, of the confidence of labels"""
    values: dict[str, int] = field(default_factory=dict, compare=False)
    """value of a raster -> code, where the legend's values are not its codes; filled by `legend` and sent to workers
    with the source"""
    folders: dict[str, LabelFiles] = field(default_factory=dict, compare=False)
    """folder -> its tiles; filled by `asset` and sent to workers with the source"""
    percents: set[str] = field(default_factory=set, compare=False)
    """the rasters that hold confidence and no codes; filled by `confidence` and sent to workers with the source"""

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        if section.confidence:
            raise InputError("labels: name the confidence rasters of an archive in labels.confidence_path")
        if len(section.years) > 1 and "{year}" not in (section.confidence_path or "{year}"):
            raise InputError("labels.confidence_path needs {year} where there are labels of several years")
        pattern, legend = str(site.path(section.path or "")), section.legend or ""
        percent = None if section.confidence_path is None else str(site.path(section.confidence_path))
        if legend in KNOWN_LEGENDS:
            return cls(pattern, None, legend, site.grid, percent)
        return cls(pattern, site.path(legend), place=site.grid, confidence_pattern=percent)

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return True

    def origin(self) -> Origin:
        """See `LabelSource`. The licence of rasters with a legend of their own is not known."""
        if self.legend_path is not None:
            return Origin("archive")
        known = KNOWN_LEGENDS[self.known]
        return Origin("archive", source=known.source, licence=known.licence)

    def legend(self) -> Legend:
        """See `LabelSource`."""
        path = self.legend_path
        table = KNOWN_LEGENDS[self.known].table if path is None else read_class_table(path)
        self.values.update(table.values or {})
        return table.legend

    def asset(self, year: int) -> Asset:
        """See `LabelSource`."""
        return self._raster(self.pattern, year, "labels", "path")

    def confidence(self, year: int) -> Asset | None:
        """See `LabelSource`. Raises InputError for a raster on another grid than that of the labels."""
        if self.confidence_pattern is None:
            return None
        percent, codes = (
            self._raster(self.confidence_pattern, year, "rasters of confidence", "confidence_path"),
            self.asset(year),
        )
        self.percents.add(percent.href)
        if percent.grid != codes.grid:
            raise InputError(f"labels of {year}: {percent.name} is not on the grid of {codes.name}; resample it")
        return percent

    def _raster(self, pattern: str, year: int, what: str, line: str) -> Asset:
        path = Path(pattern.replace("{year}", str(year)))
        try:
            if path.is_dir():
                return self._folder(path, year, line)
            if path.is_file():
                return Asset(str(path), raster_grid(path))
        except ReadError as error:
            raise InputError(f"labels of {year}: {error}") from error
        raise InputError(f"there are no {what} of {year} at {path}; check labels.{line} and labels.years")

    def fingerprint(self, asset: Asset) -> str:
        """See `LabelSource`."""
        if asset.href not in self.folders:
            return super().fingerprint(asset)
        contents = [(content_fingerprint(tile.href), tile.grid) for tile in self.folders[asset.href].tiles]
        return sha256(repr(contents).encode()).hexdigest()

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. 0 where the raster declares no data. Raises InputError for what the legend lacks."""
        values = {} if asset.href in self.percents else self.values
        tiles = self.folders[asset.href].tiles if asset.href in self.folders else (asset,)
        codes: NDArray[Any] = np.zeros([part.stop - part.start for part in window], np.uint8)
        for tile in tiles:
            of_tile = Mosaic(asset.grid, (tile,)).read(window, partial(_read_tile, values), 0, np.float64)
            codes = np.where(codes == 0, of_tile, codes)
        return codes

    def _folder(self, path: Path, year: int, line: str) -> Asset:
        """The rasters in a folder as one. Raises InputError where there are none in the region or on two lattices."""
        paths = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        tiles = [Asset(str(file), raster_grid(file)) for file in paths]
        if self.place is not None:
            blocks = [RasterGrid.of(self.place.block_geobox(block)) for block in self.place.blocks]
            tiles = [tile for tile in tiles if any(overlapping(tile.grid, blocks))]
        if not tiles:
            raise InputError(
                f"labels of {year}: none of the {len(paths)} GeoTIFFs in {path} meets a block of the region; check"
                f" labels.{line} and labels.years"
            )
        lattices = mosaics(tiles)
        if len(lattices) > 1:
            raise InputError(
                f"labels of {year}: the rasters in {path} are on {len(lattices)} grids; resample them to one, for"
                " example with `gdalwarp`"
            )
        self.folders[str(path)] = LabelFiles(lattices[0].tiles, lattices[0].grid)
        return Asset(str(path), lattices[0].grid)


def _read_tile(values: dict[str, int], tile: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
    """Numbers of a tile; codes where it holds other values of classes."""
    stored, missing = read_codes(tile, window)
    if values:
        return codes_of(stored, missing, values, tile.href)
    return np.where(missing, np.zeros(1, stored.dtype), stored)
