"""A layer of a cube: the interface of imagery, weather, labels and static layers to a build."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import shard_objects
from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.manifest import Record as StoredObject
from mmvsf.pipeline.ledger import Entry, Ledger

Record = dict[str, str]
"""One record of a cube's root attribute `sources`; see `mmvsf.pipeline.build.provenance`"""


class BlockTask(Protocol):
    """A task that makes one entry of the ledger."""

    @property
    def entry(self) -> str:
        """Name of the entry."""

    @property
    def digest(self) -> str:
        """Digest of everything that the task's result depends on."""


Task = TypeVar("Task")
OneBlock = TypeVar("OneBlock", bound=BlockTask)


@dataclass(frozen=True)
class TaskReport:
    """What a finished task reports to the build."""

    units: int
    """ledger entries written"""
    pixels: int = 0
    """band pixels stored"""
    failures: tuple[str, ...] = ()
    any_read: bool = False
    """whether something was read all the same"""


@dataclass(frozen=True)
class Collected:
    """What a finished layer gives the cube beside the bytes of its shards."""

    shards: dict[str, dict[str, StoredObject]] = field(default_factory=dict)
    """part of the cube -> its shards, as the ledger recorded them"""
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """arrays over the whole grid that are not sharded, such as `blocks/status`"""
    attributes: dict[str, Any] = field(default_factory=dict)
    """more attributes of the layer's groups"""

    def add(self, shards: Iterable[tuple[str, str, StoredObject]]) -> None:
        """Add (part, object, record) of some shards."""
        for part, name, record in shards:
            self.shards.setdefault(part, {})[name] = record


class LayerPlan(ABC, Generic[Task]):
    """What a build has to do for a layer."""

    @property
    @abstractmethod
    def entries(self) -> Mapping[str, str]:
        """Name of a ledger entry -> digest of everything that its unit of work depends on."""

    @abstractmethod
    def tasks(self, todo: Collection[str]) -> Iterable[Task]:
        """The tasks that make these entries."""


@dataclass(frozen=True)
class BlockPlan(LayerPlan[OneBlock]):
    """A plan of tasks with one entry each."""

    all_tasks: tuple[OneBlock, ...] = field(default=())
    notes: tuple[str, ...] = ()
    """what the source lacks, one line each, to be shown before the work"""

    @property
    def entries(self) -> Mapping[str, str]:
        """See `LayerPlan`."""
        return {task.entry: task.digest for task in self.all_tasks}

    def tasks(self, todo: Collection[str]) -> list[OneBlock]:
        """See `LayerPlan`."""
        return [task for task in self.all_tasks if task.entry in todo]


@dataclass(frozen=True)
class Layer(ABC, Generic[Task]):
    """One layer of one cube. It is sent to each worker, so it holds options and nothing open or large."""

    name: ClassVar[str]
    """its group in the cube, and the first part of its entries in the ledger"""
    marks_failures: ClassVar[bool] = False
    """Whether a unit that cannot be read is marked in the cube, so that a build may accept it. Without a mark the
    build stays incomplete."""

    spec: CubeSpec
    cube: Location

    @property
    def ahead(self) -> int:
        """How many more tasks a process may begin than it has workers: some where a task mostly waits for a server."""
        return 0

    @abstractmethod
    def plan(self) -> LayerPlan[Task]:
        """Ask the source what it has, and plan the work. Raises InputError for anything wrong."""

    @abstractmethod
    def run(self, task: Task) -> TaskReport:
        """Read one task's data, write its shards, then its ledger entries. What cannot be read is recorded as failed.
        Runs on a worker. Raises OSError if the disk refuses."""

    @abstractmethod
    def collect(self, plan: Any) -> Collected:
        """What the finished tasks of a plan made. Raises IncompleteError where another build changed the ledger."""

    def refuse_empty(self, plan: Any) -> None:
        """Raise IncompleteError where the finished tasks of a plan show that the source gave nothing for a whole year
        or part of the layer. Called before the next layer is read, so that it is reported before hours of work."""

    @abstractmethod
    def origins(self) -> list[Record]:
        """Where each part of the layer comes from."""

    @staticmethod
    @abstractmethod
    def stored_bytes(spec: CubeSpec, units: float) -> float:
        """Bytes on disk of the layer in a cube with so many (day, block) units of imagery: an upper bound."""

    @staticmethod
    @abstractmethod
    def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
        """Why a cube of `old` cannot be extended to `new` in this layer, one short reason each."""

    @abstractmethod
    def place(self, entry: str) -> tuple[BlockIndex, int]:
        """The block of a ledger entry, and the number of its shards along time or season (0 without either)."""

    def shards(self, name: str, entry: Entry) -> Iterator[tuple[str, str, StoredObject]]:
        """(part, object, record) of the shards that a ledger entry lists."""
        yield from shard_objects(self.spec, *self.place(name), entry.get("objects", {}))

    def finished(self, plan: LayerPlan[Task]) -> Iterator[tuple[str, Entry]]:
        """(name, entry) of all units of a plan. Raises IncompleteError where one is not of this plan."""
        wanted = plan.entries
        for name, entry in Ledger.of_cube(self.cube).entries(wanted):
            if entry is None or entry.get("digest") != wanted[name]:
                raise IncompleteError(
                    f"the ledger of {self.cube} has no finished entry {name} of this recipe; run `mmvsf dataset` again"
                )
            yield name, entry

    def record_failure(self, entry: str, digest: str, reason: str) -> TaskReport:
        """Record that a task of one entry could not be read; the next run tries again."""
        Ledger.of_cube(self.cube).write(entry, {"digest": digest, "failures": [reason]})
        return TaskReport(1, failures=(reason,))


def run_task(task: Task, layer: Layer[Task]) -> TaskReport:
    """`Layer.run` as a function that an executor can send to its workers."""
    return layer.run(task)


def changed_options(section: str, old: object, new: object, options: tuple[str, ...]) -> list[str]:
    """Reasons against an extension: options of a recipe's section that differ from those the cube was built with."""
    return [
        f"{section}.{option} is {getattr(new, option)}, but {getattr(old, option)} in the cube"
        for option in options
        if getattr(old, option) != getattr(new, option)
    ]
