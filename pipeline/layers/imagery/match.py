"""Which scenes meet which blocks. Blocks that the same scenes of a shard meet are found together: over a state, that is
a tile's inner blocks, and millions of (scene, block) pairs become thousands of groups."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import Calendar
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.scene import RasterGrid, Scene


@dataclass(frozen=True)
class Match:
    """Blocks that the same scenes of one shard meet."""

    shard: int
    """counted from 1970-01-01"""
    blocks: tuple[BlockIndex, ...]
    """sorted"""
    scenes: tuple[Scene, ...]
    """by day, time and id"""


def matches(scenes: Iterable[Scene], coverage: Coverage, calendar: Calendar) -> Iterator[Match]:
    """Match scenes to blocks by the extents of their masks, shard by shard in order of time."""
    shards: dict[int, list[Scene]] = defaultdict(list)
    for scene in scenes:
        shards[calendar.shard_of(scene.day)].append(scene)
    blocks = coverage.grid.blocks
    for shard in sorted(shards):
        on_grid: dict[RasterGrid, list[Scene]] = defaultdict(list)
        for scene in shards[shard]:
            on_grid[scene.quality.grid].append(scene)
        rasters = list(on_grid.values())
        for positions, numbers in _alike([coverage.blocks(raster) for raster in on_grid]):
            meeting = sorted((scene for number in numbers for scene in rasters[number]), key=scene_order)
            yield Match(shard, tuple(blocks[position] for position in positions), tuple(meeting))


def scene_order(scene: Scene) -> tuple[int, datetime, str]:
    """The order of scenes in a cube: by day, time and id."""
    return scene.day, scene.acquired, scene.id


def _alike(reached: Sequence[NDArray[np.intp]]) -> Iterator[tuple[list[int], list[int]]]:
    """From the positions of the blocks that each raster reaches: (positions of blocks, numbers of the rasters that
    reach all of these and no other block of the rest), by the first position."""
    positions = np.concatenate(reached)
    rasters = np.repeat(np.arange(len(reached)), [len(part) for part in reached])
    order = np.lexsort((rasters, positions))
    positions, rasters = positions[order], rasters[order]
    first = np.flatnonzero(np.diff(positions, prepend=-1))
    groups: dict[bytes, list[int]] = defaultdict(list)
    for start, stop in zip(first, [*first[1:], len(positions)], strict=True):
        groups[rasters[start:stop].tobytes()].append(int(positions[start]))
    for key, members in groups.items():
        yield members, np.frombuffer(key, rasters.dtype).tolist()
