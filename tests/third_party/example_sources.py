"""An imagery, a weather and a label source that compute their data from coordinates and days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Imagery, Labels, Period, Weather
from mmvsf.datasets.variables import WEATHER_BY_NAME
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, LabelSource, Origin, SourceSite, WeatherSource, Window
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

PRODUCT = "hls-l30"


@register_source("example")
@dataclass(frozen=True)
class ExampleImagery(ImagerySource):
    """One clear scene every few days; a band is 1000 x its number + the day of the month."""

    recipe_lines: ClassVar[dict[str, bool]] = {"every": True}
    every: int
    """days from one scene to the next"""

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        every = section.options["every"]
        if not isinstance(every, int) or every < 1:
            raise InputError(f"imagery.options.every is a number of days; found {every}")
        return cls(every)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        self._check(products)
        raster = RasterGrid.of(grid.geobox)
        scenes = []
        for number in range(0, (period.end - period.start).days + 1, self.every):
            day = period.start + timedelta(number)
            if period.contains(day):
                bands = tuple(Asset(f"example:{day}:{band}", raster) for band in range(1, 7))
                taken = datetime.combine(day, time(17), UTC)
                mask = Asset(f"example:{day}:mask", raster)
                scenes.append(Scene(f"example-{day}", PRODUCT, taken, "1", bands, mask, 0, day_number(day)))
        return FoundScenes(tuple(scenes))

    def read(self, asset: Asset, window: Window) -> NDArray[Any]:
        _, day, band = asset.href.split(":")
        shape = tuple(part.stop - part.start for part in window)
        if band == "mask":
            return np.zeros(shape, np.uint8)
        return np.full(shape, 1000 * int(band) + date.fromisoformat(day).day, np.int16)

    def origin(self, product: str) -> Origin:
        self._check((product,))
        return Origin("example", source="computed scenes", licence="CC0")

    def _check(self, products: tuple[str, ...]) -> None:
        if products != (PRODUCT,):
            raise InputError(f"the source 'example' has {PRODUCT} alone; found {', '.join(products)}")


@register_source("example")
@dataclass(frozen=True)
class ExampleWeather(WeatherSource):
    """Every variable is the middle of its valid range, plus a hundredth for each degree north."""

    bounds: tuple[float, float, float, float]

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        return cls(site.weather_bounds)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        west, south, east, north = self.bounds
        y, x = np.arange(south - 0.2, north + 0.2, 0.1), np.arange(west - 0.2, east + 0.2, 0.1)
        days = np.arange(day_number(first), day_number(last) + 1)
        values = {}
        for name in variables:
            if name not in WEATHER_BY_NAME:
                raise InputError(f"the source 'example' has no {name}")
            variable = WEATHER_BY_NAME[name]
            middle = (variable.valid_min + variable.valid_max) / 2 + 0.01 * y
            values[name] = np.broadcast_to(middle[None, :, None], (days.size, y.size, x.size)).astype(np.float32)
        return WeatherSeries(values, days, y, x, "EPSG:4326", 24)

    def origin(self) -> Origin:
        return Origin("example", source="computed weather", licence="CC0")


@register_source("example")
@dataclass(frozen=True)
class ExampleLabels(LabelSource):
    """West of the middle column is class 1, east of it class 2. The licence is not known."""

    grid: RasterGrid

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        return cls(RasterGrid.of(site.grid.geobox))

    def legend(self) -> Legend:
        return Legend((LegendClass(1, "West", "#aa0000"), LegendClass(2, "East", "#0000aa")))

    def asset(self, year: int) -> Asset:
        if not 1900 <= year <= 2100:
            raise InputError(f"the source 'example' has no labels of {year}")
        return Asset(f"example:{year}", self.grid)

    def read(self, asset: Asset, window: Window) -> NDArray[Any]:
        rows, columns = (np.arange(part.start, part.stop) for part in window)
        codes = np.where(columns < self.grid.shape[1] // 2, 1, 2).astype(np.uint8)
        return np.broadcast_to(codes, (rows.size, columns.size)).copy()

    def origin(self) -> Origin:
        return Origin("example", source="computed labels")
