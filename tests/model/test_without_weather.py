"""A cube without weather trains the objectives that see images alone; what needs weather refuses before the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.model.cropmap.run import cropmap
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.run import embed
from mmvsf.model.evaluation.command import evaluate
from mmvsf.model.evaluation.core.settings import QUICK
from mmvsf.model.forecasting.block import forecast_block
from mmvsf.model.mmvsf.checkpoint import check_fits, load_checkpoint
from mmvsf.model.mmvsf.objectives import OBJECTIVES
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain

from ..cubes import CubeBuilder
from .conftest import QUICK_MAP

OPTIONS = PretrainOptions(steps=2, batch_size=2, images=4, score_windows=2, objective="sm-vsf")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """A grown cube without weather."""
    return CubeBuilder(variables=()).write(tmp_path_factory.mktemp("bare") / "bare.zarr")


@pytest.fixture(scope="module")
def model(bare: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model pretrained on it."""
    folder = tmp_path_factory.mktemp("model")
    assert pretrain([bare], folder, OPTIONS)["forecast"]
    return folder


@pytest.mark.parametrize("objective", [name for name, each in OBJECTIVES.items() if each.weather])
def test_an_objective_that_learns_from_weather_is_refused(objective: str, bare: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"has no weather, which the objective {objective} .*sm-mae or sm-vsf"):
        pretrain([bare], tmp_path, replace(OPTIONS, objective=objective))
    assert not list(tmp_path.iterdir())


def test_the_weather_of_a_window_has_days_and_no_variables(bare: Cube) -> None:
    reader = WindowReader(bare, Normalisation.of([bare]))
    window = index_windows(bare)["train"][0]
    start, weather = reader.weather(window.cell, window.year)
    assert weather.shape[1] == 0 and start <= window.days[0] and start + len(weather) > window.days[-1]


def test_models_of_images_alone_forecast_map_and_embed(bare: Cube, model: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(model)
    check_fits(checkpoint.normalisation, bare, model)
    assert not checkpoint.weather and "no weather" in (model / "README.md").read_text()
    window = index_windows(bare)["train"][0]
    reader = WindowReader(bare, checkpoint.normalisation)
    block = bare.grid.blocks[-1]
    forecast = forecast_block(checkpoint.network, reader, block, int(window.days[5]), weather=False, precision=None)
    assert np.isfinite(forecast.forecast).all()
    assert cropmap(bare, checkpoint, tmp_path / "map", QUICK_MAP, model)["scores"]
    embed(bare, NetworkEncoder.of(bare, checkpoint, model), tmp_path / "embeddings.zarr")
    assert (tmp_path / "embeddings.zarr").is_dir()


def test_a_model_without_weather_does_not_fit_a_cube_with_it(grown_cube: Cube, model: Path) -> None:
    with pytest.raises(InputError, match=r"expects the weather variables none, .* carries tmin"):
        check_fits(load_checkpoint(model).normalisation, grown_cube, model)


def test_an_evaluation_is_refused(bare: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no weather; an evaluation tests"):
        evaluate(bare, tmp_path, QUICK)
    assert not list(tmp_path.iterdir())
