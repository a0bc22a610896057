"""The layer `targets`: numerical quantities, one task per target, block and year."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import write_shards
from mmvsf.datasets.errors import IncompleteError
from mmvsf.pipeline.layers.elsewhere import refuse_elsewhere
from mmvsf.pipeline.layers.layer import BlockPlan, Collected, Layer, Record, TaskReport, changed_options
from mmvsf.pipeline.layers.target_source import TargetSource
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import ReadError, gdal_environment

from .resample import TargetTask, read_target, target_tasks

BYTES_PER_PIXEL = 4.0
"""Of a target and year: float32, which hardly compresses."""


@dataclass(frozen=True)
class TargetLayer(Layer[TargetTask]):
    name: ClassVar[str] = "targets"
    sources: tuple[tuple[str, TargetSource], ...]
    """(target, its source)"""

    def plan(self) -> BlockPlan[TargetTask]:
        """See `Layer`."""
        tasks: list[TargetTask] = []
        notes: list[str] = []
        for name, source in self.sources:
            target, what = self.spec.region.targets[name], f"targets.{name}"
            of_target = target_tasks(name, target, source, self.spec.grid)
            assets = {task.year: task.asset for task in of_target}
            notes += refuse_elsewhere(assets, self.spec.grid, what)
            notes += [f"{what} of {year}: {note}" for year in assets for note in source.notes(year)]
            tasks += of_target
        return BlockPlan(tuple(tasks), tuple(notes))

    def run(self, task: TargetTask) -> TaskReport:
        """See `Layer`."""
        target, source = self.spec.region.targets[task.name], dict(self.sources)[task.name]
        try:
            with gdal_environment():
                values = read_target(task, target, source, self.spec.grid)
        except ReadError as error:
            reason = f"{error} ({task.name}, {task.year}, block {task.block[0]},{task.block[1]})"
            return self.record_failure(task.entry, task.digest, reason)
        season = self.spec.years.index(task.year)
        stored = write_shards(self.cube, self.spec, task.block, season, {f"targets/{task.name}": values})
        known = int(np.isfinite(values).sum())
        Ledger.of_cube(self.cube).write(task.entry, {"digest": task.digest, "objects": stored, "known": known})
        return TaskReport(1)

    def refuse_empty(self, plan: BlockPlan[TargetTask]) -> None:
        """See `Layer`."""
        known: Counter[tuple[str, str]] = Counter()
        for entry_name, entry in self.finished(plan):
            _, name, year, _ = entry_name.split("/")
            known[name, year] += int(entry.get("known", 0))
        if empty := [f"{name} of {year}" for (name, year), count in known.items() if not count]:
            raise IncompleteError(
                f"targets: no pixel has a number for {', '.join(empty)}; check the path and years under targets"
            )

    def collect(self, plan: BlockPlan[TargetTask]) -> Collected:
        """See `Layer`."""
        collected = Collected()
        for name, entry in self.finished(plan):
            collected.add(self.shards(name, entry))
        return collected

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`."""
        _, _, year, name = entry.split("/")
        return self.spec.grid.block_named(name), self.spec.years.index(int(year))

    def origins(self) -> list[Record]:
        """See `Layer`."""
        records: list[Record] = []
        for name, source in self.sources:
            path = self.spec.region.targets[name].path
            records.append({"role": self.name, "layer": name, "path": path or "", **source.origin().record()})
        return records

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`."""
        years = sum(len(target.years) for target in spec.region.targets.values())
        return years * len(spec.grid.blocks) * spec.grid.block**2 * BYTES_PER_PIXEL

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`."""
        reasons = []
        for name, target in old.region.targets.items():
            now = new.region.targets.get(name)
            if now is None:
                reasons.append(f"targets leaves out {name}")
                continue
            options = ("units", "long_name", "valid_range")
            reasons += changed_options(f"targets.{name}", target, now, options)
            if dropped := set(target.years) - set(now.years):
                reasons.append(f"targets.{name}.years leaves out {', '.join(map(str, sorted(dropped)))}")
        return reasons
