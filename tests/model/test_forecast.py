"""The forecast of one block."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import lead_in
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import chunk_window, clear_days, index_windows
from mmvsf.model.blocks import block_tiles
from mmvsf.model.forecasting.block import LOOK_BACK, MOST_IMAGES, forecast_block, issue_sample
from mmvsf.model.mmvsf.checkpoint import load_checkpoint

from .conftest import Pretrained

pytestmark = pytest.mark.slow


def test_a_block_is_forecast(pretrained: Pretrained, grown_cube: Cube) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    day = int(index_windows(grown_cube)["both"][0].days[20])
    block = grown_cube.grid.blocks[0]
    result = forecast_block(checkpoint.network, reader, block, day, lead=10, size=16)
    assert result.issued == day - 10 and result.forecast.shape == (6, 32, 32)
    assert np.isfinite(result.forecast).all() and result.forecast.mean() == pytest.approx(0.15, abs=0.1)
    assert np.isfinite(result.observed).any()
    with pytest.raises(InputError, match="block 5,5 is not in this cube"):
        forecast_block(checkpoint.network, reader, (5, 5), day)
    with pytest.raises(InputError, match="cannot forecast 2030"):
        forecast_block(checkpoint.network, reader, block, day + 3300)


def test_a_look_back_crosses_the_new_year(pretrained: Pretrained, grown_cube: Cube) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    day, block = day_number(date(2021, 1, 3)), grown_cube.grid.blocks[0]
    clear = clear_days(grown_cube)
    tile = next(block_tiles(grown_cube, block, 2021, clear, 16, since=day - 1 - LOOK_BACK))
    before = tile.days[tile.days < day]
    assert len(before) and date_of(before[0]) >= date(2020, 7, 6)
    sample = issue_sample(reader, tile, day - 1, day)
    assert sample.days[:-2].tolist() == before[-MOST_IMAGES:].tolist()
    # The weather begins three months before the first image, as it does before the first of a season.
    assert date_of(sample.weather_start) == lead_in(date_of(sample.days[0]))
    assert sample.weather_start + len(sample.weather) >= day
    result = forecast_block(checkpoint.network, reader, block, day, size=16)
    assert np.isfinite(result.forecast).all() and np.isfinite(result.last).mean() > 0.9


def test_within_a_season_a_forecast_sees_what_training_sees(grown_cube: Cube) -> None:
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    window = index_windows(grown_cube)["both"][0]
    issued = int(window.days[30])
    n = grown_cube.grid.chunk
    longer = chunk_window(
        grown_cube, window.row // n, window.column // n, 2021, clear_days(grown_cube), since=issued - LOOK_BACK
    )
    assert longer.days.tolist() == window.days.tolist()
    sample = issue_sample(reader, longer, issued, issued + 5)
    start, weather = reader.weather(window.cell, 2021)
    assert sample.weather_start == start
    np.testing.assert_array_equal(sample.weather, weather)
