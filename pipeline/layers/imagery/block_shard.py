"""The pixels that a task produces: those of each of its blocks, which are stored in the memory of the whole group."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL, SCENE_FILL, Status, is_clear
from mmvsf.pipeline.raster.scene import RasterGrid, Scene

from .plan import ShardTask

Area = tuple[slice, slice]
"""rows and columns"""


@dataclass
class BlockShard:
    """What one block's 32 days become. Its arrays hold the `days` of the task; all other days are fill."""

    days: tuple[int, ...]
    """positions in the shard, ascending"""
    reflectance: NDArray[np.int16]
    """(day, band, block, block)"""
    quality: NDArray[np.uint8]
    """(day, block, block)"""
    scene: NDArray[np.uint8]
    """(day, block, block)"""
    status: NDArray[np.uint8]
    """(32,)"""
    scenes: list[tuple[int, int, Scene]] = field(default_factory=list)
    """(day number, index, scene) of every scene that gave data to this block"""
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    """(day number, scene id, reason)"""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """held while the lists are changed, since several days may be read at once"""

    def position(self, day: int) -> int:
        """Where a day (a day number) is in the arrays."""
        return self.days.index(day % SHARD_DAYS)

    def forget(self, day: int) -> None:
        """Empty a day (a day number) again."""
        position = self.position(day)
        self.reflectance[position] = REFLECTANCE_FILL
        self.quality[position] = QUALITY_FILL
        self.scene[position] = SCENE_FILL
        self.status[day % SHARD_DAYS] = Status.NOT_ACQUIRED
        with self.lock:
            self.scenes = [entry for entry in self.scenes if entry[0] != day]

    def clear_pixels(self) -> NDArray[np.bool_]:
        """(day, block, block): clear, in a day that is stored; every band is there."""
        stored = self.status[list(self.days)] == Status.STORED
        clear: NDArray[np.bool_] = is_clear(self.quality) & stored[:, None, None]
        return clear


@dataclass(frozen=True)
class Group:
    """The blocks of a task, and the rectangle of pixels that they lie in."""

    grid: Grid
    corner: BlockIndex
    """upper left block"""
    reflectance: NDArray[np.int16]
    """(day, band, row, column) of the rectangle"""
    blocks: dict[BlockIndex, BlockShard]

    @classmethod
    def empty(cls, task: ShardTask, grid: Grid, bands: int) -> "Group":
        """All days with a scene, filled with no data."""
        corner, shape = extent_of(grid, task.blocks)
        days = tuple(sorted({scene.day % SHARD_DAYS for scene in task.scenes}))
        reflectance = np.full((len(days), bands, *shape), REFLECTANCE_FILL, np.int16)
        quality = np.full((len(days), *shape), QUALITY_FILL, np.uint8)
        scene = np.full((len(days), *shape), SCENE_FILL, np.uint8)

        def block_at(area: Area) -> BlockShard:
            status = np.full(SHARD_DAYS, Status.NOT_ACQUIRED, np.uint8)
            return BlockShard(days, reflectance[..., *area], quality[..., *area], scene[..., *area], status)

        blocks = {block: block_at(area_of(grid, block, corner)) for block in task.blocks}
        return cls(grid, corner, reflectance, blocks)

    def part(self, blocks: Iterable[BlockIndex], day: int) -> "GroupPart":
        """The rectangle of some of the blocks on a day (a day number)."""
        chosen = tuple(blocks)
        corner, (height, width) = extent_of(self.grid, chosen)
        row, column = corner[0] * self.grid.block, corner[1] * self.grid.block
        target = RasterGrid.of(self.grid.geobox[row : row + height, column : column + width])
        rows, columns = area_of(self.grid, corner, self.corner)
        position = self.blocks[chosen[0]].position(day)
        room = self.reflectance[position, :, rows.start : rows.start + height, columns.start : columns.start + width]
        return GroupPart(target, {block: area_of(self.grid, block, corner) for block in chosen}, room)


@dataclass(frozen=True)
class GroupPart:
    """Some blocks of a group on a day."""

    target: RasterGrid
    """the rectangle that they lie in"""
    areas: dict[BlockIndex, Area]
    """where each block lies in it"""
    reflectance: NDArray[np.int16]
    """(band, row, column) of the rectangle: the memory of its blocks"""


def extent_of(grid: Grid, blocks: Iterable[BlockIndex]) -> tuple[BlockIndex, tuple[int, int]]:
    """The upper left block of the rectangle around some blocks, and its shape in pixels."""
    rows, columns = zip(*blocks, strict=True)
    shape = (max(rows) - min(rows) + 1) * grid.block, (max(columns) - min(columns) + 1) * grid.block
    return (min(rows), min(columns)), shape


def area_of(grid: Grid, block: BlockIndex, corner: BlockIndex) -> Area:
    """Where a block lies in the rectangle that starts at `corner`."""
    row, column = (block[0] - corner[0]) * grid.block, (block[1] - corner[1]) * grid.block
    return slice(row, row + grid.block), slice(column, column + grid.block)
