"""The image of one day over one block, forecast from earlier images and the weather in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import lead_in
from mmvsf.datasets.samples.collate import TrainingSample
from mmvsf.datasets.samples.loader import begin_earlier
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window, clear_days
from mmvsf.model.baselines.simple import persistence
from mmvsf.model.blocks import block_tiles, by_novelty, held_out_years
from mmvsf.model.mmvsf.network import MMVSF

from .scoring import model_forecasts

MOST_IMAGES = 24
"""Context images that a forecast looks back on."""
LOOK_BACK = 180
"""Days before the day of issue that these images may reach back, also into the season before."""


@dataclass(frozen=True)
class BlockForecast:
    """Reflectance as a fraction, (C, H, W) over a block; NaN where there is none."""

    forecast: Floats
    last: Floats
    """The last clear value of each pixel on or before the day of issue."""
    observed: Floats
    """The image of the target day, clear pixels only."""
    issued: int
    """Day of the last image that the forecast may use."""
    day: int
    """Day that is forecast; the weather used ends the day before."""


def forecast_block(
    network: MMVSF,
    reader: WindowReader,
    block: BlockIndex,
    day: int,
    *,
    lead: int = 0,
    size: int = 32,
    weather: bool = True,
    precision: torch.dtype | None = None,
    clear: NDArray[np.bool_] | None = None,
) -> BlockForecast:
    """Forecast a block's image of `day` from images at least `max(lead, 1)` days earlier.

    `clear` as `clear_days` gives it, to save reading it again. Raises InputError where the cube lacks weather up to
    the day before, which a model without `weather` does not need, or the block isn't in it.
    """
    cube, normal = reader.cube, reader.normalisation
    check_block_and_day(cube, block, day)
    clear = clear_days(cube) if clear is None else clear
    issued = day - max(lead, 1)
    shape = (len(cube.bands), cube.grid.block, cube.grid.block)
    forecast, last, observed = (np.full(shape, np.nan, np.float32) for _ in range(3))
    season = cube.season.season_of(date_of(issued))
    for tile in block_tiles(cube, block, season.name, clear, size, since=issued - LOOK_BACK):
        rows, columns = tile.slices_in(block, cube.grid.block)
        sample = issue_sample(reader, tile, issued, day, weather=weather)
        image = model_forecasts(network, [sample], weather=weather, precision=precision)[0, 0]
        before = persistence(sample.images, sample.days, sample.valid, issued)
        now, seen = reader.images(tile, np.array([day]))
        forecast[:, rows, columns] = normal.reflectance(image)
        last[:, rows, columns] = normal.reflectance(before)
        observed[:, rows, columns] = np.where(seen, normal.reflectance(now), np.nan)[0]
    return BlockForecast(forecast, last, observed, issued, day)


def issue_sample(
    reader: WindowReader, window: Window, issued: int, day: int | None = None, *, weather: bool = True
) -> TrainingSample:
    """A sample of a window as it is known on the day of issue, from which `day` is forecast.

    The day of issue itself joins the series as an image without a valid pixel, so that the forecast starts
    from that day whether or not it was clear; it is the last image of a sample without a `day`. The weather begins as
    long before the season of the day of issue, or before the first image where that is earlier, as it does in training.
    Raises InputError where a day of it before `day`, or the day of issue, is missing; a later one is not needed. For a
    model without `weather` every day is the mean of training, and none is needed.
    """
    season = reader.cube.season.season_of(date_of(issued))
    days = window.days[window.days <= issued][-MOST_IMAGES:]
    images, valid = reader.images(window, days)
    targets = [] if day is None else [day]
    blank = np.zeros((1 + len(targets), *images.shape[1:]), np.float32)
    unseen = np.zeros((1 + len(targets), *valid.shape[1:]), bool)
    first = min(season.first, date_of(days[0])) if len(days) else season.first
    end = issued if day is None else day
    begin = lead_in(first)
    if weather:
        start, series = reader.weather_between(
            window.cell, begin, max(season.last, date_of(end)), needed=date_of(end - 1)
        )
    else:
        start = day_number(max(begin, reader.cube.region.weather_start))
        series = np.zeros((max(end - start, 0), len(reader.cube.weather)), np.float32)
    return TrainingSample(
        images=np.concatenate([images, blank]),
        days=np.array([*days, issued, *targets], np.int64),
        valid=np.concatenate([valid, unseen]),
        clear=np.concatenate([valid, unseen]),
        origin=np.full(len(targets), len(days), np.int64),
        target=len(days) + 1 + np.arange(len(targets)),
        series=(0, *window.cell, season.name),
        weather=series,
        weather_start=start,
        earlier=begin_earlier(reader, window)(),
        site=reader.site(window),
    )


def draw_examples(
    network: MMVSF,
    reader: WindowReader,
    size: int,
    weather: bool,
    precision: torch.dtype | None,
    leads: Sequence[int] = (8, 20, 40, 60),
) -> list[tuple[str, BlockForecast]]:
    """Block forecasts for a picture, at different leads on clear days of the last held-out year (or of the last year),
    each in another block where there are several."""
    cube, clear = reader.cube, clear_days(reader.cube)
    fraction = cube.array("chunks/clear_fraction")
    n = cube.grid.chunks_per_block
    year = (held_out_years(cube) or [cube.years[-1]])[-1]
    blocks = by_novelty(cube)
    examples = []
    years = cube.season_of_day
    for number, lead in enumerate(leads):
        by, bx = list(blocks)[number % len(blocks)]
        chunks = (slice(None), slice(by * n, by * n + n), slice(bx * n, bx * n + n))
        block_clear: NDArray[np.float32] = np.where(clear[chunks], fraction[chunks], 0).mean((1, 2))
        usable = np.flatnonzero((years == year) & (block_clear > 60))
        # The part of the season in which plants change, and days with a clear image before the day of issue.
        usable = usable[len(usable) // 4 :]
        usable = np.array([i for i in usable if (block_clear[max(0, i - lead - 20) : i - lead + 1] > 60).any()], int)
        if len(usable) == 0:
            continue
        position = min(len(usable) - 1, (number + 1) * len(usable) // (len(leads) + 1))
        day = int(cube.calendar.days[usable[position]])
        example = forecast_block(
            network, reader, (by, bx), day, lead=lead, size=size, weather=weather, precision=precision, clear=clear
        )
        examples.append((f"{cube.place_of((by, bx))} ({blocks[by, bx]})", example))
    return examples


def check_block_and_day(cube: Cube, block: BlockIndex, day: int) -> None:
    """Raises InputError where a block is not in the cube or a day cannot be forecast."""
    if block not in cube.grid.blocks:
        blocks = " ".join(f"{y},{x}" for y, x in cube.grid.blocks[:12])
        raise InputError(f"{cube.path}: block {block[0]},{block[1]} is not in this cube; choose one of {blocks}")
    first, last = cube.region.period.start, cube.region.period.end
    if not first <= date_of(day) <= last:
        raise InputError(
            f"{cube.path}: cannot forecast {date_of(day)}, its images and weather reach from {first} to {last}"
        )
