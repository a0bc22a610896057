"""How pixels of a source grid are transferred to a target grid: copied, replicated, or resampled exactly.

The relation of two grids is the same on every date, so it is worked out once (see `mappings`). Each target pixel is
mapped by its own centre, never through an approximation over a window, so the result does not depend on how
the target was cut into blocks. (GDAL's default transformer interpolates between exact points and is up to
0.067 pixels off, differently for each block size.)
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.errors import InputError

from .crs import in_degrees, same_crs
from .resampler import Resampler, Strip, strips_of
from .scene import RasterGrid
from .smoothing import Smoothing

SNAP = 1e-6
"""Pixels. Positions closer than this to a pixel centre are taken for it: far below any sensor's geolocation,
far above the rounding of the projection."""


WIDEST = 180.0
"""Degrees of longitude that the window of one target may take."""


def relate(source: RasterGrid, target: RasterGrid, *, weighted: bool = True) -> Resampler:
    """As `resampler`, without being kept: for what is read once. Without weights only codes can be mapped.

    Raises ValueError for a rotated grid, InputError for a raster around the earth that ends inside the target."""
    for grid in (source, target):
        if grid.transform[1] or grid.transform[3]:
            raise ValueError(f"rotated rasters are not supported: {grid.transform}")
    column, row = _positions(source, target)
    height, width = source.shape
    # floor(x + 0.5) sends a point on an edge to the pixel right of or below it, as GDAL does.
    nearest_row = np.floor(row + 0.5).astype(np.int64)
    nearest_column = np.floor(column + 0.5).astype(np.int64)
    inside = (nearest_row >= 0) & (nearest_row < height) & (nearest_column >= 0) & (nearest_column < width)
    if not inside.any():
        nothing = np.empty(0, np.int64)
        return Resampler((slice(0, 0), slice(0, 0)), target.shape, True, inside, nothing)
    native, smoothing = _native(source, target), None
    row, column = row[inside], column[inside]
    nearest_row, nearest_column = nearest_row[inside], nearest_column[inside]
    if native or not weighted:
        window = (
            slice(int(nearest_row.min()), int(nearest_row.max()) + 1),
            slice(int(nearest_column.min()), int(nearest_column.max()) + 1),
        )
        strips: tuple[Strip, ...] = ()
    else:
        # Source pixels finer by a whole factor, in line, are averaged over the target pixel.
        factor = _whole_factor(source, target)
        smoothing = smoothing_between(source, target)
        down, across = smoothing.margin if smoothing else (0, 0)
        taps = factor if factor > 1 else 2
        low_row, low_column = (np.floor(position - (factor - 1) / 2).astype(np.int64) for position in (row, column))
        window = (
            slice(max(0, int(low_row.min()) - down), min(height, int(low_row.max()) + taps + down)),
            slice(max(0, int(low_column.min()) - across), min(width, int(low_column.max()) + taps + across)),
        )
        if factor > 1:
            axis_weights = [(np.full(row.size, 1 / factor), np.full(row.size, 1 / factor)) for _ in range(factor)]
        else:
            lower, right = row - low_row, column - low_column
            axis_weights = [(1 - lower, 1 - right), (lower, right)]
        strips = strips_of(_separable(low_row, low_column, axis_weights, window))
    _refuse_both_edges(source, window)
    rows, columns = window
    width = columns.stop - columns.start
    nearest = (nearest_row - rows.start) * width + nearest_column - columns.start
    nearest = nearest.astype(_index_type((rows.stop - rows.start) * width))
    one_way = source.transform[4] * target.transform[4] > 0  # rows of a south-up raster are taken one by one
    area = _copied_area(inside, window) if native and one_way else None
    return Resampler(window, target.shape, native, None if inside.all() else inside, nearest, strips, area, smoothing)


def _refuse_both_edges(source: RasterGrid, window: tuple[slice, slice]) -> None:
    """Raise InputError for a raster around the earth of which the target needs both edges: the window would be all of
    its columns."""
    degrees = (window[1].stop - window[1].start) * abs(source.transform[0])
    if in_degrees(source.crs) and degrees > WIDEST:
        left = source.transform[2]
        raise InputError(
            f"a raster in degrees around the whole earth begins and ends at {left:g} degrees, inside a block; give the"
            " part around the region in a file of its own, for example with `gdalwarp -te` and longitudes beyond 180,"
            " or a folder of tiles"
        )


def _copied_area(inside: NDArray[np.bool_], window: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """The target rows and columns inside, where they are as many as those of the window: pixels of one size."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if (rows.size, columns.size) != tuple(part.stop - part.start for part in window):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _index_type(count: int) -> type[np.signedinteger[Any]]:
    """The type of an index into so many pixels: of a window it is nearly always the shorter one, half as large."""
    return np.int32 if count < 2**31 else np.int64


