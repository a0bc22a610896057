"""The forecast of one block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.model.forecasting.block import forecast_block, write_image
from mmvsf.model.mmvsf.checkpoint import load_checkpoint

from .conftest import Pretrained

pytestmark = pytest.mark.slow


def test_a_block_is_forecast(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    day = int(index_windows(grown_cube)["both"][0].days[20])
    block = grown_cube.grid.blocks[0]
    result = forecast_block(checkpoint.network, reader, block, day, lead=10, size=16)
    assert result.issued == day - 10 and result.forecast.shape == (6, 32, 32)
    assert np.isfinite(result.forecast).all() and result.forecast.mean() == pytest.approx(0.15, abs=0.1)
    assert np.isfinite(result.observed).any()
    write_image(tmp_path / "x.tif", result.forecast, grown_cube, block, {"day": "2021-06-01"})
    with rasterio.open(tmp_path / "x.tif") as source:
        assert source.descriptions == grown_cube.bands
        assert source.transform == grown_cube.grid.block_geobox(block).affine
        np.testing.assert_array_equal(source.read(), result.forecast)
    with pytest.raises(InputError, match="block 5,5 is not in this cube"):
        forecast_block(checkpoint.network, reader, (5, 5), day)
    with pytest.raises(InputError, match="cannot forecast 2030"):
        forecast_block(checkpoint.network, reader, block, day + 3300)
