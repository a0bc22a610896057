"""The time axis of a store."""

from datetime import date, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.variables import WeatherFlag

SETTLED_DAYS = 92
"""ERA5T, from which the last months of ERA5-Land and AgERA5 are made, is replaced by ERA5 after two to three months."""


def days_of(dataset: xr.Dataset, service: str) -> NDArray[np.int64]:
    """(time,) numbers since 1970-01-01 of a daily axis. Raises IncompleteError unless each day follows the other."""
    return _steps(dataset, "D", service)


def hours_of(dataset: xr.Dataset, service: str) -> NDArray[np.int64]:
    """(time,) numbers since 1970-01-01 of an hourly axis. Raises IncompleteError as `days_of`."""
    return _steps(dataset, "h", service)


def provisional_flags(days: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(day,) of `WeatherFlag` for data that are replaced once they are settled."""
    settled = day_number(date.today() - timedelta(SETTLED_DAYS))
    return np.where(days > settled, WeatherFlag.PROVISIONAL, WeatherFlag.OBSERVED).astype(np.uint8)


def _steps(dataset: xr.Dataset, unit: str, service: str) -> NDArray[np.int64]:
    times = dataset["time"].values
    if not np.issubdtype(times.dtype, np.datetime64):
        raise IncompleteError(f"{service}: its axis 'time' has no standard calendar; update this project")
    steps = times.astype(f"datetime64[{unit}]").astype(np.int64)
    if (np.diff(steps) != 1).any():
        raise IncompleteError(f"{service}: steps of its axis 'time' are missing or repeated; update this project")
    return np.asarray(steps)
