"""An export as a Cloud-Optimized GeoTIFF, written piece by piece."""

import errno
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import one_line

from .content import ExportArray
from .piece import Frame


def write_cog(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    """Write the arrays, which have one type, as the bands of a file. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as drafts:
            tiled, cloud_optimized = Path(drafts, "tiled.tif"), Path(drafts, "cog.tif")
            _write_tiled(tiled, frame, arrays)
            copy_raster(tiled, cloud_optimized, driver="COG", compress="deflate", overview_resampling="nearest")
            cloud_optimized.replace(path)
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(errno.EIO, one_line(error), str(path)) from error


def _write_tiled(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    height, width = frame.shape
    bands = [band for array in arrays for band in array.bands]
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(bands),
        "dtype": arrays[0].dtype,
        "crs": frame.cube.grid.crs,
        "transform": frame.geobox.affine,
        "nodata": arrays[0].nodata,
        "tiled": True,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as target:
        for rows, columns in frame.pieces():
            values = [frame.read(array, rows, columns).reshape(-1, *_size(rows, columns)) for array in arrays]
            target.write(np.concatenate(values), window=Window.from_slices(*frame.inside(rows, columns)))
        target.descriptions = bands
        target.scales = (arrays[0].scale,) * len(bands)
        target.update_tags(**_tags(arrays[0]))
        if arrays[0].legend is not None:
            _write_legend(target, arrays[0].legend)


def _size(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.stop - rows.start, columns.stop - columns.start


def _tags(array: ExportArray) -> dict[str, str]:
    """When it is of, as tags of the file."""
    return {key: str(array.attributes[key]) for key in ("day", "period", "season") if key in array.attributes}


def _write_legend(target: Any, legend: Legend) -> None:
    """Give band 1 the classes' colours where there is room, and their names as tags `class_<code>`."""
    if target.dtypes[0] == "uint8":
        colours = {entry.code: (*bytes.fromhex(entry.color.removeprefix("#")), 255) for entry in legend.classes}
        target.write_colormap(1, {0: (0, 0, 0, 0), **colours})
    target.update_tags(1, **{f"class_{entry.code}": entry.name for entry in legend.classes})
