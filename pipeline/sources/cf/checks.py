"""Impossible values, reported by file, variable, day and cell."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WEATHER_BY_NAME
from mmvsf.pipeline.layers.weather.units import range_margin

from .fields import Field
from .header import Header
from .inputs import quantities

REVERSED_KELVIN = 0.2
"""By how much tmin may lie above tmax: packed files round each to 0.1 K."""


def check_inputs(fields: Mapping[str, Field], grid: Header) -> None:
    """Raise InputError for an input without any value, for values out of its range, and for a tmin above tmax."""
    for name, field in fields.items():
        if not field.origins:
            continue  # a gap of all days, which the recipe's fill_gaps judges
        if np.isnan(field.values).all():
            raise InputError(
                f"{field.origin_text(min(field.origins))} has no value over the region, only no-data; take a source"
                " that covers it"
            )
        _check_range(name, field, grid)
    if {"tmin", "tmax"} <= fields.keys():
        excess = fields["tmin"].values - fields["tmax"].values
        at = _worst(excess)
        if at is not None and excess[at] > REVERSED_KELVIN:
            tmin, tmax = (fields[name] for name in ("tmin", "tmax"))
            day = tmin.first_day + at[0]
            raise InputError(
                f"tmin is {tmin.values[at]:.4g} degrees ({tmin.origin_text(day)}) and above tmax, {tmax.values[at]:.4g}"
                f" ({tmax.origin_text(day)}), {_place(grid, day, at)}; correct the files"
            )


def _check_range(name: str, field: Field, grid: Header) -> None:
    low, high, unit = valid_range(name)
    margin = range_margin(low, high)
    for beyond in (field.values - high, low - field.values):
        at = _worst(beyond)
        if at is None or beyond[at] <= margin:
            continue
        day = field.first_day + at[0]
        raise InputError(
            f"{field.origin_text(day)}: {name} is {field.values[at]:.6g} {unit} {_place(grid, day, at)}, outside"
            f" {low:g} to {high:g}; either its units attribute is wrong, or its fill value is not declared (_FillValue)"
        )


def valid_range(name: str) -> tuple[float, float, str]:
    """Lowest and highest valid value of an input, and its unit."""
    quantity = quantities()[name]
    if quantity.valid is not None:
        return *quantity.valid, quantity.units
    variable = WEATHER_BY_NAME[name]
    return variable.valid_min, variable.valid_max, variable.units


def _worst(excess: NDArray[np.floating]) -> tuple[int, int, int] | None:
    """(day, y, x) of the largest number; None if there is none."""
    if np.isnan(excess).all():
        return None
    day, y, x = np.unravel_index(int(np.nanargmax(excess)), excess.shape)
    return int(day), int(y), int(x)


def _place(grid: Header, day: int, at: tuple[int, int, int]) -> str:
    return f"on {date_of(day)} in the cell at x {grid.x.values[at[2]]:.6g}, y {grid.y.values[at[1]]:.6g}"
