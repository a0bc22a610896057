"""One shard of a few blocks: scenes in, reflectance, quality and scene index out.

Masks are read first. Bands are read only for scenes that give a pixel, and not at all for a block that is
hopelessly cloudy. Where scenes of a day overlap, each pixel takes the best (see `preference`) of those that have it: by
their mask and, where that is clear, in all bands.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import one_line
from mmvsf.datasets.variables import (
    QUALITY_FILL,
    REFLECTANCE_FILL,
    SCENE_FILL,
    Status,
    is_clear,
)
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import RasterGrid, Scene, SceneKey

from .plan import ShardTask
from .preference import best_quality, by_preference
from .scene_pixels import read_bands, read_quality, refuse_second_offset
from .table import SceneReader

_books = threading.Lock()
"""Held while the lists of a shard are changed, since several days may be read at once."""


@dataclass
class BlockShard:
    """What one block's 32 days become."""

    reflectance: NDArray[np.int16]
    """(32, band, block, block)"""
    quality: NDArray[np.uint8]
    """(32, block, block)"""
    scene: NDArray[np.uint8]
    """(32, block, block)"""
    status: NDArray[np.uint8]
    """(32,)"""
    scenes: list[tuple[int, int, Scene]] = field(default_factory=list)
    """(day number, index, scene) of every scene that gave data to this block"""
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    """(day number, scene id, reason)"""

    @classmethod
    def empty(cls, bands: int, block: int) -> "BlockShard":
        return cls(
            np.full((SHARD_DAYS, bands, block, block), REFLECTANCE_FILL, np.int16),
            np.full((SHARD_DAYS, block, block), QUALITY_FILL, np.uint8),
            np.full((SHARD_DAYS, block, block), SCENE_FILL, np.uint8),
            np.full(SHARD_DAYS, Status.NOT_ACQUIRED, np.uint8),
        )

    def forget(self, day: int) -> None:
        """Empty a day (a day number) again."""
        position = day % SHARD_DAYS
        self.reflectance[position] = REFLECTANCE_FILL
        self.quality[position] = QUALITY_FILL
        self.scene[position] = SCENE_FILL
        self.status[position] = Status.NOT_ACQUIRED
        with _books:
            self.scenes = [entry for entry in self.scenes if entry[0] != day]


def read_shard(
    task: ShardTask, grid: Grid, source: SceneReader, skip_below_clear: float
) -> dict[BlockIndex, BlockShard]:
    """Read all days of a task. A day that cannot be read is marked failed in the blocks that needed it and
    left empty there; all other days are complete."""
    result = {block: BlockShard.empty(len(source.products.bands), grid.block) for block in task.blocks}
    met = dict(zip(task.blocks, task.met, strict=True))
    days = [(day, list(scenes)) for day, scenes in groupby(task.scenes, key=lambda scene: scene.day)]

    def read(entry: tuple[int, list[Scene]]) -> None:
        with gdal_environment():
            _read_day(*entry, met, grid, source, skip_below_clear, result)

    at_once = min(len(days), source.days_at_once)
    if at_once > 1:
        # A server is waited for most of the time; days of a shard touch different pixels.
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(read, days))
    else:
        for entry in days:
            _read_day(*entry, met, grid, source, skip_below_clear, result)
    for shard in result.values():
        shard.scenes.sort(key=lambda entry: entry[:2])
        shard.failures.sort(key=lambda failure: failure[0])
    return result


def _read_day(
    day: int,
    scenes: list[Scene],
    met: dict[BlockIndex, frozenset[SceneKey]],
    grid: Grid,
    source: SceneReader,
    skip_below_clear: float,
    result: dict[BlockIndex, BlockShard],
) -> None:
    try:
        _fill_day(day, scenes, met, grid, source, skip_below_clear, result)
    except ReadError as error:
        for block in met:
            result[block].forget(day)
        if len(met) > 1 and not isinstance(error, OutOfReachError):
            # Only the blocks that need the damaged part should fail, however blocks were grouped.
            for block, ids in met.items():
                own = [scene for scene in scenes if scene.key in ids]
                _read_day(day, own, {block: ids}, grid, source, skip_below_clear, result)
            return
        for block, ids in met.items():
            needed = [scene.id for scene in scenes if scene.key in ids]
            if needed:
                result[block].status[day % SHARD_DAYS] = Status.FAILED
                with _books:
                    result[block].failures.append((day, " ".join(needed), one_line(error)))


def _fill_day(
    day: int,
    scenes: list[Scene],
    met: dict[BlockIndex, frozenset[SceneKey]],
    grid: Grid,
    source: SceneReader,
    skip_below_clear: float,
    result: dict[BlockIndex, BlockShard],
) -> None:
    """Fill one day of the given blocks, which form a rectangle. Raises ReadError."""
    for scene in scenes:
        if scene.fault:
            raise ReadError(f"{scene.id}: {scene.fault}")
    target, corner = rectangle(grid, tuple(met))
    areas = {block: area_of(block, corner, grid.block) for block in met}
    ordered = by_preference(scenes, target)
    masks = _read_masks(ordered, target, source, met, areas)
    quality = best_quality(masks, target.shape)[1]
    wanted = np.zeros(target.shape, bool)
    for area in areas.values():
        # By its mask a block is at least as clear as with its bands, so none is skipped here that would be stored.
        wanted[area] = is_clear(quality[area]).mean() >= skip_below_clear
    bands, winner, quality = _read_winners(ordered, masks, wanted, target, source)
    for block, area in areas.items():
        given = [number for number, mask in enumerate(masks) if np.any(mask[area] != QUALITY_FILL)]
        if given:
            _store_quality(result[block], day, quality[area], winner[area], given, ordered)
            cloudy = is_clear(quality[area]).mean() < skip_below_clear
            result[block].status[day % SHARD_DAYS] = Status.SKIPPED_CLOUDY if cloudy else Status.STORED
            if not cloudy:
                reflectance = result[block].reflectance[day % SHARD_DAYS]
                _store_reflectance(reflectance, area, winner, quality, bands, ordered, source)


