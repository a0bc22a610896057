"""The archive source of targets: one raster of values per year on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.target import Target
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite
from mmvsf.pipeline.layers.target_source import TargetSource
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_measured
from mmvsf.pipeline.raster.scene import Asset


@register_source("archive")
@dataclass(frozen=True)
class ArchiveTargets(TargetSource):
    """One raster a year; `pattern` holds {year} in place of the year."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}
    pattern: str

    @classmethod
    def from_recipe(cls, section: Target, site: SourceSite) -> Self:
        """See `TargetSource`."""
        return cls(str(site.path(section.path or "")))

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return True

    def origin(self) -> Origin:
        """See `TargetSource`."""
        return Origin("archive")

    def asset(self, year: int) -> Asset:
        """See `TargetSource`."""
        path = Path(self.pattern.replace("{year}", str(year)))
        if not path.is_file():
            raise InputError(f"there are no numbers of {year} at {path}; check path and years under targets")
        try:
            return Asset(str(path), raster_grid(path))
        except ReadError as error:
            raise InputError(f"targets of {year}: {error}") from error

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """See `TargetSource`."""
        return read_measured(asset, window)
