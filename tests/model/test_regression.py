"""Numbers of pixels are learned, scored on held-out data beside trees, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
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


def _reader(cube: Cube) -> WindowReader:
    return WindowReader(cube, Normalisation.none(cube))


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
    window = target_windows(reader, options)["new_place"][0]
    numbers, truth = predict(saved.regressor, reader, [window])[0], reader.targets(window, ["yield"])[0]
    assert np.corrcoef(numbers[1:].ravel(), truth[1:].ravel())[0, 1] > 0.6


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the target be known at stations only: pixel (20, 5) of a block."""
    read = WindowReader.targets

    def known(reader: WindowReader, window: Window, names: Sequence[str]) -> NDArray[np.float32]:
        numbers = read(reader, window, names)
        (rows, columns), block = window.slices, reader.cube.grid.block
        down, across = (np.arange(part.start, part.stop) % block for part in (rows, columns))
        return np.where((down[:, None] == 20) & (across == 5), numbers, np.float32(np.nan))

    monkeypatch.setattr(WindowReader, "targets", known)


@pytest.mark.slow
def test_sparse_numbers_are_learned_and_scored(sparse: None, cube: Cube, where: Path, tmp_path: Path) -> None:
    """Where most windows have no number, those that do are learned and scored, however few are drawn."""
    reader = _reader(cube)
    windows = target_windows(reader, RegressionOptions("yield"))
    assert {part: len(found) for part, found in windows.items()} == {
        "train": 4, "validation": 0, "new_place": 2, "new_year": 2, "both": 1,
    }  # fmt: skip
    truth = [float(np.nanmean(reader.targets(window, ["yield"]))) for window in windows["train"]]
    options = RegressionOptions("yield", steps=2, batch_size=2, images=4, score_windows=0)
    metrics = regress(cube, load_checkpoint(where), tmp_path, options, where)
    assert metrics["target"]["mean"] == pytest.approx(np.mean(truth))
    assert {row["set"]: row["n"] for row in metrics["scores"]} == {"new_place": 2, "new_year": 2, "both": 1}
    for most in (1, 2, 3):
        regress(cube, load_checkpoint(where), tmp_path, replace(options, steps=1, score_windows=most), where)


@pytest.mark.slow
def test_every_training_sample_has_a_number(sparse: None, where: Path, tmp_path: Path) -> None:
    """Also where windows are cut into tiles, of which most have none."""
    cube = CubeBuilder(yields=True, block=64, chunk=64).write(tmp_path / "tiled.zarr")
    options = RegressionOptions("yield", steps=8, batch_size=1, images=2, score_windows=0)
    losses = regress(cube, load_checkpoint(where), tmp_path, options, where)["training"]["losses"]
    assert len(losses) == 8 and all(loss > 0 for _, loss, _ in losses)


def test_a_season_is_cut_at_a_day(cube: Cube) -> None:
    windows = target_windows(_reader(cube), RegressionOptions("yield", until=(6, 30)))
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
