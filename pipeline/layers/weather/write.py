"""Write the weather of a cube and its sums by season and chunk."""

import numpy as np
import zarr

from mmvsf.datasets.cube.calendar import Calendar
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, store_errors, zarr_store
from mmvsf.datasets.storage.store import write_values

from .regrid import CubeWeather


def write_weather(cube: Location, region: Region, grid: Grid, calendar: Calendar, weather: CubeWeather) -> None:
    """Write the weather and its sums by season and chunk."""
    for name, values in weather.values.items():
        write_values(cube, f"weather/{name}", values)
    write_values(cube, "weather/flag", weather.flag)
    write_values(cube, "weather/time_bnds", weather.bounds)
    with store_errors(cube):
        group = zarr.open_group(zarr_store(cube / "weather"), mode="r+")
        group.attrs["source"] = weather.source
        if weather.licence:
            group.attrs["licence"] = weather.licence
    names = region.weather.variables
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
    for what, total in sums.items():
        write_values(cube, f"statistics/weather_{what}", total)
