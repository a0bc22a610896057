"""The plan of the imagery, made before a pixel is read: which scene overlaps which block, and what reading costs."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import groupby, pairwise
from math import isqrt

from mmvsf.datasets.cube.calendar import SHARD_DAYS, Calendar, date_of
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import SCENE_FILL
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.layer import LayerPlan
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.scene import Scene, SceneKey

from .match import Match, matches, scene_order
from .preference import newest_versions
from .rectangles import rectangles

BESIDE = "beside the blocks"
REPEATED = "repeated"
OLDER = "of an older processing version"
"""Reasons to leave out a scene."""

READER_VERSION = 2
"""Raised when the reader gives other pixels for the same scenes: shards of an older reader are then redone."""

GROUP_PIXELS = 1024
"""Neighbouring blocks are read together up to this many pixels a side: opening a file is what costs."""

GROUP_BYTES = 500_000_000
"""What the days of blocks that are read together may take in memory: 1,044 pixels a side with six bands."""

MASK_BYTES, BAND_BYTES = 0.3, 1.15
"""Compressed bytes of a pixel of a mask and of an int16 band, roughly: 7.2 with six bands. The simulated cube takes 5.2
and real scenes vary."""

PIXELS_PER_SECOND = 3e6
"""Band pixels that one worker reads, resolves and writes a second from local files: the sandbox's 254 million took two
workers 43 s. Its blocks are small, so opening files costs most; larger blocks are faster."""


def bytes_per_pixel(bands: int) -> float:
    """Compressed bytes of a pixel with so many bands and its mask."""
    return MASK_BYTES + bands * BAND_BYTES


def pixel_bytes(bands: int) -> int:
    """Bytes in memory of a pixel on one day: bands of int16, quality and scene."""
    return 2 * bands + 2


def entry_name(grid: Grid, shard: int, block: BlockIndex, layer: str = "imagery") -> str:
    """Name of the ledger entry of a shard (counted from 1970-01-01) of a block. It stays when the grid grows."""
    return f"{layer}/{shard}/{grid.block_name(block)}"


@dataclass(frozen=True)
class ShardTask:
    """One 32-day shard of a few neighbouring blocks, with the scenes that meet them."""

    shard: int
    """counted from 1970-01-01"""
    blocks: tuple[BlockIndex, ...]
    scenes: tuple[Scene, ...]
    """by day, time and id"""
    digests: tuple[str, ...]
    """for each block, the digest of everything its pixels depend on"""
    met: tuple[frozenset[SceneKey], ...]
    """for each block, the keys of the scenes that the plan gives it; of others it takes nothing"""


@dataclass(frozen=True)
class ImageryPlan(LayerPlan[ShardTask]):
    """All that a build of a layer of scenes will do: of the imagery, or of the radar."""

    grid: Grid
    units: dict[tuple[int, BlockIndex], tuple[Scene, ...]]
    """(shard, block) -> scenes that meet it"""
    digests: dict[tuple[int, BlockIndex], str]
    scenes: tuple[Scene, ...]
    block_days: int
    """(block, day) units with at least one scene"""
    pixels: int
    """band pixels to be read if nothing is skipped as cloudy"""
    items: int = 0
    """entries of the catalogue that the search looked at"""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """reason -> entries that are no scene of the cube"""
    undated: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    """see `FoundScenes`"""
    layer: str = "imagery"

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with each entry of the catalogue that cannot be read."""
        return (*(f"{scene.id}: {scene.fault}" for scene in self.scenes if scene.fault), *self.undated)

    @property
    def entries(self) -> Mapping[str, str]:
        """See `LayerPlan`."""
        return self._entries

    @cached_property
    def _entries(self) -> dict[str, str]:
        return {self.entry(unit): digest for unit, digest in self.digests.items()}

    def entry(self, unit: tuple[int, BlockIndex]) -> str:
        """Name of the ledger entry of a unit (shard, block)."""
        return entry_name(self.grid, *unit, self.layer)

    def tasks(self, todo: Collection[str]) -> Iterator[ShardTask]:
        """See `LayerPlan`; neighbouring blocks of a shard are one task."""
        return shard_tasks(self, self.grid, {unit for unit in self.units if self.entry(unit) in todo})

    @property
    def bytes_to_read(self) -> int:
        return round(self.block_days * self.grid.block**2 * bytes_per_pixel(self.bands))

    @property
    def bands(self) -> int:
        """How many bands the scenes have."""
        return len(self.scenes[0].bands) if self.scenes else 0

    def seconds(self, workers: int) -> float:
        """An estimate for local files."""
        return self.pixels / PIXELS_PER_SECOND / max(workers, 1)


def plan_scenes(
    scenes: Sequence[Scene],
    grid: Grid,
    calendar: Calendar,
    skip_below_clear: float,
    reading: Callable[[Scene], str] = lambda scene: "",
    layer: str = "imagery",
) -> ImageryPlan:
    """Match scenes to blocks by the extents of their masks. `reading` gives what the pixels of a scene depend on beside
    what the scene says."""
    coverage, distinct = Coverage(grid), distinct_scenes(scenes)
    newest = newest_versions(distinct)
    used = [scene for scene in newest if coverage.blocks(scene.quality.grid).size]
    texts = {scene.key: _scene_text(scene) + reading(scene) for scene in used}
    common = json.dumps([READER_VERSION, grid.crs, grid.resolution, grid.block, grid.chunk, skip_below_clear])
    corners = {block: _corner(grid, block) for block in grid.blocks}
    units, digests, block_days = {}, {}, 0
    for match in matches(used, coverage, calendar):
        _refuse_too_many(match, grid)
        block_days += len(match.blocks) * len({scene.day for scene in match.scenes})
        content = "".join(f"\n{texts[scene.key]}" for scene in match.scenes).encode()
        for block in match.blocks:
            digest = sha256(f"{common}\n{corners[block]}".encode())
            digest.update(content)
            units[match.shard, block], digests[match.shard, block] = match.scenes, digest.hexdigest()
    pixels = block_days * grid.block**2 * max((len(scene.bands) for scene in used), default=0)
    counts = [len(part) for part in (scenes, distinct, newest, used)]
    dropped = zip((REPEATED, OLDER, BESIDE), (more - fewer for more, fewer in pairwise(counts)), strict=True)
    left_out = {reason: count for reason, count in dropped if count}
    order = sorted(units)
    units, digests = {unit: units[unit] for unit in order}, {unit: digests[unit] for unit in order}
    items = len(scenes)
    return ImageryPlan(grid, units, digests, tuple(used), block_days, pixels, items, left_out, layer=layer)


