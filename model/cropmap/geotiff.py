"""The layers of a crop map as Cloud-Optimized GeoTIFFs, written block by block so that no region is too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.geotiff import Colour, GeoTiffDraft, RasterHeader, cog_file
from mmvsf.datasets.storage.outputs import write_verified

MAP, CONFIDENCE, PROBABILITIES, UNLIKE = "crop_map.tif", "confidence.tif", "probabilities.tif", "unlike.tif"
LAYERS = (MAP, CONFIDENCE, PROBABILITIES, UNLIKE)
NO_DATA = 255
"""Of a class before it has the map's values, and of all layers but the map itself."""
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
    """(256,): the map's value for each class, and 0 for NO_DATA"""
    layers: Mapping[str, GeoTiffDraft]

    def write(
        self, block: BlockIndex, classes: NDArray[np.uint8], probabilities: NDArray[np.uint8], unlike: NDArray[np.uint8]
    ) -> None:
        """One block: classes (H, W) by position in the legend, probabilities (K, H, W) in percent, and the percentage
        of known pixels that are less unlike (H, W); NO_DATA where nothing is known. Raises OSError."""
        window = self.grid.block_slices(block)
        confidence = np.where(classes == NO_DATA, NO_DATA, probabilities.max(0)).astype(np.uint8)
        self.layers[MAP].write(self.values[classes][None], *window)
        self.layers[CONFIDENCE].write(confidence[None], *window)
        self.layers[PROBABILITIES].write(probabilities, *window)
        self.layers[UNLIKE].write(unlike[None], *window)


@contextmanager
def map_writer(folder: Path, grid: Grid, legend: Legend, year: int) -> Iterator[MapWriter]:
    """Write the LAYERS of a map, all uint8: crop_map.tif (class values with colour table and names, 0 unknown),
    confidence.tif and probabilities.tif (percent, the latter with a band for each class) and unlike.tif (percentile).
    All replace those of an earlier run when all are read back at the end of the block.

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
    percent = replace(of_map, nodata=NO_DATA, bands=("confidence",), tags={0: {**made, "unit": "percent"}}, colours={})
    headers = {
        MAP: of_map,
        CONFIDENCE: percent,
        PROBABILITIES: replace(percent, bands=tuple(entry.name for entry in legend.classes)),
        UNLIKE: replace(percent, bands=("unlike",), tags={0: {**made, "unit": "percentile of known pixels"}}),
    }
    table = np.zeros(NO_DATA + 1, np.uint8)
    table[: len(values)] = values
    with ExitStack() as stack:
        drafts = {name: stack.enter_context(cog_file(folder / name, header)) for name, header in headers.items()}
        yield MapWriter(grid, table, drafts)
        for name, draft in drafts.items():
            draft.finish(overview_resampling="mode" if name == MAP else "average")
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
