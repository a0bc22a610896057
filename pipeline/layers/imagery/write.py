"""Read one task of imagery, write its shards, then its ledger entries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.storage.store import finish_writes, open_pixels
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, QUALITY_FILL
from mmvsf.pipeline.layers.imagery.mosaic_day import BlockShard, clear_pixels, read_shard
from mmvsf.pipeline.layers.imagery.plan import ShardTask
from mmvsf.pipeline.layers.task import BuildContext, TaskReport
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import gdal_environment


def imagery_entry_name(shard: int, block: BlockIndex) -> str:
    return f"imagery/{shard}/{block[0]}-{block[1]}"


def run_shard_task(task: ShardTask, context: BuildContext) -> TaskReport:
    """Read and write one task. Raises OSError if the disk refuses; a scene that cannot be read is recorded."""
    with gdal_environment():
        shards = read_shard(task, context.grid, context.imagery, context.skip_below_clear)
    time = context.calendar.shard_slice(task.shard)
    ledger = Ledger.of_cube(context.cube)
    arrays = {
        name: open_pixels(context.cube, f"imagery/{name}", write=True) for name in ("reflectance", "quality", "scene")
    }
    pixels, failures = 0, []
    for block, digest in zip(task.blocks, task.digests, strict=True):
        shard = shards[block]
        rows, columns = context.grid.block_slices(block)
        writes = [
            arrays["reflectance"][time, :, rows, columns].write(shard.reflectance),
            arrays["quality"][time, rows, columns].write(shard.quality),
            arrays["scene"][time, rows, columns].write(shard.scene),
        ]
        finish_writes(writes, context.cube)
        entry = {"digest": digest, **summarise(shard, task.shard, context.grid)}
        ledger.write(imagery_entry_name(task.shard, block), entry)
        pixels += int((shard.reflectance[:, 0] != -9999).sum()) * shard.reflectance.shape[1]
        failures += [f"{reason} (block {block[0]},{block[1]})" for _, _, reason in shard.failures]
    return TaskReport(len(task.blocks), pixels, tuple(failures))


def summarise(shard: BlockShard, number: int, grid: Grid) -> dict[str, Any]:
    """The part of a shard that goes into the cube's small arrays: status and clear percent by day, and integer
    sums of the clear pixels by year and chunk."""
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
        "sums": _sums(shard, clear, number, grid),
        "scenes": [
            [day, index, scene.id, scene.product, scene.acquired.isoformat(), scene.version, scene.offset]
            for day, index, scene in shard.scenes
        ],
        "failures": [list(failure) for failure in shard.failures],
    }


def _sums(shard: BlockShard, clear: NDArray[np.bool_], number: int, grid: Grid) -> dict[str, Any]:
    """year -> [count (chunk,), sum (band, chunk), sum of squares (band, chunk)] over clear pixels."""
    first = number * SHARD_DAYS
    years = np.arange(first, first + SHARD_DAYS).astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    n, side = grid.chunks_per_block, grid.chunk
    result = {}
    for year in np.unique(years[clear.any(axis=(1, 2))]):
        days = np.flatnonzero((years == year) & clear.any(axis=(1, 2)))
        values = np.where(clear[days, None], shard.reflectance[days], 0).astype(np.int64)
        count = clear[days].reshape(-1, n, side, n, side).sum(axis=(0, 2, 4))
        total = values.sum(axis=0).reshape(-1, n, side, n, side).sum(axis=(2, 4))
        squares = (values**2).sum(axis=0).reshape(-1, n, side, n, side).sum(axis=(2, 4))
        result[str(year)] = [count.ravel().tolist(), *(s.reshape(s.shape[0], -1).tolist() for s in (total, squares))]
    return result
