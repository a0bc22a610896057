"""The images of a cube around a forecast, and the layers of a finished forecast, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.samples.reader import Floats, Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, clear_fractions
from mmvsf.datasets.sidecars.forecasts import MEDIAN, NDVI, QUANTILE, layer_file
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL
from mmvsf.model.baselines.simple import persistence

from .block import LOOK_BACK
from .variables import in_units, scales_of, with_ndvi


@dataclass(frozen=True)
class Observations:
    """What a cube has seen, for windows as large as a chunk. Values are (K, H, W) of all variables, NaN where there is
    none."""

    reader: WindowReader
    fractions: NDArray[np.uint8]
    """as `clear_fractions` gives them"""

    @classmethod
    def of(cls, cube: Cube) -> Self:
        """Those of a cube."""
        return cls(WindowReader(cube, Normalisation.none(cube)), clear_fractions(cube))

    @property
    def cube(self) -> Cube:
        return self.reader.cube

    def near(self, window: Window, target: int, first: int, last: int) -> Floats:
        """Of each pixel the clear value nearest to the day `target`, of the days from `first` to `last`; of two at one
        distance the earlier one."""
        days, images, valid = self._seen(window, first, last)
        away = np.where(valid, np.abs(days - target)[:, None, None], np.iinfo(np.int32).max)
        if not len(days):
            return with_ndvi(np.full(images.shape[1:], np.nan, np.float32), self.cube.bands)
        nearest = np.take_along_axis(images, away.argmin(axis=0)[None, None], axis=0)[0]
        return with_ndvi(np.where(valid.any(axis=0), nearest, np.float32(np.nan)), self.cube.bands)

    def last(self, window: Window, issued: int) -> Floats:
        """Persistence: of each pixel the last clear value in the LOOK_BACK days up to the day of issue."""
        days, images, valid = self._seen(window, issued - LOOK_BACK, issued)
        return with_ndvi(persistence(images, days, valid, issued), self.cube.bands)

    def _seen(self, window: Window, first: int, last: int) -> tuple[NDArray[np.int32], Floats, NDArray[np.bool_]]:
        days, chunk = self.cube.calendar.days, self.cube.grid.chunk
        clear = self.fractions[:, window.row // chunk, window.column // chunk]
        days = days[(clear > 0) & (clear != CLEAR_FRACTION_FILL) & (days >= first) & (days <= last)]
        return days, *self.reader.images(window, days)


def forecast_windows(folder: Path, record: Mapping[str, Any], cube: Cube, day: str) -> Iterator[tuple[Window, Floats]]:
    """The chunks of a cube that a forecast of a day meets, with its quantiles (Q, K, H, W), or its medians (1, K, H, W)
    where it has no others. Raises InputError where a file cannot be read or does not lie on the pixels of the cube."""
    several = layer_file(QUANTILE, day) in record["files"]
    names = [layer_file(kind, day) for kind in (QUANTILE if several else MEDIAN, NDVI)]
    names = [name for name in names if name in record["files"]]
    try:
        with ExitStack() as files:
            sources = [files.enter_context(rasterio.open(folder / name)) for name in names]
            yield from _windows(sources, cube, _corner(folder, sources[0], cube), several)
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise InputError(f"{folder}: {one_line(error, 160)}; make the forecast again") from error


def _corner(folder: Path, source: Any, cube: Cube) -> tuple[int, int]:
    """Row and column of the upper left pixel in the cube."""
    place = ~cube.grid.geobox.affine * source.transform
    row, column = round(place.f), round(place.c)
    shifted = cube.grid.geobox.affine * source.transform.translation(column, row)
    if not shifted.almost_equals(source.transform, 1e-6) or source.count % len(cube.bands):
        raise InputError(f"{folder}: its pixels or bands are not those of {cube.path}; name its cube with --cube")
    return row, column


def _windows(
    sources: Sequence[Any], cube: Cube, corner: tuple[int, int], several: bool
) -> Iterator[tuple[Window, Floats]]:
    n, chunk, (height, width) = cube.grid.chunks_per_block, cube.grid.chunk, sources[0].shape
    for cy, cx in ((by * n + y, bx * n + x) for by, bx in cube.grid.blocks for y in range(n) for x in range(n)):
        row, column = cy * chunk - corner[0], cx * chunk - corner[1]
        top, left, bottom, right = max(row, 0), max(column, 0), min(row + chunk, height), min(column + chunk, width)
        if top >= bottom or left >= right:
            continue
        read = _read(sources, cube, RasterWindow(left, top, right - left, bottom - top), several)
        values = np.full((*read.shape[:2], chunk, chunk), np.nan, np.float32)
        values[..., top - row : bottom - row, left - column : right - column] = read
        yield Window(cy * chunk, cx * chunk, chunk, cube.years[-1], (0, 0), np.empty(0, np.int32)), values


def _read(sources: Sequence[Any], cube: Cube, at: RasterWindow, several: bool) -> Floats:
    """(Q, K, H, W), or (1, K, H, W)."""
    scales, count = scales_of(cube.bands), len(cube.bands)
    values: Floats
    if several:
        stored = sources[0].read(window=at).reshape(count, -1, at.height, at.width).swapaxes(0, 1)
        values = in_units(stored, scales[:count, None, None])
    else:
        values = sources[0].read(window=at)[None]
    if len(sources) > 1:
        index = in_units(sources[1].read(window=at), scales[-1])[:, None]
        values = np.concatenate([values, index if several else index[len(index) // 2][None]], axis=1)
    return values
