"""The sources of a build: those that the recipe names, or those that a program passes."""

from dataclasses import dataclass
from typing import TypeVar

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.layers.radar_source import RadarSource
from mmvsf.pipeline.layers.registry import IMAGERY, LABELS, RADAR, STATIC, TARGETS, WEATHER, Section, SourceTable
from mmvsf.pipeline.layers.source import (
    ImagerySource,
    LabelSource,
    Requirement,
    Source,
    SourceSite,
    StaticSource,
    WeatherSource,
)
from mmvsf.pipeline.layers.target_source import TargetSource

S = TypeVar("S", bound=Source)


@dataclass(frozen=True)
class GivenSources:
    """Sources made in Python; each replaces the source that the recipe's section names."""

    imagery: ImagerySource | None = None
    weather: WeatherSource | None = None
    labels: LabelSource | None = None
    static: StaticSource | None = None
    radar: RadarSource | None = None


@dataclass(frozen=True)
class Sources:
    """The sources of one build."""

    imagery: ImagerySource
    weather: WeatherSource | None
    """None for a recipe without weather"""
    labels: LabelSource | None
    """None for a recipe without labels"""
    static: StaticSource | None
    """None for a recipe without static layers"""
    radar: RadarSource | None = None
    """None for a recipe without radar"""
    targets: tuple[tuple[str, TargetSource], ...] = ()
    """(target, its source)"""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What the sources need of their user, each once."""
        needs: dict[str, Requirement] = {}
        for source in self._present:
            for need in source.requirements():
                needs.setdefault(need.name, need)
        return tuple(needs.values())

    @property
    def are_local(self) -> bool:
        """Whether all of them read files of this disk and nothing else."""
        return all(source.is_local for source in self._present)

    @property
    def quotas(self) -> tuple[str, ...]:
        """How much their services allow a user, each once."""
        return tuple(dict.fromkeys(quota for source in self._present for quota in source.quotas()))

    @property
    def _present(self) -> list[Source]:
        named = (self.imagery, self.radar, self.weather, self.static, self.labels)
        return [source for source in (*named, *(source for _, source in self.targets)) if source is not None]


def open_sources(region: Region, site: SourceSite, given: GivenSources) -> Sources:
    """The sources of a recipe. Raises InputError with all that is wrong: an unknown source, or lines that it does not
    take."""
    problems: list[str] = []

    def opened(table: SourceTable[S], section: Section | None, instance: S | None) -> S | None:
        if section is None and instance is not None:
            problems.append(f"a source of {table.layer} is given, but the recipe has no section `{table.layer}`")
        if section is None or instance is not None:
            return instance
        try:
            source: S = table.choose(section).from_recipe(section, site)
            return source
        except InputError as error:
            problems.append(str(error))
            return None

    imagery = opened(IMAGERY, region.imagery, given.imagery)
    radar = opened(RADAR, region.radar, given.radar)
    weather = opened(WEATHER, region.weather, given.weather)
    labels = opened(LABELS, region.labels, given.labels)
    static = opened(STATIC, region.static, given.static)
    targets = [(name, opened(TARGETS, target, None)) for name, target in sorted(region.targets.items())]
    if region.labels and region.labels.has_confidence and labels and not labels.has_confidence:
        problems.append(f"labels: source '{region.labels.source}' has no confidence; remove the line labels.confidence")
    if imagery is None or problems:
        raise InputError(f"{site.recipe}: {'; '.join(problems)}")
    known = tuple((name, source) for name, source in targets if source is not None)
    return Sources(imagery, weather, labels, static, radar, known)
