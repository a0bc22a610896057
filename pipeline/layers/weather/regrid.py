"""Weather from a source's grid and days to the cube's: complete, in range, on the weather cells."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import Calendar, date_of, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import WeatherSource
from mmvsf.pipeline.layers.weather_series import WeatherSeries

from .gaps import complete_days, dropped_leap_days
from .units import check_range

SINGLE_CELL_REACH_DEGREES = 0.3
"""How far a weather file of one cell (or row, or column) is taken for its surroundings."""

MOST_REVERSED_DAYS = 0.01
"""Share of the days of a cell on which tmin may lie above tmax: regridding mixes stations and cells of either."""

FLAG_PRECEDENCE = (
    WeatherFlag.OBSERVED,
    WeatherFlag.PROVISIONAL,
    WeatherFlag.ESTIMATED,
    WeatherFlag.FILLED,
    WeatherFlag.NONE,
)
"""From certain to uncertain. A day has one flag, that of its least certain variable: a value filled from other days is
less certain than one estimated from other variables of its day, and that less than a measurement that may still be
corrected."""


@dataclass(frozen=True)
class CubeWeather:
    """Weather as stored in a cube, over the whole calendar."""

    values: dict[str, NDArray[np.float32]]
    """name -> (time, weather_y, weather_x), canonical units; NaN before the first day of weather"""
    flag: NDArray[np.uint8]
    """(time,) of `WeatherFlag`"""
    bounds: NDArray[np.float64]
    """(time, 2): begin and end of each weather day in days since 1970-01-01 UTC"""
    source: str
    licence: str = ""
    notes: tuple[str, ...] = ()
    """choices that the source made, in words, for the user to see"""
    may_lack_days: bool = False
    """see `WeatherSeries`"""

    @property
    def origin(self) -> dict[str, str | bool]:
        """The attributes that tell where it comes from, and whether cells may lack days."""
        licence = {"licence": self.licence} if self.licence else {}
        return {"source": self.source, **licence, **({LACKING: True} if self.may_lack_days else {})}


def cube_weather(source: WeatherSource, region: Region, grid: Grid, calendar: Calendar) -> CubeWeather:
    """All the weather of a region. Raises what `fetch_weather` raises."""
    span = region.weather_start, region.period.end
    variables = region.weather.variables if region.weather else ()
    return fetch_weather(source, region, grid, calendar, span, variables)


def fetch_weather(
    source: WeatherSource,
    region: Region,
    grid: Grid,
    calendar: Calendar,
    span: tuple[date, date],
    variables: tuple[str, ...],
) -> CubeWeather:
    """Fetch, complete and regrid some variables from the first to the last day of `span`; NaN on other days.

    Raises InputError where days, variables or ground are missing, and what the source raises."""
    first, last = span
    series = source.fetch(first, last, variables)
    days = np.arange(day_number(first), day_number(last) + 1)
    present = np.isin(series.days, days)
    position = series.days[present] - days[0]
    weights = _cell_weights(series, grid)
    fill_gaps = region.weather.fill_gaps if region.weather else 0
    window = slice(calendar.index(int(days[0])), calendar.index(int(days[-1])) + 1)
    dropped = dropped_leap_days(days, series.dropped_leap_day)
    flags = np.zeros(days.size, np.uint8)
    if series.flag is not None:
        flags[position] = series.flag[present]
    values = {}
    for name in variables:
        stored = np.full((days.size, series.y.size, series.x.size), np.nan, np.float32)
        stored[position] = series.values[name][present]
        complete, found = complete_days(stored, days, fill_gaps, dropped, name, may_lack_days=series.may_lack_days)
        flags = least_certain(flags, found)
        regridded = _regrid(complete, weights, name, may_lack_days=series.may_lack_days)
        check_range(name, regridded, f"weather of region '{region.name}'")
        values[name] = np.full((len(calendar), *grid.weather_shape), np.nan, np.float32)
        values[name][window] = regridded
    flag = np.full(len(calendar), WeatherFlag.NONE, np.uint8)
    flag[window] = flags
    origin = source.origin()
    bounds = day_bounds(calendar.days, series.day_ends_utc_hour)
    return CubeWeather(values, flag, bounds, origin.source, origin.licence, series.notes, series.may_lack_days)


def refuse_reversed(weather: CubeWeather, region: Region, calendar: Calendar) -> None:
    """Raise InputError where a cell has a tmin above tmax on more days than interpolation explains."""
    if not {"tmin", "tmax"} <= weather.values.keys():
        return
    reversed_days = weather.values["tmin"] > weather.values["tmax"]
    share = reversed_days.sum(axis=0) / max(int((weather.flag != WeatherFlag.NONE).sum()), 1)
    if share.max() > MOST_REVERSED_DAYS:
        y, x = np.unravel_index(int(share.argmax()), share.shape)
        day = date_of(calendar.days[int(reversed_days[:, y, x].argmax())])
        raise InputError(
            f"weather of region '{region.name}': tmin lies above tmax on {share.max():.0%} of the days in the weather"
            f" cell of row {y} and column {x}, first on {day}; take another source, or leave out one of them"
        )


def least_certain(*flags: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Of several `WeatherFlag` codes for a day the one that counts, by `FLAG_PRECEDENCE`. Arrays of one shape."""
    order = np.argsort(FLAG_PRECEDENCE)
    worst = np.max([order[flag] for flag in flags], axis=0)
    result: NDArray[np.uint8] = np.asarray(FLAG_PRECEDENCE, np.uint8)[worst]
    return result


