"""What layers that are made from scenes have in common: the imagery and the radar."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.write import remove_shards, set_incomplete
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.words import plural
from mmvsf.pipeline.layers.layer import Layer, Record
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.scene import Scene

from .plan import ImageryPlan, ShardTask, plan_scenes, with_search
from .replaced import INPUTS, inputs_of, mark_replaced
from .table import ProductTable
from .unlisted import listing_of, unlisted


@dataclass(frozen=True)
class SceneLayer(Layer[ShardTask]):
    """A layer of scenes, with one ledger entry a block and 32-day shard."""

    marks_failures: ClassVar[bool] = True
    source: ImagerySource

    @property
    def ahead(self) -> int:
        """See `Layer`."""
        return 1 if self.source.days_at_once > 1 else 0

    @property
    @abstractmethod
    def table(self) -> ProductTable:
        """The products of its scenes."""

    @property
    @abstractmethod
    def products(self) -> tuple[str, ...]:
        """The names of the products that are taken."""

    @property
    @abstractmethod
    def arrays(self) -> tuple[str, ...]:
        """Its sharded arrays."""

    @property
    def skip_below_clear(self) -> float:
        """See the recipe's section `imagery`."""
        return 0.0

    def plan(self) -> ImageryPlan:
        """See `Layer`. Raises what `ImagerySource.search` raises."""
        table, grid = self.table, self.spec.grid
        found = self.source.search(grid, self.spec.region.period, self.products)
        if any(len(scene.bands) != len(table.bands) for scene in found.scenes if not scene.fault):
            raise InputError(f"{self.name}: the source does not provide the bands that the recipe names")
        scenes = mark_replaced(found.scenes, self._recorded("scenes"), self.source)
        plan = plan_scenes(scenes, grid, self.spec.calendar, self.skip_below_clear, self.reading, self.name)
        return with_search(plan, found)

    def reading(self, scene: Scene) -> str:
        """What the pixels of a scene depend on beside what the scene says."""
        return self._readings[scene.product]

    @cached_property
    def _readings(self) -> dict[str, str]:
        """`ProductTable.reading` of each product: there are many scenes of one."""
        table = self.table
        return {name: table.reading(name) for name in self.products}

    def refuse_fewer(self, plan: ImageryPlan) -> None:
        """Raise IncompleteError where the cube has scenes of its days and products that the plan lacks: their shards
        would be emptied. A local archive has no scenes that it does not list: what it lacks was taken out."""
        if self.source.is_local:
            return
        missing = unlisted(self._recorded("listed"), plan.scenes, self.products, self.spec.calendar.days)
        if missing:
            name, day = missing[0]
            why = f"; not all services could be searched: {'; '.join(plan.unanswered)}" if plan.unanswered else ""
            raise IncompleteError(
                f"{self.name}: the cube has {plural(len(missing), 'scene')} that are not listed now, for example {name}"
                f" of {date_of(day)}{why}. Run again later, when the service lists them again; to remove them from the"
                " cube, run `mmvsf dataset --fewer-scenes`"
            )

    def record_inputs(self, plan: ImageryPlan) -> None:
        """Record which scenes there are and what their files are now, before any is read."""
        before = self._recorded("scenes"), self._recorded("listed")
        after = inputs_of(plan.scenes, before[0], self.source), listing_of(plan.scenes)
        if after != before:
            Ledger.of_cube(self.cube).write(f"{INPUTS}/{self.name}", {"scenes": after[0], "listed": after[1]})

    def _recorded(self, what: str) -> dict[str, Any]:
        """A part of what `record_inputs` wrote, empty where there is none."""
        recorded: dict[str, Any] = (Ledger.of_cube(self.cube).read(f"{INPUTS}/{self.name}") or {}).get(what, {})
        return recorded

    def clear_stale(self, plan: ImageryPlan) -> None:
        """Empty the shards of units that are planned no longer, for example of a scene taken out of the archive."""
        ledger = Ledger.of_cube(self.cube)
        planned = plan.entries
        stale = [name for name in ledger.names(self.name) if name not in planned]
        if stale:
            set_incomplete(self.cube)
        for name in stale:
            remove_shards(self.cube, self.spec, *self.place(name), self.arrays)
            ledger.remove(name)

    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """See `Layer`. Raises KeyError for a block outside the grid."""
        _, shard, name = entry.split("/")
        return self.spec.grid.block_named(name), int(shard) - self.spec.calendar.first_shard

    def origins_of(self, path: str | None, processing: str = "") -> list[Record]:
        """The record of each product and service; `processing` replaces what the product says of it."""
        return [
            {
                "role": self.name,
                "product": product,
                **({"path": path} if path is not None else {}),
                "processing": processing.format(product) or self.table.named(product).processing,
                **origin.record(),
            }
            for product in self.products
            for origin in self.source.origins(product)
        ]
