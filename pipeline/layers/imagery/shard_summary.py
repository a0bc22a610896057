"""The summary of a finished shard in its ledger entry: status, clear fractions, integer sums, its scenes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, QUALITY_FILL

from .block_shard import BlockShard


def shard_summary(shard: BlockShard, number: int, grid: Grid, season: SeasonSpec) -> dict[str, Any]:
    """The part of a shard that goes into the cube's small arrays: status and clear percent by day, and integer
    sums of the clear pixels by season and chunk."""
    clear, seen = shard.clear_pixels(), shard.quality != QUALITY_FILL
    percent = _by_chunk(clear, grid) * 100 // grid.chunk**2
    percent = np.where(_by_chunk(seen, grid) > 0, percent, CLEAR_FRACTION_FILL)
    return {
        "status": shard.status.tolist(),
        "clear": {str(day): percent[n].tolist() for n, day in enumerate(shard.days) if seen[n].any()},
        "sums": _sums(shard, clear, season.names_of(np.array(shard.days, int) + number * SHARD_DAYS), grid),
        "scenes": [
            [day, index, scene.id, scene.product, scene.acquired.isoformat(), scene.version, scene.offset]
            for day, index, scene in shard.scenes
        ],
        "failures": [list(failure) for failure in shard.failures],
    }


def _by_chunk(pixels: NDArray[np.bool_], grid: Grid) -> NDArray[np.int64]:
    """(day, chunk) how many of the pixels (day, block, block) are True. Rows are added first, in bytes as far as these
    hold the numbers: four times as fast."""
    n, side = grid.chunks_per_block, grid.chunk
    dtype = np.uint8 if side <= np.iinfo(np.uint8).max else np.uint16
    rows = pixels.view(np.uint8).reshape(-1, n, side, n, side).sum(axis=2, dtype=dtype)
    counts: NDArray[np.int64] = rows.sum(axis=-1, dtype=np.int64).reshape(-1, n * n)
    return counts


def _sums(shard: BlockShard, clear: NDArray[np.bool_], years: NDArray[np.int32], grid: Grid) -> dict[str, Any]:
    """year -> [count (chunk,), sum (band, chunk), sum of squares (band, chunk)] over clear pixels; `years` (day,) are
    the names of the seasons of the days."""
    result = {}
    for year in np.unique(years[clear.any(axis=(1, 2))]):
        days = np.flatnonzero((years == year) & clear.any(axis=(1, 2)))
        count = _by_chunk(clear[days], grid).sum(axis=0)
        bands = [
            _band_sums(shard.reflectance[:, band], clear, days, grid) for band in range(shard.reflectance.shape[1])
        ]
        result[str(year)] = [count.tolist(), *([s.tolist() for s in sums] for sums in zip(*bands, strict=True))]
    return result


def _band_sums(
    values: NDArray[np.int16], clear: NDArray[np.bool_], days: NDArray[np.intp], grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(sum (chunk,), sum of squares (chunk,)) of a band (day, block, block) over clear pixels of these days.

    One band at a time stays in the processor's cache, and numbers are as short as they may be: 32 days of |value| <=
    2^15 sum to 2^20, and a square is 2^30; squares of several days fit 32 bits where the values are small."""
    largest = max(abs(int(values.min())), abs(int(values.max())))
    total = np.zeros(values.shape[1:], np.int32)
    squares = np.zeros(total.shape, np.int32 if largest**2 * len(days) < 2**31 else np.int64)
    short, number = np.empty(total.shape, np.int16), np.empty(total.shape, np.int32)
    for day in days:
        np.multiply(values[day], clear[day], out=short)
        np.copyto(number, short)
        total += number
        squares += np.multiply(number, number, out=number)
    n, side = grid.chunks_per_block, grid.chunk
    by_chunk = (p.reshape(n, side, n, side).sum(axis=(1, 3), dtype=np.int64).ravel() for p in (total, squares))
    return next(by_chunk), next(by_chunk)
