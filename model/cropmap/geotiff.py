"""The crop map as Cloud-Optimized GeoTIFFs, written block by block so that no region is too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.geotiff import Colour, GeoTiffDraft, RasterHeader, cog_file
from mmvsf.datasets.storage.outputs import write_verified

MAP, CONFIDENCE = "crop_map.tif", "confidence.tif"
UNKNOWN_CONFIDENCE = 255
MOST_CLASSES = 255
"""Classes of a map: its values are bytes, of which 0 means unknown."""


def map_values(legend: Legend) -> tuple[int, ...]:
    """The value of each class in the map: its code in the legend, or, where a code exceeds 255, its position counted
    from 1. Raises InputError where the classes are too many for a map of bytes."""
    if len(legend.codes) > MOST_CLASSES:
        raise InputError(
            f"a crop map holds at most {MOST_CLASSES} classes, and the legend has {len(legend.codes)}; group them with"
            " `labels.groups` in the recipe and build the cube again"
        )
    return tuple(legend.codes) if max(legend.codes) <= MOST_CLASSES else tuple(range(1, len(legend.codes) + 1))


@dataclass(frozen=True)
class MapWriter:
    """Writes the blocks of a crop map; `map_writer` makes one."""

    grid: Grid
    values: NDArray[np.uint8]
    """(classes + 1,): the map's value for -1 (unknown) and for each class"""
    classes: GeoTiffDraft
    confidence: GeoTiffDraft

    def write(
        self, block: BlockIndex, classes: NDArray[np.integer[Any]], confidence: NDArray[np.floating[Any]]
    ) -> None:
        """One block: classes (H, W) in the legend's order from 0, -1 unknown, and their probability (H, W). Raises
        OSError."""
        window = self.grid.block_slices(block)
        percent = np.where(classes < 0, UNKNOWN_CONFIDENCE, np.round(confidence * 100)).astype(np.uint8)
        self.classes.write(self.values[classes + 1][None], *window)
        self.confidence.write(percent[None], *window)


@contextmanager
def map_writer(folder: Path, grid: Grid, legend: Legend, year: int) -> Iterator[MapWriter]:
    """Write crop_map.tif (uint8 class values with colour table and names, 0 unknown) and confidence.tif (uint8 percent,
    255 unknown); both replace those of an earlier run when both are read back at the end of the block.

    Values are those of `map_values`; names are in the file's tags (`class_<value>`) and, for programs that use GDAL,
    beside it in an .aux.xml. Raises InputError where there are too many classes, and OSError where the disk refuses or
    a file is not what was written.
    """
    values = map_values(legend)
    names = {0: "unknown", **{value: entry.name for value, entry in zip(values, legend.classes, strict=True)}}
    made = {"year": str(year)}
    of_map = RasterHeader(
        grid.shape, "uint8", grid.crs, grid.geobox.affine, 0, ("crop",),
        tags={0: {**made, **{f"class_{value}": name for value, name in names.items()}}},
        colours=_colours(values, legend),
    )  # fmt: skip
    of_confidence = replace(
        of_map, nodata=UNKNOWN_CONFIDENCE, bands=("confidence",), tags={0: {**made, "unit": "percent"}}, colours={}
    )
    with cog_file(folder / MAP, of_map) as classes, cog_file(folder / CONFIDENCE, of_confidence) as confidence:
        yield MapWriter(grid, np.array([0, *values], np.uint8), classes, confidence)
        classes.finish(overview_resampling="mode")
        confidence.finish(overview_resampling="average")
    write_verified(folder / f"{MAP}.aux.xml", _categories(names).encode())


def _colours(values: Sequence[int], legend: Legend) -> dict[int, Colour]:
    colours: dict[int, Colour] = {0: (0, 0, 0, 0)}
    for value, entry in zip(values, legend.classes, strict=True):
        red, green, blue = bytes.fromhex(entry.color.removeprefix("#"))
        colours[value] = (red, green, blue, 255)
    return colours


def _categories(names: Mapping[int, str]) -> str:
    """The names of the map's values as GDAL reads them from a file beside it."""
    entries = "".join(f"<Category>{escape(names.get(v, ''))}</Category>" for v in range(max(names) + 1))
    band = f'<PAMRasterBand band="1"><CategoryNames>{entries}</CategoryNames></PAMRasterBand>'
    return f"<PAMDataset>{band}</PAMDataset>\n"
