"""The input and output of a forecaster: the adapter for any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class ForecastInput:
    """What is known on the day of origin, the day of the last image, and the weather up to the target day."""

    images: Floats
    """(time, band, y, x): bands in their units, reflectance as a fraction; NaN where not valid."""
    valid: NDArray[np.bool_]
    """(time, y, x): False for cloud and no data."""
    days: Days
    """(time,) datetime64[D], sorted"""
    weather: Floats
    """(day, variable): daily weather in the units of the cube."""
    weather_days: Days
    """(day,) datetime64[D], consecutive, from months before the season to the day before the target."""
    target: np.datetime64
    """The day to forecast."""
    bands: tuple[str, ...]
    variables: tuple[str, ...]
    row: int
    column: int
    """Upper left pixel in the cube, for forecasters that have learned specific places."""

    @property
    def origin(self) -> np.datetime64:
        """The day of the last image."""
        day: np.datetime64 = self.days[-1]
        return day

    def gap(self, variable: str) -> Floats:
        """(days,): one variable from the day of origin to the day before the target. Raises ValueError for a variable
        that the cube does not have."""
        rows: Floats = self.weather[self.weather_days >= self.origin, self.variables.index(variable)]
        return rows


Forecaster = Callable[[ForecastInput], Floats]
"""Returns the image of the target day, (band, y, x) in the units of the input, or an ensemble (member, band, y, x) of
equally likely members, such as quantiles at equal steps. NaN where there is no forecast."""


@runtime_checkable
class BatchForecaster(Protocol):
    """A forecaster that processes many inputs at once. All share images, days and place."""

    def __call__(self, given: ForecastInput) -> Floats:
        """One forecast, as `Forecaster`."""

    def many(self, given: Sequence[ForecastInput]) -> list[Floats]:
        """One forecast for each input."""


def forecasts(forecaster: Forecaster, given: Sequence[ForecastInput]) -> list[Floats]:
    """(member, band, y, x) for each input. Raises ValueError for a forecast of another shape."""
    if isinstance(forecaster, BatchForecaster):
        answers = forecaster.many(given)
    else:
        answers = [forecaster(each) for each in given]
    return [_checked(answer, each) for answer, each in zip(answers, given, strict=True)]


def _checked(answer: Floats, given: ForecastInput) -> Floats:
    answer = np.asarray(answer, np.float32)
    expected = given.images.shape[1:]
    if answer.shape[-3:] != expected or answer.ndim not in (3, 4) or 0 in answer.shape:
        raise ValueError(f"a forecast has shape {answer.shape}; it must be {expected}, or have members in front")
    return answer if answer.ndim == 4 else answer[None]
