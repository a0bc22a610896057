"""Learning in warm places and judging in cool ones: the order of the places, and that nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.variables import Split
from mmvsf.model.evaluation.core.climate import ClimateSplit, growing_season_means
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.settings import SEASON, CropOptions
from mmvsf.model.evaluation.crops.trial import crop_trial
from tests.cubes import CubeBuilder

OPTIONS = CropOptions(train_windows=12, score_windows=4, images=6, fractions=(1.0,), dates=(SEASON,), random_pixels=0)


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Four sites; the first is held out by the recipe, the second validates."""
    builder = CubeBuilder(sites=4, years=(2020, 2021), block=16, validation_sites=1)
    return builder.write(tmp_path_factory.mktemp("cubes") / "four.zarr")


@pytest.fixture
def with_weather(cube: Cube, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, float]], Cube]:
    """The cube with warmer or cooler sites."""

    def change(more: dict[int, float]) -> Cube:
        stored = type(cube).array

        def array(self: Cube, name: str) -> np.ndarray:
            values = stored(self, name)
            if name in ("weather/tmin", "weather/tmax"):
                values = values.copy()
                for site, degrees in more.items():
                    row, column = self.grid.blocks[site]
                    values[:, row, column] += degrees
            return values

        monkeypatch.setattr(Cube, "array", array)
        return cube

    return change


@pytest.mark.parametrize("cool", [0, 1, 3])
def test_the_coolest_third_is_judged(with_weather: Callable[[dict[int, float]], Cube], cool: int) -> None:
    cube = with_weather({site: -20.0 if site == cool else 2.0 * site for site in range(4)})
    climate = ClimateSplit.of(cube)
    assert isinstance(climate, ClimateSplit)
    assert set(climate.cool) == {cube.grid.blocks[cool]} and len(climate.warm) == 3
    assert max(climate.cool.values()) < min(climate.warm.values()) and "1 of" in climate.words
    fold = climate.fold(cube, 2021)
    codes = {site: int(fold.places[row, column]) for site, (row, column) in enumerate(cube.grid.blocks)}
    validates = {1: Split.VALIDATION} if cool != 1 else {}
    assert codes == {site: Split.TEST if site == cool else validates.get(site, Split.TRAIN) for site in range(4)}


def test_means_are_of_the_recipe_s_months(cube: Cube) -> None:
    row, column = cube.grid.blocks[0]
    daily = (cube.array("weather/tmin") + cube.array("weather/tmax"))[:, row, column] / 2
    months = cube.calendar.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    expected = np.nanmean(daily[(months >= 4) & (months <= 10)])
    assert growing_season_means(cube)[row, column] == pytest.approx(float(expected), rel=1e-5)


def test_nothing_is_learned_in_cool_places_or_in_the_held_out_year(cube: Cube) -> None:
    climate = ClimateSplit.of(cube)
    assert isinstance(climate, ClimateSplit)
    held_out = hold_out(cube, 2021, climate)
    cool, side = set(climate.cool), cube.grid.block

    def place(window) -> tuple[int, int]:  # type: ignore[no-untyped-def]
        return window.row // side, window.column // side

    index = index_windows(cube, held_out.fold)
    for part in ("train", "validation"):
        assert not {place(window) for window in index[part]} & cool
        assert {window.year for window in index[part]} <= {2020}
    assert {place(window) for window in (*index["new_place"], *index["both"])} == cool
    trial = crop_trial(held_out, OPTIONS)
    assert not {place(window) for window in trial.train} & cool
    # Statistics, too, are of the warm places and the other year alone.
    one = held_out.reader.normalisation.weather.mean[0]
    assert one != hold_out(cube, 2021).reader.normalisation.weather.mean[0]


def test_a_cube_whose_places_cannot_be_ordered_says_so(tmp_path: Path, cube: Cube) -> None:
    two = CubeBuilder(sites=2, years=(2020, 2021), block=16, labels=False).write(tmp_path / "two.zarr")
    reason = ClimateSplit.of(two)
    assert isinstance(reason, str) and "2 places" in reason
