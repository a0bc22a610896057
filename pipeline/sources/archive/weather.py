"""Weather of an archive: NetCDF files or a Zarr store on any regular grid, in the names of known products."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import xarray as xr

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Weather
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Bounds, Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.cf.series import join

from .weather_file import is_zarr, open_file

SUFFIXES = (".nc", ".nc4", ".cdf")


@register_source("archive")
@dataclass(frozen=True)
class ArchiveWeather(WeatherSource):
    """A NetCDF file, a folder of them (joined by variable and day), or a Zarr store."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}
    path: Path
    bounds: Bounds | None = None
    """the rectangle to read, in degrees; None: everything"""

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.path(section.path or ""), site.weather_bounds)

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return True

    def origin(self) -> Origin:
        """See `WeatherSource`: as the attributes `source` and `license` of the first file say."""
        with open_weather(self.files()[0]) as dataset:
            attributes = dataset.attrs
        licence = str(attributes.get("license", attributes.get("licence", "")))
        return Origin("archive", source=str(attributes.get("source", self.path.name)), licence=licence)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError if the files cannot be read or joined; see `cf.series.join`."""
        openers = {str(file): partial(open_weather, file) for file in self.files()}
        return join(openers, str(self.path), first, last, variables, self.bounds)

    def files(self) -> list[Path]:
        """The NetCDF files in the order of their names, or the one Zarr store. Raises InputError if there is none."""
        if not self.path.exists():
            raise InputError(f"there is no weather at {self.path}; check weather.path of the recipe")
        if not self.path.is_dir() or is_zarr(self.path):
            return [self.path]
        files = sorted(path for path in self.path.iterdir() if path.suffix in SUFFIXES and path.is_file())
        if not files:
            raise InputError(f"{self.path} holds no NetCDF file (*.nc); check weather.path of the recipe")
        return files


@contextmanager
def open_weather(path: Path) -> Iterator[xr.Dataset]:
    """See `open_file`. Raises InputError also for what cannot be read inside the block."""
    try:
        with open_file(path) as dataset:
            yield dataset
    except (OSError, ValueError, KeyError, EOFError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as weather (NetCDF or Zarr): {one_line(error)}") from error
