"""Labels that are not there: no data that a raster declares, and a year that lies elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube

from .conftest import Outcome
from .stored import stored
from .tiny_archive import TinyArchive, label_rasters, write_raster

pytestmark = pytest.mark.slow

Build = Callable[..., Outcome]


@pytest.mark.parametrize("code", [255, 36], ids=["not in the legend", "in the legend"])
def test_declared_no_data_of_a_label_raster_is_unknown(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, code: int
) -> None:
    codes, grid = label_rasters()[2021]
    given, expected = codes.copy(), codes.copy()
    given[20:50, 20:50] = code
    expected[given == code] = 0
    crops = []
    for values, nodata in ((given, code), (expected, None)):
        write_raster(tiny.root / "labels/crop_2021.tif", values, grid, nodata)
        outcome = dataset(tiny)
        assert outcome.code == 0, outcome.err
        crops.append(stored(tiny, "labels/crop")[1])
    assert (crops[0] == 0).sum() > 500
    np.testing.assert_array_equal(*crops)


def test_a_year_of_labels_elsewhere_fails_the_check(tiny: TinyArchive, dataset: Build) -> None:
    codes, grid = label_rasters()[2021]
    write_raster(tiny.root / "labels/crop_2021.tif", codes, replace(grid, left=grid.left + 90000))
    outcome = dataset(tiny)
    assert not Cube.open(tiny.cube, allow_incomplete=True).complete
    assert outcome.code == 1 and "no pixel is labelled in 2021" in " ".join((outcome.out + outcome.err).split())
