"""The forecasts of a run: their medians, which the page draws, and their quantiles, of which it reads one pixel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.sidecars.forecasts import (
    FOLDER,
    NDVI,
    QUANTILE,
    RECORD,
    TILES,
    ForecastRecord,
    layer_file,
    quantile_bands,
    quantile_name,
)
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE, band_scales

from .rasters import LEVELS, READ_ERRORS, SQUARE, Placed, Raster, address_name

FAN_SQUARE = 128
"""Pixels per side of a square of quantiles. One is read whole for one pixel, with all days of the forecast."""
ALL_DAYS = "all"
"""The only step of quantiles."""
WEATHERS = {"cube": "observed weather", "years": "weather of other years", "no-weather": "without weather"}
"""Names of the weather ahead, in words."""


@dataclass(frozen=True)
class Forecast:
    """A finished forecast on the pixels of a cube."""

    name: str
    """in addresses"""
    folder: Path
    record: ForecastRecord
    place: Placed
    bands: tuple[str, ...]
    """of the cube"""

    @classmethod
    def open(cls, cube: Cube, name: str, folder: Path) -> Self:
        """The forecast in a folder. Raises InputError where it is not finished, damaged or of another cube,
        and one of `READ_ERRORS` where a file cannot be read."""
        record = ForecastRecord.read(folder)
        if record.region != cube.region.name:
            raise InputError(f"it is a forecast of {record.region}")
        names = quantile_bands(cube.bands, record.quantiles)
        places = {_checked(cube, folder / layer_file(QUANTILE, day), names) for day in record.days}
        if layer_file(NDVI, record.days[0]) in record.files:
            names = tuple(quantile_name(level) for level in record.quantiles)
            places |= {_checked(cube, folder / layer_file(NDVI, day), names) for day in record.days}
        if len(places) != 1:
            raise InputError("its files are not of one area; make the forecast again")
        return cls(name, folder, record, places.pop(), cube.bands)

    @property
    def _has_ndvi(self) -> bool:
        return layer_file(NDVI, self.record.days[0]) in self.record.files

    @property
    def label(self) -> str:
        """The scenario, or the weather ahead in words; both where the scenario changes other weather than usually."""
        scenario, name = self.record.scenario, self.record.weather.name
        weather = WEATHERS.get(name, name)
        if scenario is None:
            return weather
        return scenario.name if name == "years" else f"{scenario.name}, {weather}"

    def facts(self) -> dict[str, Any]:
        """What the rasters of a forecast have in common."""
        days = " to ".join(str(day) for day in sorted({self.record.days[0], self.record.days[-1]}))
        return {
            "title": f"Forecast issued {self.record.issued} for {days}: {self.label}", "label": self.label,
            "issued": day_number(self.record.issued), "dtype": "int16", "fill": REFLECTANCE_FILL,
            "box": self.place.box,
        }  # fmt: skip

    def rasters(self) -> list[Raster]:
        """Its medians, and the quantiles of each variable."""
        variables = [*self.bands, *([NDVI] if self._has_ndvi else [])]
        return [Medians(self), *(Quantiles(self, variable) for variable in variables)]


@dataclass(frozen=True)
class Medians:
    """The medians of the bands, one step a day, as the cube stores its bands."""

    forecast: Forecast

    @property
    def name(self) -> str:
        return self.forecast.name

    def facts(self) -> dict[str, Any]:
        days = self.forecast.record.days
        steps = [{"key": str(day), "first": day_number(day), "last": day_number(day)} for day in days]
        return {
            **self.forecast.facts(), "name": self.name, "kind": "reflectance", "bands": list(self.forecast.bands),
            "side": SQUARE, "levels": list(LEVELS), "steps": steps,
        }  # fmt: skip

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        count = len(self.forecast.record.quantiles)
        medians = [count * band + count // 2 + 1 for band in range(len(self.forecast.bands))]
        path, at = self.forecast.folder / layer_file(QUANTILE, step), (level, row, column)
        return self.forecast.place.read(path, medians, at, SQUARE, REFLECTANCE_FILL, Resampling.average)


@dataclass(frozen=True)
class Quantiles:
    """The quantiles of a variable on all days: bands are (day, quantile)."""

    forecast: Forecast
    variable: str

    @property
    def name(self) -> str:
        return f"{self.forecast.name}_{self.variable}"

    def facts(self) -> dict[str, Any]:
        record = self.forecast.record
        days = [day_number(day) for day in record.days]
        scale = REFLECTANCE_SCALE if self.variable == NDVI else float(band_scales([self.variable])[0])
        return {
            **self.forecast.facts(), "name": self.name, "kind": "quantiles", "variable": self.variable, "scale": scale,
            "days": days, "quantiles": list(record.quantiles), "side": FAN_SQUARE, "levels": [1],
            "bands": [f"{day} {quantile_name(level)}" for day in record.days for level in record.quantiles],
            "steps": [{"key": ALL_DAYS, "first": days[0], "last": days[-1]}],
        }  # fmt: skip

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        at = (level, row, column)
        return np.concatenate([self._of_day(day, at) for day in self.forecast.record.days])

    def _of_day(self, day: date, at: tuple[int, int, int]) -> NDArray[Any]:
        count, forecast = len(self.forecast.record.quantiles), self.forecast
        kind, first = (
            (NDVI, 1) if self.variable == NDVI else (QUANTILE, 1 + count * forecast.bands.index(self.variable))
        )
        path, bands = forecast.folder / layer_file(kind, day), range(first, first + count)
        return forecast.place.read(path, bands, at, FAN_SQUARE, REFLECTANCE_FILL, Resampling.nearest)


def _checked(cube: Cube, path: Path, names: tuple[str, ...]) -> Placed:
    """The place of a file whose bands must have these names."""
    with rasterio.open(path, driver="GTiff") as file:
        if file.descriptions != names or file.dtypes[0] != "int16":
            raise InputError(f"the bands of {path.name} are not those of the cube")
        return Placed.of(cube.grid, file)


def find_forecasts(cube: Cube, run: Path) -> tuple[list[Raster], list[str]]:
    """The rasters of the forecasts of a run, and why others are left out, a line each."""
    folders = sorted(path for path in (run / FOLDER).glob("*") if _is_forecast(path))
    names = [f"{FOLDER}-{address_name(folder.name)}" for folder in folders]
    rasters: list[Raster] = []
    notes = []
    for number, (name, folder) in enumerate(zip(names, folders, strict=True), 1):
        try:
            # +2C and -2C are the same in an address.
            forecast = Forecast.open(cube, f"{name}-{number}" if names.count(name) > 1 else name, folder)
            rasters += forecast.rasters()
        except (*READ_ERRORS, InputError) as error:
            reason = one_line(error, 1000).removeprefix(f"{folder}: ").replace(f"{folder}/", "")
            notes.append(f"{FOLDER}/{folder.name} is left out: {reason}")
    return rasters, notes


def _is_forecast(folder: Path) -> bool:
    """Whether there is a forecast, or one that is being made."""
    return any((folder / name).exists() for name in (RECORD, TILES)) or any(folder.glob("*.tif"))