def day_bounds(days: NDArray[np.integer[Any]], ends_utc_hour: float) -> NDArray[np.float64]:
    """(day, 2) begin and end of weather days in days since 1970-01-01 UTC, from the hour at which they end.

    A local day east of Greenwich ends late on its own UTC date (12 to 24), one west of it in the early hours
    (below 12) of the next.
    """
    end = days + ends_utc_hour / 24 + (1 if ends_utc_hour < 12 else 0)
    return np.stack([end - 1, end], axis=1)


@dataclass(frozen=True)
class _Weights:
    """Four neighbours of every cell that holds a block of the recipe, in the flattened source grid."""

    index: NDArray[np.int64]
    """(cell, 4)"""
    weight: NDArray[np.float64]
    """(cell, 4)"""
    needed: NDArray[np.bool_]
    """(weather_y, weather_x), True for those cells; the others stay NaN and cost nothing on disk"""


def _cell_weights(series: WeatherSeries, grid: Grid) -> _Weights:
    """Bilinear weights from the source's regular grid to the centres of the cube's weather cells.

    Raises InputError where a block of the recipe lies beyond the source's grid.
    """
    ys, xs = grid.weather_coordinates()
    needed = grid.weather_mask()
    x, y = (axis[needed] for axis in np.meshgrid(xs, ys))
    to_source = Transformer.from_crs(grid.crs, series.crs, always_xy=True)
    x, y = to_source.transform(x, y)
    degrees = to_source.target_crs is not None and to_source.target_crs.is_geographic
    low_y, share_y, out_y = _bracket(series.y, y, degrees)
    if degrees:  # longitudes may run from -180 or 0, or across the antimeridian
        edge = (series.x[0] + series.x[-1]) / 2 - 180
        x = edge + (x - edge) % 360
    low_x, share_x, out_x = _bracket(series.x, x, degrees, turn=360.0 if degrees else None)
    if np.any(out_y | out_x):
        raise InputError(
            "the weather does not reach the whole region: it covers"
            f" x {series.x.min():.6g} to {series.x.max():.6g},"
            f" y {series.y.min():.6g} to {series.y.max():.6g}"
        )
    width = series.x.size
    index, weight = [], []
    for step_y, weight_y in ((0, 1 - share_y), (1, share_y)):
        for step_x, weight_x in ((0, 1 - share_x), (1, share_x)):
            row = np.minimum(low_y + step_y, series.y.size - 1)
            column = (low_x + step_x) % width  # 0 after the last one: only around the globe, or with no weight
            index.append(row * width + column)
            weight.append(weight_y * weight_x)
    return _Weights(np.stack(index, axis=1), np.stack(weight, axis=1), needed)


def _bracket(
    axis: NDArray[np.float64], positions: NDArray[np.float64], degrees: bool, turn: float | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """(lower neighbour, share of the upper one, whether it lies beyond the outer edge) along one axis. An axis that
    goes all the way around after `turn` has no edge: after its last cell comes the first."""
    if axis.size == 1:
        reach = SINGLE_CELL_REACH_DEGREES * (1.0 if degrees else 111_000.0)
        return (
            np.zeros(positions.shape, np.int64),
            np.zeros(positions.shape),
            np.abs(positions - axis[0]) > reach,
        )
    step = float(np.median(np.diff(axis)))
    outside = (positions < axis[0] - step / 2) | (positions > axis[-1] + step / 2)
    if turn is not None and abs(axis.size * step - turn) < step / 2:
        low = (np.searchsorted(axis, positions, side="right") - 1) % axis.size
        return low, (positions - axis[low]) % turn / step, np.zeros(positions.shape, bool)
    inside = np.clip(positions, axis[0], axis[-1])
    low = np.clip(np.searchsorted(axis, inside, side="right") - 1, 0, axis.size - 2)
    share = (inside - axis[low]) / (axis[low + 1] - axis[low])
    return low, share, outside


def _regrid(values: NDArray[np.float64], weights: _Weights, name: str, *, may_lack_days: bool) -> NDArray[np.float32]:
    """(time, y, x) of the source -> (time, weather_y, weather_x); source cells without data (the sea) give no
    weight. Raises InputError where a needed cell has no neighbour with data on a day, unless cells `may_lack_days`."""
    flat = values.reshape(values.shape[0], -1)
    total = np.zeros((flat.shape[0], weights.index.shape[0]))
    share = np.zeros_like(total)
    for corner in range(4):
        picked = flat[:, weights.index[:, corner]]
        present = ~np.isnan(picked)
        weight = weights.weight[:, corner] * present
        total += np.where(present, picked, 0.0) * weight
        share += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.where(share > 0, total / share, np.nan)
    if not may_lack_days and np.isnan(result).any():
        raise InputError(
            f"weather: '{name}' has cells without data over the region's blocks; choose a source that covers them,"
            " such as era5-land, or leave those blocks out"
        )
    cells = np.full((len(result), *weights.needed.shape), np.nan, np.float32)
    cells[:, weights.needed] = result
    return cells
