"""Cloud-Optimized GeoTIFFs, written window by window so that no region is too large, and read back.

GDAL does not raise every error of a disk: what fails while a file is closed is printed and lost, and a tile that could
not be written reads as nodata. So a finished file is read whole before it gets its name, and each window is compared
with what was written.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from mmvsf.datasets.errors import one_line

from .location import DRAFT, atomic_file
from .outputs import named_errors, not_as_written

STORED = {"compress": "deflate", "bigtiff": "if_safer"}
"""Of every file. By default GDAL writes compressed files in the format that ends at 4 GiB."""

TILED = {"driver": "GTiff", "tiled": True, "sparse_ok": True, **STORED}
"""Overviews need all blocks, so a plain tiled file is written first."""

Colour = tuple[int, int, int, int]


@dataclass(frozen=True)
class RasterHeader:
    """What a GeoTIFF holds besides its pixels."""

    shape: tuple[int, int]
    """rows and columns"""
    dtype: str
    crs: str
    transform: Affine
    nodata: float
    bands: tuple[str, ...]
    """names"""
    scales: tuple[float, ...] = (1.0,)
    """repeated until every band has one"""
    tags: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """by number of the band, 0 for those of the file"""
    colours: Mapping[int, Colour] = field(default_factory=dict)
    """of the values of the only band"""

    def profile(self) -> dict[str, Any]:
        """As rasterio takes it."""
        return {
            "height": self.shape[0], "width": self.shape[1], "count": len(self.bands), "dtype": self.dtype,
            "crs": self.crs, "transform": self.transform, "nodata": self.nodata,
        }  # fmt: skip

    @property
    def _scales(self) -> tuple[float, ...]:
        return tuple(islice(cycle(self.scales), len(self.bands)))

    def write(self, target: Any) -> None:
        """Write what the profile does not hold to an opened raster."""
        target.descriptions = self.bands
        target.scales = self._scales
        if self.colours:
            target.write_colormap(1, dict(self.colours))
        for band, tags in self.tags.items():
            target.update_tags(band, **tags)

    def differences(self, source: Any) -> list[str]:
        """What is different in an opened raster."""
        read = source.profile
        wrong = [key for key, value in self.profile().items() if repr(read[key]) != repr(value) and read[key] != value]
        colours = source.colormap(1) if self.colours else {}
        checks = {
            "band names": source.descriptions == self.bands,
            "scales": source.scales == self._scales,
            "colours": all(colours.get(value) == colour for value, colour in self.colours.items()),
            "tags": all(source.tags(band).items() >= tags.items() for band, tags in self.tags.items()),
        }
        return wrong + [name for name, equal in checks.items() if not equal]


class GeoTiffDraft:
    """A raster that is being written; `cog_file` makes one."""

    def __init__(self, path: Path, folder: Path, header: RasterHeader) -> None:
        self.cog = folder / "cog.tif"
        self._path, self._tiled, self._header = path, folder / "tiled.tif", header
        self._checksums: dict[tuple[int, int, int, int], int] = {}
        with gdal_errors(path):
            self._dataset = rasterio.open(self._tiled, "w", **TILED, **header.profile())
            header.write(self._dataset)

    def write(self, values: NDArray[Any], rows: slice, columns: slice) -> None:
        """Write a window of all bands, (bands, H, W) in the dtype of the file. Each pixel is written at most once.
        Raises OSError."""
        window = Window.from_slices(rows, columns)
        with gdal_errors(self._path):
            self._dataset.write(values, window=window)
        self._checksums[window.flatten()] = _checksum(values)

    def finish(self, **options: str) -> None:
        """Make the Cloud-Optimized GeoTIFF, with creation options of GDAL's driver COG, and read it back. Raises
        OSError where it is not what was written."""
        with gdal_errors(self._path):
            self._dataset.close()
            copy_raster(self._tiled, self.cog, driver="COG", **STORED, **options)
            self._check()

    def close(self) -> None:
        """Close the tiled file, whatever is in it."""
        with suppress(OSError), gdal_errors(self._path):
            self._dataset.close()

    def _check(self) -> None:
        with rasterio.open(self.cog) as source:
            if wrong := self._header.differences(source):
                raise not_as_written(self._path, f"other {', '.join(wrong)}")
            for window, checksum in self._checksums.items():
                if _checksum(source.read(window=Window(*window))) != checksum:
                    raise not_as_written(self._path, f"other pixels at column {window[0]}, row {window[1]}")
            levels = len(source.overviews(1))
        for level in (None, *range(levels)):
            with rasterio.open(self.cog, **({} if level is None else {"overview_level": level})) as source:
                for _, block in source.block_windows(1):
                    source.read(window=block)


@contextmanager
def cog_file(path: Path, header: RasterHeader) -> Iterator[GeoTiffDraft]:
    """A draft of a Cloud-Optimized GeoTIFF, which replaces `path` when the block ends without an error.

    Call `finish` at the end of the block; where several files belong together, call it for all of them before the
    first block ends. An error removes the draft. Creates the folder. Raises OSError.
    """
    with (
        named_errors(path),
        atomic_file(path) as whole,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.", suffix=DRAFT) as folder,
    ):
        draft = GeoTiffDraft(path, Path(folder), header)
        try:
            yield draft
            draft.cog.replace(whole)
        finally:
            draft.close()


def _checksum(values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)


_ONE_AT_A_TIME = threading.Lock()
"""Standard error is one for all threads."""

REFUSED = re.compile(r"^_tiff\w+Proc: (.*?)\.?\n", re.MULTILINE)
"""What libtiff prints of a read or write that the system refused."""


@contextmanager
def gdal_errors(path: Path) -> Iterator[None]:
    """GDAL's errors as an OSError that names the output `path`.

    libtiff prints the system's reason, such as `No space left on device`, on standard error and does not always report
    a failure, so the reason is taken from there. What else was printed is passed on.
    """
    error: Exception | None = None
    # A file beside a raster (.aux.xml) would be written without these checks.
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), _standard_error() as printed:
        try:
            yield
        except (RasterioError, CPLE_BaseError, OSError) as raised:
            error = raised
    text = printed.getvalue().decode(errors="replace")
    sys.stderr.write(REFUSED.sub("", text))
    if refusal := REFUSED.search(text):
        raise OSError(errno.EIO, refusal[1], str(path)) from error
    if isinstance(error, RasterioError | CPLE_BaseError):
        raise not_as_written(path, one_line(error.__cause__ or error)) from error
    if error is not None:
        raise error


@contextmanager
def _standard_error() -> Iterator[BytesIO]:
    """What is printed on standard error, by Python or by a library, until the block ends."""
    printed = BytesIO()
    sys.stderr.flush()
    with _ONE_AT_A_TIME, open(os.memfd_create("stderr"), "w+b") as file:  # noqa: PTH123
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield printed
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            printed.write(file.read())
