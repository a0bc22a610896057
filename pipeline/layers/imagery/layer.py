"""The layer `imagery`: reflectance, quality and scene, one ledger entry a block and 32-day shard."""

from dataclasses import dataclass
from typing import ClassVar

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.storage.store import finish_writes, open_pixels
from mmvsf.datasets.variables import REFLECTANCE_FILL
from mmvsf.pipeline.layers.layer import Layer, Record, TaskReport, changed_options
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import gdal_environment

from .mosaic_day import read_shard
from .plan import BYTES_PER_PIXEL, ImageryPlan, ShardTask, entry_name, plan_scenes
from .products import product_named
from .shard_summary import shard_summary
from .summarise import Summary, write_summaries


@dataclass(frozen=True)
class ImageryLayer(Layer[ShardTask]):
    name: ClassVar[str] = "imagery"
    marks_failures: ClassVar[bool] = True
    source: ImagerySource

    def plan(self) -> ImageryPlan:
        """See `Layer`. Raises what `ImagerySource.search` raises."""
        imagery, grid = self.spec.region.imagery, self.spec.grid
        scenes = self.source.search(grid, self.spec.region.period, imagery.products)
        return plan_scenes(scenes, grid, self.spec.calendar, imagery.skip_below_clear)

    def run(self, task: ShardTask) -> TaskReport:
        """See `Layer`."""
        grid = self.spec.grid
        with gdal_environment():
            shards = read_shard(task, grid, self.source, self.spec.region.imagery.skip_below_clear)
        time = self.spec.calendar.shard_slice(task.shard)
        ledger = Ledger.of_cube(self.cube)
        arrays = {
            name: open_pixels(self.cube, f"imagery/{name}", write=True) for name in ("reflectance", "quality", "scene")
        }
        pixels, failures = 0, []
        for block, digest in zip(task.blocks, task.digests, strict=True):
            shard = shards[block]
            rows, columns = grid.block_slices(block)
            writes = [
                arrays["reflectance"][time, :, rows, columns].write(shard.reflectance),
                arrays["quality"][time, rows, columns].write(shard.quality),
                arrays["scene"][time, rows, columns].write(shard.scene),
            ]
            finish_writes(writes, self.cube)
            entry = {"digest": digest, **shard_summary(shard, task.shard, grid, self.spec.region.period.season)}
            ledger.write(entry_name(task.shard, block), entry)
            pixels += int((shard.reflectance[:, 0] != REFLECTANCE_FILL).sum()) * shard.reflectance.shape[1]
            failures += [f"{reason} (block {block[0]},{block[1]})" for _, _, reason in shard.failures]
        return TaskReport(len(task.blocks), pixels, tuple(failures))

    def clear_stale(self, plan: ImageryPlan) -> None:
        """Empty the shards of units that are planned no longer, for example of a scene taken out of the archive."""
        ledger = Ledger.of_cube(self.cube)
        planned = plan.entries
        for name in ledger.names(self.name):
            if name not in planned:
                _, shard, text = name.split("/")
                block: BlockIndex = (int(text.split("-")[0]), int(text.split("-")[1]))
                self.run(ShardTask(int(shard), (block,), (), ("",), (frozenset(),)))
                ledger.remove(name)

    def write_summaries(self, plan: ImageryPlan) -> Summary:
        """Write what the ledger has of all units into the cube's small arrays. Raises OSError if the disk refuses."""
        return write_summaries(self.cube, self.spec, plan)

    def origins(self) -> list[Record]:
        """See `Layer`."""
        section, simulated = self.spec.region.imagery, self.spec.region.simulate is not None
        path = {"path": section.path} if section.path is not None else {}
        return [
            {
                "role": self.name,
                "product": product,
                **path,
                "processing": f"simulated in the form of {product}" if simulated else product_named(product).processing,
                **self.source.origin(product).record(),
            }
            for product in section.products
        ]

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`. The simulated cube takes 5.1 bytes a pixel, since cloudy units keep their mask only and an
        outline in a catalogue reaches beyond the data."""
        return units * spec.grid.block**2 * BYTES_PER_PIXEL

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        was, now = old.region.imagery, new.region.imagery
        reasons = []
        if dropped := set(was.products) - set(now.products):
            reasons.append(f"imagery.products leaves out {', '.join(sorted(dropped))}")
        return reasons + changed_options("imagery", was, now, ("skip_below_clear", "cloud_score"))
