"""One shard of a few blocks: scenes in, reflectance, quality and scene index out.

Masks are read first. Bands are read only for scenes that give a pixel, and not at all for a block that is
hopelessly cloudy. Where scenes of a day overlap, each pixel takes the best (see `preference`).
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
    BAND_NAMES,
    BANDS,
    QUALITY_FILL,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    SCENE_FILL,
    Status,
    is_clear,
)
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.io import ReadError, gdal_environment
from mmvsf.pipeline.raster.resample import Resampler, resampler
from mmvsf.pipeline.raster.scene import RasterGrid, Scene, SceneKey

from .plan import ShardTask
from .preference import best_quality, by_preference
from .products import product_named, to_reflectance

BLUE = BAND_NAMES.index("blue")
DARKEST = -0.03
"""Blue reflectance that no ground has for half of the clear pixels of a block; haze that was corrected too far comes
to -0.02."""

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
    def empty(cls, block: int) -> "BlockShard":
        return cls(
            np.full((SHARD_DAYS, len(BANDS), block, block), REFLECTANCE_FILL, np.int16),
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
    task: ShardTask, grid: Grid, source: ImagerySource, skip_below_clear: float
) -> dict[BlockIndex, BlockShard]:
    """Read all days of a task. A day that cannot be read is marked failed in the blocks that needed it and
    left empty there; all other days are complete."""
    result = {block: BlockShard.empty(grid.block) for block in task.blocks}
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
    source: ImagerySource,
    skip_below_clear: float,
    result: dict[BlockIndex, BlockShard],
) -> None:
    try:
        _fill_day(day, scenes, met, grid, source, skip_below_clear, result)
    except ReadError as error:
        for block in met:
            result[block].forget(day)
        if len(met) > 1:
            # Only the blocks that need the damaged part should fail, however blocks were grouped.
            for block, ids in met.items():
                own = [scene for scene in scenes if scene.key in ids]
                _read_day(day, own, {block: ids}, grid, source, skip_below_clear, result)
            return
        shard = result[next(iter(met))]
        shard.status[day % SHARD_DAYS] = Status.FAILED
        with _books:
            shard.failures.append((day, " ".join(scene.id for scene in scenes), one_line(error)))


def _fill_day(
    day: int,
    scenes: list[Scene],
    met: dict[BlockIndex, frozenset[SceneKey]],
    grid: Grid,
    source: ImagerySource,
    skip_below_clear: float,
    result: dict[BlockIndex, BlockShard],
) -> None:
    """Fill one day of the given blocks, which form a rectangle. Raises ReadError."""
    for scene in scenes:
        if scene.fault:
            raise ReadError(f"{scene.id}: {scene.fault}")
    target, corner = _rectangle(grid, tuple(met))
    position = day % SHARD_DAYS
    areas = {block: _area(block, corner, grid.block) for block in met}
    ordered = by_preference(scenes, target)
    masks = _read_masks(ordered, target, source, met, areas)
    winner, quality = best_quality(masks, target.shape)
    wanted = np.zeros(target.shape, bool)
    for block, area in areas.items():
        given = [number for number, mask in enumerate(masks) if np.any(mask[area] != QUALITY_FILL)]
        if given:
            _store_quality(result[block], day, quality[area], winner[area], given, ordered)
            cloudy = is_clear(quality[area]).mean() < skip_below_clear
            result[block].status[position] = Status.SKIPPED_CLOUDY if cloudy else Status.STORED
            wanted[area] = not cloudy
    for number, scene in enumerate(ordered):
        pixels = wanted & (winner == number)
        if pixels.any():
            days = [(area, result[block].reflectance[position]) for block, area in areas.items()]
            _store_reflectance(scene, pixels, quality, target, days, source)


def _read_masks(
    scenes: list[Scene],
    target: RasterGrid,
    source: ImagerySource,
    met: dict[BlockIndex, frozenset[SceneKey]],
    areas: dict[BlockIndex, tuple[slice, slice]],
) -> list[NDArray[np.uint8]]:
    """The quality of each scene on the target, without data in the blocks that the scene was not found for."""
    masks = [_read_quality(scene, target, source) for scene in scenes]
    for block, ids in met.items():
        for scene, mask in zip(scenes, masks, strict=True):
            if scene.key not in ids:
                mask[areas[block]] = QUALITY_FILL
    return masks


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
    scene: Scene,
    pixels: NDArray[np.bool_],
    quality: NDArray[np.uint8],
    target: RasterGrid,
    days: list[tuple[tuple[slice, slice], NDArray[np.int16]]],
    source: ImagerySource,
) -> None:
    """Read the bands of a scene and store those `pixels` of the target that are from it, in the `days` of the blocks:
    (where the block lies in the target, its reflectance (band, block, block)). Raises ReadError."""
    for band, asset in enumerate(scene.bands):
        place = resampler(asset.grid, target)
        values = place.reflectance(_read_reflectance(scene, band, place, source))
        for area, reflectance in days:
            chosen = pixels[area]
            reflectance[band][chosen] = values[area][chosen]
    if scene.offset and product_named(scene.product).item_offset is not None:
        for area, reflectance in days:
            _refuse_second_offset(scene, reflectance[BLUE][pixels[area] & is_clear(quality[area])])


def _refuse_second_offset(scene: Scene, blue: NDArray[np.int16]) -> None:
    """Raise ReadError where clear pixels are darker than any ground: for some scenes the catalogue says that the offset
    of baseline 04.00 is still in the numbers, and it is not (github.com/Element84/earth-search, issues 66 and 71)."""
    known = blue[blue != REFLECTANCE_FILL] * REFLECTANCE_SCALE
    if known.size and np.median(known) < DARKEST:
        raise ReadError(
            f"{scene.id}: the clear pixels have a blue reflectance of {np.median(known):.2f} with the offset of"
            f" {scene.offset} that its item asks for; the item is wrong. Take the scenes from another imagery.catalog"
        )


def _read_quality(scene: Scene, target: RasterGrid, source: ImagerySource) -> NDArray[np.uint8]:
    place = resampler(scene.quality.grid, target)
    stored = source.read(scene.quality, place.window)
    product = product_named(scene.product)
    if stored.dtype != product.mask_dtype:
        wanted = np.dtype(product.mask_dtype)
        raise ReadError(f"{scene.quality.href}: a mask of {product.name} is {wanted}, found {stored.dtype}")
    decoded: NDArray[np.uint8] = place.codes(product.decode_quality(stored), QUALITY_FILL)
    return decoded


def _read_reflectance(scene: Scene, band: int, place: Resampler, source: ImagerySource) -> NDArray[np.int16]:
    stored = source.read(scene.bands[band], place.window)
    if stored.dtype.kind not in "iu":
        raise ReadError(f"{scene.bands[band].href}: reflectance is stored as integers, found {stored.dtype}")
    return to_reflectance(stored, product_named(scene.product), scene.offset)


def _rectangle(grid: Grid, blocks: tuple[BlockIndex, ...]) -> tuple[RasterGrid, BlockIndex]:
    """The pixel grid of a rectangle of blocks, and its upper left block."""
    top, left = min(by for by, _ in blocks), min(bx for _, bx in blocks)
    bottom, right = max(by for by, _ in blocks), max(bx for _, bx in blocks)
    rows = slice(top * grid.block, (bottom + 1) * grid.block)
    columns = slice(left * grid.block, (right + 1) * grid.block)
    return RasterGrid.of(grid.geobox[rows, columns]), (top, left)


def _area(block: BlockIndex, corner: BlockIndex, side: int) -> tuple[slice, slice]:
    """Where a block lies in the rectangle that starts at `corner`."""
    row, column = (block[0] - corner[0]) * side, (block[1] - corner[1]) * side
    return slice(row, row + side), slice(column, column + side)


def clear_pixels(shard: BlockShard) -> NDArray[np.bool_]:
    """(32, block, block): clear by the mask, and every band there."""
    stored = (shard.reflectance != REFLECTANCE_FILL).all(axis=1)
    clear: NDArray[np.bool_] = is_clear(shard.quality) & stored
    return clear
