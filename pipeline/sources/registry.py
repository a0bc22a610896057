"""From a recipe's `source:` lines to the sources themselves."""

from pathlib import Path

from mmvsf.datasets.region import Region, resolve_path

from .archive import ArchiveImagery, ArchiveLabels
from .archive_weather import ArchiveWeather
from .protocols import ImagerySource, LabelSource, WeatherSource


def imagery_source(region: Region, recipe: Path, data_dir: Path) -> ImagerySource:
    """The source of the region's scenes. Raises InputError if its options cannot be resolved."""
    return ArchiveImagery(resolve_path(region.imagery.path, recipe, data_dir))


def weather_source(region: Region, recipe: Path, data_dir: Path) -> WeatherSource:
    """The source of the region's weather. Raises InputError if its options cannot be resolved."""
    return ArchiveWeather(resolve_path(region.weather.path, recipe, data_dir))


def label_source(region: Region, recipe: Path, data_dir: Path) -> LabelSource | None:
    """The source of the region's labels, None for a region without. Raises InputError likewise."""
    if region.labels is None:
        return None
    return ArchiveLabels(str(resolve_path(region.labels.path, recipe, data_dir)))
