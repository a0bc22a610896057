"""The layer `static`: terrain and soil, one task per block."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import write_shards
from mmvsf.datasets.errors import IncompleteError
from mmvsf.pipeline.layers.layer import BlockPlan, Collected, Layer, Record, TaskReport
from mmvsf.pipeline.layers.source import StaticSource
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import ReadError, gdal_environment

from .resample import MEASURED, StaticTask, read_static, static_tasks

BYTES_PER_PIXEL = 4.0
"""Of one layer: float32, which hardly compresses."""


@dataclass(frozen=True)
class StaticLayer(Layer[StaticTask]):
    name: ClassVar[str] = "static"
    source: StaticSource

    def plan(self) -> BlockPlan[StaticTask]:
        """See `Layer`."""
        return BlockPlan(tuple(static_tasks(self.source, self.spec.grid, self.spec.static_layers)))

    def run(self, task: StaticTask) -> TaskReport:
        """See `Layer`."""
        try:
            with gdal_environment():
                layers = read_static(task, self.spec.grid, self.source, self.spec.static_layers)
        except ReadError as error:
            reason = f"{error} (block {task.block[0]},{task.block[1]})"
            return self.record_failure(task.entry, task.digest, reason)
        arrays = {f"static/{name}": values for name, values in layers.items()}
        stored = write_shards(self.cube, self.spec, task.block, 0, arrays)
        known = {name: int(np.isfinite(values).sum()) for name, values in layers.items()}
        Ledger.of_cube(self.cube).write(task.entry, {"digest": task.digest, "objects": stored, "known": known})
        return TaskReport(1)

    def refuse_empty(self, plan: BlockPlan[StaticTask]) -> None:
        """See `Layer`."""
        known: Counter[str] = Counter()
        for _, entry in self.finished(plan):
            known.update({name: int(count) for name, count in entry.get("known", {}).items()})
        if empty := [name for name in self.spec.static_layers if not known[name]]:
            raise IncompleteError(
                f"static: {', '.join(empty)} has no data in any block: its source has only no data there; check"
                " static.path and the CRS of its rasters, or leave it out of static.layers"
            )

    def collect(self, plan: BlockPlan[StaticTask]) -> Collected:
        """See `Layer`."""
        collected = Collected()
        for name, entry in self.finished(plan):
            collected.add(self.shards(name, entry))
        return collected

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`."""
        return self.spec.grid.block_named(entry.partition("/")[2]), 0

    def origins(self) -> list[Record]:
        """See `Layer`."""
        section = self.spec.region.static
        path = {"path": section.path} if section is not None and section.path is not None else {}
        return [
            {"role": self.name, "layer": name, **path, **self.source.origin(MEASURED[name]).record()}
            for name in self.spec.static_layers
        ]

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`."""
        return len(spec.static_layers) * len(spec.grid.blocks) * spec.grid.block**2 * BYTES_PER_PIXEL

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        if dropped := set(old.static_layers) - set(new.static_layers):
            return [f"static.layers leaves out {', '.join(sorted(dropped))}"]
        return []
