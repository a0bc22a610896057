"""Reading windows of raster files through GDAL, with errors that never turn into nodata."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioDeprecationWarning, RasterioError, RasterioIOError
from rasterio.io import FilePath
from rasterio.windows import Window

from mmvsf.datasets.errors import MmvsfError, one_line

from .crs import same_crs
from .range_file import Range, RangeFile
from .scene import Asset, RasterGrid, unsigned

# A file without georeferencing is refused below; the warning would say it a second time.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
# What is to replace it, `opener`, installs and removes a handler for each file in a map that GDAL's other threads read
# without a lock.
warnings.filterwarnings("ignore", "FilePath is supplanted", RasterioDeprecationWarning)

GDAL_OPTIONS: dict[str, Any] = {
    # A directory listing finds no sidecar that a scene needs and is slow on network file systems.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # Nor one that an attacker would place: statistics and georeferencing beside a file are not part of it.
    "GDAL_PAM_ENABLED": "NO",
    # Parallelism is one process a task; threads inside GDAL would only compete with it.
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": 64,
}

DRIVER = "GTiff"
"""The only GDAL driver that opens a raster. Left alone, GDAL chooses by content: a VRT or a WMS description in the
place of a TIFF reads any file and address that it names."""


T = TypeVar("T")


MOST_TILE_BYTES = 2**28
"""Of a tile or strip, decoded."""

LEADER = 4
"""Bytes before and after each tile of a COG, which GDAL reads with it: its size, and its last bytes again (GDAL's
documentation of the COG driver, "Tile data leader and trailer")."""


class ReadError(MmvsfError):
    """A raster could not be read. It is recorded as a failure of its day and never stored as no data."""


class OutOfReachError(ReadError):
    """The server of a raster does not answer, or too slowly: what else lies there cannot be read either."""


def gdal_environment() -> Any:
    """The context that windows are read in; opening it once a task saves a third of a millisecond a file."""
    return rasterio.Env(**GDAL_OPTIONS)


@contextmanager
def _open(file: Path | str | RangeFile) -> Iterator[Any]:
    """A raster opened for reading, as a GeoTIFF and from that file alone. Raises RasterioError."""
    if isinstance(file, RangeFile):
        with FilePath(file) as path, path.open(driver=DRIVER, GEOREF_SOURCES="INTERNAL") as dataset:
            yield dataset
    else:
        with rasterio.open(file, driver=DRIVER, GEOREF_SOURCES="INTERNAL") as dataset:
            yield dataset


def read_raster(asset: Asset, window: tuple[slice, slice], file: RangeFile | None = None) -> NDArray[Any]:
    """The native numbers of a window of the asset's band, shape of the window; from `file` where that is elsewhere.

    Raises ReadError if the file cannot be opened or decoded, is truncated, or is on another grid than its
    item says: reading it anyway would put its pixels in the wrong place.
    """
    return _of_window(asset, window, _numbers, file)


def read_masked(asset: Asset, window: tuple[slice, slice], file: RangeFile | None = None) -> NDArray[Any]:
    """As `read_raster`; a masked array where the file itself says of some of the numbers that there are none.

    Raises ReadError as `read_raster` does.
    """
    stored, missing = read_codes(asset, window, file)
    return np.ma.MaskedArray(stored, missing) if missing.any() else stored


def read_measured(asset: Asset, window: tuple[slice, slice], file: RangeFile | None = None) -> NDArray[np.float64]:
    """The numbers of a window of the asset's band as float64, with the scale and offset that the file declares; NaN
    where the file itself says that there is none.

    Raises ReadError as `read_raster` does.
    """
    return _of_window(asset, window, _measured, file)


def read_codes(
    asset: Asset, window: tuple[slice, slice], file: RangeFile | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The numbers of a window of band 1, and where the file says that there is none: by its no-data value, its mask or
    alpha band, or a NaN. Both have the shape of the window.

    Raises ReadError as `read_raster` does.
    """
    return _of_window(asset, window, _numbers_and_gaps, file)


def _numbers(dataset: Any, part: Window, band: int) -> NDArray[Any]:
    numbers: NDArray[Any] = dataset.read(band, window=part)
    return numbers


