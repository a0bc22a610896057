"""One shard of a few blocks: radar scenes in, backscatter by direction out.

A direction of a day is one pass: slices of one track that meet. Where passes of two tracks see a block on one day, as
near the poles, the one that gives it the most pixels is taken, since tracks look from different angles.
"""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import one_line
from mmvsf.datasets.variables import BACKSCATTER_FILL, Status
from mmvsf.pipeline.crew import each
from mmvsf.pipeline.layers.imagery.block_shard import area_of, extent_of
from mmvsf.pipeline.layers.imagery.plan import ShardTask
from mmvsf.pipeline.layers.imagery.table import SceneReader
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import RasterGrid, Scene, SceneKey

from .pixels import read_backscatter

Met = dict[BlockIndex, frozenset[SceneKey]]
"""block -> the keys of the scenes that the plan gives it"""


@dataclass
class PassShard:
    """What the passes of one direction become in one block. `backscatter` holds the `days` of the task; all other days
    are fill."""

    days: tuple[int, ...]
    """positions in the shard, ascending"""
    backscatter: NDArray[np.int16]
    """(day, polarisation, block, block)"""
    status: NDArray[np.uint8]
    """(32,)"""
    orbit: NDArray[np.uint8]
    """(32,) relative orbit, 0 for none"""

    @classmethod
    def empty(cls, days: Iterable[int], polarisations: int, block: int) -> "PassShard":
        held = tuple(sorted(set(days)))
        backscatter = np.full((len(held), polarisations, block, block), BACKSCATTER_FILL, np.int16)
        status = np.full(SHARD_DAYS, Status.NOT_ACQUIRED, np.uint8)
        return cls(held, backscatter, status, np.zeros(SHARD_DAYS, np.uint8))


@dataclass
class RadarShard:
    """What one block's 32 days become."""

    passes: dict[str, PassShard]
    """by the product of the direction"""
    scenes: list[tuple[int, Scene]] = field(default_factory=list)
    """(day number, scene) of every scene that gave data to this block"""
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    """(day number, scene ids, reason)"""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """held while the lists are changed, since several passes may be read at once"""


def read_shard(
    task: ShardTask, grid: Grid, reader: SceneReader, products: Sequence[str]
) -> dict[BlockIndex, RadarShard]:
    """Read all passes of a task. One that cannot be read is marked failed in the blocks that needed it and left empty
    there; all others are complete."""
    count = len(reader.products.bands)
    days = {name: [scene.day % SHARD_DAYS for scene in task.scenes if scene.product == name] for name in products}
    result = {
        block: RadarShard({name: PassShard.empty(days[name], count, grid.block) for name in products})
        for block in task.blocks
    }
    met = dict(zip(task.blocks, task.met, strict=True))
    in_order = sorted(task.scenes, key=lambda scene: (scene.day, scene.product, scene.acquired, scene.id))
    passes = [list(scenes) for _, scenes in groupby(in_order, key=lambda scene: (scene.day, scene.product))]

    def read(scenes: list[Scene]) -> None:
        with gdal_environment():
            _read_pass(scenes, met, grid, reader, result)

    at_once = min(len(passes), reader.days_at_once)
    if at_once > 1:
        # A server is waited for most of the time; passes touch different pixels.
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(read, passes))
    else:
        each(read, passes)
    for shard in result.values():
        shard.scenes.sort(key=lambda entry: (entry[0], entry[1].acquired, entry[1].id))
        shard.failures.sort(key=lambda failure: failure[:2])
    return result


def _read_pass(
    scenes: list[Scene], met: Met, grid: Grid, reader: SceneReader, result: dict[BlockIndex, RadarShard]
) -> None:
    day, product = scenes[0].day, scenes[0].product
    try:
        _fill_pass(scenes, met, grid, reader, result)
    except ReadError as error:
        if len(met) > 1 and not isinstance(error, OutOfReachError):
            # Only the blocks that need the damaged part should fail, however blocks were grouped.
            for block, keys in met.items():
                if own := [scene for scene in scenes if scene.key in keys]:
                    _read_pass(own, {block: keys}, grid, reader, result)
            return
        for block, keys in met.items():
            if needed := [scene.id for scene in scenes if scene.key in keys]:
                result[block].passes[product].status[day % SHARD_DAYS] = Status.FAILED
                with result[block].lock:
                    result[block].failures.append((day, " ".join(needed), one_line(error)))


def _fill_pass(
    scenes: list[Scene], met: Met, grid: Grid, reader: SceneReader, result: dict[BlockIndex, RadarShard]
) -> None:
    """Fill one pass of the given blocks. Raises ReadError."""
    for scene in scenes:
        if scene.fault:
            raise ReadError(f"{scene.id}: {scene.fault}")
    corner, (height, width) = extent_of(grid, met)
    top, left = corner[0] * grid.block, corner[1] * grid.block
    target = RasterGrid.of(grid.geobox[top : top + height, left : left + width])
    images = [(scene, read_backscatter(scene, grid, target, reader)) for scene in scenes]
    for block, keys in met.items():
        rows, columns = area_of(grid, block, corner)
        own = [(scene, image[:, rows, columns]) for scene, image in images if scene.key in keys]
        values, given = best_track(own)
        if given:
            shard, position = result[block].passes[scenes[0].product], scenes[0].day % SHARD_DAYS
            shard.backscatter[shard.days.index(position)] = values
            shard.status[position], shard.orbit[position] = Status.STORED, given[0].orbit
            with result[block].lock:
                result[block].scenes += [(scene.day, scene) for scene in given]


def best_track(images: Sequence[tuple[Scene, NDArray[np.int16]]]) -> tuple[NDArray[np.int16], list[Scene]]:
    """The pixels (polarisation, block, block) of the track that has the most of them, each from the first of its scenes
    that has it, and the scenes that gave some."""
    best: tuple[NDArray[np.int16], list[Scene]] = np.empty((0, 0, 0), np.int16), []
    most = 0
    for orbit in dict.fromkeys(scene.orbit for scene, _ in images):
        values: NDArray[np.int16] | None = None
        given = []
        for scene, image in images:
            if scene.orbit != orbit:
                continue
            values = np.full_like(image, BACKSCATTER_FILL) if values is None else values
            new = (values[0] == BACKSCATTER_FILL) & (image[0] != BACKSCATTER_FILL)
            if new.any():
                np.copyto(values, image, where=new)
                given.append(scene)
        count = 0 if values is None else int((values[0] != BACKSCATTER_FILL).sum())
        if values is not None and count > most:
            best, most = (values, given), count
    return best
