"""What the layer of targets needs of a source."""

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.recipe.target import Target
from mmvsf.pipeline.raster.fingerprint import content_fingerprint
from mmvsf.pipeline.raster.scene import Asset

from .source import Origin, Source, SourceSite, Window


class TargetSource(Source):
    """Yearly numbers that are no classes."""

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Target, site: SourceSite) -> Self:
        """The source that a member of the recipe's section `targets` describes. Raises InputError."""

    @abstractmethod
    def asset(self, year: int) -> Asset:
        """The raster of a year. Raises InputError if there is none or it has no CRS."""

    @abstractmethod
    def read(self, asset: Asset, window: Window) -> NDArray[np.float64]:
        """Numbers of a window in the units that the recipe names, NaN where there is none. Raises ReadError."""

    def fingerprint(self, asset: Asset) -> str:
        """As `LabelSource.fingerprint`."""
        return content_fingerprint(asset.href)

    def notes(self, year: int) -> tuple[str, ...]:
        """As `LabelSource.notes`."""
        return ()

    @abstractmethod
    def origin(self) -> Origin:
        """Where the numbers come from."""
