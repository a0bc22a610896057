"""The layer `imagery`: reflectance, quality and scene, one ledger entry per block and 32-day shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import write_shards
from mmvsf.datasets.variables import REFLECTANCE_FILL, Status
from mmvsf.pipeline.crew import each
from mmvsf.pipeline.layers.layer import Collected, Record, TaskReport, changed_options
from mmvsf.pipeline.ledger import Entry, Ledger
from mmvsf.pipeline.raster.io import gdal_environment
from mmvsf.pipeline.raster.resample import smoothing_between
from mmvsf.pipeline.raster.scene import RasterGrid, Scene

from .block_shard import BlockShard
from .mosaic_day import read_shard
from .plan import ImageryPlan, ShardTask, bytes_per_pixel, entry_name
from .scene_layer import SceneLayer
from .shard_summary import shard_summary
from .summarise import CollectedImagery, collect_imagery
from .table import ProductTable, SceneReader

ARRAYS = ("imagery/reflectance", "imagery/quality", "imagery/scene")


@dataclass(frozen=True)
class ImageryLayer(SceneLayer):
    name: ClassVar[str] = "imagery"

    @property
    def table(self) -> ProductTable:
        """See `SceneLayer`."""
        return ProductTable.of(self.spec.region.imagery)

    @property
    def products(self) -> tuple[str, ...]:
        """See `SceneLayer`."""
        return self.spec.region.imagery.products

    @property
    def arrays(self) -> tuple[str, ...]:
        """See `SceneLayer`."""
        return ARRAYS

    @property
    def skip_below_clear(self) -> float:
        """See `SceneLayer`."""
        return self.spec.region.imagery.skip_below_clear

    def reading(self, scene: Scene) -> str:
        """See `SceneLayer`; the averaging of finer bands is part of it."""
        boxes = {smoothing_between(asset.grid, self._cube_grid) for asset in scene.bands}
        return super().reading(scene) + "".join(sorted(repr(box) for box in boxes if box))

    @cached_property
    def _cube_grid(self) -> RasterGrid:
        return RasterGrid.of(self.spec.grid.geobox)

    def run(self, task: ShardTask) -> TaskReport:
        """See `Layer`."""
        reader = SceneReader(self.source, self.table)
        with gdal_environment():
            shards = read_shard(task, self.spec.grid, reader, self.skip_below_clear)

        def write(block: BlockIndex, digest: str) -> None:
            self._write(block, task.shard, digest, shards[block], reader)

        each(lambda entry: write(*entry), zip(task.blocks, task.digests, strict=True))
        failures = [
            f"{reason} (block {block[0]},{block[1]})"
            for block in task.blocks
            for _, _, reason in shards[block].failures
        ]
        pixels = sum(int((s.reflectance[:, 0] != REFLECTANCE_FILL).sum()) for s in shards.values())
        read = (Status.STORED, Status.SKIPPED_CLOUDY)
        any_read = any(bool(np.isin(shard.status, read).any()) for shard in shards.values())
        return TaskReport(len(task.blocks), pixels * len(self.spec.bands), tuple(failures), any_read)

    def _write(self, block: BlockIndex, number: int, digest: str, shard: BlockShard, reader: SceneReader) -> None:
        """Write the shards of a block, then its ledger entry."""
        grid = self.spec.grid
        values: list[NDArray[Any]] = [shard.reflectance, shard.quality, shard.scene]
        first = number - self.spec.calendar.first_shard
        arrays = dict(zip(ARRAYS, values, strict=True))
        stored = write_shards(self.cube, self.spec, block, first, arrays, shard.days)
        services = [reader.services(scene) for _, _, scene in shard.scenes]
        entry = {
            "digest": digest,
            "objects": stored,
            **shard_summary(shard, number, grid, self.spec.region.period.season),
            **({"services": services} if any(services) else {}),
        }
        Ledger.of_cube(self.cube).write(entry_name(grid, number, block), entry)

    def collect(self, plan: ImageryPlan) -> CollectedImagery:
        """See `Layer`: also status, clear fractions, sums and the table of scenes."""
        shards = Collected()

        def entries() -> Iterator[tuple[str, Entry]]:
            for name, entry in self.finished(plan):
                shards.add(self.shards(name, entry))
                yield name, entry

        return collect_imagery(self.spec, plan, entries(), shards)

    def origins(self) -> list[Record]:
        """See `Layer`."""
        simulated = self.spec.region.simulate is not None
        return self.origins_of(self.spec.region.imagery.path, "simulated in the form of {}" if simulated else "")

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`. The simulated cube takes 5.1 bytes a pixel, since cloudy units keep their mask only and an
        outline in a catalogue reaches beyond the data."""
        return units * spec.grid.block**2 * bytes_per_pixel(len(spec.bands))

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        was, now = old.region.imagery, new.region.imagery
        reasons = []
        if dropped := set(was.products) - set(now.products):
            reasons.append(f"imagery.products leaves out {', '.join(sorted(dropped))}")
        return reasons + changed_options("imagery", was, now, ("bands", "skip_below_clear", "cloud_score"))
