"""A crop map holds coarser copies of itself, so that a state is drawn without reading all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.cube.overviews import most_frequent
from mmvsf.model.cropmap.geotiff import MAP, map_writer

LEGEND = Legend((LegendClass(7, "maize", "#e0c020"), LegendClass(9, "hay", "#40a040")))


def test_coarser_copies_hold_the_most_frequent_class(tmp_path: Path) -> None:
    blocks = tuple((row, column) for row in range(5) for column in range(5))
    grid = Grid("EPSG:32615", 30.0, 300_000.0, 4_600_000.0, 5, 5, 256, 64, 256, blocks)
    rng = np.random.default_rng(0)
    coarse = rng.integers(-1, 2, (320, 320))  # one class in each square of 4 x 4 pixels
    classes = coarse.repeat(4, 0).repeat(4, 1)
    classes[rng.random(classes.shape) < 0.2] = -1
    certain = np.full((2, 256, 256), 100, np.uint8)
    with map_writer(tmp_path, grid, LEGEND, 2021) as writer:
        for block in blocks:
            place = grid.block_slices(block)
            writer.write(block, classes[place].astype(np.uint8), certain, certain[0])
    with rasterio.open(tmp_path / MAP) as whole:
        full = whole.read(1)
        assert whole.overviews(1)[:2] == [2, 4]
    with rasterio.open(tmp_path / MAP, overview_level=1) as overview:
        drawn = overview.read(1)
    np.testing.assert_array_equal(full, np.array([0, 7, 9])[classes + 1])
    np.testing.assert_array_equal(drawn, most_frequent(full, 4))
