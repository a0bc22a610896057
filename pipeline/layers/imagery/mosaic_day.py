"""One shard of a few blocks: scenes in, reflectance, quality and scene index out.

Masks are read first. Bands are read only for scenes that give a pixel, and not at all for a block that is
hopelessly cloudy. Where scenes of a day overlap, each pixel takes the best (see `preference`) of those that have it: by
their mask and, where that is clear, in all bands.
"""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import one_line
from mmvsf.datasets.variables import (
    QUALITY_FILL,
    REFLECTANCE_FILL,
    Status,
    is_clear,
)
from mmvsf.pipeline.crew import each, each_waiting
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import RasterGrid, Scene, SceneKey

from .block_shard import Area, BlockShard, Group, GroupPart
from .plan import ShardTask
from .preference import best_quality, by_preference
from .scene_pixels import read_bands, read_quality, refuse_second_offset
from .table import SceneReader


def read_shard(
    task: ShardTask, grid: Grid, source: SceneReader, skip_below_clear: float
) -> dict[BlockIndex, BlockShard]:
    """Read all days of a task. A day that cannot be read is marked failed in the blocks that needed it and
    left empty there; all other days are complete."""
    group = Group.empty(task, grid, len(source.products.bands))
    met = dict(zip(task.blocks, task.met, strict=True))
    days = [(day, list(scenes)) for day, scenes in groupby(task.scenes, key=lambda scene: scene.day)]

    def read(entry: tuple[int, list[Scene]]) -> None:
        with gdal_environment():
            _read_day(*entry, met, group, source, skip_below_clear)

    at_once = min(len(days), source.days_at_once)
    if at_once > 1:
        # A server is waited for most of the time; days of a shard touch different pixels.
        each_waiting(read, days, at_once)
    else:
        each(read, days)
    for shard in group.blocks.values():
        shard.scenes.sort(key=lambda entry: entry[:2])
        shard.failures.sort(key=lambda failure: failure[0])
    return group.blocks


def _read_day(
    day: int,
    scenes: list[Scene],
    met: dict[BlockIndex, frozenset[SceneKey]],
    group: Group,
    source: SceneReader,
    skip_below_clear: float,
) -> None:
    try:
        _fill_day(day, scenes, met, group, source, skip_below_clear)
    except ReadError as error:
        for block in met:
            group.blocks[block].forget(day)
        if len(met) > 1 and not isinstance(error, OutOfReachError):
            # Only the blocks that need the damaged part should fail, however blocks were grouped.
            for block, ids in met.items():
                own = [scene for scene in scenes if scene.key in ids]
                _read_day(day, own, {block: ids}, group, source, skip_below_clear)
            return
        for block, ids in met.items():
            needed = [scene.id for scene in scenes if scene.key in ids]
            if needed:
                shard = group.blocks[block]
                shard.status[day % SHARD_DAYS] = Status.FAILED
                with shard.lock:
                    shard.failures.append((day, " ".join(needed), one_line(error)))


def _fill_day(
    day: int,
    scenes: list[Scene],
    met: dict[BlockIndex, frozenset[SceneKey]],
    group: Group,
    source: SceneReader,
    skip_below_clear: float,
) -> None:
    """Fill one day of the given blocks. Raises ReadError."""
    for scene in scenes:
        if scene.fault:
            raise ReadError(f"{scene.id}: {scene.fault}")
    part = group.part(met, day)
    ordered = by_preference(scenes, part.target)
    masks = _read_masks(ordered, part.target, source, met, part.areas)
    quality = best_quality(masks, part.target.shape)[1]
    wanted = np.zeros(part.target.shape, bool)
    for area in part.areas.values():
        # By its mask a block is at least as clear as with its bands, so none is skipped here that would be stored.
        wanted[area] = is_clear(quality[area]).mean() >= skip_below_clear
    bands, winner, quality = _read_winners(ordered, masks, wanted, part, source)
    for block, area in part.areas.items():
        shard = group.blocks[block]
        given = [number for number, mask in enumerate(masks) if np.any(mask[area] != QUALITY_FILL)]
        cloudy = is_clear(quality[area]).mean() < skip_below_clear
        if given:
            _store_quality(shard, day, quality[area], winner[area], given, ordered)
            shard.status[day % SHARD_DAYS] = Status.SKIPPED_CLOUDY if cloudy else Status.STORED
        if given and not cloudy:
            _store_reflectance(part, area, winner, quality, bands, ordered, source)
        elif bands:
            part.reflectance[:, *area] = REFLECTANCE_FILL


