"""Daily weather in the form in which sources return it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WeatherSeries:
    """Daily weather on a source's own regular grid."""

    values: dict[str, NDArray[np.float32]]
    """canonical name -> (day, y, x) in canonical units, NaN where there is no value"""
    days: NDArray[np.int64]
    """(day,) numbers since 1970-01-01, increasing; days that the source lacks may be left out"""
    y: NDArray[np.float64]
    """(y,) increasing, in the CRS's unit"""
    x: NDArray[np.float64]
    """(x,) increasing, in the CRS's unit"""
    crs: str
    day_ends_utc_hour: float
    """hour (UTC) at which a weather day ends: 24 for UTC days; below 12 it is an hour of the next date, from 12 on one
    of the day's own"""
    flag: NDArray[np.uint8] | None = None
    """(day,) of `WeatherFlag`: which days are provisional or estimated; None: all are observed"""
    dropped_leap_day: tuple[int, int] | None = None
    """month and day that the source's calendar leaves out in leap years: (12, 31) in Daymet, (2, 29) in `noleap`"""
    notes: tuple[str, ...] = ()
    """choices that were made to read it, in words, for the user to see"""
    may_lack_days: bool = False
    """whether cells may lack days, such as stations that began late: these stay NaN in the cube"""


@dataclass(frozen=True, eq=False)
class WeatherCells:
    """Places of known elevation that station measurements are brought to."""

    crs: str
    y: NDArray[np.float64]
    """(y,) centres, increasing"""
    x: NDArray[np.float64]
    """(x,) centres, increasing"""
    wanted: NDArray[np.bool_]
    """(y, x)"""
    elevation: NDArray[np.float64]
    """(y, x) metres, NaN where it is not known"""
