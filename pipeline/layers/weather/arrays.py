"""The arrays of a cube's weather, and its sums by season and chunk."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.spec import CubeSpec

from .regrid import CubeWeather


def weather_arrays(spec: CubeSpec, weather: CubeWeather) -> dict[str, NDArray[Any]]:
    """The weather as it is stored, and its sums, over the whole grid: `group/array` -> values."""
    region, grid, calendar = spec.region, spec.grid, spec.calendar
    arrays: dict[str, NDArray[Any]] = {f"weather/{name}": values for name, values in weather.values.items()}
    arrays |= {"weather/flag": weather.flag, "weather/utc_bnds": weather.bounds}
    names = spec.weather
    years = region.period.years
    shape = (len(years), *grid.chunk_shape, len(names))
    sums = {what: np.zeros(shape) for what in ("count", "sum", "sum_of_squares")}
    # A season's weather begins before it, so days before the first season count with it.
    season = np.maximum(region.period.season.names_of(calendar.days), years[0])
    n = grid.chunks_per_block
    for by, bx in grid.blocks:
        for row in range(by * n, (by + 1) * n):
            for column in range(bx * n, (bx + 1) * n):
                middle = (row * grid.chunk + grid.chunk // 2, column * grid.chunk + grid.chunk // 2)
                at = (slice(None), *grid.weather_cell_of(*middle))
                cell = np.stack([weather.values[name][at] for name in names], axis=-1).astype(np.float64)
                complete = ~np.isnan(cell).any(axis=1)
                for position, year in enumerate(years):
                    part = cell[(season == year) & complete]
                    sums["count"][position, row, column] = len(part)
                    sums["sum"][position, row, column] = part.sum(axis=0)
                    sums["sum_of_squares"][position, row, column] = (part**2).sum(axis=0)
    return arrays | {f"chunks/weather_{what}": total for what, total in sums.items()}
