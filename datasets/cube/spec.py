"""The specification of a cube: all that its arrays depend on, from which everything else about it is derived."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.spec import ArraySpec
from mmvsf.datasets.variables import Band, band_named

from .calendar import Calendar
from .grid import Grid
from .layout import tile_layout
from .legend import Legend


@dataclass(frozen=True)
class CubeSpec:
    """What a cube holds, whether it is built or only planned."""

    region: Region
    grid: Grid
    calendar: Calendar
    legend: Legend | None
    """None for a cube without labels"""

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands of the images, in the order in which they are stored."""
        return tuple(map(band_named, self.region.imagery.bands))

    @property
    def weather(self) -> tuple[str, ...]:
        """Weather variables; none for a cube without weather."""
        return self.region.weather.variables if self.region.weather else ()

    @property
    def years(self) -> tuple[int, ...]:
        """The names of the seasons."""
        return self.region.period.years

    @property
    def label_years(self) -> tuple[int, ...]:
        """Years with labels, in order."""
        return tuple(sorted(self.region.labels.years)) if self.region.labels and self.legend else ()

    @property
    def static_layers(self) -> tuple[str, ...]:
        """Layers that do not change with time (`variables.STATIC`)."""
        return self.region.static.layers if self.region.static else ()

    @property
    def polarisations(self) -> tuple[str, ...]:
        """Polarisations of the radar, in the order in which they are stored; none for a cube without."""
        return self.region.radar.polarisations if self.region.radar else ()

    @property
    def orbits(self) -> tuple[str, ...]:
        """Directions of the passes of the radar, each an array; none for a cube without."""
        return self.region.radar.orbits if self.region.radar else ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Numbers by season that are no classes, sorted by name."""
        return tuple(sorted(self.region.targets))

    @property
    def confidence(self) -> bool:
        """Whether labels carry the confidence of their source."""
        return bool(self.label_years and self.region.labels and self.region.labels.has_confidence)

    def array(self, name: str) -> ArraySpec:
        """The specification of an array in a tile, such as `imagery/reflectance`; it is the same in every tile except
        for coordinates. Raises KeyError for an array that the cube does not have."""
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, ArraySpec]:
        groups = tile_layout(self, self.grid.tiles[0].grid)
        return {f"{group.name}/{array.name}": array for group in groups for array in group.arrays}

    def attributes(self) -> dict[str, Any]:
        """The root attributes that hold the specification, as they come back from JSON."""
        attributes: dict[str, Any] = {
            "title": self.region.title,
            "region": self.region.model_dump(mode="json"),
            "grid": asdict(self.grid),
            "calendar": asdict(self.calendar),
            "bands": self.region.imagery.bands,
            "weather_variables": self.weather,
            "seasons": self.years,
            "label_seasons": self.label_years,
        }
        # A cube without these parts has no attribute for them.
        if self.legend:
            attributes["legend"] = self.legend.attributes()
        if self.static_layers:
            attributes["static_layers"] = self.static_layers
        if self.orbits:
            attributes["radar_orbits"], attributes["radar_polarisations"] = self.orbits, self.polarisations
        if self.targets:
            attributes["targets"] = self.targets
        if self.confidence:
            attributes["label_confidence"] = True
        loaded: dict[str, Any] = json.loads(json.dumps(attributes))
        return loaded

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any], where: str) -> Self:
        """What `attributes` wrote. Raises InputError for an invalid recipe, KeyError or TypeError for anything else."""
        legend = Legend.from_attributes(attributes["legend"]) if attributes.get("legend") else None
        region, grid = parse_region(attributes["region"], where), Grid.from_attributes(attributes["grid"])
        return cls(region, grid, Calendar(**attributes["calendar"]), legend)
