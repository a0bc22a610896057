"""Means and deviations of the training split, from stored sums, against numpy on the pixels themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.statistics import training_statistics
from tests.seal import change


@pytest.mark.slow
def test_reflectance_of_the_training_part(grown_cube: Cube) -> None:
    mean, std = by_hand(grown_cube)
    found, _ = training_statistics(grown_cube)
    assert found.names == grown_cube.bands
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(found.std, std, rtol=1e-7)


def by_hand(cube: Cube) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Over all clear pixels of training places in training years."""
    everywhere = slice(0, cube.grid.shape[0]), slice(0, cube.grid.shape[1])
    stored = cube.pixels("imagery/reflectance").read((slice(None), slice(None), *everywhere))
    quality = cube.pixels("imagery/quality").read((slice(None), *everywhere))
    side = cube.grid.chunk
    place = (cube.array("chunks/split") == 1).repeat(side, 0).repeat(side, 1)
    years = np.array(cube.years)[cube.array("seasons/split") == 1]
    day = np.isin(cube.season_of_day, years)
    clear = (quality != 255) & (quality & 0b11110 == 0) & (stored != -9999).all(axis=1)
    pixels = np.moveaxis(stored, 1, -1)[clear & day[:, None, None] & place] * 1e-4
    return pixels.mean(axis=0), pixels.std(axis=0)


def test_a_part_without_a_clear_pixel(grown_cube: Cube, tmp_path: Path) -> None:
    shutil.copytree(grown_cube.path, tmp_path / "copy.zarr")
    nothing = np.zeros_like(grown_cube.array("chunks/imagery_count"))
    change(tmp_path / "copy.zarr", {"chunks/imagery_count": nothing})
    with pytest.raises(InputError, match="no clear imagery in the training split"):
        training_statistics(Cube.open(tmp_path / "copy.zarr"))


def test_a_variable_that_never_changes_is_left_as_it_is(grown_cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "copy.zarr"
    shutil.copytree(grown_cube.path, path)
    count = grown_cube.array("chunks/weather_count")
    cube = change(path, {"chunks/weather_sum": 3 * count, "chunks/weather_sum_of_squares": 9 * count})
    _, weather = training_statistics(cube)
    assert set(weather.mean) == {3.0} and set(weather.std) == {1.0}
