"""An export as a Cloud-Optimized GeoTIFF, written piece by piece."""

from pathlib import Path

import numpy as np

from mmvsf.datasets.storage.geotiff import RasterHeader, cog_file

from .content import ExportArray
from .piece import Frame


def write_cog(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    """Write the arrays, which have one type, as the bands of a file. Raises OSError if it cannot be written."""
    with cog_file(path, _header(frame, arrays)) as target:
        for rows, columns in frame.pieces():
            size = rows.stop - rows.start, columns.stop - columns.start
            values = [frame.read(array, rows, columns).reshape(-1, *size) for array in arrays]
            target.write(np.concatenate(values), *frame.inside(rows, columns))
        target.finish(overview_resampling="nearest")


def _header(frame: Frame, arrays: list[ExportArray]) -> RasterHeader:
    """What the file says of its pixels: days, and the colours and names (tags `class_<code>`) of classes."""
    first, several = arrays[0], len(arrays) > 1
    when: dict[str, str] = {
        str(key): str(first.attributes[key]) for key in ("day", "period", "season") if key in first.attributes
    }
    classes = first.legend.classes if first.legend is not None else ()
    colours = {entry.code: (*bytes.fromhex(entry.color.removeprefix("#")), 255) for entry in classes}
    return RasterHeader(
        frame.shape,
        first.dtype,
        frame.cube.grid.crs,
        frame.geobox.affine,
        first.nodata,
        tuple(
            f"{array.name} {band}" if several and array.leading else band for array in arrays for band in array.bands
        ),
        scales=first.scales,
        tags={0: when, 1: {f"class_{entry.code}": entry.name for entry in classes}},
        colours={0: (0, 0, 0, 0), **colours} if classes and first.dtype == "uint8" else {},
    )
