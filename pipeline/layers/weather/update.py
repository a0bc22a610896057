"""The weather of a cube that grows: what stands is kept; what is missing or provisional is fetched."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import Calendar, date_of, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import WeatherSource

from .regrid import CubeWeather, fetch_weather, least_certain

APART = 31
"""Days. Runs of wanted days that lie closer are fetched together: a request costs more than a few days."""


def update_weather(
    standing: CubeWeather, source: WeatherSource, region: Region, grid: Grid, calendar: Calendar
) -> CubeWeather:
    """`standing`, which has the cube's new axes, with what it lacks: days, cells and variables.

    Provisional days are fetched again and take what the source has now. So are days that were filled in beside a
    day that is fetched, since their neighbours change; all others keep their values. The result is what
    `cube_weather` would fetch today, as long as the source has not changed the days that are kept. Raises what
    `fetch_weather` raises.
    """
    known = ~np.isnan(standing.bounds[:, 0])  # written last: what is without was never made, or not to its end
    standing_flag = np.where(known, standing.flag, WeatherFlag.NONE).astype(np.uint8)
    inside = (calendar.days >= day_number(region.weather_start)) & (calendar.days <= day_number(region.period.end))
    uncertain = np.isin(standing_flag, (WeatherFlag.NONE, WeatherFlag.PROVISIONAL))
    lacking = inside & _with_filled_neighbours(uncertain, standing_flag)
    needed, kept = grid.weather_mask(), inside & ~lacking
    values = {name: array.copy() for name, array in standing.values.items()}
    # A variable that is new, or has cells that are, is wanted on the days that stand too.
    whole = tuple(name for name, array in values.items() if np.isnan(array[kept][:, needed]).any())
    rest = tuple(name for name in values if name not in whole)
    jobs = [(whole, run) for run in _runs(inside)] if whole else []
    if rest:
        jobs += [(rest, run) for run in _fetched_runs(lacking, inside)]
    flag = np.where(lacking, WeatherFlag.NONE, standing_flag).astype(np.uint8)
    bounds, origin, licence = standing.bounds, standing.source, standing.licence
    for names, (start, stop) in jobs:
        span = date_of(calendar.days[start]), date_of(calendar.days[stop - 1])
        found = fetch_weather(source, region, grid, calendar, span, names)
        bounds, origin, licence = found.bounds, found.source, found.licence
        fetched = np.zeros(len(calendar), bool)
        fetched[start:stop] = True
        for name in names:
            take = (fetched & lacking)[:, None, None] | (fetched[:, None, None] & np.isnan(values[name]))
            values[name][take] = found.values[name][take]
        told = fetched & (lacking | (kept if names == whole else False))
        flag[told] = _joined(flag[told], found.flag[told])
    return CubeWeather(values, flag, bounds, origin, licence)


def _joined(known: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The least certain of two flags of each day; `found` alone where nothing is known."""
    return least_certain(np.where(known == WeatherFlag.NONE, found, known), found)


def _with_filled_neighbours(lacking: NDArray[np.bool_], flag: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The days with the runs of filled-in days that touch them."""
    result = lacking.copy()
    for start, stop in _runs(flag == WeatherFlag.FILLED):
        result[start:stop] |= lacking[max(start - 1, 0) : stop + 1].any()
    return result


def _fetched_runs(lacking: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of what is fetched: each run of lacking days with the day before and after it, between which
    gaps can be filled; neighbouring runs together."""
    first, last = np.flatnonzero(inside)[[0, -1]]
    wide: list[tuple[int, int]] = []
    for start, stop in _runs(lacking):
        start, stop = max(start - 1, int(first)), min(stop + 1, int(last) + 1)
        if wide and start - wide[-1][1] <= APART:
            start = wide.pop()[0]
        wide.append((start, stop))
    yield from wide


def _runs(days: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], days.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
