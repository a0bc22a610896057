"""What a forecast needs, checked before anything is computed: days, area, day of issue, images, weather."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Tile
from mmvsf.datasets.cube.select import Bbox
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import lead_in
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.sidecars.forecasts import TILES
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL
from mmvsf.model.cover import parts_of_tile, weather_cell_of_window, window_overlap
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, Checkpoint, weights_digest

from .area import Area
from .block import LOOK_BACK
from .job import ForecastJob
from .scenario import Scenario
from .tiles import seen_before
from .weather_ahead import Cell, FromCube, FromYears, NoWeather, WeatherAhead, cube_weather
from .weather_file import FromFile

DIFFERENCE = "difference"
"""The weather of numbers that compare a scenario with what it changes."""
MOST_LAG = 30
"""Days by which weather may end before the images, so that a forecast is issued that much earlier."""


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """What is forecast, and from what."""

    days: tuple[date, ...]
    issued: date | None = None
    """the last day whose images are used; by default `usual_day_of_issue`, or the last that the weather reaches"""
    weather: str | None = None
    """`cube`, `years` or the path of a file; by default `cube`, with a scenario `years`"""
    scenario: str | None = None
    """see `Scenario.read`"""
    block: BlockIndex | None = None
    site: str | None = None
    bbox: Bbox | None = None
    """(west, south, east, north) in degrees"""
    workers: int | None = None
    scheduler: str | None = None
    """as in `run_tasks`"""


def plan_forecast(
    cube: Cube, checkpoint: Checkpoint, model: Path, size: int, runs: Path, options: ForecastOptions
) -> tuple[ForecastJob, Path]:
    """The job of a forecast with windows of `size` pixels, and its folder below `runs`. Raises InputError where the
    cube lacks something that it needs."""
    days = tuple(sorted({day_number(day) for day in options.days}))
    area = Area.of(cube, block=options.block, site=options.site, bbox=options.bbox)
    reader = WindowReader(cube, checkpoint.normalisation)
    cells = sorted(set(_cells(cube, area, size, window_overlap(size, checkpoint.network.mixes_pixels))))
    sees = checkpoint.weather and bool(cube.weather)
    issued = _day_of_issue(reader, cells, days, options.issued, sees=sees)
    _check_seen(cube, area, issued)
    count = days[-1] - issued
    scenario = Scenario.read(options.scenario, cube) if options.scenario is not None else None
    weather = _weather(reader, cells, issued, count, options, sees=sees)
    if scenario is not None and scenario.name in (weather.name, DIFFERENCE):
        raise InputError(
            f"--scenario {options.scenario}: {scenario.name} is the name of another row of the results; choose another"
        )
    series = [weather.ahead(reader, cell, issued, count) for cell in cells]
    if scenario is not None and not any(_differ(scenario.changed(each, cube.weather), each) for each in series):
        raise InputError(
            f"--scenario {options.scenario}: it changes nothing of the weather of the {count} days from"
            f" {date_of(issued)} on; choose later --days, or another scenario"
        )
    ahead = f"{date_of(issued)} for " + " to ".join(str(date_of(day)) for day in sorted({days[0], days[-1]}))
    parts = [ahead, area.name, weather.name, scenario.name if scenario else ""]
    folder = runs / "-".join(_in_a_path(part) for part in parts if part)
    job = ForecastJob(
        cube.path, cube.digest, model, weights_digest(model / WEIGHTS), issued, days, weather, scenario, area, size,
        folder / TILES,
    )  # fmt: skip
    return job, folder


def _differ(one: Floats, other: Floats) -> bool:
    """Whether two courses of the weather do by more than rounding, which takes values to their possible range."""
    return not np.allclose(one, other, atol=1e-3)


def _in_a_path(name: str) -> str:
    return re.sub(r"[^\w+.-]+", "-", name).strip("-") or "other"


def tiles_of(cube: Cube, area: Area) -> list[Tile]:
    """The tiles that an area meets."""
    wanted = {cube.grid.tile_of(block).name for block in area.blocks}
    return [tile for tile in cube.grid.tiles if tile.name in wanted]


def _cells(cube: Cube, area: Area, size: int, overlap: int) -> Iterator[Cell]:
    """The weather cells of all windows of `size` pixels a side, which overlap by so many."""
    blocks = frozenset(cube.grid.blocks)
    for tile in tiles_of(cube, area):
        for part in parts_of_tile(cube.grid, tile, size, overlap, area.blocks):
            for row, columns in part.starts:
                yield from (weather_cell_of_window(cube.grid, blocks, row, column, size) for column in columns)


def usual_day_of_issue(cube: Cube, days: Sequence[int]) -> int:
    """The day before the first of the days to forecast (since 1970-01-01, sorted), or the cube's last day."""
    return min(days[0] - 1, day_number(cube.region.period.end))


def _day_of_issue(
    reader: WindowReader, cells: list[Cell], days: tuple[int, ...], asked: date | None, *, sees: bool
) -> int:
    cube = reader.cube
    period = cube.region.period
    first, last = day_number(period.start), day_number(period.end)
    issued = usual_day_of_issue(cube, days) if asked is None else day_number(asked)
    if not first <= issued <= last:
        raise InputError(
            f"{cube.path}: no forecast can be issued on {date_of(issued)}; its days reach from {date_of(first)} to"
            f" {date_of(last)}"
        )
    if issued >= days[0]:
        raise InputError(f"--issued {date_of(issued)}: it must be before {date_of(days[0])}, the first day to forecast")
    if not sees:
        return issued
    season = cube.season.season_of(date_of(issued))
    begin = day_number(max(lead_in(min(season.first, date_of(issued - LOOK_BACK))), cube.region.weather_start))
    known = begin + min(len(cube_weather(reader, cell, begin, issued - begin)) for cell in cells)
    if known < issued and (asked is not None or issued - known > MOST_LAG):
        raise InputError(
            f"{cube.path}: its weather of {date_of(known)} is missing, so a forecast can be issued on that day or"
            " before; give --issued, or extend the cube"
        )
    return min(known, issued)


def _check_seen(cube: Cube, area: Area, issued: int) -> None:
    """Raises InputError where nothing in the area was seen in the LOOK_BACK days before the day of issue."""
    seen, chunk = seen_before(cube, issued), cube.grid.chunk
    places = (slice(part.start // chunk, -(-part.stop // chunk)) for part in (area.rows, area.columns))
    fractions = seen.fractions[(slice(None), *places)]
    if not ((fractions >= seen.min_clear) & (fractions != CLEAR_FRACTION_FILL)).any():
        raise InputError(
            f"{cube.path} has no clear image there in the {LOOK_BACK} days before {date_of(issued)}; choose a later"
            " --issued, or extend the cube"
        )


def _weather(
    reader: WindowReader, cells: list[Cell], issued: int, count: int, options: ForecastOptions, *, sees: bool
) -> WeatherAhead:
    if not sees:
        if options.weather is not None or options.scenario is not None:
            option = "--weather" if options.weather is not None else "--scenario"
            raise InputError(f"{option}: the model does not use weather; choose one that was pretrained with it")
        return NoWeather()
    text = options.weather or ("cube" if options.scenario is None else "years")
    if text == "cube":
        return FromCube()
    if text == "years":
        return FromYears.of(reader, cells, issued, count)
    return FromFile.read(Path(text), reader.cube)


def longest_lead(job: ForecastJob) -> int:
    """Days from the day of issue to the last day."""
    return int(np.max(job.days)) - job.issued
