"""An export as a Cloud-Optimized GeoTIFF, written piece by piece."""

from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.storage.geotiff import Colour, RasterHeader, cog_file

from .content import ExportArray
from .piece import Frame


def write_cog(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    """Write the arrays, which have one type, as the bands of a file. Raises OSError if it cannot be written or is not
    what was written."""
    header = _header(frame, arrays)
    with cog_file(path, header) as target:
        for rows, columns in frame.pieces():
            values = [frame.read(array, rows, columns).reshape(-1, *_size(rows, columns)) for array in arrays]
            target.write(np.concatenate(values).astype(header.dtype, copy=False), *frame.inside(rows, columns))
        target.finish(overview_resampling="nearest")


def _header(frame: Frame, arrays: list[ExportArray]) -> RasterHeader:
    """What the file says of its pixels; a crop map carries the classes' colours where there is room, and their names
    as tags `class_<code>` of the band."""
    first = arrays[0]
    legend = first.legend
    tags: dict[int, dict[str, str]] = {}
    tags[0] = {str(key): str(first.attributes[key]) for key in ("day", "period", "season") if key in first.attributes}
    if legend is not None:
        tags[1] = {f"class_{entry.code}": entry.name for entry in legend.classes}
    return RasterHeader(
        (frame.shape[0], frame.shape[1]),
        first.dtype,
        frame.cube.grid.crs,
        frame.geobox.affine,
        first.nodata,
        tuple(band for array in arrays for band in array.bands),
        scale=first.scale,
        tags=tags,
        colours=_colours(legend) if legend is not None and first.dtype == "uint8" else {},
    )


def _size(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.stop - rows.start, columns.stop - columns.start


def _colours(legend: Legend) -> dict[int, Colour]:
    colours: dict[int, Colour] = {0: (0, 0, 0, 0)}
    for entry in legend.classes:
        red, green, blue = bytes.fromhex(entry.color.removeprefix("#"))
        colours[entry.code] = (red, green, blue, 255)
    return colours
