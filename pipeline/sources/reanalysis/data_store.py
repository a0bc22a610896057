"""What the weather sources that read the ECMWF data stores have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from mmvsf.datasets.recipe.region import Weather
from mmvsf.pipeline.layers.source import Bounds, Origin, Requirement, SourceSite, WeatherSource
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from . import token
from .store import RETRY_POLICY


@dataclass(frozen=True)
class DataStoreWeather(WeatherSource):
    """A data set of the ECMWF data stores over a rectangle. A free token is needed."""

    name: ClassVar[str]
    """by which a recipe names the source; its folder in the cache"""
    dataset: ClassVar[str]
    """name of the data set in the Climate Data Store"""
    source: ClassVar[str]
    """the data set in words, with the attribution that it asks for"""

    bounds: Bounds
    """west, south, east, north in degrees"""
    cache: Path
    """folder of the fetched chunks"""
    url: str = ENDPOINTS["ecmwf"].url
    retry_policy: RetryPolicy = RETRY_POLICY

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.weather_bounds, site.cache(cls.name), address("ecmwf"))

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return token.requirements()

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        return Origin(self.name, plain_url(self.url), self.dataset, self.source, "CC-BY-4.0")
