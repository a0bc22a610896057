"""Daily weather of Earth Engine: gridMET, Daymet and ERA5-Land, at each collection's own cells.

Units as in Earth Engine's catalogue; the conversions are those of `units`.
"""

import re
from collections.abc import Callable, Iterator
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
from mmvsf.pipeline.layers.source import Origin, Requirement, SourceSite, WeatherSeries, WeatherSource
from mmvsf.pipeline.layers.weather.units import (
    KELVIN_OFFSET,
    SECONDS_PER_DAY,
    WIND_10M_TO_2M,
    saturation_pressure,
    vapour_pressure_deficit,
)
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.transport.endpoints import public_address
from mmvsf.pipeline.sources.transport.progress import report_progress

from .client import requirements
from .pixels import asset_id, fetch_pixels, grid_of_band, list_images

FILL = -9999
"""What is asked for in place of a masked cell."""
BANDS_AT_ONCE = 1000
"""Bands of one request; Earth Engine allows 1024."""
MARGIN_CELLS = 2
"""Cells around the region, for the neighbours of its outermost points."""
MOST_NUMBERS = 400_000_000
"""Cells x days x variables that may be asked for: 1.6 GB in memory."""

Bands = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class WeatherCollection:
    """A collection, and how each of the cube's variables follows from its bands."""

    id: str
    source: str
    licence: str
    formulas: dict[str, tuple[tuple[str, ...], Callable[[Bands], NDArray[np.float64]]]]
    """variable -> (bands, the variable from those bands)"""
    day_ends_utc_hour: float | None
    """None: the day is that of the local sun"""
    drops_leap_year_end: bool = False
    """True where the year always has 365 days, so that leap years have no 31 December"""
    has_status: bool = False
    """True where images say in `status` whether their values are final (`permanent`)"""


DEFAULT_COLLECTION = "era5-land"
"""It covers the world."""

COLLECTIONS: dict[str, WeatherCollection] = {
    "gridmet": WeatherCollection(
        "IDAHO_EPSCOR/GRIDMET",
        "gridMET (Abatzoglou 2013), through Earth Engine",
        "public domain (CC0)",
        {
            "tmin": (("tmmn",), lambda b: b["tmmn"] - KELVIN_OFFSET),
            "tmax": (("tmmx",), lambda b: b["tmmx"] - KELVIN_OFFSET),
            "precipitation": (("pr",), lambda b: b["pr"]),
            # srad is the mean over 24 hours, W m-2
            "radiation": (("srad",), lambda b: b["srad"] * SECONDS_PER_DAY * 1e-6),
            "vpd": (("vpd",), lambda b: b["vpd"]),
            "wind": (("vs",), lambda b: b["vs"] * WIND_10M_TO_2M),
        },
        day_ends_utc_hour=7,
        has_status=True,
    ),
    "daymet": WeatherCollection(
        "NASA/ORNL/DAYMET_V4",
        "Daymet version 4 (Thornton et al. 2022, doi:10.3334/ORNLDAAC/2129), through Earth Engine",
        "NASA open data",
        {
            "tmin": (("tmin",), lambda b: b["tmin"]),
            "tmax": (("tmax",), lambda b: b["tmax"]),
            "precipitation": (("prcp",), lambda b: b["prcp"]),
            # srad is the mean over the daylight hours, W m-2; dayl their length in seconds
            "radiation": (("srad", "dayl"), lambda b: b["srad"] * b["dayl"] * 1e-6),
            # vp is the mean vapour pressure in Pa
            "vpd": (
                ("tmin", "tmax", "vp"),
                lambda b: vapour_pressure_deficit(b["tmin"], b["tmax"], b["vp"] * 1e-3),
            ),
        },
        day_ends_utc_hour=None,
        drops_leap_year_end=True,
    ),
    "era5-land": WeatherCollection(
        "ECMWF/ERA5_LAND/DAILY_AGGR",
        "ERA5-Land daily aggregates (Muñoz Sabater 2019, Copernicus Climate Change Service), through Earth Engine",
        "Copernicus licence: free use with attribution",
        {
            "tmin": (("temperature_2m_min",), lambda b: b["temperature_2m_min"] - KELVIN_OFFSET),
            "tmax": (("temperature_2m_max",), lambda b: b["temperature_2m_max"] - KELVIN_OFFSET),
            # metres; sums of differences of forecasts may fall a little below zero
            "precipitation": (
                ("total_precipitation_sum",),
                lambda b: np.maximum(b["total_precipitation_sum"] * 1000.0, 0.0),
            ),
            # J m-2
            "radiation": (
                ("surface_solar_radiation_downwards_sum",),
                lambda b: np.maximum(b["surface_solar_radiation_downwards_sum"] * 1e-6, 0.0),
            ),
            "vpd": (
                ("temperature_2m_min", "temperature_2m_max", "dewpoint_temperature_2m"),
                lambda b: vapour_pressure_deficit(
                    b["temperature_2m_min"] - KELVIN_OFFSET,
                    b["temperature_2m_max"] - KELVIN_OFFSET,
                    saturation_pressure(b["dewpoint_temperature_2m"] - KELVIN_OFFSET),
                ),
            ),
            # the speed of the mean wind vector, which is below the mean speed where the wind turns
            "wind": (
                ("u_component_of_wind_10m", "v_component_of_wind_10m"),
                lambda b: np.hypot(b["u_component_of_wind_10m"], b["v_component_of_wind_10m"]) * WIND_10M_TO_2M,
            ),
        },
        day_ends_utc_hour=24,
    ),
}