def _positions(source: RasterGrid, target: RasterGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(column, row) in the source, in pixels from the centre of its first pixel, of every target centre."""
    a, _, c, _, e, f = target.transform
    rows, columns = target.shape
    x = np.broadcast_to(c + a * (np.arange(columns) + 0.5), (rows, columns))
    y = np.broadcast_to((f + e * (np.arange(rows) + 0.5))[:, None], (rows, columns))
    column, row = pixel_positions(source, x, y, target.crs)
    return _snap(column), _snap(row)


def pixel_positions(
    raster: RasterGrid, x: NDArray[np.float64], y: NDArray[np.float64], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(column, row) of points in a raster, in pixels from the centre of its first pixel; not finite for points that
    its CRS does not hold. Longitudes are counted within half a turn of the raster's middle, so that a raster in degrees
    may reach beyond 180."""
    if not same_crs(raster.crs, crs):
        x, y = _transformer(crs, raster.crs).transform(x, y)
    a, _, c, _, e, f = raster.transform
    if in_degrees(raster.crs):
        x = np.asarray(x) - 360 * np.rint((np.asarray(x) - c - a * raster.shape[1] / 2) / 360)
    return (np.asarray(x) - c) / a - 0.5, (np.asarray(y) - f) / e - 0.5


def _snap(position: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.rint(position)
    return np.where(np.abs(position - whole) < SNAP, whole, position)


def _native(source: RasterGrid, target: RasterGrid) -> bool:
    """Same CRS, source pixels a whole multiple of the target's on both sides, edges in line: copy or replicate. The
    rows of either may run north."""
    if not same_crs(source.crs, target.crs):
        return False
    ratio, height_ratio = source.transform[0] / target.transform[0], abs(source.transform[4] / target.transform[4])
    if ratio < 1 - SNAP or abs(ratio - round(ratio)) > SNAP or abs(height_ratio - ratio) > SNAP:
        return False
    x = (source.transform[2] - target.transform[2]) / target.transform[0]
    y = (source.transform[5] - target.transform[5]) / target.transform[4]
    return abs(x - round(x)) < SNAP and abs(y - round(y)) < SNAP


@lru_cache(maxsize=1024)  # two grids and some numbers; asked for each band of each scene
def smoothing_between(source: RasterGrid, target: RasterGrid) -> Smoothing | None:
    """What averages the pixels of a raster before they are interpolated; None where that is not needed."""
    if _native(source, target) or _whole_factor(source, target) > 1:
        return None
    return Smoothing.of(source, target)


def _whole_factor(source: RasterGrid, target: RasterGrid) -> int:
    """How many source pixels fit a target pixel's side where the grids are in line; else 1."""
    factor = round(target.transform[0] / source.transform[0])
    return factor if factor > 1 and _native(target, source) else 1


def _separable(
    low_row: NDArray[np.int64],
    low_column: NDArray[np.int64],
    axis_weights: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    window: tuple[slice, slice],
) -> Any:
    """CSR of the products of row and column weights of each target pixel's neighbours, counted from the lowest;
    neighbours outside the window are left out."""
    from scipy import sparse  # long to import, and not needed where pixels are copied

    rows, columns = window
    height, width = rows.stop - rows.start, columns.stop - columns.start
    index = _index_type(height * width)
    targets, sources, weights = [], [], []
    for step_row, (weight_row, _) in enumerate(axis_weights):
        for step_column, (_, weight_column) in enumerate(axis_weights):
            weight = weight_row * weight_column
            r, c = low_row + step_row - rows.start, low_column + step_column - columns.start
            used = (weight > 0) & (r >= 0) & (r < height) & (c >= 0) & (c < width)
            targets.append(np.flatnonzero(used).astype(index))
            sources.append((r * width + c)[used].astype(index))
            weights.append(weight[used])
    entries = (np.concatenate(weights), (np.concatenate(targets), np.concatenate(sources)))
    return sparse.csr_array(entries, shape=(low_row.size, height * width))


@lru_cache(maxsize=64)  # a Transformer takes less than 100 KB: 6 MB at most
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
