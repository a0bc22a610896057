"""The weather between the day of issue and the days to forecast: the cube's own, or that of its other years."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Floats, Normalisation, WindowReader

Cell = tuple[int, int]
"""(y, x) of a weather cell"""
LEAST_YEARS = 2


class WeatherAhead(Protocol):
    """Equally likely courses of the weather ahead. It can be sent to another process."""

    @property
    def name(self) -> str:
        """In names of folders and in tables."""

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the courses."""

    def ahead(self, reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
        """(M, count, V) in the units of the cube, of `count` days from the day `first` (since 1970-01-01) on. Raises
        InputError, naming the first missing day."""

    def settings(self) -> dict[str, Any]:
        """All that it depends on, for JSON."""


def in_units(normalisation: Normalisation, weather: Floats) -> Floats:
    """Weather (..., V) in the units of the cube, of normalised weather."""
    moments = normalisation.weather
    return np.asarray(weather * np.asarray(moments.std) + np.asarray(moments.mean), np.float32)


def normalised(normalisation: Normalisation, weather: Floats) -> Floats:
    """Normalised weather (..., V), of weather in the units of the cube."""
    moments = normalisation.weather
    return np.asarray((weather - np.asarray(moments.mean)) / np.asarray(moments.std), np.float32)


def cube_weather(reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
    """(days, V) in the units of the cube, of `count` days from the day `first` on, up to the first gap."""
    begin, end = date_of(first), date_of(first + count - 1)
    if end < reader.cube.region.weather_start or begin > reader.cube.region.period.end:
        return np.empty((0, len(reader.cube.weather)), np.float32)
    start, weather = reader.weather_between(cell, begin, end, needed=date_of(first - 1))
    return in_units(reader.normalisation, weather if start == first else weather[:0])


@dataclass(frozen=True)
class NoWeather:
    """For a model that sees no weather: days of mean weather."""

    name: str = "no-weather"
    members: tuple[str, ...] = ("no weather",)

    def ahead(self, reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
        return np.tile(np.asarray(reader.normalisation.weather.mean, np.float32), (1, count, 1))

    def settings(self) -> dict[str, Any]:
        return {"from": self.name}


@dataclass(frozen=True)
class FromCube:
    """The weather that came."""

    name: str = "cube"
    members: tuple[str, ...] = ("as it came",)

    def ahead(self, reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
        weather = cube_weather(reader, cell, first, count)
        if len(weather) < count:
            raise InputError(
                f"{reader.cube.path} has no weather of {date_of(first + len(weather))}, which is needed to forecast"
                f" {date_of(first + count)}; use that of other years (--weather years) or of a forecast (--weather"
                " FILE), or extend the cube"
            )
        return weather[None]

    def settings(self) -> dict[str, Any]:
        return {"from": self.name}


@dataclass(frozen=True)
class FromYears:
    """The weather of the same days of the other years of the cube, one member a year."""

    years: tuple[int, ...]
    """names of seasons"""
    shifts: tuple[int, ...]
    """days from the season of the forecast to each of them"""
    name: str = "years"

    @classmethod
    def of(cls, reader: WindowReader, cells: Iterable[Cell], first: int, count: int) -> Self:
        """All other years with the weather of all cells. Raises InputError where they are fewer than LEAST_YEARS."""
        cube, cells = reader.cube, list(cells)
        season = cube.season.season_of(date_of(first))
        chosen: dict[int, int] = {}
        for year in _weather_years(cube):
            shift = cube.season.season(year).first_number - season.first_number
            if year != season.name and all(
                len(cube_weather(reader, cell, first + shift, count)) == count for cell in cells
            ):
                chosen[year] = shift
        if len(chosen) < LEAST_YEARS:
            raise InputError(
                f"--weather years: {cube.path} has {len(chosen)} other years with weather from {date_of(first):%d %B}"
                f" to {date_of(first + count - 1):%d %B}, and an ensemble needs at least {LEAST_YEARS}; use the"
                " weather of a forecast (--weather FILE), or a cube with more years"
            )
        return cls(tuple(chosen), tuple(chosen.values()))

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(map(str, self.years))

    def ahead(self, reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
        return np.stack([cube_weather(reader, cell, first + shift, count) for shift in self.shifts])

    def settings(self) -> dict[str, Any]:
        return {"from": self.name, "years": list(self.years)}


def _weather_years(cube: Cube) -> range:
    """The seasons that may have weather: the first may begin before the images."""
    return range(cube.season.season_of(cube.region.weather_start).name, cube.years[-1] + 1)
