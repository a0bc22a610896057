"""What the layer of radar needs of a source."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

from mmvsf.datasets.recipe.radar import Radar

from .source import ImagerySource, Requirement, Source, SourceSite


@dataclass(frozen=True)
class RadarSource(Source):
    """Radar scenes of a place and period."""

    scenes: ImagerySource
    """Finds and reads them as those of imagery: their products are those of `radar.products.RadarTable`, their bands
    the polarisations of the recipe as linear power, and the mask of a scene is the first of these."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Radar, site: SourceSite) -> Self:
        """The source that the recipe's section `radar` describes. Raises InputError."""

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return self.scenes.is_local

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return self.scenes.requirements()

    def quotas(self) -> tuple[str, ...]:
        """See `Source`."""
        return self.scenes.quotas()
