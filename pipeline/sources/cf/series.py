"""Daily weather from CF datasets: one, or many that share a grid, joined by variable and day."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import DTypeLike
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import Bounds, WeatherSeries

from .checks import check_inputs
from .crs import LONLAT
from .fields import Field
from .formulas import Formula, derive, formula_of
from .header import Header
from .inputs import find_inputs
from .read import read_input

Opener = Callable[[], AbstractContextManager[xr.Dataset]]
"""opens a dataset, which is closed at the end of its `with` block"""


def series_of(
    dataset: xr.Dataset, where: str, first: date, last: date, variables: tuple[str, ...], bounds: Bounds | None = None
) -> WeatherSeries:
    """The weather of one dataset by the conventions of CF and the names of known products.

    `where` names the dataset in messages. Only the days, the variables, and the cells over `bounds` (degrees; None:
    all) are read. Raises InputError as `join` does.
    """
    return join({where: lambda: nullcontext(dataset)}, where, first, last, variables, bounds)


def join(
    openers: Mapping[str, Opener],
    where: str,
    first: date,
    last: date,
    variables: tuple[str, ...],
    bounds: Bounds | None = None,
) -> WeatherSeries:
    """The weather of datasets that share a grid: each holds some variables on some days.

    Each dataset is opened twice, first for its header, then, if it has something that is needed, for its numbers; no
    two are open at a time. Coordinates count as equal within a small part of a cell. A day that two datasets have is
    taken once if they agree. `where` names all of them together.

    Raises InputError if a variable or all days are missing, where grids, CRS or the end of days differ, where two
    datasets disagree, and where a number cannot be right.
    """
    span = day_number(first), day_number(last)
    headers, names = _headers(openers)
    present = {name for header in headers for name in header.inputs}
    formulas = {variable: formula_of(variable, present, where, names) for variable in variables}
    needed = tuple(dict.fromkeys(name for inputs, _ in formulas.values() for name in inputs))
    headers = [header for header in headers if set(needed) & header.inputs.keys() and header.has_day(*span)]
    if not headers:
        raise InputError(f"{where} has no weather between {first} and {last}")
    grid = headers[0] if bounds is None else headers[0].over(bounds)
    headers = [grid, *(header.on_grid_of(grid) for header in headers[1:])]
    fields = {name: Field.empty(span, grid, _dtype(name, formulas)) for name in needed}
    notes = []
    for header in headers:
        with openers[header.where]() as dataset:
            for name in [name for name in needed if name in header.inputs]:
                notes += _place(fields[name], dataset, header, name, span)
    check_inputs(fields, grid)
    days = np.array(sorted({day for field in fields.values() for day in field.origins}), np.int64)
    inputs = {name: field.values[days - span[0]] for name, field in fields.items()}
    return WeatherSeries(
        {variable: derive(variable, formula, inputs) for variable, formula in formulas.items()},
        days,
        grid.y.values,
        grid.x.values,
        grid.crs_text,
        _end_hour(headers, bounds),
        dropped_leap_day=next(filter(None, (header.time.dropped_leap_day for header in headers)), None),
        notes=tuple(dict.fromkeys(notes)),
    )


def _headers(openers: Mapping[str, Opener]) -> tuple[list[Header], set[str]]:
    """The headers of datasets with weather, and the names of all variables. A mask or an elevation beside the weather
    is left alone."""
    headers, names = [], set()
    for place, opener in openers.items():
        with opener() as dataset:
            names |= {str(name) for name in dataset.data_vars}
            if find_inputs(dataset, place):
                headers.append(Header.of(dataset, place))
    return headers, names


def _dtype(name: str, formulas: Mapping[str, Formula]) -> DTypeLike:
    """What is only copied needs no more digits than the cube keeps."""
    derived = {name for variable, (inputs, _) in formulas.items() if inputs != (variable,) for name in inputs}
    return np.float64 if name in derived else np.float32


def _place(field: Field, dataset: xr.Dataset, header: Header, name: str, span: tuple[int, int]) -> list[str]:
    """Fill in one input's days of one dataset. Returns what was done to read them, in words."""
    rows = np.flatnonzero((header.time.days >= span[0]) & (header.time.days <= span[1]))
    values, notes = read_input(dataset, header, name, rows)
    field.place(header.time.days[rows], values, (header.where, header.inputs[name]))
    return notes


def _end_hour(headers: list[Header], bounds: Bounds | None) -> float:
    """The hour (UTC) at which days end: as one of the datasets says, local midnight, or 24. Raises InputError where
    two say different hours."""
    stated = {header.time.end_hour % 24: header for header in headers if header.time.end_hour is not None}
    if len(stated) > 1:
        (hour, one), (other_hour, other) = list(stated.items())[:2]
        raise InputError(
            f"days end at {hour:g} UTC in {one.where} and at {other_hour:g} UTC in {other.where}; take files of one"
            " product, or give them the same attribute day_ends_utc_hour"
        )
    if stated:
        return float(next(iter(stated.values())).time.end_hour or 0)
    return local_midnight(headers[0], bounds) if any(header.time.local for header in headers) else 24.0


def local_midnight(header: Header, bounds: Bounds | None) -> float:
    """The full hour (UTC) of solar midnight in the middle of a region, or of the grid."""
    if bounds is not None:
        west, _, east, _ = bounds
        longitude = west + (east - west) % 360 / 2
    else:
        x, y = (float(axis.values.mean()) for _, axis in header.axes)
        longitude, _ = Transformer.from_crs(header.crs, LONLAT, always_xy=True).transform(x, y)
    return float(round(-longitude / 15) % 24)