def _numbers_and_gaps(dataset: Any, part: Window, band: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    stored, no_data = _numbers(dataset, part, band), dataset.nodata
    if no_data is None:
        missing = np.zeros(stored.shape, bool)
    else:
        with np.errstate(over="ignore"):  # a no-data value that the type cannot hold is in no pixel
            missing = stored == (int(no_data) if stored.dtype.kind in "iu" and no_data.is_integer() else no_data)
    if stored.dtype.kind == "f":
        missing |= np.isnan(stored)
    if {MaskFlags.per_dataset, MaskFlags.alpha} & set(dataset.mask_flag_enums[band - 1]):
        missing |= dataset.read_masks(band, window=part) == 0
    return stored, missing


def _measured(dataset: Any, part: Window, band: int) -> NDArray[np.float64]:
    stored, missing = _numbers_and_gaps(dataset, part, band)
    # A no-data value is one of the stored numbers: they are scaled after it is found.
    values = stored.astype(np.float64) * dataset.scales[band - 1] + dataset.offsets[band - 1]
    return np.where(missing, np.nan, values)


def _of_window(
    asset: Asset, window: tuple[slice, slice], take: Callable[[Any, Window, int], T], file: RangeFile | None
) -> T:
    rows, columns = window
    part = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
    try:
        with _open(file or asset.href) as dataset:
            _check_grid(asset, dataset)
            _check_band(asset, dataset.count)
            _refuse_large_tiles(asset, dataset)
            if file is not None:
                file.ahead(_stored_ranges(dataset, part, asset.band or 1))
            return take(dataset, part, asset.band or 1)
    except (RasterioError, OSError) as error:
        raise ReadError(f"{asset.name}: {one_line(error)}") from error


def _stored_ranges(dataset: Any, part: Window, band: int) -> Iterator[Range]:
    """Where in the file the tiles or strips of a window are; a sparse one is nowhere, and one that
    claims to be larger than its pixels is left to GDAL."""
    height, width = dataset.block_shapes[band - 1]
    most = 2 * height * width * np.dtype(dataset.dtypes[band - 1]).itemsize * dataset.count
    for row in range(part.row_off // height, -(-(part.row_off + part.height) // height)):
        for column in range(part.col_off // width, -(-(part.col_off + part.width) // width)):
            offset, size = (
                dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE")
            )
            if offset and size and int(size) <= most:
                yield max(int(offset) - LEADER, 0), int(offset) + int(size) + LEADER


def _check_band(asset: Asset, count: int) -> None:
    """Raise ReadError where a file of `count` bands does not have the asset's, or leaves open which it is."""
    if asset.band == 0 and count > 1:
        raise ReadError(f"{asset.name} has {count} bands; name one of them (`number` in imagery.custom)")
    if asset.band > count:
        raise ReadError(f"{asset.name} has {count} bands and no band {asset.band}")


def raster_grid(path: Path | str, file: RangeFile | None = None) -> RasterGrid:
    """The grid of a raster file, from its header; through `file` where it is elsewhere. Raises ReadError, also for one
    without CRS."""
    name = unsigned(str(path))
    try:
        with gdal_environment(), _open(file or path) as dataset:
            if dataset.crs is None:
                raise ReadError(f"{name} has no CRS; assign one, for example with `gdal_edit.py -a_srs EPSG:…`")
            a, b, c, d, e, f = list(dataset.transform)[:6]
            if b or d:
                raise ReadError(f"{name} is rotated; make it north-up, for example with `gdalwarp`")
            return RasterGrid(dataset.crs.to_string(), (a, b, c, d, e, f), (dataset.height, dataset.width))
    except RasterioIOError as error:
        raise ReadError(
            f"{name}: {one_line(error)}; a raster must be a GeoTIFF, convert others with `gdal_translate`"
        ) from error


def _refuse_large_tiles(asset: Asset, dataset: Any) -> None:
    """Raise ReadError for a file that is decoded in pieces so large that they fill the memory."""
    rows, columns = dataset.block_shapes[0]
    if rows * columns * np.dtype(dataset.dtypes[0]).itemsize > MOST_TILE_BYTES:
        raise ReadError(
            f"{asset.name} has tiles of {rows} x {columns} pixels, which must be decoded whole; rewrite it with"
            " smaller tiles, for example with `gdal_translate -of COG`"
        )


def _check_grid(asset: Asset, dataset: Any) -> None:
    grid = asset.grid
    shape_agrees = (dataset.height, dataset.width) == grid.shape
    tolerance = 1e-6 * abs(grid.transform[0])
    transform_agrees = all(
        abs(a - b) <= tolerance for a, b in zip(list(dataset.transform)[:6], grid.transform, strict=True)
    )
    if dataset.crs is not None and not same_crs(dataset.crs.to_wkt(), grid.crs):
        raise ReadError(f"{asset.name} is in {dataset.crs.to_string()}, its item says {grid.crs}")
    if not (shape_agrees and transform_agrees):
        raise ReadError(
            f"{asset.name} is {dataset.height} x {dataset.width} at {tuple(dataset.transform)[:6]},"
            f" its item says {grid.shape[0]} x {grid.shape[1]} at {grid.transform}"
        )
