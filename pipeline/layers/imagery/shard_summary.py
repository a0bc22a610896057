"""What a finished shard leaves in its ledger entry: status, clear fractions, integer sums, its scenes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, QUALITY_FILL

from .mosaic_day import BlockShard, clear_pixels


def shard_summary(shard: BlockShard, number: int, grid: Grid, season: SeasonSpec) -> dict[str, Any]:
    """The part of a shard that goes into the cube's small arrays: status and clear percent by day, and integer
    sums of the clear pixels by season and chunk."""
    clear = clear_pixels(shard)
    n, side = grid.chunks_per_block, grid.chunk
    days = np.flatnonzero((shard.quality != QUALITY_FILL).any(axis=(1, 2)))
    by_chunk = clear.reshape(SHARD_DAYS, n, side, n, side)
    percent = by_chunk.sum(axis=(2, 4)) * 100 // side**2
    seen = (shard.quality != QUALITY_FILL).reshape(SHARD_DAYS, n, side, n, side).any(axis=(2, 4))
    percent = np.where(seen, percent, CLEAR_FRACTION_FILL)
    return {
        "status": shard.status.tolist(),
        "clear": {str(day): percent[day].ravel().tolist() for day in days},
        "sums": _sums(shard, clear, season.names_of(np.arange(SHARD_DAYS) + number * SHARD_DAYS), grid),
        "scenes": [
            [day, index, scene.id, scene.product, scene.acquired.isoformat(), scene.version, scene.offset]
            for day, index, scene in shard.scenes
        ],
        "failures": [list(failure) for failure in shard.failures],
    }


def _sums(shard: BlockShard, clear: NDArray[np.bool_], years: NDArray[np.int32], grid: Grid) -> dict[str, Any]:
    """year -> [count (chunk,), sum (band, chunk), sum of squares (band, chunk)] over clear pixels; `years` (day,) are
    the names of the seasons of the days."""
    n, side = grid.chunks_per_block, grid.chunk
    result = {}
    for year in np.unique(years[clear.any(axis=(1, 2))]):
        days = np.flatnonzero((years == year) & clear.any(axis=(1, 2)))
        # |value| <= 2^15: 32 days sum to 2^20 and one square is 2^30, which int32 holds; squares of 32 days reach 2^35
        # and a chunk's sums exceed that: int64.
        by_pixel = np.zeros(shard.reflectance.shape[1:], np.int32)
        squares_by_pixel = np.zeros(by_pixel.shape, np.int64)
        for day in days:
            values = np.multiply(shard.reflectance[day], clear[day], dtype=np.int32)
            by_pixel += values
            squares_by_pixel += np.multiply(values, values, out=values)
        count = clear[days].reshape(-1, n, side, n, side).sum(axis=(0, 2, 4))
        total, squares = (
            pixels.reshape(-1, n, side, n, side).sum(axis=(2, 4), dtype=np.int64)
            for pixels in (by_pixel, squares_by_pixel)
        )
        result[str(year)] = [count.ravel().tolist(), *(s.reshape(s.shape[0], -1).tolist() for s in (total, squares))]
    return result
