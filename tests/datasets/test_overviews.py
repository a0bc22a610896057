"""Overviews: labels by their mode, true colour by the mean of clear pixels, tile by tile."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmvsf.datasets.cube.overviews import BRIGHTEST, ClearSums, Mosaic, clearest_weeks, most_frequent
from mmvsf.datasets.storage.spec import ArraySpec


@given(arrays(np.uint16, (8, 12), elements=st.integers(0, 4)))
def test_the_mode_is_that_of_counting(codes: np.ndarray[Any, Any]) -> None:
    result = most_frequent(codes, 4)
    assert result.shape == (2, 3) and result.dtype == np.uint16
    for (row, column), value in np.ndenumerate(result):
        square = codes[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]
        counts = Counter(int(code) for code in square.ravel() if code)
        expected = min(counts, key=lambda code: (-counts[code], code)) if counts else 0
        assert value == expected


def test_means_are_of_clear_observed_pixels() -> None:
    reflectance = np.full((2, 3, 4, 4), 1500, np.int16)
    clear = np.ones((2, 4, 4), bool)
    reflectance[0, :, :2, :2], clear[0, :2, :2] = 9000, False  # a cloud on the first day
    reflectance[:, 1, 2:, 2:] = -9999  # one band was never observed
    reflectance[:, :, 2:, :2] = np.array([0, 3000, 6000])[:, None, None]
    colours = ClearSums.of(reflectance, clear, 2).colours()
    half = 1 + round(254 * 0.15 / BRIGHTEST)
    assert colours.dtype == np.uint8 and colours.shape == (3, 2, 2)
    assert (colours[:, 0] == half).all()
    assert colours[:, 1, 0].tolist() == [1, 255, 255] and colours[:, 1, 1].tolist() == [0, 0, 0]


def test_sums_of_days_and_squares_add_up() -> None:
    rng = np.random.default_rng(0)
    reflectance = rng.integers(-100, 4000, (4, 3, 8, 8)).astype(np.int16)
    clear = rng.random((4, 8, 8)) < 0.5
    whole = ClearSums.of(reflectance, clear, 8)
    parts = ClearSums.of(reflectance[:1], clear[:1], 2) + ClearSums.of(reflectance[1:], clear[1:], 2)
    np.testing.assert_array_equal(parts.coarser(4).total, whole.total)
    np.testing.assert_array_equal(parts.coarser(4).count, whole.count)


def test_the_clearest_weeks_are_those_that_show_most_places_once() -> None:
    clear = np.full((32, 1, 4), 255, np.uint8)
    clear[9, 0, 0], clear[10, 0, 0] = 90, 100  # two images of one place
    clear[17, 0] = (60, 60, 60, 0)
    clear[25, 0] = (70, 70, 70, 70)
    assert clearest_weeks(clear, 0, 32) == ((24, 32), (16, 24), (8, 16))
    assert clearest_weeks(clear, 0, 32, 1) == ((24, 32),)


def test_weeks_keep_to_the_season() -> None:
    clear = np.full((32, 1, 1), 50, np.uint8)
    assert sorted(clearest_weeks(clear, 5, 19, 9)) == [(5, 8), (8, 16), (16, 19)]
    assert clearest_weeks(np.full((32, 1, 1), 255, np.uint8), 0, 32) == ()


@pytest.mark.parametrize("side", [3, 4, 5])
def test_tiles_make_the_same_mosaic_whatever_their_size(side: int) -> None:
    spec = ArraySpec("a", ("season", "y", "x"), (2, 9, 14), "uint8", (1, 4, 4), 0)
    values = np.arange(1, 1 + 9 * 14, dtype=np.uint8).reshape(9, 14)
    mosaic = Mosaic()
    for row in range(0, 9, side):
        for column in range(0, 14, side):
            mosaic.paste(spec, (1,), row, column, values[row : row + side, column : column + side])
    assert len(mosaic.chunks) == 3 * 4
    whole = np.zeros((12, 16), np.uint8)
    for (name, (season, cy, cx)), chunk in mosaic.chunks.items():
        assert name == "a" and season == 1 and chunk.shape == (1, 4, 4)
        whole[cy * 4 : cy * 4 + 4, cx * 4 : cx * 4 + 4] = chunk[0]
    np.testing.assert_array_equal(whole[:9, :14], values)
    assert not whole[9:].any() and not whole[:, 14:].any()


def test_only_chunks_that_a_tile_meets_exist() -> None:
    spec = ArraySpec("a", ("season", "y", "x"), (1, 4000, 4000), "uint8", (1, 256, 256), 0)
    mosaic = Mosaic()
    mosaic.paste(spec, (0,), 0, 0, np.ones((8, 8), np.uint8))
    mosaic.paste(spec, (0,), 3900, 3900, np.ones((8, 8), np.uint8))
    assert set(mosaic.chunks) == {("a", (0, 0, 0)), ("a", (0, 15, 15))}
