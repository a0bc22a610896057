"""What the network is trained to do. An objective is a loss over the encoder, chosen by configuration."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmvsf.datasets.batch import Batch

from .network import MMVSF


def uniform_keep(samples: int, images: int, patches: int, ratio: float, generator: torch.Generator) -> Tensor:
    """Patches (samples, images, kept) that stay visible under spatio-temporally uniform masking.

    Every image keeps as many patches, and every patch is kept in as many images (give or take one): the
    images, in a random order, take turns along one random order of the patches.
    """
    kept = max(1, round(patches * (1 - ratio)))
    order = torch.rand(samples, patches, generator=generator).argsort(1)
    turn = torch.rand(samples, images, generator=generator).argsort(1)
    place = (turn[..., None] * kept + torch.arange(kept)) % patches
    return order[:, None].expand(-1, images, -1).gather(2, place)


def masked_mean_square(forecast: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean over bands and clear pixels of the squared error of (B, P, C, H, W); 0 where nothing is clear."""
    error = torch.where(valid[:, :, None], forecast - target, 0.0)
    return error.square().sum() / (valid.sum() * forecast.shape[2]).clamp(min=1)


@dataclass(frozen=True, slots=True)
class VariableStep:
    """Forecast images at a variable step ahead, lead time zero included."""

    weather: bool = True
    """False makes it single-modal: the same network, to which every day is the mean day."""
    mask_ratio: float = 0.5
    """Share of the patches of each context image that are hidden."""

    def __call__(self, network: MMVSF, batch: Batch, generator: torch.Generator) -> Tensor:
        """The loss, a scalar. The generator decides on the masks."""
        if not self.weather:
            batch = batch.without_weather()
        keep = None
        if self.mask_ratio > 0:
            b, t, _, h, w = batch.images.shape
            patches = (h // network.config.patch) * (w // network.config.patch)
            keep = uniform_keep(b, t, patches, self.mask_ratio, generator).to(batch.images.device)
        return masked_mean_square(network(batch, keep), batch.target, batch.target_valid)
