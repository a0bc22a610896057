"""Cube to GeoTIFF: one day, or one year's labels, for programs that do not read Zarr 3.

GDAL reads sharded Zarr 3 from 3.13 on; a Cloud-Optimized GeoTIFF opens everywhere.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.geotiff import RasterHeader, cog_file
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE, SCENE_FILL, Status

from .days import parse_day, time_index
from .output import check_output

IMAGERY_FILL: dict[str, int] = {"reflectance": REFLECTANCE_FILL, "quality": QUALITY_FILL, "scene": SCENE_FILL}
LABEL_ARRAYS = ("crop", "purity")


@dataclass(frozen=True)
class _Selection:
    """What is exported: one position on the first axis of an array, with all its bands."""

    array: str
    position: int
    bands: tuple[str, ...]
    nodata: int


def export_geotiff(path: Location, out: Path, what: str, day: str | None, year: int | None) -> None:
    """Write imagery of a day or labels of a year as a COG, block by block.

    Raises InputError, before anything is written, if `out` does not end in .tif or .tiff, if `what` is unknown, or if
    its day or year is missing or not in the cube; OSError if the file cannot be written.
    """
    check_output(out, "--out", (".tif", ".tiff"))
    _check_options(what, day, year)
    cube = Cube.open(path)
    selection = _select(cube, what, day, year)
    array, several = cube.pixels(selection.array), len(selection.bands) > 1
    header = _header(cube, selection, array.spec.dtype)
    with cog_file(out, header) as target:
        for block in cube.grid.blocks:
            rows, columns = cube.grid.block_slices(block)
            values = array.read((selection.position, *([slice(None)] if several else []), rows, columns))
            target.write((values if several else values[None]).astype(header.dtype), rows, columns)
        target.finish(overview_resampling="nearest")


def _check_options(what: str, day: str | None, year: int | None) -> None:
    """Raise InputError for options that do not go together, whatever the cube."""
    if what in IMAGERY_FILL:
        if day is None:
            raise InputError(f"{what} needs a day, YYYY-MM-DD (--day)")
        if year is not None:
            raise InputError(f"year {year} selects labels; {what} takes a day only (--day)")
        parse_day(day)
    elif what in LABEL_ARRAYS:
        if day is not None:
            raise InputError(f"day {day} selects imagery; {what} takes a year only (--year)")
    else:
        raise InputError(f"'{what}' cannot be exported; choose one of {', '.join((*IMAGERY_FILL, *LABEL_ARRAYS))}")


def _select(cube: Cube, what: str, day: str | None, year: int | None) -> _Selection:
    """Raises InputError for a day without an image or a year without labels."""
    if day is not None:
        position = time_index(cube, parse_day(day))
        _refuse_unseen(cube, position)
        bands = cube.bands if what == "reflectance" else (what,)
        return _Selection(f"imagery/{what}", position, bands, IMAGERY_FILL[what])
    if year not in cube.label_years:
        if not cube.label_years:
            raise InputError(f"{cube.path} has no labels, so {what} cannot be exported")
        raise InputError(f"{what} needs a year (--year), one of {', '.join(map(str, cube.label_years))}")
    return _Selection(f"labels/{what}", cube.label_years.index(year), (what,), 0)


def _header(cube: Cube, selection: _Selection, dtype: str) -> RasterHeader:
    """What the file says of its pixels: a crop map carries the classes' colours, and their names as tags
    `class_<code>` of the band."""
    header = RasterHeader(
        cube.grid.shape, dtype, cube.grid.crs, cube.grid.geobox.transform, selection.nodata, selection.bands,
        scale=REFLECTANCE_SCALE if selection.array == "imagery/reflectance" else 1.0,
    )  # fmt: skip
    legend = cube.legend
    if selection.array != "labels/crop" or legend is None:
        return header
    colours = {entry.code: (*bytes.fromhex(entry.color.removeprefix("#")), 255) for entry in legend.classes}
    return replace(
        header,
        dtype="uint8" if max(legend.codes, default=0) <= 255 else dtype,  # every program shows its colour table
        tags={1: {f"class_{entry.code}": entry.name for entry in legend.classes}},
        colours={0: (0, 0, 0, 0), **colours},
    )


def _refuse_unseen(cube: Cube, position: int) -> None:
    """Raise InputError, naming the nearest days with an image, for a position in time without one."""
    seen = np.flatnonzero((cube.array("blocks/status") == Status.STORED).any(axis=(1, 2)))
    if position in seen:
        return
    near = seen[np.argsort(np.abs(seen - position), kind="stable")[:4]]
    days = ", ".join(str(date_of(cube.calendar.days[index])) for index in sorted(near))
    raise InputError(
        f"{cube.path} has no image of {date_of(cube.calendar.days[position])}; the nearest days with one are"
        f" {days or 'none'}"
    )
