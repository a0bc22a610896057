"""Cube to GeoTIFF: one day, or one year's labels, for programs that do not read Zarr 3.

GDAL reads sharded Zarr 3 from 3.13 on; a Cloud-Optimized GeoTIFF opens everywhere.
"""

import errno
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError, one_line
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
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as drafts:
            tiled, cloud_optimized = Path(drafts, "tiled.tif"), Path(drafts, "cog.tif")
            _write_tiled(cube, selection, tiled)
            copy_raster(tiled, cloud_optimized, driver="COG", compress="deflate", overview_resampling="nearest")
            cloud_optimized.replace(out)
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(errno.EIO, one_line(error), str(out)) from error


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


def _write_tiled(cube: Cube, selection: _Selection, path: Path) -> None:
    """Write the selection as a tiled GeoTIFF, block by block."""
    array, several = cube.pixels(selection.array), len(selection.bands) > 1
    legend = cube.legend if selection.array == "labels/crop" else None
    dtype = array.spec.dtype
    if legend is not None and max(legend.codes, default=0) <= 255:
        dtype = "uint8"  # every program shows its colour table
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": cube.grid.shape[0],
        "width": cube.grid.shape[1],
        "count": len(selection.bands),
        "dtype": dtype,
        "crs": cube.grid.crs,
        "transform": cube.grid.geobox.transform,
        "nodata": selection.nodata,
        "tiled": True,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as target:
        for block in cube.grid.blocks:
            rows, columns = cube.grid.block_slices(block)
            index = (selection.position, *([slice(None)] if several else []), rows, columns)
            values = array.read(index)
            window = rasterio.windows.Window(columns.start, rows.start, cube.grid.block, cube.grid.block)
            target.write((values if several else values[None]).astype(dtype), window=window)
        for number, band in enumerate(selection.bands, start=1):
            target.set_band_description(number, band)
        if selection.array == "imagery/reflectance":
            target.scales = (REFLECTANCE_SCALE,) * len(selection.bands)
        if legend is not None:
            _write_legend(target, legend)


def _write_legend(target: Any, legend: Legend) -> None:
    """Give band 1 the classes' colours, and their names as tags `class_<code>`."""
    colours = {entry.code: (*bytes.fromhex(entry.color.removeprefix("#")), 255) for entry in legend.classes}
    target.write_colormap(1, {0: (0, 0, 0, 0), **colours})
    target.update_tags(1, **{f"class_{entry.code}": entry.name for entry in legend.classes})


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