def _read_masks(
    scenes: list[Scene],
    target: RasterGrid,
    source: SceneReader,
    met: dict[BlockIndex, frozenset[SceneKey]],
    areas: dict[BlockIndex, tuple[slice, slice]],
) -> list[NDArray[np.uint8]]:
    """The quality of each scene on the target, without data in the blocks that the scene was not found for."""
    masks = [read_quality(scene, target, source) for scene in scenes]
    for block, ids in met.items():
        for scene, mask in zip(scenes, masks, strict=True):
            if scene.key not in ids:
                mask[areas[block]] = QUALITY_FILL
    return masks


def _read_winners(
    scenes: list[Scene],
    masks: list[NDArray[np.uint8]],
    wanted: NDArray[np.bool_],
    target: RasterGrid,
    source: SceneReader,
) -> tuple[dict[int, NDArray[np.int16]], NDArray[np.intp], NDArray[np.uint8]]:
    """(number of a scene -> its bands (band, *target), for each scene that wins one of the `wanted` pixels; the number
    of each pixel's scene; its quality), the last two as `best_quality`.

    A scene has a clear pixel only with all of its bands. Where one is missing, the scene's mask is set to no data, and
    the next best scene wins the pixel: only then is a scene read that the masks alone would not ask for. Raises
    ReadError.
    """
    bands: dict[int, NDArray[np.int16]] = {}
    while True:
        winner, quality = best_quality(masks, target.shape)
        clear, complete = is_clear(quality), True
        for number, scene in enumerate(scenes):
            won = wanted & (winner == number)
            if not won.any():
                continue
            if number not in bands:
                bands[number] = read_bands(scene, target, source)
            missing = won & clear & (bands[number] == REFLECTANCE_FILL).any(axis=0)
            if missing.any():
                masks[number][missing], complete = QUALITY_FILL, False
        if complete:
            return bands, winner, quality


def _store_quality(
    shard: BlockShard,
    day: int,
    quality: NDArray[np.uint8],
    winner: NDArray[np.intp],
    given: list[int],
    scenes: list[Scene],
) -> None:
    """Store a day's quality in a block, and which of the scenes each pixel is from: `given` are the positions of those
    that have data in the block, `winner` (block, block) that of each pixel's scene, -1 for none."""
    index = np.full(len(scenes) + 1, SCENE_FILL, np.uint8)
    index[given] = np.arange(len(given))
    shard.quality[day % SHARD_DAYS] = quality
    shard.scene[day % SHARD_DAYS] = index[winner]
    with _books:
        shard.scenes += [(day, number, scenes[position]) for number, position in enumerate(given)]


def _store_reflectance(
    reflectance: NDArray[np.int16],
    area: tuple[slice, slice],
    winner: NDArray[np.intp],
    quality: NDArray[np.uint8],
    bands: dict[int, NDArray[np.int16]],
    scenes: list[Scene],
    source: SceneReader,
) -> None:
    """Store each pixel of a block, which lies at `area` in the target, from the scene that wins it. `reflectance` is
    (band, block, block), `bands` (band, *target) by the number of the scene. Raises ReadError."""
    clear = is_clear(quality[area])
    for number, values in bands.items():
        chosen = winner[area] == number
        np.copyto(reflectance, values[:, *area], where=chosen)
        refuse_second_offset(scenes[number], reflectance, chosen & clear, source)


def rectangle(grid: Grid, blocks: tuple[BlockIndex, ...]) -> tuple[RasterGrid, BlockIndex]:
    """The pixel grid of a rectangle of blocks, and its upper left block."""
    top, left = min(by for by, _ in blocks), min(bx for _, bx in blocks)
    bottom, right = max(by for by, _ in blocks), max(bx for _, bx in blocks)
    rows = slice(top * grid.block, (bottom + 1) * grid.block)
    columns = slice(left * grid.block, (right + 1) * grid.block)
    return RasterGrid.of(grid.geobox[rows, columns]), (top, left)


def area_of(block: BlockIndex, corner: BlockIndex, side: int) -> tuple[slice, slice]:
    """Where a block lies in the rectangle that starts at `corner`."""
    row, column = (block[0] - corner[0]) * side, (block[1] - corner[1]) * side
    return slice(row, row + side), slice(column, column + side)


def clear_pixels(shard: BlockShard) -> NDArray[np.bool_]:
    """(32, block, block): clear, in a day that is stored; every band is there."""
    clear: NDArray[np.bool_] = is_clear(shard.quality) & (shard.status == Status.STORED)[:, None, None]
    return clear
