"""The layer `labels`: crop codes, purity and confidence, one task per block and year."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import write_shards
from mmvsf.datasets.recipe.region import Labels
from mmvsf.pipeline.layers.elsewhere import refuse_elsewhere
from mmvsf.pipeline.layers.layer import BlockPlan, Collected, Layer, Record, TaskReport, changed_options
from mmvsf.pipeline.layers.source import LabelSource
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import ReadError, gdal_environment

from .empty_years import refuse_empty
from .resample import BlockLabels, LabelTask, label_tasks, read_labels

BYTES_PER_PIXEL = 1.0
"""Code and purity of a year, compressed; the simulated cube takes 0.35."""


@dataclass(frozen=True)
class LabelLayer(Layer[LabelTask]):
    name: ClassVar[str] = "labels"
    source: LabelSource
    classes: Legend
    """the source's own classes, before the recipe groups them"""

    @cached_property
    def section(self) -> Labels:
        if self.spec.region.labels is None or self.spec.legend is None:
            raise ValueError("a label layer needs a cube with labels")
        return self.spec.region.labels

    def plan(self) -> BlockPlan[LabelTask]:
        """See `Layer`."""
        legend = json.dumps(self.spec.legend.attributes()) if self.spec.legend else ""
        section = self.section
        tasks = label_tasks(
            self.source,
            self.spec.grid,
            self.spec.label_years,
            section.method,
            legend,
            self.spec.confidence,
            section.least_purity,
        )
        assets = {task.year: task.asset for task in tasks[: len(self.spec.label_years)]}
        notes = [f"labels of {year}: {note}" for year in self.spec.label_years for note in self.source.notes(year)]
        return BlockPlan(tuple(tasks), (*refuse_elsewhere(assets, self.spec.grid, self.name), *notes))

    def run(self, task: LabelTask) -> TaskReport:
        """See `Layer`. Raises InputError for a code that the legend lacks."""
        stored = self.spec.legend.stored_codes() if self.spec.legend else {}
        try:
            with gdal_environment():
                labels = read_labels(task, self.spec.grid, self.source, self.section.method, self.classes.codes, stored)
        except ReadError as error:
            reason = f"{error} ({task.year}, block {task.block[0]},{task.block[1]})"
            return self.record_failure(task.entry, task.digest, reason)
        names = BlockLabels._fields if self.spec.confidence else ("crop", "purity")
        arrays = {f"labels/{name}": getattr(labels, name) for name in names}
        season = self.spec.label_years.index(task.year)
        objects = write_shards(self.cube, self.spec, task.block, season, arrays)
        codes, counts = np.unique(labels.crop, return_counts=True)
        shares = {str(code): int(count) for code, count in zip(codes, counts, strict=True)}
        entry = {"digest": task.digest, "objects": objects, "counts": shares}
        Ledger.of_cube(self.cube).write(task.entry, entry)
        return TaskReport(1)

    def refuse_empty(self, plan: BlockPlan[LabelTask]) -> None:
        """See `Layer`."""
        counts: dict[int, Counter[int]] = {year: Counter() for year in self.spec.label_years}
        for name, entry in self.finished(plan):
            shares = {int(code): int(count) for code, count in entry.get("counts", {}).items()}
            counts[int(name.split("/")[1])].update(shares)
        refuse_empty(counts, {task.year: task.asset.name for task in plan.all_tasks})

    def collect(self, plan: BlockPlan[LabelTask]) -> Collected:
        """See `Layer`."""
        collected = Collected()
        for name, entry in self.finished(plan):
            collected.add(self.shards(name, entry))
        return collected

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`."""
        _, year, name = entry.split("/")
        return self.spec.grid.block_named(name), self.spec.label_years.index(int(year))

    def origins(self) -> list[Record]:
        """See `Layer`."""
        path = {"path": self.section.path} if self.section.path is not None else {}
        return [{"role": self.name, **path, **self.source.origin().record()}]

    @staticmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """See `Layer`."""
        years = len(spec.region.labels.years) if spec.region.labels else 0
        return years * len(spec.grid.blocks) * spec.grid.block**2 * BYTES_PER_PIXEL

    @staticmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """See `Layer`. Labels of another source are read again, as the ledger says."""
        if not old.label_years:
            return []
        if new.region.labels is None or old.region.labels is None:
            return ["labels are left out"]
        reasons = changed_options("labels", old.region.labels, new.region.labels, ("method", "least_purity"))
        if dropped := set(old.label_years) - set(new.region.labels.years):
            reasons.append(f"labels.years leaves out {', '.join(map(str, sorted(dropped)))}")
        if old.legend != new.legend:
            reasons.append("the legend of the labels differs")
        if old.confidence and not new.confidence:
            reasons.append("labels.confidence is left out")
        return reasons
