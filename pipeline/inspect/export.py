"""Cube to GeoTIFF: one day, or one year's labels, for programs that do not read Zarr 3.

GDAL reads sharded Zarr 3 from 3.13 on; a Cloud-Optimized GeoTIFF opens everywhere.
"""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import open_pixels, read_pixels
from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE, SCENE_FILL, Status

from .explain import parse_day

IMAGERY_FILL: dict[str, int] = {"reflectance": REFLECTANCE_FILL, "quality": QUALITY_FILL, "scene": SCENE_FILL}
LABEL_ARRAYS = ("crop", "purity")


def export_geotiff(path: Location, out: Path, what: str, day: str | None, year: int | None) -> None:
    """Write imagery of a day or labels of a year as a COG, block by block.

    Raises InputError if `what` is unknown, or its day or year is missing or not in the cube.
    """
    cube = Cube.open(path)
    if what in IMAGERY_FILL:
        if day is None:
            raise InputError(f"--what {what} needs --day YYYY-MM-DD")
        try:
            position = cube.calendar.index(day_number(parse_day(day)))
        except IndexError as error:
            raise InputError(f"{path}: {error}") from error
        _refuse_unseen(cube, position)
        name, fill = f"imagery/{what}", IMAGERY_FILL[what]
        bands = cube.bands if what == "reflectance" else (what,)
    elif what in LABEL_ARRAYS:
        if year not in cube.label_years:
            raise InputError(f"--what {what} needs --year, one of {', '.join(map(str, cube.label_years)) or 'none'}")
        name, fill, position, bands = f"labels/{what}", 0, cube.label_years.index(year), (what,)
    else:
        raise InputError(f"--what {what} is unknown; choose one of {', '.join((*IMAGERY_FILL, *LABEL_ARRAYS))}")
    array = open_pixels(path, name)
    dtype = np.dtype(array.dtype.numpy_dtype).name
    if what == "crop" and cube.legend is not None and max(cube.legend.codes, default=0) <= 255:
        dtype = "uint8"  # of which every program shows a colour table
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; name the GeoTIFF to write")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".tmp")
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": cube.grid.shape[0],
        "width": cube.grid.shape[1],
        "count": len(bands),
        "dtype": dtype,
        "crs": cube.grid.crs,
        "transform": cube.grid.geobox.transform,
        "nodata": fill,
        "tiled": True,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    try:
        with rasterio.open(temporary, "w", **profile) as target:
            for block in cube.grid.blocks:
                rows, columns = cube.grid.block_slices(block)
                index = (position, slice(None), rows, columns) if len(bands) > 1 else (position, rows, columns)
                values = read_pixels(array, index)
                window = rasterio.windows.Window(columns.start, rows.start, cube.grid.block, cube.grid.block)
                target.write((values if values.ndim == 3 else values[None]).astype(dtype), window=window)
            for number, band in enumerate(bands, start=1):
                target.set_band_description(number, band)
            if what == "reflectance":
                target.scales = (REFLECTANCE_SCALE,) * len(bands)
            if what == "crop" and cube.legend is not None:
                _write_legend(target, cube.legend)
        copy_raster(temporary, out, driver="COG", compress="deflate", overview_resampling="nearest")
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(errno.EIO, one_line(error), str(out)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_legend(target: Any, legend: Legend) -> None:
    """Give band 1 the classes' colours, and their names as tags `class_<code>`."""
    colours = {entry.code: (*bytes.fromhex(entry.color.removeprefix("#")), 255) for entry in legend.classes}
    target.write_colormap(1, {0: (0, 0, 0, 0), **colours})
    target.update_tags(1, **{f"class_{entry.code}": entry.name for entry in legend.classes})


def _refuse_unseen(cube: Cube, position: int) -> None:
    """Raise InputError, naming the nearest days with an image, for a position in time without one."""
    status = cube.array("imagery/status")
    seen = np.flatnonzero((status == Status.STORED).any(axis=(1, 2)))
    if position in seen:
        return
    near = seen[np.argsort(np.abs(seen - position), kind="stable")[:4]]
    days = ", ".join(str(date_of(cube.calendar.days[place])) for place in sorted(near))
    raise InputError(
        f"{cube.path} has no image of {date_of(cube.calendar.days[position])}; the nearest days with one are"
        f" {days or 'none'}"
    )
