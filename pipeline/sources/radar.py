"""Radar from an archive on disk, and from a public catalogue."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from mmvsf.datasets.recipe.radar import Radar
from mmvsf.pipeline.layers.radar.products import RadarTable
from mmvsf.pipeline.layers.radar_source import RadarSource
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import SourceSite

from .archive.rasters import ArchiveImagery
from .stac.imagery import StacImagery

PASSES_AT_ONCE = 4
"""Passes of a task that are read at the same time from a server: each takes the memory of a window of 10 m."""


@register_source("archive")
@dataclass(frozen=True)
class ArchiveRadar(RadarSource):
    """Scenes of a folder with STAC items."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}

    @classmethod
    def from_recipe(cls, section: Radar, site: SourceSite) -> Self:
        """See `RadarSource`."""
        return cls(ArchiveImagery(site.path(section.path or ""), RadarTable.of_radar(section)))


@register_source("stac")
@dataclass(frozen=True)
class CatalogRadar(RadarSource):
    """Scenes of a catalogue."""

    recipe_lines: ClassVar[dict[str, bool]] = {"catalog": True}

    @classmethod
    def from_recipe(cls, section: Radar, site: SourceSite) -> Self:
        """See `RadarSource`. Raises InputError for a catalogue that is not known."""
        source = StacImagery.of(section.catalog or "", RadarTable.of_radar(section))
        return cls(replace(source, days_at_once=PASSES_AT_ONCE))
