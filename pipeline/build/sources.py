"""The sources of a build: those that the recipe names, or those that a program gives."""

from dataclasses import dataclass

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.layers.registry import IMAGERY, LABELS, STATIC, WEATHER
from mmvsf.pipeline.layers.source import (
    ImagerySource,
    LabelSource,
    Requirement,
    SourceSite,
    StaticSource,
    WeatherSource,
)


@dataclass(frozen=True)
class GivenSources:
    """Sources made in Python; each takes the place of the one that the recipe's section names."""

    imagery: ImagerySource | None = None
    weather: WeatherSource | None = None
    labels: LabelSource | None = None
    static: StaticSource | None = None


@dataclass(frozen=True)
class Sources:
    """The sources of one build."""

    imagery: ImagerySource
    weather: WeatherSource
    labels: LabelSource | None
    """None for a recipe without labels"""
    static: StaticSource | None
    """None for a recipe without static layers"""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What the sources need of their user, each once."""
        needs: dict[str, Requirement] = {}
        for source in (self.imagery, self.weather, self.static, self.labels):
            for need in source.requirements() if source is not None else ():
                needs.setdefault(need.name, need)
        return tuple(needs.values())


def open_sources(region: Region, site: SourceSite, given: GivenSources) -> Sources:
    """The sources of a recipe. Raises InputError for one that is unknown, or whose lines are not what it takes."""
    imagery, weather, labels, static = region.imagery, region.weather, region.labels, region.static
    try:
        return Sources(
            given.imagery or IMAGERY.choose(imagery).from_recipe(imagery, site),
            given.weather or WEATHER.choose(weather).from_recipe(weather, site),
            (given.labels or LABELS.choose(labels).from_recipe(labels, site)) if labels else None,
            (given.static or STATIC.choose(static).from_recipe(static, site)) if static else None,
        )
    except InputError as error:
        raise InputError(f"{site.recipe}: {error}") from None
