"""The weather of a cube that is extended: existing days are kept, missing and provisional ones fetched."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import Calendar, date_of, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.layers.source import WeatherSource

from .regrid import CubeWeather, fetch_weather, least_certain

MERGE_GAP_DAYS = 31
"""Runs of days with smaller gaps between them are fetched together: a request costs more than a few days."""


def update_weather(
    present: CubeWeather, source: WeatherSource, region: Region, grid: Grid, calendar: Calendar
) -> CubeWeather:
    """`present`, which is on the cube's new axes, completed with the days, cells and variables that it lacks.

    Provisional days are fetched again, and so are filled days next to a fetched day, since their neighbours change; all
    others keep their values. The result is what `cube_weather` would fetch today if the source has not changed the
    days that are kept. Of a source that `depends_on_period` new days are those of `cube_weather`; a note says how many
    kept ones are not. Raises what `fetch_weather` raises.
    """
    # Radon counts 13, of which 5 are comprehensions and conditions in one line; what is fetched depends on all of it.
    written = ~np.isnan(present.bounds[:, 0])  # bounds are written last
    present_flag = np.where(written, present.flag, WeatherFlag.NONE).astype(np.uint8)
    inside = (calendar.days >= day_number(region.weather_start)) & (calendar.days <= day_number(region.period.end))
    uncertain = np.isin(present_flag, (WeatherFlag.NONE, WeatherFlag.PROVISIONAL))
    lacking = inside & _with_filled_neighbours(uncertain, present_flag)
    needed, kept = grid.weather_mask(), inside & ~lacking
    values = {name: array.copy() for name, array in present.values.items()}
    # A new variable, or one with new cells, is fetched on the kept days too.
    whole = tuple(name for name, array in values.items() if np.isnan(array[kept][:, needed]).any())
    rest = tuple(name for name in values if name not in whole)
    jobs = [(whole, run) for run in _runs(inside)] if whole else []
    if rest:
        jobs += [(rest, run) for run in _fetched_runs(lacking, inside, at_once=source.depends_on_period)]
    flag = np.where(lacking, WeatherFlag.NONE, present_flag).astype(np.uint8)
    bounds, origin, licence = present.bounds, present.source, present.licence
    lacking_cells, notes, unlike = present.may_lack_days, dict.fromkeys(present.notes), np.zeros(len(calendar), bool)
    for names, (start, stop) in jobs:
        span = date_of(calendar.days[start]), date_of(calendar.days[stop - 1])
        update = fetch_weather(source, region, grid, calendar, span, names)
        bounds, origin, licence = update.bounds, update.source, update.licence
        lacking_cells |= update.may_lack_days
        notes |= dict.fromkeys(update.notes)
        fetched = np.zeros(len(calendar), bool)
        fetched[start:stop] = True
        for name in names:
            unlike |= kept & _unlike(values[name], update.values[name])
            take = (fetched & lacking)[:, None, None] | (fetched[:, None, None] & np.isnan(values[name]))
            values[name][take] = update.values[name][take]
        flagged = fetched & (lacking | (kept if names == whole else False))
        flag[flagged] = _joined(flag[flagged], update.flag[flagged])
    if source.depends_on_period and unlike.any():
        notes[
            f"a new build would give other weather on {unlike.sum()} of {kept.sum()} existing days: other stations"
            " count for its longer period or larger area, or values were corrected; `mmvsf dataset --overwrite` makes"
            " one"
        ] = None
    return CubeWeather(values, flag, bounds, origin, licence, tuple(notes), lacking_cells)


def _joined(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The least certain of two flags of each day; `new` alone where there is no old one."""
    return least_certain(np.where(old == WeatherFlag.NONE, new, old), new)


def _unlike(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(time,) whether a cell has a value that is another now."""
    different: NDArray[np.bool_] = (~np.isnan(old) & (old != new)).any(axis=(1, 2))
    return different


def _with_filled_neighbours(lacking: NDArray[np.bool_], flag: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The days, with adjacent runs of filled days."""
    result = lacking.copy()
    for start, stop in _runs(flag == WeatherFlag.FILLED):
        result[start:stop] |= lacking[max(start - 1, 0) : stop + 1].any()
    return result


def _fetched_runs(lacking: NDArray[np.bool_], inside: NDArray[np.bool_], *, at_once: bool) -> Iterator[tuple[int, int]]:
    """(start, stop) of what is fetched: each run of lacking days with the day before and after it, between which
    gaps can be filled; near runs together, or with `at_once` all days if one is lacking."""
    if at_once:
        yield from _runs(inside & lacking.any())
        return
    first, last = np.flatnonzero(inside)[[0, -1]]
    wide: list[tuple[int, int]] = []
    for start, stop in _runs(lacking):
        start, stop = max(start - 1, int(first)), min(stop + 1, int(last) + 1)
        if wide and start - wide[-1][1] <= MERGE_GAP_DAYS:
            start = wide.pop()[0]
        wide.append((start, stop))
    yield from wide


def _runs(days: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], days.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
