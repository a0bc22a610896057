"""The time axis of a CF dataset as days: calendars, hours of the day, interval bounds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

from .attributes import number, text

LEAP_DAY = (2, 29)
YEAR_END = (12, 31)
DATELESS_CALENDARS = {
    "360_day": "has 30 days in each month, so its days have no dates",
    "all_leap": "has a 29 February in each year, so some of its days have no date",
    "366_day": "has a 29 February in each year, so some of its days have no date",
    "julian": "is 13 days behind the dates of today",
}
"""CF calendars whose days are not those of the world, and why"""
COARSE_DAYS = 5
"""Rows that are all at least so many days apart are no daily values."""
FINAL, PRELIMINARY = 1, 5
"""ERA5's `expver`: final values, and those of ERA5T that stand in for them until they are there"""
_GRIDMET_NOTE = re.compile(r"\((\d{1,2}) UTC the next calendar day\)")

Moments = NDArray[np.datetime64]


@dataclass(frozen=True)
class TimeAxis:
    """The rows of a dataset as days."""

    days: NDArray[np.int64]
    """(row,) numbers since 1970-01-01, in the order of the dataset; a day may occur twice"""
    dropped_leap_day: tuple[int, int] | None = None
    """month and day that the calendar leaves out in leap years: 29 February (noleap), 31 December (Daymet)"""
    end_hour: float | None = None
    """hour (UTC) at which a day ends, where the dataset or its product says so"""
    local: bool = False
    """True where days end at local midnight, as in Daymet and AgERA5"""
    provisional: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """days that the product will still correct: gridMET's after `last_permanent_slice`, those of ERA5T"""


def time_axis(dataset: xr.Dataset, name: str, where: str) -> TimeAxis:
    """The days of the dimension coordinate `name`; a row belongs to the day in which the middle of its bounds lies, or
    of its time where it has no bounds.

    Raises InputError for times that are no dates, calendars without dates, rows that are not daily, and a wrong
    `day_ends_utc_hour`.
    """
    moments, leap_day = _moments(dataset[name], where)
    bounds = _bounds(dataset, name, moments.size, where)
    days = _days(moments if bounds is None else bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) / 2)
    _refuse_other_steps(moments, days, where)
    product = product_of(dataset.attrs, where)
    hour = _stated_hour(dataset.attrs, where)
    if hour is None and bounds is not None and product is None:
        end = bounds[0, 1]
        hour = float((end - end.astype("datetime64[D]")) / np.timedelta64(1, "s")) / 3600 or None
    if product == "daymet":
        leap_day = YEAR_END
    provisional = days[_is_provisional(dataset, name, days)]
    return TimeAxis(days, leap_day, hour, hour is None and product is not None, provisional)


def product_of(attributes: Mapping[Any, Any], where: str) -> str | None:
    """`daymet` or `agera5` where the global attributes or the file's name say so: products of local days."""
    words = " ".join(
        [where.rpartition("/")[2], *(text(attributes, key) for key in ("source", "title", "name"))]
    ).lower()
    return next((product for product in ("daymet", "agera5") if product in words), None)


def _is_provisional(dataset: xr.Dataset, name: str, days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(row,) by gridMET's attribute, which counts the days of its year from 1, or by ERA5's `expver` of each row."""
    last_permanent = number(dataset.attrs, "last_permanent_slice")
    if last_permanent is not None:
        dates = days.astype("datetime64[D]")
        return np.asarray((dates - dates.astype("datetime64[Y]")).astype(int) + 1 > last_permanent)
    if "expver" in dataset.variables and dataset["expver"].dims == (name,):
        return np.array([str(version).lstrip("0") == str(PRELIMINARY) for version in dataset["expver"].values], bool)
    return np.zeros(days.size, bool)


def _moments(times: xr.DataArray, where: str) -> tuple[Moments, tuple[int, int] | None]:
    """(row,) times with microseconds, and the leap day that the calendar lacks."""
    values = times.values
    if np.issubdtype(values.dtype, np.datetime64):
        moments, leap_day = values.astype("datetime64[us]"), None
    elif values.dtype == object and all(hasattr(value, "calendar") for value in values):
        calendar = str(values[0].calendar)
        if calendar in DATELESS_CALENDARS:
            raise InputError(
                f"{where}: its calendar '{calendar}' {DATELESS_CALENDARS[calendar]}; convert it to the standard"
                " calendar first (xarray: convert_calendar)"
            )
        moments = np.array([np.datetime64(value.isoformat(), "us") for value in values])
        leap_day = LEAP_DAY if calendar in ("noleap", "365_day") else None
    else:
        raise InputError(
            f"{where}: its time axis '{times.name}' has no dates; it needs a units attribute such as 'days since"
            " 1970-01-01'"
        )
    if np.isnat(moments).any():
        raise InputError(f"{where}: its time axis '{times.name}' has a missing time")
    return moments, leap_day


def _bounds(dataset: xr.Dataset, name: str, rows: int, where: str) -> Moments | None:
    """(row, 2) begin and end of each row where the dataset has them as days, or None. Raises InputError for longer
    intervals."""
    bounds_name = text({**dataset[name].encoding, **dataset[name].attrs}, "bounds")
    if bounds_name not in dataset.variables or dataset[bounds_name].shape != (rows, 2):
        return None
    values = dataset[bounds_name]
    if not (np.issubdtype(values.dtype, np.datetime64) or values.dtype == object) or not rows:
        return None
    bounds = np.stack([_moments(values[:, side], where)[0] for side in (0, 1)], axis=1)
    lengths = (bounds[:, 1] - bounds[:, 0]) / np.timedelta64(1, "D")
    if lengths.min() > 1.5:
        raise InputError(
            f"{where}: its time steps are intervals of {lengths.min():.3g} days; a cube needs daily values, so use the"
            " product's daily files"
        )
    return bounds if np.all(np.abs(lengths - 1) < 0.01) else None


def _days(moments: Moments) -> NDArray[np.int64]:
    return np.asarray(moments.astype("datetime64[D]").astype(np.int64))


def _refuse_other_steps(moments: Moments, days: NDArray[np.int64], where: str) -> None:
    """Raise InputError unless the rows are daily."""
    dates, counts = np.unique(_days(np.unique(moments)), return_counts=True)
    if counts.size and counts.max() > 1:
        date = np.datetime64(int(dates[counts.argmax()]), "D")
        raise InputError(
            f"{where}: it has {counts.max()} times of day on {date}; a cube needs daily values, so use the product's"
            " daily files, or compute the daily minimum, maximum and sums of each variable first (for example with cdo"
            " daymin, daymax and daysum)"
        )
    steps = np.diff(np.unique(days))
    if steps.size and steps.min() >= COARSE_DAYS:
        raise InputError(
            f"{where}: its time steps are {steps.min()} days apart or more; a cube needs daily values, so use the"
            " product's daily files"
        )


def _stated_hour(attributes: Mapping[Any, Any], where: str) -> float | None:
    """The attribute `day_ends_utc_hour`, or what gridMET's notes say. Raises InputError for an hour beyond 0 to 24."""
    hour = number(attributes, "day_ends_utc_hour")
    if hour is not None:
        if not 0 <= hour <= 24:
            stated = text(attributes, "day_ends_utc_hour") or "no number"
            raise InputError(f"{where}: its attribute day_ends_utc_hour is {stated}; it must be an hour from 0 to 24")
        return hour
    notes = " ".join(text(attributes, key) for key in attributes if str(key).startswith("note"))
    note = _GRIDMET_NOTE.search(notes)
    return float(note[1]) if note else None
