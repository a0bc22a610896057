"""Matched pairs of seasons on real series: one place, two years that were alike until a day, and then differed.

The first year's history is forecast under its own weather and under the other year's, which is put on the same days of
the season. The difference is compared with that of what was seen in the two years. That holds noise, clouds and
management too: it bounds the slope of a right answer away from 1, and the agreement matters more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Floats, Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, chunk_window, clear_days, split_name, spread
from mmvsf.datasets.sidecars.experiments import AS_IT_CAME
from mmvsf.datasets.variables import Split
from mmvsf.model.baselines.simple import interpolate

from .cases import Case, history, weather_of
from .scores import index

OTHER_SEASON = "the other season"
LEADS = (10, 20, 30, 45, 60)
ORIGINS = (120, 150, 180, 210)
"""Days from the begin of the weather of a season, and so three months less into the season."""
PAST = 60
"""Days before the origin over which histories are compared."""
NEAR = 3
"""Days by which the image of a target may lie off."""
ALIKE = 0.25
"""Share of the pairs that are kept, those whose histories are most alike."""
PLACES = 24
LEAST_IMAGES = 3


@dataclass(frozen=True, eq=False)
class _Season:
    """One year of one place."""

    window: Window
    images: Floats
    """(time, band, y, x), NaN where not valid"""
    series: Floats
    """(time, y, x): the index"""
    phase: np.ndarray
    """(time,) days since the begin of the season's weather, also where the cube's weather begins later"""
    begin: int
    """the day of phase 0, since 1970-01-01"""
    weather: Floats
    """(day, variable)"""
    lacking: int
    """days from phase 0 to the first row of `weather`"""

    def between(self, first: int, last: int) -> Floats:
        """(day, variable): the weather from one phase to the day before another."""
        return self.weather[first - self.lacking : last - self.lacking]

    def has_weather(self, first: int, last: int) -> bool:
        """Whether all of that is known."""
        return self.lacking <= first and last <= self.lacking + len(self.weather)


def matched_cases(cube: Cube) -> list[Case]:
    """The pairs of a cube, those most alike. Raises InputError where it has none."""
    reader = WindowReader(cube, Normalisation.of([cube]))
    pairs = [pair for seasons in _places(reader) for pair in _pairs(reader, seasons)]
    if not pairs:
        raise InputError(
            f"{cube.path} has no two seasons of the same place with {LEAST_IMAGES} images before the same day"
        )
    limit = float(np.quantile([distance for distance, _ in pairs], ALIKE))
    return [case for distance, case in pairs if distance <= limit]


def _places(reader: WindowReader) -> Iterator[list[_Season]]:
    """The seasons of places, of which at least one is held out where the cube holds any out."""
    cube, fold, clear = reader.cube, Fold.of(reader.cube), clear_days(reader.cube)
    chunks = [(int(y), int(x)) for y, x in np.argwhere(fold.places != Split.NONE)]
    for chunk in spread(chunks, PLACES):
        windows = [chunk_window(cube, *chunk, year, clear) for year in cube.years]
        tiles = [next(window.tiles(32)) for window in windows if len(window.days) >= LEAST_IMAGES]
        if len(tiles) > 1:
            yield [_season(reader, window) for window in tiles]


def _season(reader: WindowReader, window: Window) -> _Season:
    images, _, days = history(reader, window, int(window.days[-1]))
    start, weather = weather_of(reader, window)
    begin = day_number(reader.cube.season.season(window.year).weather_start)
    return _Season(window, images, index(images, reader.cube.bands), days - begin, begin, weather, start - begin)


def _pairs(reader: WindowReader, seasons: list[_Season]) -> Iterator[tuple[float, Case]]:
    """(distance of the histories, case) for each two seasons and day of origin, whose first is held out."""
    cube, fold = reader.cube, Fold.of(reader.cube)
    held_out = (fold.years == Split.TEST).any() or (fold.places == Split.TEST).any()
    chunk = cube.grid.chunk
    for first, second in permutations(seasons, 2):
        window = first.window
        place = int(fold.places[window.row // chunk, window.column // chunk])
        name = split_name(place, int(fold.years[cube.years.index(window.year)]))
        if held_out and name not in ("new_place", "new_year", "both"):
            continue
        for nominal in ORIGINS:
            before = first.phase[first.phase <= nominal]
            if len(before) < LEAST_IMAGES:
                continue
            pair = _pair(reader, first, second, int(before[-1]))
            if pair is not None:
                yield pair


def _pair(reader: WindowReader, first: _Season, second: _Season, origin: int) -> tuple[float, Case] | None:
    """The histories and what followed a day of origin; None where one of them was not seen."""
    window, cube = first.window, reader.cube
    at = np.arange(origin - PAST, origin + 1, 10)
    distance = float(np.sqrt(np.nanmean(np.square(_drawn(first, at, origin) - _drawn(second, at, origin)))))
    truth = np.stack([_seen(season, origin) for season in (first, second)])
    if not np.isfinite(distance) or not np.isfinite(truth).all(axis=(0, 2)).any():
        return None
    end = origin + max(LEADS)
    if not (first.has_weather(origin, end) and second.has_weather(origin, end)):
        return None
    past = first.between(first.lacking, origin)
    weather = np.stack([np.concatenate([past, season.between(origin, end)]) for season in (first, second)])
    images, valid, days = history(reader, window, first.begin + origin)
    side = cube.grid.block
    case = Case(
        block=f"{window.row // side},{window.column // side}",  # its pairs share seasons, and mirror each other
        row=window.row,
        column=window.column,
        images=images,
        valid=valid,
        days=days,
        leads=np.array(LEADS),
        scenarios=(AS_IT_CAME, OTHER_SEASON),
        weather=weather,
        weather_start=first.begin + first.lacking,
        truth=truth,
        bands=cube.bands,
        variables=cube.weather,
    )
    return distance, case


def _drawn(season: _Season, at: np.ndarray, origin: int) -> Floats:
    """(day, y, x): the index on the days `at`, drawn straight between the clear days up to the origin."""
    known = season.phase <= origin
    series = season.series[known][:, None]
    return interpolate(series, season.phase[known], np.isfinite(series[:, 0]), at)[:, 0]


def _seen(season: _Season, origin: int) -> Floats:
    """(lead, band, y, x): the nearest image of each target; NaN where there is none near."""
    out = np.full((len(LEADS), *season.images.shape[1:]), np.nan, np.float32)
    for lead, days in enumerate(LEADS):
        away = np.abs(season.phase - (origin + days))
        if away.min() <= NEAR:
            out[lead] = season.images[away.argmin()]
    return out
