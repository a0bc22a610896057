"""The crop map as Cloud-Optimized GeoTIFFs, written block by block so that no region is too large."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import write_whole

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


class MapWriter:
    """Writes crop_map.tif (uint8 class values with colour table and names, 0 unknown) and confidence.tif (uint8
    percent, 255 unknown).

    Values are those of `map_values`; names are in the file's tags (`class_<value>`) and, for programs that use GDAL,
    beside it in an .aux.xml. Raises InputError where there are too many classes, and OSError (rasterio's errors are
    OSErrors) where the disk refuses.
    """

    def __init__(self, folder: Path, grid: Grid, legend: Legend, year: int) -> None:
        self.folder, self.grid, self.legend, self.year = folder, grid, legend, year
        self.values = np.array([0, *map_values(legend)], np.uint8)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Plain tiled files first: overviews need all blocks.
        self._drafts = tempfile.TemporaryDirectory(dir=self.folder, prefix=".map-")
        height, width = self.grid.shape
        profile: dict[str, Any] = {
            "driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width,
            "crs": self.grid.crs, "transform": self.grid.geobox.affine, "tiled": True,
            "compress": "deflate", "SPARSE_OK": True,
        }  # fmt: skip
        drafts = Path(self._drafts.name)
        self._map = rasterio.open(drafts / MAP, "w", nodata=0, **profile)
        self._confidence = rasterio.open(drafts / CONFIDENCE, "w", nodata=UNKNOWN_CONFIDENCE, **profile)
        self._map.write_colormap(1, self._colours())
        names = {f"class_{value}": name for value, name in self._names().items()}
        self._map.update_tags(year=str(self.year), **names)
        self._map.set_band_description(1, "crop")
        self._confidence.update_tags(year=str(self.year), unit="percent")
        self._confidence.set_band_description(1, "confidence")
        return self

    def write(
        self, block: BlockIndex, classes: NDArray[np.integer[Any]], confidence: NDArray[np.floating[Any]]
    ) -> None:
        """One block: classes (H, W) in the legend's order from 0, -1 unknown, and their probability (H, W)."""
        rows, columns = self.grid.block_slices(block)
        window = RasterWindow(columns.start, rows.start, classes.shape[1], classes.shape[0])
        percent = np.where(classes < 0, UNKNOWN_CONFIDENCE, np.round(confidence * 100)).astype(np.uint8)
        self._map.write(self.values[classes + 1], 1, window=window)
        self._confidence.write(percent, 1, window=window)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()
        self._confidence.close()
        try:
            if kind is None:
                for name, resampling in ((MAP, "mode"), (CONFIDENCE, "average")):
                    draft = Path(self._drafts.name) / name
                    whole = draft.with_name(f"whole_{name}")
                    rasterio.shutil.copy(draft, whole, driver="COG", compress="deflate", overview_resampling=resampling)
                    whole.replace(self.folder / name)
                write_whole(self.folder / f"{MAP}.aux.xml", self._categories().encode())
        finally:
            self._drafts.cleanup()

    def _names(self) -> dict[int, str]:
        return {
            0: "unknown",
            **{int(v): entry.name for v, entry in zip(self.values[1:], self.legend.classes, strict=True)},
        }

    def _colours(self) -> dict[int, tuple[int, int, int, int]]:
        colours = {0: (0, 0, 0, 0)}
        for value, entry in zip(self.values[1:], self.legend.classes, strict=True):
            red, green, blue = bytes.fromhex(entry.color.removeprefix("#"))
            colours[int(value)] = (red, green, blue, 255)
        return colours

    def _categories(self) -> str:
        names = self._names()
        entries = "".join(f"<Category>{escape(names.get(v, ''))}</Category>" for v in range(max(names) + 1))
        band = f'<PAMRasterBand band="1"><CategoryNames>{entries}</CategoryNames></PAMRasterBand>'
        return f"<PAMDataset>{band}</PAMDataset>\n"
