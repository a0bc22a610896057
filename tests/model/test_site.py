"""A network that is given the site: static layers, and the length of the day."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.model.convert.modules import StandaloneForecaster
from mmvsf.model.forecasting.block import draw_examples
from mmvsf.model.mmvsf.checkpoint import load_checkpoint
from mmvsf.model.mmvsf.layers import day_length
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.pretraining.start import Start

from ..cubes import CubeBuilder
from .test_network import make_batch, make_network

LAYERS = ("elevation", "soil_water")
SMALL = PretrainOptions(steps=3, batch_size=2, images=4, window=8, score_windows=1)


def day_of(text: str) -> int:
    return int(np.datetime64(text).astype(int))


@pytest.mark.parametrize(
    ("latitude", "day", "hours"),
    [(42, "2021-06-21", 15.1), (42, "2020-12-21", 8.9), (-42, "2020-12-21", 15.1), (0, "2021-04-01", 12.0),
     (80, "2021-06-21", 24.0), (80, "2021-12-21", 0.0), (52, "2019-03-21", 12.0)],
)  # fmt: skip
def test_the_length_of_a_day(latitude: float, day: str, hours: float) -> None:
    """By the geometry of the sun's centre, without refraction."""
    found = day_length(torch.tensor([float(latitude)]), torch.tensor([[day_of(day)]]))[0, 0]
    assert found[1] == 1 and float(found[0]) * 4 + 12 == pytest.approx(hours, abs=0.2)


def test_an_unknown_latitude_has_no_day_length() -> None:
    assert not day_length(torch.tensor([torch.nan]), torch.tensor([[18000, 18100]])).any()


@pytest.fixture
def batch() -> Batch:
    batch = make_batch()
    generator = torch.Generator().manual_seed(5)
    return replace(
        batch,
        latitude=torch.tensor([42.0, -30.0, 60.0]),
        static=torch.randn(3, len(LAYERS), 16, 16, generator=generator),
    )


def test_a_network_that_does_not_ask_ignores_it(batch: Batch) -> None:
    assert torch.equal(make_network()(batch), make_network()(make_batch()))


def test_what_is_not_given_is_unknown(batch: Batch) -> None:
    network = make_network(static=LAYERS)
    unknown = replace(
        batch, latitude=torch.full((3,), torch.nan), static=torch.full((3, len(LAYERS), 16, 16), torch.nan)
    )
    assert torch.equal(network(unknown), network(make_batch()))
    assert not torch.allclose(network(batch), network(unknown))


def test_a_layer_tells_of_its_own_pixel_alone(batch: Batch) -> None:
    assert batch.static is not None
    network = make_network(static=LAYERS)
    changed = batch.static.clone()
    changed[1, 0, 4, 7] += 3
    apart = (network(replace(batch, static=changed)) - network(batch)).abs().amax((1, 2))
    assert apart[1, 4, 7] > 0
    apart[1, 4, 7] = 0
    assert not apart.any()


def test_chosen_pixels_are_those_of_the_whole(batch: Batch) -> None:
    network = make_network(static=LAYERS)
    chosen = torch.tensor([[3, 200, 77], [0, 1, 255], [9, 8, 7]])
    whole = network(batch).flatten(3).gather(3, chosen[:, None, None].expand(-1, 5, 6, -1))
    torch.testing.assert_close(network(batch, chosen=chosen)[..., 0], whole)


@pytest.mark.parametrize("layers", [(), LAYERS])
def test_the_latitude_counts(batch: Batch, layers: tuple[str, ...]) -> None:
    network = make_network(static=layers)
    moved = replace(batch, latitude=torch.tensor([42.0, 10.0, 60.0]))
    apart = (network(moved) - network(batch)).abs().amax((1, 2, 3, 4))
    assert apart[1] > 0 and not apart[[0, 2]].any()


def test_patches_take_the_mean_of_what_is_known(batch: Batch) -> None:
    network = make_network(static=LAYERS, patch=4, spatial_layers=1, decoder_layers=1)
    assert torch.isfinite(network(batch)).all()


@pytest.fixture(scope="module")
def terrain(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return CubeBuilder(terrain=True).write(tmp_path_factory.mktemp("cubes") / "terrain.zarr")


@pytest.fixture(scope="module")
def folder(terrain: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pretrain([terrain], folder, replace(SMALL, site=True))
    return folder


def test_a_trained_model_keeps_its_layers(folder: Path, terrain: Cube, grown_cube: Cube) -> None:
    """It also forecasts for a cube without them, of which the latitude is known."""
    config = json.loads((folder / "config.json").read_text())
    assert config["network"]["static"] == list(LAYERS) and config["static"]["names"] == list(LAYERS)
    checkpoint = load_checkpoint(folder)
    for cube in (terrain, grown_cube):
        examples = draw_examples(
            checkpoint.network, WindowReader(cube, checkpoint.normalisation), 16, weather=True, precision=None
        )
        assert examples and all(np.isfinite(each.forecast).any() for _, each in examples)


def test_a_model_without_the_site_keeps_nothing_of_it(terrain: Cube, tmp_path: Path) -> None:
    pretrain([terrain], tmp_path, SMALL)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["network"]["static"] is None and config["static"] is None
    start = Start(load_checkpoint(tmp_path), tmp_path)
    with pytest.raises(InputError, match="--site"):
        pretrain([terrain], tmp_path / "again", replace(SMALL, site=True), start=start)


def test_a_start_keeps_what_it_is_given(folder: Path, terrain: Cube, tmp_path: Path) -> None:
    pretrain([terrain], tmp_path, SMALL, start=Start(load_checkpoint(folder), folder))
    assert load_checkpoint(tmp_path).network.config.static == LAYERS


def test_an_exported_model_does_without_it(folder: Path) -> None:
    module = StandaloneForecaster(load_checkpoint(folder))
    arguments = (
        torch.rand(3, 6, 8, 8), torch.ones(3, 8, 8, dtype=torch.bool), torch.tensor([18400, 18410, 18430]),
        torch.rand(60, 6), 18380 + torch.arange(60), torch.tensor([18435]),
    )  # fmt: skip
    exported = torch.export.export(module, arguments).module()
    torch.testing.assert_close(exported(*arguments), module(*arguments))
