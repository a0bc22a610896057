"""Numbers of pixels are learned, scored on held-out data beside trees, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.model.cli import app
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.regression.run import RegressionOptions, predict, regress, target_windows
from mmvsf.model.regression.saved import CONFIG, load_regressor

from ..cubes import CubeBuilder


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return CubeBuilder(yields=True).write(tmp_path_factory.mktemp("cubes") / "yields.zarr")


@pytest.fixture(scope="module")
def where(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    normalisation = Normalisation.of([cube])
    config = NetworkConfig(cube.bands, cube.weather, width=16, heads=2, mlp=16, temporal_layers=1, weather_width=8)
    torch.manual_seed(0)
    save_checkpoint(folder, new_network(config, normalisation), normalisation, [cube], {"objective": "mm-vsf"})
    return folder


@pytest.mark.slow
def test_yields_are_learned(cube: Cube, where: Path, tmp_path: Path) -> None:
    options = RegressionOptions("yield", steps=50, images=8, learning_rate=1e-2, score_windows=4, tree_pixels=2000)
    metrics = regress(cube, load_checkpoint(where), tmp_path, options, where)
    scores = {(row["set"], row["method"]): row for row in metrics["scores"]}
    for part in ("new_place", "new_year", "both"):
        assert scores[part, "mmvsf"]["r2"] > 0.5 and scores[part, "trees"]["r2"] > 0.5 > scores[part, "mean"]["r2"]
        assert len({scores[part, method]["n"] for method in ("mmvsf", "trees", "mean")}) == 1
    assert scores["new_place", "mean"]["n"] < 4 * 16 * 16  # the first row of a block is unknown
    assert metrics["target"]["units"] == "t ha-1" and 4 < metrics["target"]["mean"] < 8
    saved = load_regressor(tmp_path)
    assert (saved.target, saved.units) == ("yield", "t ha-1")
    reader = WindowReader(cube, saved.normalisation)
    window = target_windows(cube, options)["new_place"][0]
    numbers, truth = predict(saved.regressor, reader, [window])[0], reader.targets(window, ["yield"])[0]
    assert np.corrcoef(numbers[1:].ravel(), truth[1:].ravel())[0, 1] > 0.6


def test_a_season_is_cut_at_a_day(cube: Cube) -> None:
    windows = target_windows(cube, RegressionOptions("yield", until=(6, 30)))
    assert windows["train"] and {window.year for window in windows["new_year"]} == {2021}
    last = [date_of(int(window.days[-1])) for part in windows.values() for window in part]
    assert {(day.month, day.day) for day in last} <= {(6, day) for day in range(1, 31)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "moisture"), "--target moisture: .* has yield"),
        (("--target", "yield", "--until", "30 June"), "write MM-DD"),
        (("--target", "yield", "--until", "02-29"), "not a day of every year"),
        (("--target", "yield", "--until", "01-02"), "choose a later --until"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    cube: Cube, where: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    command = ["regress", str(cube.path), *options, "--model", str(where), "--runs-dir", str(tmp_path)]
    error = CliRunner().invoke(app, command).exception
    with pytest.raises(InputError, match=message):
        raise error or AssertionError


def test_a_damaged_regressor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no trained regressor"):
        load_regressor(tmp_path)
    (tmp_path / CONFIG).write_text('{"format": "mmvsf-regressor", "format_version": 1}')
    with pytest.raises(InputError, match="is damaged"):
        load_regressor(tmp_path)