def _read_masks(
    scenes: list[Scene],
    target: RasterGrid,
    source: SceneReader,
    met: dict[BlockIndex, frozenset[SceneKey]],
    areas: dict[BlockIndex, tuple[slice, slice]],
) -> list[NDArray[np.uint8]]:
    """The quality of each scene on the target, without data in the blocks that the scene was not found for."""
    masks = source.each(lambda scene: read_quality(scene, target, source), scenes)
    for block, ids in met.items():
        for scene, mask in zip(scenes, masks, strict=True):
            if scene.key not in ids:
                mask[areas[block]] = QUALITY_FILL
    return masks


def _read_winners(
    scenes: list[Scene],
    masks: list[NDArray[np.uint8]],
    wanted: NDArray[np.bool_],
    part: GroupPart,
    source: SceneReader,
) -> tuple[dict[int, NDArray[np.int16]], NDArray[np.int16], NDArray[np.uint8]]:
    """(number of a scene -> its bands (band, *target), for each scene that wins one of the `wanted` pixels; the number
    of each pixel's scene; its quality), the last two as `best_quality`. The bands of the first scene that is read are
    in the memory of the blocks, where nearly all of them stay.

    A scene has a clear pixel only with all of its bands. Where one is missing, the scene's mask is set to no data, and
    the next best scene wins the pixel: only then is a scene read that the masks alone would not ask for. Raises
    ReadError.
    """
    bands: dict[int, NDArray[np.int16]] = {}
    while True:
        winner, quality = best_quality(masks, part.target.shape)
        clear, complete = is_clear(quality), True
        for number, scene in enumerate(scenes):
            won = wanted & (winner == number)
            if not won.any():
                continue
            if number not in bands:
                bands[number] = np.empty_like(part.reflectance) if bands else part.reflectance
                read_bands(scene, part.target, source, bands[number])
            if bands[number].min() > REFLECTANCE_FILL:
                continue
            missing = won & clear & (bands[number].min(axis=0) == REFLECTANCE_FILL)
            if missing.any():
                masks[number][missing], complete = QUALITY_FILL, False
        if complete:
            return bands, winner, quality


def _store_quality(
    shard: BlockShard,
    day: int,
    quality: NDArray[np.uint8],
    winner: NDArray[np.int16],
    given: list[int],
    scenes: list[Scene],
) -> None:
    """Store a day's quality in a block, and which of the scenes each pixel is from: `given` are the positions of those
    that have data in the block, `winner` (block, block) that of each pixel's scene, -1 for none."""
    position = shard.position(day)
    shard.quality[position] = quality
    for number, scene in enumerate(given):
        np.copyto(shard.scene[position], np.uint8(number), where=winner == scene)
    with shard.lock:
        shard.scenes += [(day, number, scenes[scene]) for number, scene in enumerate(given)]


def _store_reflectance(
    part: GroupPart,
    area: Area,
    winner: NDArray[np.int16],
    quality: NDArray[np.uint8],
    bands: dict[int, NDArray[np.int16]],
    scenes: list[Scene],
    source: SceneReader,
) -> None:
    """Store each pixel of the block at `area` from the scene that wins it. `bands` are (band, *target) by the number of
    the scene, see `_read_winners`. Raises ReadError."""
    reflectance, clear = part.reflectance[:, *area], is_clear(quality[area])
    for number, values in bands.items():
        if values is not part.reflectance:
            np.copyto(reflectance, values[:, *area], where=winner[area] == number)
    empty = winner[area] < 0
    if empty.any():
        np.copyto(reflectance, np.int16(REFLECTANCE_FILL), where=empty)
    for number in bands:
        refuse_second_offset(scenes[number], reflectance, (winner[area] == number) & clear, source)
