"""Daily weather from CF datasets: one, or many that share a grid, joined by variable and day."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.transport.progress import report_progress

from .checks import check_inputs
from .crs import LONLAT
from .fields import Field
from .formulas import derive, formula_of, is_derived_from, wanted_inputs
from .header import Header
from .inputs import find_inputs
from .read import read_input

Opener = Callable[[], AbstractContextManager[xr.Dataset]]
"""opens a dataset, which is closed at the end of its `with` block"""


def join(
    openers: Mapping[str, Opener],
    where: str,
    first: date,
    last: date,
    variables: tuple[str, ...],
    bounds: Bounds | None = None,
) -> WeatherSeries:
    """The weather of datasets that share a grid: each holds some variables on some days.

    They are opened one after the other, and only what may be needed is read. Coordinates count as equal within a small
    part of a cell. A day that two datasets have is taken once if they agree. `where` names all of them together.

    Raises InputError if a variable or all days are missing, where grids, CRS or the end of days differ, where two
    datasets disagree, and where a number cannot be right.
    """
    parts = _Parts((day_number(first), day_number(last)), variables, bounds)
    for count, (place, opener) in enumerate(openers.items(), 1):
        with opener() as dataset:
            parts.add(dataset, place)
        if len(openers) > 1:
            report_progress("weather, files", count, len(openers))
    formulas = {variable: formula_of(variable, parts.present, where, parts.names) for variable in variables}
    if parts.grid is None:
        raise InputError(f"{where} has no weather between {first} and {last}")
    fields = {
        name: parts.field(name) for name in dict.fromkeys(name for inputs, _ in formulas.values() for name in inputs)
    }
    check_inputs(fields, parts.grid)
    days = np.array(sorted({day for field in fields.values() for day in field.origins}), np.int64)
    inputs = {name: field.values[days - parts.span[0]] for name, field in fields.items()}
    return WeatherSeries(
        {variable: derive(variable, formula, inputs) for variable, formula in formulas.items()},
        days,
        parts.grid.y.values,
        parts.grid.x.values,
        parts.grid.crs_text,
        _end_hour(parts.headers, bounds),
        _flag(days, set().union(*(parts.provisional.get(name, ()) for name in fields))),
        dropped_leap_day=next(filter(None, (header.time.dropped_leap_day for header in parts.headers)), None),
        notes=tuple(parts.notes),
    )


def _flag(days: NDArray[np.int64], provisional: set[int]) -> NDArray[np.uint8] | None:
    if not provisional:
        return None
    return np.where(np.isin(days, list(provisional)), WeatherFlag.PROVISIONAL, WeatherFlag.OBSERVED).astype(np.uint8)


@dataclass
class _Parts:
    """What has been read of the datasets so far."""

    span: tuple[int, int]
    """first and last day of the request"""
    variables: tuple[str, ...]
    bounds: Bounds | None
    grid: Header | None = None
    """the first dataset with a day of the request: the others must be on its grid"""
    names: set[str] = field(default_factory=set)
    """variables of all datasets, for messages"""
    present: set[str] = field(default_factory=set)
    """inputs that may be needed and that a dataset has, on any day"""
    headers: list[Header] = field(default_factory=list)
    """of the datasets with days of the request"""
    fields: dict[str, Field] = field(default_factory=dict)
    problems: dict[str, InputError] = field(default_factory=dict)
    """input -> why it cannot be read; raised only if it is needed"""
    provisional: dict[str, set[int]] = field(default_factory=dict)
    """input -> days that the product will still correct"""
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, dataset: xr.Dataset, where: str) -> None:
        """Read a dataset's part. One without weather, as a mask or an elevation, is left alone."""
        self.names |= {str(name) for name in dataset.data_vars}
        inputs = find_inputs(dataset, where)
        wanted = wanted_inputs(self.variables, inputs)
        if not wanted:
            return
        self.present |= set(wanted)
        header = Header.of(dataset, where, inputs)
        rows = header.rows(*self.span)
        if not rows.size:
            return
        if self.grid is None:
            self.grid = header if self.bounds is None else header.over(self.bounds)
        header = header.on_grid_of(self.grid)
        self.headers.append(header)
        for name in wanted:
            try:
                reading = read_input(dataset, header, name, rows)
                days = header.time.days[rows]
                self.field(name).place(days, reading.values, (where, inputs[name]))
                self.provisional[name] = self.provisional.get(name, set()) | set(days[reading.provisional].tolist())
                self.notes |= dict.fromkeys(reading.notes)
            except InputError as error:
                self.problems.setdefault(name, error)

    def field(self, name: str) -> Field:
        """The field of an input, without values if no dataset has it on a day of the request. Raises InputError if it
        cannot be read."""
        if name in self.problems:
            raise self.problems[name]
        if name not in self.fields:
            assert self.grid is not None
            copied = name in self.variables and not is_derived_from(self.variables, name)
            self.fields[name] = Field.empty(self.span, self.grid, np.float32 if copied else np.float64)
        return self.fields[name]


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
