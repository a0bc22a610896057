"""Compare and look up weather series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmvsf.pipeline.layers.weather_series import WeatherSeries


def assert_same_series(actual: WeatherSeries, expected: WeatherSeries) -> None:
    """The same values, days, grid and flags, bit for bit."""
    assert actual.values.keys() == expected.values.keys()
    for name, values in expected.values.items():
        np.testing.assert_array_equal(actual.values[name], values)
    for axis in ("days", "y", "x", "flag"):
        np.testing.assert_array_equal(getattr(actual, axis), getattr(expected, axis))
    assert (actual.crs, actual.day_ends_utc_hour) == (expected.crs, expected.day_ends_utc_hour)


def at_point(series: WeatherSeries, name: str, y: float, x: float) -> NDArray[np.float32]:
    """(day,) a variable at the nearest cell."""
    return series.values[name][:, np.abs(series.y - y).argmin(), np.abs(series.x - x).argmin()]
