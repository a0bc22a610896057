"""The layer `radar`: backscatter by direction of the passes, one ledger entry per block and 32-day shard."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import write_shards
from mmvsf.datasets.recipe.radar import Radar
from mmvsf.datasets.variables import BACKSCATTER_FILL, SCENE_FILL, Status
from mmvsf.pipeline.crew import each
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan, ShardTask, entry_name
from mmvsf.pipeline.layers.imagery.scene_layer import SceneLayer
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.layers.imagery.table import SceneReader
from mmvsf.pipeline.layers.layer import Collected, Record, TaskReport, changed_options
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import gdal_environment

from .mosaic import RadarShard, read_shard
from .products import RadarTable

BYTES_PER_NUMBER = 1.7
"""Compressed bytes of an int16 of backscatter: speckle leaves about that many bits."""

DAYS_BETWEEN_PASSES = 3
"""Of one direction, at least on average: two satellites at 55 degrees of latitude."""


@dataclass(frozen=True)
class CollectedRadar(Collected):
    """See `Collected`."""

    summary: Summary = field(kw_only=True)
    rows: list[tuple[Any, ...]] = field(kw_only=True)
    """of the table of scenes, see `scenes_group`"""


@dataclass(frozen=True)
class RadarLayer(SceneLayer):
    name: ClassVar[str] = "radar"

    @property
    def table(self) -> RadarTable:
        """See `SceneLayer`."""
        return RadarTable.of_radar(_section(self.spec))

    @property
    def products(self) -> tuple[str, ...]:
        """See `SceneLayer`: one a direction."""
        return tuple(map(self.table.name_of, self.spec.orbits))

    @property
    def arrays(self) -> tuple[str, ...]:
        """See `SceneLayer`."""
        return tuple(f"{self.name}/{orbit}" for orbit in self.spec.orbits)

    def run(self, task: ShardTask) -> TaskReport:
        """See `Layer`."""
        with gdal_environment():
            shards = read_shard(task, self.spec.grid, SceneReader(self.source, self.table), self.products)

        def write(block: BlockIndex, digest: str) -> None:
            self._write(block, task.shard, digest, shards[block])

        each(lambda entry: write(*entry), zip(task.blocks, task.digests, strict=True))
        failures = [
            f"{reason} (block {block[0]},{block[1]})"
            for block in task.blocks
            for _, _, reason in shards[block].failures
        ]
        parts = [part for shard in shards.values() for part in shard.passes.values()]
        pixels = sum(int((part.backscatter != BACKSCATTER_FILL).sum()) for part in parts)
        any_read = any(Status.STORED in part.status for part in parts)
        return TaskReport(len(task.blocks), pixels, tuple(failures), any_read)

    def _write(self, block: BlockIndex, number: int, digest: str, shard: RadarShard) -> None:
        """Write the shards of a block, then its ledger entry."""
        stored: dict[str, Any] = {}
        for name, part in shard.passes.items():
            arrays = {f"{self.name}/{self.table.orbit_of(name)}": part.backscatter}
            first = number - self.spec.calendar.first_shard
            stored |= write_shards(self.cube, self.spec, block, first, arrays, part.days)
        entry = {"digest": digest, "objects": stored, **_summary(shard, self.table)}
        Ledger.of_cube(self.cube).write(entry_name(self.spec.grid, number, block, self.name), entry)

    def collect(self, plan: ImageryPlan) -> CollectedRadar:
        """See `Layer`: also status and relative orbit of each block and day, and rows of the table of scenes."""
        spec, grid, calendar = self.spec, self.spec.grid, self.spec.calendar
        shape = (len(calendar), grid.blocks_y, grid.blocks_x)
        empty = np.zeros(shape, np.uint8)
        in_period = np.array([spec.region.period.contains(d) for d in calendar.days.astype("datetime64[D]").tolist()])
        empty[:, grid.block_mask()] = np.where(in_period, Status.NOT_ACQUIRED, Status.OUTSIDE)[:, None]
        status = {orbit: empty.copy() for orbit in spec.orbits}
        orbits = {orbit: np.zeros(shape, np.uint8) for orbit in spec.orbits}
        collected, rows, failures = Collected(), list[tuple[Any, ...]](), list[str]()
        for name, entry in self.finished(plan):
            collected.add(self.shards(name, entry))
            block, first = self.place(name)
            time = calendar.shard_slice(first + calendar.first_shard)
            for orbit, (of_days, numbers) in entry["passes"].items():
                found = np.array(of_days, np.uint8)
                seen = found != Status.NOT_ACQUIRED
                status[orbit][time, *block][seen] = found[seen]
                orbits[orbit][time, *block] = numbers
            rows += [(*block, *scene) for scene in entry["scenes"]]
            failures += [f"{date_of(day)}: {reason}" for day, _, reason in entry["failures"]]
        arrays: dict[str, NDArray[Any]] = {f"blocks/{orbit}_status": values for orbit, values in status.items()}
        arrays |= {f"blocks/{orbit}_orbit": values for orbit, values in orbits.items()}
        counts = {code: sum(int((values == code).sum()) for values in status.values()) for code in Status}
        stored, failed, not_acquired = (counts[code] for code in (Status.STORED, Status.FAILED, Status.NOT_ACQUIRED))
        summary = Summary(stored, 0, failed, not_acquired, tuple(failures))
        return CollectedRadar(collected.shards, arrays, summary=summary, rows=rows)

    def origins(self) -> list[Record]:
        """See `Layer`."""
        return self.origins_of(_section(self.spec).path)

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`."""
        period = spec.region.period
        days = sum((last - first).days + 1 for first, last in period.runs) if spec.orbits else 0
        numbers = len(spec.orbits) * len(spec.polarisations) * len(spec.grid.blocks) * spec.grid.block**2
        return days / DAYS_BETWEEN_PASSES * numbers * BYTES_PER_NUMBER

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        was, now = old.region.radar, new.region.radar
        if was is None:
            return []
        if now is None:
            return ["radar is left out"]
        reasons = changed_options("radar", was, now, ("product", "polarisations"))
        if dropped := set(was.orbits) - set(now.orbits):
            reasons.append(f"radar.orbit leaves out {', '.join(sorted(dropped))}")
        return reasons


def _section(spec: CubeSpec) -> Radar:
    if spec.region.radar is None:
        raise ValueError("the recipe has no radar")
    return spec.region.radar


def _summary(shard: RadarShard, table: RadarTable) -> dict[str, Any]:
    """The part of a shard that goes into the cube's small arrays and the table of scenes."""
    return {
        "passes": {
            table.orbit_of(name): [part.status.tolist(), part.orbit.tolist()] for name, part in shard.passes.items()
        },
        "scenes": [
            [day, SCENE_FILL, scene.id, scene.product, scene.acquired.isoformat(), scene.version, scene.offset]
            for day, scene in shard.scenes
        ],
        "failures": [list(failure) for failure in shard.failures],
    }
