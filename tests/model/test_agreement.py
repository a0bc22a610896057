"""Two halves of a pixel's images must give one embedding, and the embeddings of different pixels must differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.agreement import _collapse, disagreement
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective
from mmvsf.model.pretraining.fit import PretrainOptions

from .test_network import make_batch, make_network


def loss_of(network: MMVSF, batch: Batch, seed: int = 0, chosen: Tensor | None = None) -> Tensor:
    memory = network.weather(batch.weather, batch.weather_start, batch.weather_index)
    return disagreement(network, batch, memory, chosen, torch.Generator().manual_seed(seed))


def test_it_depends_on_the_generator_alone() -> None:
    network, batch = make_network(), make_batch()
    assert torch.equal(loss_of(network, batch), loss_of(network, batch))
    assert not torch.equal(loss_of(network, batch), loss_of(network, batch, seed=1))


def test_what_is_hidden_or_beside_the_pixels_makes_no_difference() -> None:
    network, batch = make_network(), make_batch()
    chosen = torch.arange(40).expand(3, -1)
    images = batch.images.clone()
    images[~batch.valid[:, :, None].expand_as(images)] = 7.0  # not valid
    images[..., 4:, :] = 7.0  # rows without a chosen pixel, of which the first 32 lie in two rows
    assert torch.equal(
        loss_of(network, batch, chosen=chosen), loss_of(network, replace(batch, images=images), chosen=chosen)
    )


def test_collapse_is_what_costs() -> None:
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(4, 4000, 16, generator=generator)
    same = white[:, :1].expand(-1, 4000, -1)  # differs between windows, not within
    copied = white[..., :1].expand(-1, -1, 16)
    assert _collapse(white) < 0.01 < 0.5 < _collapse(same) and _collapse(copied) > 0.5


def test_windows_of_one_pixel_go_without() -> None:
    network, batch = make_network(), make_batch()
    names = ("images", "valid", "target", "target_valid")
    pixel = replace(batch, **{name: getattr(batch, name)[..., :1, :1] for name in names})
    losses = [
        objective(network, pixel, torch.Generator().manual_seed(0), 0.5)
        for objective in (Objective(mask_ratio=0.0), Objective(mask_ratio=0.0, agreement=0.0))
    ]
    assert torch.equal(*losses)


@pytest.mark.parametrize("changes", [{}, {"patch": 4, "spatial_layers": 1, "decoder_layers": 1}])
def test_training_makes_halves_agree(changes: dict[str, object]) -> None:
    """In images that hold a constant of each pixel under noise, which either half tells."""
    network = make_network(**changes).train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    before = loss_of(network, steady(1000)).item()
    for step in range(40):
        optimiser.zero_grad()
        loss_of(network, steady(step), seed=step).backward()
        optimiser.step()
    assert loss_of(network, steady(1000)).item() < 0.8 * before


def steady(seed: int) -> Batch:
    batch = make_batch(seed)
    generator = torch.Generator().manual_seed(seed)
    level = torch.randn(3, 1, 6, 16, 16, generator=generator)
    return replace(batch, images=(level + 0.1 * batch.images) * batch.valid[:, :, None])


def test_forecasting_objectives_ask_for_it_and_reconstruction_does_not() -> None:
    network, batch = make_network(), make_batch()

    def loss(objective: Objective) -> float:
        return objective(network, batch, torch.Generator().manual_seed(0), 0.9).item()

    for name, objective in OBJECTIVES.items():
        assert (loss(objective) > loss(replace(objective, agreement=0.0))) == name.endswith("vsf")


def test_a_training_may_weigh_it_otherwise() -> None:
    assert PretrainOptions().chosen_objective().agreement == OBJECTIVES["mm-vsf"].agreement > 0
    assert PretrainOptions(objective="sm-mae").chosen_objective().agreement == 0
    assert PretrainOptions(agreement=0.0).chosen_objective().agreement == 0
