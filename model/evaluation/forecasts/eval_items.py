"""The forecasts that are scored in a held-out year, on which pixels, with the baselines: made once for all methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.collate import TrainingSample
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.pairs import window_pairs
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, chunk_window, clear_days, index_windows, spread
from mmvsf.model.baselines.simple import interpolate, linear_trend, persistence, season_phase
from mmvsf.model.evaluation.core.held_out import HeldOutYear, hold_out
from mmvsf.model.forecasting.scoring import ClimatologySource

BASELINES = ("persistence", "linear trend", "previous year", "climatology")


@dataclass(frozen=True, eq=False)
class EvalItem:
    """One window of a held-out set with the pairs of days that are forecast."""

    part: SplitName
    block: str
    """Row and column of its block, "r,c"."""
    window: Window
    sample: TrainingSample
    """Its images, normalised; `origin` and `target` are the pairs."""
    scored: NDArray[np.bool_]
    """(P, H, W): where the target is clear and every baseline has a forecast."""
    baselines: dict[str, Floats]
    """(P, C, H, W) for each of BASELINES, normalised."""

    @property
    def leads(self) -> NDArray[np.int64]:
        """(P,) days ahead."""
        return self.sample.days[self.sample.target] - self.sample.days[self.sample.origin]

    @property
    def observed(self) -> Floats:
        """(P, C, H, W)"""
        return self.sample.images[self.sample.target]


@dataclass(frozen=True, eq=False)
class EvaluationSet(HeldOutYear):
    """The items of one held-out year of a cube."""

    items: tuple[EvalItem, ...]


def evaluation_set(cube: Cube, year: int, *, windows: int, pairs: int, size: int = 32) -> EvaluationSet:
    """Hold out a year: at most `windows` windows of each held-out set, spread evenly, and `pairs` forecasts of each.

    Raises InputError where the cube cannot be split so.
    """
    held_out = hold_out(cube, year)
    index = index_windows(cube, held_out.fold)
    climatology, clear = ClimatologySource(held_out.reader, held_out.fold), clear_days(cube)
    items = []
    for part in HELD_OUT:
        for window in spread(index[part], windows):
            for tile in window.tiles(size):
                item = _item(held_out.reader, part, tile, climatology, clear, pairs)
                if item is not None:
                    items.append(item)
    return EvaluationSet(cube, year, held_out.fold, held_out.reader, tuple(items))


def _item(
    reader: WindowReader,
    part: SplitName,
    tile: Window,
    climatology: ClimatologySource,
    clear: NDArray[np.bool_],
    limit: int,
) -> EvalItem | None:
    pairs = spread(window_pairs(tile), limit)
    average = climatology.for_window(tile)
    if not pairs or average is None:
        return None
    sample = season_sample(reader, tile, pairs=pairs)
    usual = average.forecast(season_phase(reader.cube.season, tile.days))
    previous = _previous_year(reader, tile, clear, sample.days[sample.target])
    baselines = {name: np.empty_like(sample.images[sample.target]) for name in BASELINES}
    for position, (origin, target) in enumerate(pairs):
        day, later = int(sample.days[origin]), int(sample.days[target])
        series = (sample.images, sample.days, sample.clear)
        baselines["persistence"][position] = persistence(*series, day)
        baselines["linear trend"][position] = linear_trend(*series, day, later)
        baselines["previous year"][position] = previous[position]
        baselines["climatology"][position] = usual[target]
    scored = sample.clear[sample.target]
    for forecast in baselines.values():
        scored = scored & np.isfinite(forecast).all(1)
    side = reader.cube.grid.block
    block = f"{tile.row // side},{tile.column // side}"
    return EvalItem(part, block, tile, sample, scored, baselines)


def _previous_year(reader: WindowReader, tile: Window, clear: NDArray[np.bool_], days: NDArray[np.int64]) -> Floats:
    """(P, C, H, W): the same window a year before, or a year after the first year, on the same days of the season."""
    cube, chunk = reader.cube, reader.cube.grid.chunk
    year = tile.year - 1 if tile.year - 1 in cube.years else tile.year + 1
    window = chunk_window(cube, tile.row // chunk, tile.column // chunk, year, clear)
    if len(window.days) == 0:
        return np.full((len(days), len(cube.bands), tile.size, tile.size), np.nan, np.float32)
    images, valid = reader.images(tile, window.days)
    return interpolate(images, season_phase(cube.season, window.days), valid, season_phase(cube.season, days))