@register_source("earthengine")
@dataclass(frozen=True)
class EarthEngineWeather(WeatherSource):
    """A weather collection over some ground. Credentials and project come from the environment."""

    recipe_lines: ClassVar[dict[str, bool]] = {"collection": False}
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
        options = COLLECTIONS[self.collection]
        url = public_address("earthengine")
        return Origin("earthengine", url, options.id, options.source, options.licence)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises ReadError if Earth Engine does not answer."""
        options = COLLECTIONS[self.collection]
        if lacking := [name for name in variables if name not in options.formulas]:
            raise InputError(
                f"{self.collection} has no {' and no '.join(lacking)}; leave it out of weather.variables, or take"
                " another weather.collection"
            )
        after = last + timedelta(days=1)
        bands = tuple(dict.fromkeys(band for name in variables for band in options.formulas[name][0]))
        sample = next(iter(list_images(options.id, first, after, at_most=1)), None)
        if sample is None:
            raise InputError(f"Earth Engine has no day of {options.id} between {first} and {last}; check the period")
        grid = grid_of_band(sample, bands[0])
        rows, columns = self._window(grid)
        cells = (rows.stop - rows.start) * (columns.stop - columns.start)
        if cells * ((after - first).days) * len(variables) > MOST_NUMBERS:
            raise InputError(
                f"{self.collection} over the whole area is {cells} cells a day; take a coarser weather.collection"
                " (gridmet, era5-land), a shorter period or a smaller area"
            )
        days: dict[date, dict[str, NDArray[np.float32]]] = {}
        for day, found in self._days(options, grid, (rows, columns), bands, first, after):
            report_progress(f"weather, days of {options.id}", (day - first).days + 1, (after - first).days)
            days[day] = {name: options.formulas[name][1](found).astype(np.float32) for name in variables}
        if not days:
            raise InputError(f"Earth Engine has no day of {options.id} between {first} and {last}; check the period")
        return self._series(options, grid, (rows, columns), variables, days, after)

    def _window(self, grid: RasterGrid) -> tuple[slice, slice]:
        """The cells of the collection that hold the ground, with a margin. Raises InputError if there are none."""
        to_grid = from_lonlat(grid.crs)
        left, bottom, right, top = to_grid.transform_bounds(*self.bounds, densify_pts=21)
        a, _, c, _, e, f = grid.transform
        height, width = grid.shape
        first_row = max(0, int((top - f) // e) - MARGIN_CELLS)
        last_row = min(height, int((bottom - f) // e) + MARGIN_CELLS + 1)
        first_column = max(0, int((left - c) // a) - MARGIN_CELLS)
        last_column = min(width, int((right - c) // a) + MARGIN_CELLS + 1)
        if first_row >= last_row or first_column >= last_column:
            raise InputError(f"{self.collection} does not cover this region; take another weather.collection")
        return slice(first_row, last_row), slice(first_column, last_column)

    def _days(
        self,
        options: WeatherCollection,
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
                images = ee.ImageCollection(options.id).filterDate(str(start), str(stop)).select(list(bands))
                return images.toBands().unmask(FILL, False)

            what = f"{options.id} from {first} to {stop}"
            days: dict[date, Bands] = {}
            for name, values in fetch_pixels(what, build, len(bands) * (stop - first).days, grid, window).items():
                parts = re.fullmatch(r"(\d{4})(\d\d)(\d\d)_(.+)", name)
                if parts is None or parts.group(4) not in bands:
                    raise InputError(f"{what}: the answer has a band {name}, which is no day's {' or '.join(bands)}")
                day = date(*map(int, parts.groups()[:3]))
                known = np.where(values == FILL, np.nan, values.astype(np.float64))
                days.setdefault(day, {})[parts.group(4)] = known
            yield from days.items()
            first = stop

    def _series(
        self,
        options: WeatherCollection,
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
        if options.has_status:
            provisional = {
                asset_id(image).rpartition("/")[2]
                for image in list_images(options.id, ordered[0], after)
                if image.get("properties", {}).get("status", "permanent") != "permanent"
            }
            flag[[f"{day:%Y%m%d}" in provisional for day in ordered]] = WeatherFlag.PROVISIONAL
        west, _, east, _ = self.bounds
        hour = options.day_ends_utc_hour
        # Rows of the collection run from north to south, those of a series from south to north.
        return WeatherSeries(
            {name: np.stack([days[day][name] for day in ordered])[:, ::-1] for name in variables},
            np.array([day_number(day) for day in ordered], np.int64),
            (f + e * rows)[::-1],
            c + a * columns,
            grid.crs,
            float(round(-(west + east) / 2 / 15) % 24 if hour is None else hour),
            flag,
            options.drops_leap_year_end,
        )