def with_search(plan: ImageryPlan, found: FoundScenes) -> ImageryPlan:
    """The plan with what the search left out, too."""
    left_out = Counter(found.left_out)
    left_out.update(plan.left_out)
    return replace(
        plan,
        items=max(found.items, plan.items),
        left_out=dict(left_out),
        undated=found.undated,
        unanswered=found.unanswered,
    )


def distinct_scenes(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes, each once. One that is listed in forms that contradict each other becomes faulty."""
    distinct: dict[SceneKey, Scene] = {}
    for scene in scenes:
        other = distinct.setdefault(scene.key, scene)
        if other is not scene and not other.fault and _scene_text(other) != _scene_text(scene):
            reason = scene.fault or "it is listed twice, with different grids or offsets; remove the wrong entry"
            distinct[scene.key] = replace(other, fault=reason)
    return list(distinct.values())


def _refuse_too_many(match: Match, grid: Grid) -> None:
    """Raise InputError where more scenes of a day meet a block than `imagery/scene` can number."""
    if len(match.scenes) <= SCENE_FILL:
        return
    day, count = Counter(scene.day for scene in match.scenes).most_common(1)[0]
    if count > SCENE_FILL:
        row, column = match.blocks[0]
        raise InputError(
            f"{count} scenes of {date_of(day)} overlap block {row},{column} of {grid.block} pixels, but a cube stores"
            f" at most {SCENE_FILL}; make grid.block smaller, or leave out repeated items of the archive"
        )


def shard_tasks(plan: ImageryPlan, grid: Grid, todo: set[tuple[int, BlockIndex]]) -> Iterator[ShardTask]:
    """The tasks of the units in `todo`: neighbouring blocks of one shard together, in order of time. They are made one
    by one, since those of a large region take more memory than its plan. A task reads the rectangle around its blocks.
    """
    groups: dict[tuple[BlockIndex, ...], list[list[BlockIndex]]] = {}
    for shard, keys in groupby(sorted(todo), key=lambda key: key[0]):
        members = tuple(block for _, block in keys)
        if members not in groups:  # most shards have the same blocks
            groups[members] = block_groups(members, grid.block, plan.bands)
        for blocks in groups[members]:
            units = [plan.units[shard, block] for block in blocks]
            distinct = {id(unit): unit for unit in units}  # neighbours often share one
            met = {number: frozenset(scene.key for scene in unit) for number, unit in distinct.items()}
            found = {scene.key: scene for unit in distinct.values() for scene in unit}
            scenes = tuple(sorted(found.values(), key=scene_order))
            digests = tuple(plan.digests[shard, block] for block in blocks)
            yield ShardTask(shard, tuple(blocks), scenes, digests, tuple(met[id(unit)] for unit in units))


def block_groups(blocks: Iterable[BlockIndex], block_pixels: int, bands: int) -> list[list[BlockIndex]]:
    """Blocks that are read together: squares of up to GROUP_PIXELS and GROUP_BYTES, counted from the corner of each
    cluster of blocks with common sides. A square that its blocks do not fill is divided where that saves
    more than it costs, see `rectangles`."""
    pixels = min(GROUP_PIXELS, isqrt(GROUP_BYTES // (SHARD_DAYS * pixel_bytes(bands))))
    side = max(1, pixels // block_pixels)
    groups = []
    for cluster in _clusters(blocks):
        top, left = min(by for by, _ in cluster), min(bx for _, bx in cluster)
        squares: dict[BlockIndex, list[BlockIndex]] = defaultdict(list)
        for by, bx in cluster:
            squares[(by - top) // side, (bx - left) // side].append((by, bx))
        groups += [group for members in squares.values() for group in rectangles(members, block_pixels)]
    return groups


def _clusters(blocks: Iterable[BlockIndex]) -> Iterator[list[BlockIndex]]:
    """The blocks that are connected by their sides, sorted, cluster by cluster."""
    left = dict.fromkeys(sorted(blocks))
    while left:
        cluster = [next(iter(left))]
        del left[cluster[0]]
        for by, bx in cluster:  # it grows on the way
            for neighbour in ((by - 1, bx), (by, bx - 1), (by, bx + 1), (by + 1, bx)):
                if neighbour in left:
                    del left[neighbour]
                    cluster.append(neighbour)
        yield sorted(cluster)


def _corner(grid: Grid, block: BlockIndex) -> tuple[float, float]:
    box = grid.block_geobox(block).boundingbox
    return box.left, box.top


def _scene_text(scene: Scene) -> str:
    """Everything of a scene that its pixels depend on; where its files lie is not among it."""
    assets = [(asset.grid.crs, asset.grid.transform, asset.grid.shape) for asset in (*scene.bands, scene.quality)]
    more = [part for part in (scene.fault, scene.generation, scene.orbit) if part]
    text = [scene.id, scene.product, scene.acquired.isoformat(), scene.version, scene.offset, assets, *more]
    return json.dumps(text)
