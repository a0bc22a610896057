"""Days without weather: short gaps are filled, others are refused, or left where a source's cells may lack days."""

import calendar as calendars
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WeatherFlag


def dropped_leap_days(days: NDArray[np.int_], month_and_day: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Which days a calendar leaves out: one in each leap year."""
    if month_and_day is None:
        return np.zeros(days.size, bool)
    dates = [date_of(day) for day in days]
    return np.array([calendars.isleap(day.year) and (day.month, day.day) == month_and_day for day in dates])


def complete_days(
    stored: NDArray[Any],
    days: NDArray[np.int_],
    fill_gaps: int,
    dropped: NDArray[np.bool_],
    name: str,
    *,
    may_lack_days: bool,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """(time, y, x) with short gaps interpolated between their neighbours, and a `WeatherFlag` for each day: filled,
    none, or observed.

    `dropped` days do not exist in the source's calendar: they are filled whatever the recipe allows, at either end
    from their only neighbour. Any other gap at an end or longer than `fill_gaps` stays where `may_lack_days`; if not,
    it raises InputError.
    """
    values = stored.astype(np.float64)
    missing: NDArray[np.bool_] = np.asarray(np.isnan(values).all(axis=(1, 2)))
    present = np.flatnonzero(~missing)
    left = np.zeros(days.size, bool)
    for start, stop in _long_gaps(missing & ~dropped, fill_gaps):
        if not may_lack_days:
            raise InputError(
                f"weather: '{name}' misses {stop - start} days from {date_of(days[start])} to"
                f" {date_of(days[stop - 1])}; the recipe's weather.fill_gaps allows {fill_gaps} between days with"
                " values. Take another source, add them to the weather file, or shorten the period"
            )
        left[start:stop] = True
    for day in np.flatnonzero(missing & ~left):
        after = int(np.searchsorted(present, day))
        low, high = present[max(after - 1, 0)], present[min(after, present.size - 1)]
        share = (day - low) / (high - low) if high > low else 0.0
        values[day] = (1 - share) * values[low] + share * values[high]
    flags = np.where(missing, WeatherFlag.FILLED, WeatherFlag.OBSERVED)
    return values, np.where(left, WeatherFlag.NONE, flags).astype(np.uint8)


def _long_gaps(missing: NDArray[np.bool_], limit: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of missing days that is longer than the limit or at an end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start > limit or start == 0 or stop == missing.size:
            yield start, stop


def refuse_lacking(values: Mapping[str, NDArray[np.floating[Any]]], needed: NDArray[np.bool_], first_day: int) -> None:
    """Raise InputError where a needed cell, of cells that may lack days, has no day at all, or lacks single variables
    on a day. `values`: name -> (time, weather_y, weather_x), from `first_day` since 1970-01-01."""
    missing = {name: np.isnan(array[:, needed]) for name, array in values.items()}
    for name, gaps in missing.items():
        if gaps.all(axis=0).any():
            raise InputError(
                f"weather: '{name}' has cells without data over the region's blocks; choose a source that covers them,"
                " such as era5-land, or leave those blocks out"
            )
    everything = np.logical_and.reduce(list(missing.values()))
    for name, gaps in missing.items():
        if (days := (gaps & ~everything).any(axis=1)).any():
            raise InputError(
                f"weather: '{name}' misses {days.sum()} days on which other variables have values, the first of them"
                f" {date_of(first_day + int(days.argmax()))}; fill them, remove the other values of these days, or"
                " leave the variable out"
            )
