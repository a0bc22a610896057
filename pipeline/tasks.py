"""The unit of work on a worker: read one shard task, write its shards, then its ledger entries."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.calendar import SHARD_DAYS, Calendar
from mmvsf.datasets.grid import BlockIndex, Grid
from mmvsf.datasets.location import Location
from mmvsf.datasets.store import finish_writes, open_pixels
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, QUALITY_FILL

from .labels import BlockLabels, LabelTask, read_labels
from .ledger import Ledger
from .plan import ShardTask
from .raster import gdal_environment
from .read import BlockShard, clear_pixels, read_shard
from .sources.protocols import ImagerySource, LabelSource, ReadError, StaticSource
from .static import StaticTask, read_static


@dataclass(frozen=True)
class BuildContext:
    """What every task of a build needs; sent to each worker once a task, so it stays small."""

    cube: Location
    grid: Grid
    calendar: Calendar
    imagery: ImagerySource
    labels: LabelSource | None
    label_method: str
    label_codes: tuple[int, ...]
    """codes that the label source may hold"""
    label_groups: dict[int, int]
    """code of the label source -> code in the cube"""
    label_years: tuple[int, ...]
    skip_below_clear: float
    label_confidence: bool = False
    """whether the cube stores the confidence of its labels"""
    static: StaticSource | None = None
    static_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskReport:
    """What a finished task tells the build."""

    units: int
    pixels: int
    """band pixels stored"""
    failures: tuple[str, ...]


def imagery_entry_name(shard: int, block: BlockIndex) -> str:
    return f"imagery/{shard}/{block[0]}-{block[1]}"


def label_entry_name(year: int, block: BlockIndex) -> str:
    return f"labels/{year}/{block[0]}-{block[1]}"


def static_entry_name(block: BlockIndex) -> str:
    return f"static/{block[0]}-{block[1]}"


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


def run_label_task(task: LabelTask, context: BuildContext) -> TaskReport:
    """Read and write the labels of one block and year; what cannot be read is recorded as failed. Raises InputError."""
    if context.labels is None:
        raise ValueError("a label task needs a label source")
    name = label_entry_name(task.year, task.block)
    rows, columns = context.grid.block_slices(task.block)
    try:
        with gdal_environment():
            labels = read_labels(
                task, context.grid, context.labels, context.label_method, context.label_codes, context.label_groups
            )
    except ReadError as error:
        return _failed(context, name, task.digest, f"{error} ({task.year}, block {task.block[0]},{task.block[1]})")
    year = context.label_years.index(task.year)
    names = BlockLabels._fields if context.label_confidence else ("crop", "purity")
    writes = [
        open_pixels(context.cube, f"labels/{name}", write=True)[year, rows, columns].write(getattr(labels, name))
        for name in names
    ]
    finish_writes(writes, context.cube)
    known = {str(code): int(count) for code, count in zip(*np.unique(labels.crop, return_counts=True), strict=True)}
    Ledger.of_cube(context.cube).write(name, {"digest": task.digest, "counts": known})
    return TaskReport(1, 0, ())


def run_static_task(task: StaticTask, context: BuildContext) -> TaskReport:
    """Read and write the static layers of one block; what cannot be read is recorded as failed."""
    if context.static is None:
        raise ValueError("a static task needs a source of static layers")
    name = static_entry_name(task.block)
    try:
        with gdal_environment():
            layers = read_static(task, context.grid, context.static, context.static_layers)
    except ReadError as error:
        return _failed(context, name, task.digest, f"{error} (block {task.block[0]},{task.block[1]})")
    place = context.grid.block_slices(task.block)
    writes = [
        open_pixels(context.cube, f"static/{name}", write=True)[place].write(values) for name, values in layers.items()
    ]
    finish_writes(writes, context.cube)
    known = {name: int(np.isfinite(values).sum()) for name, values in layers.items()}
    Ledger.of_cube(context.cube).write(name, {"digest": task.digest, "known": known})
    return TaskReport(1, 0, ())


def _failed(context: BuildContext, name: str, digest: str, reason: str) -> TaskReport:
    """Record that a block's labels or layers could not be read; the next run tries again."""
    Ledger.of_cube(context.cube).write(name, {"digest": digest, "failures": [reason]})
    return TaskReport(1, 0, (reason,))


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
