"""The archive source of labels: one raster a year on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import Legend, read_legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_codes
from mmvsf.pipeline.raster.scene import Asset


@register_source("archive")
@dataclass(frozen=True)
class ArchiveLabels(LabelSource):
    """One label raster a year; `pattern` holds {year} in place of the year."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True, "legend": True}
    pattern: str
    legend_path: Path | None
    """None: the classes of the CDL"""

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        legend = None if section.legend in (None, "cdl") else site.path(section.legend)
        return cls(str(site.path(section.path or "")), legend)

    def origin(self) -> Origin:
        """See `LabelSource`. The licence of rasters with a legend of their own is not known."""
        return Origin("archive", licence=CDL_LICENCE if self.legend_path is None else "")

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return CDL if self.legend_path is None else read_legend(self.legend_path)

    def asset(self, year: int) -> Asset:
        """See `LabelSource`."""
        path = Path(self.pattern.replace("{year}", str(year)))
        if not path.is_file():
            raise InputError(f"there are no labels of {year} at {path}; check labels.path and labels.years")
        try:
            return Asset(str(path), raster_grid(path))
        except ReadError as error:
            raise InputError(f"labels of {year}: {error}") from error

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. 0 where the raster declares no data."""
        return read_codes(asset, window)
