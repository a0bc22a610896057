"""The sources that a recipe may name: one table per layer, filled by a decorator beside each class.

Modules that register sources are listed as entry points of the group `mmvsf.sources`, this project's own among them, so
that a package adds sources by being installed.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.radar import Radar
from mmvsf.datasets.recipe.region import Imagery, Labels, Weather
from mmvsf.datasets.recipe.static import Static
from mmvsf.datasets.recipe.target import Target

from .radar_source import RadarSource
from .source import ImagerySource, LabelSource, Source, StaticSource, WeatherSource
from .target_source import TargetSource

GROUP = "mmvsf.sources"

S = TypeVar("S", bound=Source)
SourceClass = TypeVar("SourceClass", bound=type[Source])
Section = Imagery | Radar | Weather | Static | Labels | Target


class SourceTable(Generic[S]):
    """The sources of one layer, by the name that a recipe's `source:` has."""

    def __init__(self, layer: str, base: type[S]) -> None:
        self.layer, self.base = layer, base
        self._classes: dict[str, type[S]] = {}

    def add(self, name: str, source: type[S]) -> None:
        """Register a class. Raises ValueError where another class has the name."""
        if self._classes.setdefault(name, source) is not source:
            raise ValueError(f"the {self.layer} source '{name}' is registered twice: {self._classes[name]}, {source}")

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        load_entry_points()
        return tuple(sorted(self._classes))

    def find(self, name: str) -> type[S]:
        """The class of a name. Raises InputError for one that is not registered."""
        if name not in self.names():
            raise InputError(
                f"{self.layer}.source: there is no source '{name}'; choose one of {', '.join(self.names())}"
            )
        return self._classes[name]

    def choose(self, section: Section) -> type[S]:
        """The class that a section of a recipe names. Raises InputError unless it has exactly the source's lines."""
        source = self.find(section.source)
        _check_lines(self.layer, section, source.recipe_lines)
        return source


IMAGERY = SourceTable("imagery", ImagerySource)  # type: ignore[type-abstract]
RADAR = SourceTable("radar", RadarSource)  # type: ignore[type-abstract]
WEATHER = SourceTable("weather", WeatherSource)  # type: ignore[type-abstract]
STATIC = SourceTable("static", StaticSource)  # type: ignore[type-abstract]
LABELS = SourceTable("labels", LabelSource)  # type: ignore[type-abstract]
TARGETS = SourceTable("targets", TargetSource)  # type: ignore[type-abstract]
TABLES: tuple[SourceTable[Any], ...] = (IMAGERY, RADAR, WEATHER, STATIC, LABELS, TARGETS)


def register_source(name: str) -> Callable[[SourceClass], SourceClass]:
    """A class decorator: recipes may name the class in `source:` of the layer whose base class it derives from.

    Raises TypeError for a class that derives from none, ValueError for a name that another class has.
    """

    def register(source: SourceClass) -> SourceClass:
        for table in TABLES:
            if issubclass(source, table.base):
                table.add(name, source)
                return source
        raise TypeError(
            f"{source.__name__} is not derived from any of the base classes in mmvsf.pipeline.layers.source"
        )

    return register


@cache  # of nothing: whether it was called
def load_entry_points() -> None:
    """Import the modules that register sources. Raises InputError for one that cannot be imported."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        _load(entry)


def _load(entry: EntryPoint) -> None:
    try:
        entry.load()
    except Exception as error:
        raise InputError(
            f"the sources '{entry.name}' ({entry.value}) cannot be loaded: {one_line(error)};"
            " repair or remove that package"
        ) from error


def _check_lines(layer: str, section: Section, lines: Mapping[str, bool]) -> None:
    if misplaced := sorted({*type(section).model_fields} & set(section.options)):
        raise InputError(
            f"{layer}.options: {', '.join(misplaced)} is a line of the section itself; write it beside `source`"
        )
    given = {name for name in section.SOURCE_LINES if getattr(section, name) is not None} | set(section.options)
    if foreign := sorted(given - set(lines)):
        raise InputError(f"{layer}: source '{section.source}' takes no {', '.join(foreign)}; remove the line")
    if missing := sorted(name for name, needed in lines.items() if needed and name not in given):
        raise InputError(f"{layer}: source '{section.source}' needs the line {', '.join(missing)}")
