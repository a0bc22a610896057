"""The layer `imagery`: reflectance, quality and scene, one ledger entry a block and 32-day shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import remove_shards, set_incomplete, write_shards
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.variables import REFLECTANCE_FILL, Status
from mmvsf.pipeline.crew import each
from mmvsf.pipeline.layers.layer import Collected, Layer, Record, TaskReport, changed_options
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.ledger import Entry, Ledger
from mmvsf.pipeline.raster.io import gdal_environment

from .block_shard import BlockShard
from .mosaic_day import read_shard
from .plan import ImageryPlan, ShardTask, bytes_per_pixel, entry_name, plan_scenes, with_search
from .replaced import INPUTS, Inputs, inputs_of, mark_replaced, without
from .shard_summary import shard_summary
from .summarise import CollectedImagery, collect_imagery
from .table import ProductTable, SceneReader

ARRAYS = ("imagery/reflectance", "imagery/quality", "imagery/scene")


@dataclass(frozen=True)
class ImageryLayer(Layer[ShardTask]):
    name: ClassVar[str] = "imagery"
    marks_failures: ClassVar[bool] = True
    source: ImagerySource

    def plan(self) -> ImageryPlan:
        """See `Layer`. Raises what `ImagerySource.search` raises."""
        imagery, grid = self.spec.region.imagery, self.spec.grid
        found = self.source.search(grid, self.spec.region.period, imagery.products)
        if any(len(scene.bands) != len(imagery.bands) for scene in found.scenes if not scene.fault):
            raise InputError(
                f"imagery.bands: the source '{imagery.source}' does not give the bands that a recipe names"
            )
        table = ProductTable.of(imagery)
        reading = {name: table.reading(name) for name in imagery.products}
        inputs = self._inputs()
        if found.unanswered and (missing := len(without(inputs, found.scenes))):
            # Without them their shards would be emptied.
            raise IncompleteError(
                f"the cube has {missing} scenes that are not listed now, and not all services could be searched:"
                f" {'; '.join(found.unanswered)}; run again later"
            )
        scenes = mark_replaced(found.scenes, inputs, self.source)
        plan = plan_scenes(scenes, grid, self.spec.calendar, imagery.skip_below_clear, reading)
        return with_search(plan, found)

    def run(self, task: ShardTask) -> TaskReport:
        """See `Layer`."""
        imagery = self.spec.region.imagery
        reader = SceneReader(self.source, ProductTable.of(imagery))
        with gdal_environment():
            shards = read_shard(task, self.spec.grid, reader, imagery.skip_below_clear)

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

    def record_inputs(self, plan: ImageryPlan) -> None:
        """Record what the files of the scenes are now, before any is read."""
        before = self._inputs()
        after = inputs_of(plan.scenes, before, self.source)
        if after != before:
            Ledger.of_cube(self.cube).write(INPUTS, {"scenes": after})

    def _inputs(self) -> Inputs:
        inputs: Inputs = (Ledger.of_cube(self.cube).read(INPUTS) or {}).get("scenes", {})
        return inputs

    def clear_stale(self, plan: ImageryPlan) -> None:
        """Empty the shards of units that are planned no longer, for example of a scene taken out of the archive."""
        ledger = Ledger.of_cube(self.cube)
        planned = plan.entries
        stale = [name for name in ledger.names(self.name) if name not in planned]
        if stale:
            set_incomplete(self.cube)
        for name in stale:
            remove_shards(self.cube, self.spec, *self.place(name), ARRAYS)
            ledger.remove(name)

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`. Raises KeyError for a block outside the grid."""
        _, shard, name = entry.split("/")
        return self.spec.grid.block_named(name), int(shard) - self.spec.calendar.first_shard

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
        section, simulated = self.spec.region.imagery, self.spec.region.simulate is not None
        table = ProductTable.of(section)
        path = {"path": section.path} if section.path is not None else {}
        return [
            {
                "role": self.name,
                "product": product,
                **path,
                "processing": f"simulated in the form of {product}" if simulated else table.named(product).processing,
                **origin.record(),
            }
            for product in section.products
            for origin in self.source.origins(product)
        ]

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
