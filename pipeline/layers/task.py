"""What a task needs of its build, and what it reports."""

from dataclasses import dataclass

from mmvsf.datasets.cube.calendar import Calendar
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.storage.location import Location
from mmvsf.pipeline.layers.protocols import ImagerySource, LabelSource, StaticSource
from mmvsf.pipeline.ledger import Ledger


@dataclass(frozen=True)
class BuildContext:
    """What every task of a build needs; sent to each worker once a task, so it stays small."""

    cube: Location
    grid: Grid
    calendar: Calendar
    imagery: ImagerySource
    labels: LabelSource | None
    label_method: str
    label_codes: tuple[int, ...]
    """codes that the label source may hold"""
    label_groups: dict[int, int]
    """code of the label source -> code in the cube"""
    label_years: tuple[int, ...]
    skip_below_clear: float
    label_confidence: bool = False
    """whether the cube stores the confidence of its labels"""
    static: StaticSource | None = None
    static_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskReport:
    """What a finished task tells the build."""

    units: int
    pixels: int
    """band pixels stored"""
    failures: tuple[str, ...]


def failed(context: BuildContext, name: str, digest: str, reason: str) -> TaskReport:
    """Record that a block's labels or layers could not be read; the next run tries again."""
    Ledger.of_cube(context.cube).write(name, {"digest": digest, "failures": [reason]})
    return TaskReport(1, 0, (reason,))
