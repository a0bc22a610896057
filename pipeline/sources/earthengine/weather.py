"""Daily weather of Earth Engine, at the native cells of each collection."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, Requirement, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.raster.crs import in_degrees
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.transport.endpoints import public_address
from mmvsf.pipeline.sources.transport.progress import report_progress

from .client import QUOTA, requirements
from .pixels import asset_id, fetch_pixels, grid_of_band, list_images
from .weather_collections import COLLECTIONS, DEFAULT_COLLECTION, Bands, WeatherCollection

FILL = -9999
"""Stands for a masked cell in the answer."""
BANDS_AT_ONCE = 1000
"""Bands of one request; Earth Engine allows 1024."""
MARGIN_CELLS = 2
"""Cells around the region, for the neighbours of its outermost points."""
MOST_NUMBERS = 400_000_000
"""Cells x days x variables of one request of the recipe: 1.6 GB in memory."""


@register_source("earthengine")
@dataclass(frozen=True)
class EarthEngineWeather(WeatherSource):
    """A weather collection over a rectangle. Credentials and project come from the environment."""

    recipe_lines: ClassVar[dict[str, bool]] = {"collection": False}
    quota: ClassVar[str] = QUOTA
    collection: str
    """a key of `COLLECTIONS`"""
    bounds: tuple[float, float, float, float]
    """west, south, east, north in degrees"""

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`. Raises InputError for a collection that is not known."""
        name = section.collection or DEFAULT_COLLECTION
        if name not in COLLECTIONS:
            raise InputError(
                f"there is no weather collection '{name}'; weather.collection is one of {', '.join(COLLECTIONS)}"
            )
        return cls(name, site.weather_bounds)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return requirements()

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        collection = COLLECTIONS[self.collection]
        url = public_address("earthengine")
        return Origin("earthengine", url, collection.id, collection.source, collection.licence)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises ReadError if Earth Engine does not answer."""
        collection = COLLECTIONS[self.collection]
        if lacking := [name for name in variables if name not in collection.formulas]:
            raise InputError(
                f"{self.collection} has no {' and no '.join(lacking)}; leave it out of weather.variables, or take"
                " another weather.collection"
            )
        after = last + timedelta(days=1)
        nothing = InputError(f"Earth Engine has no day of {collection.id} between {first} and {last}; check the period")
        bands = tuple(dict.fromkeys(band for name in variables for band in collection.formulas[name][0]))
        sample = next(iter(list_images(collection.id, first, after, at_most=1)), None)
        if sample is None:
            raise nothing
        grid = grid_of_band(sample, bands[0])
        window = self._window(grid, (after - first).days * len(variables))
        days: dict[date, dict[str, NDArray[np.float32]]] = {}
        for day, values in _days(collection, grid, window, bands, first, after):
            report_progress(f"weather, days of {collection.id}", (day - first).days + 1, (after - first).days)
            days[day] = {name: collection.formulas[name][1](values).astype(np.float32) for name in variables}
        if not days:
            raise nothing
        return self._series(collection, grid, window, variables, days, after)

    def _window(self, grid: RasterGrid, numbers_per_cell: int) -> tuple[slice, slice]:
        """The cells of the collection over the bounds, with a margin. Raises InputError if there are none, or too
        many."""
        to_grid = from_lonlat(grid.crs)
        left, bottom, right, top = to_grid.transform_bounds(*self.bounds, densify_pts=21)
        a, _, c, _, e, f = grid.transform
        height, width = grid.shape
        first_row = max(0, int((top - f) // e) - MARGIN_CELLS)
        last_row = min(height, int((bottom - f) // e) + MARGIN_CELLS + 1)
        first_column = max(0, int((left - c) // a) - MARGIN_CELLS)
        last_column = min(width, int((right - c) // a) + MARGIN_CELLS + 1)
        if in_degrees(grid.crs) and right > c + a * width >= 180:
            first_column = 0  # across 180 degrees: the whole band, since a window cannot go around
        if first_row >= last_row or first_column >= last_column:
            raise InputError(f"{self.collection} does not cover this region; take another weather.collection")
        cells = (last_row - first_row) * (last_column - first_column)
        if cells * numbers_per_cell > MOST_NUMBERS:
            raise InputError(
                f"{self.collection} over the whole area is {cells} cells a day; take a coarser weather.collection"
                " (gridmet, era5-land), a shorter period or a smaller area"
            )
        return slice(first_row, last_row), slice(first_column, last_column)

    def _series(
        self,
        collection: WeatherCollection,
        grid: RasterGrid,
        window: tuple[slice, slice],
        variables: tuple[str, ...],
        days: dict[date, dict[str, NDArray[np.float32]]],
        after: date,
    ) -> WeatherSeries:
        ordered = sorted(days)
        a, _, c, _, e, f = grid.transform
        rows, columns = (np.arange(part.start, part.stop) + 0.5 for part in window)
        flag = np.full(len(ordered), WeatherFlag.OBSERVED, np.uint8)
        if collection.has_status:
            provisional = {
                asset_id(image).rpartition("/")[2]
                for image in list_images(collection.id, ordered[0], after)
                if image.get("properties", {}).get("status", "permanent") != "permanent"
            }
            flag[[f"{day:%Y%m%d}" in provisional for day in ordered]] = WeatherFlag.PROVISIONAL
        west, _, east, _ = self.bounds
        hour = collection.day_ends_utc_hour
        # Rows of the collection run from north to south, those of a series from south to north.
        return WeatherSeries(
            {name: np.stack([days[day][name] for day in ordered])[:, ::-1] for name in variables},
            np.array([day_number(day) for day in ordered], np.int64),
            (f + e * rows)[::-1],
            c + a * columns,
            grid.crs,
            float(round(-(west + east) / 2 / 15) % 24 if hour is None else hour),
            flag,
            collection.dropped_leap_day,
        )


def _days(
    collection: WeatherCollection,
    grid: RasterGrid,
    window: tuple[slice, slice],
    bands: tuple[str, ...],
    first: date,
    after: date,
) -> Iterator[tuple[date, Bands]]:
    """(day, its bands with NaN for masked cells, north up) of every day that the collection has."""
    step = timedelta(days=BANDS_AT_ONCE // len(bands))
    while first < after:
        stop = min(first + step, after)

        def build(ee: Any, start: date = first, stop: date = stop) -> Any:
            images = ee.ImageCollection(collection.id).filterDate(str(start), str(stop)).select(list(bands))
            return images.toBands().unmask(FILL, False)

        what = f"{collection.id} from {first} to {stop}"
        days: dict[date, Bands] = {}
        for name, values in fetch_pixels(what, build, len(bands) * (stop - first).days, grid, window).items():
            parts = re.fullmatch(r"(\d{4})(\d\d)(\d\d)_(.+)", name)
            if parts is None or parts.group(4) not in bands:
                raise InputError(f"{what}: the response has a band {name}, which is not a day's {' or '.join(bands)}")
            day = date(*map(int, parts.groups()[:3]))
            band_values = np.where(values == FILL, np.nan, values.astype(np.float64))
            days.setdefault(day, {})[parts.group(4)] = band_values
        yield from days.items()
        first = stop
