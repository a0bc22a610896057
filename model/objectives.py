"""What the network is trained to do. An objective is a loss over the encoder, chosen by configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
class Objective:
    """What pretraining asks of the network. All objectives see the same images with the same patches hidden and are
    told the same number of pixels; they differ in which day is to be drawn, and in what is known of the weather."""

    weather: bool = True
    """False makes it single-modal: the same network, to which every day is the mean day."""
    reconstruct: float = 0.0
    """Share of the training, from its start, that draws each image itself from its visible patches and earlier images
    (masked reconstruction); the rest draws an image a variable step ahead."""
    reconstruct_weather: bool = False
    """Hide as large a share of the days of weather, and ask for them too."""
    mask_ratio: float = 0.5
    """Share of the patches of each context image that are hidden."""

    def __call__(self, network: MMVSF, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar. The generator decides on the masks; `progress` runs from 0 to 1 over a training."""
        keep = None
        if self.mask_ratio > 0:
            b, t, _, h, w = batch.images.shape
            patches = (h // network.config.patch) * (w // network.config.patch)
            keep = uniform_keep(b, t, patches, self.mask_ratio, generator).to(batch.images.device)
        if progress < self.reconstruct:
            batch = own_images(batch)
        if not self.weather:
            batch = batch.without_weather()
        if self.reconstruct_weather and progress < self.reconstruct:
            return self._with_weather(network, batch, keep, generator)
        return masked_mean_square(network(batch, keep), batch.target, batch.target_valid)

    def _with_weather(self, network: MMVSF, batch: Batch, keep: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of images and of hidden weather, which count alike."""
        hidden = torch.rand(batch.weather.shape[:2], generator=generator).to(batch.weather.device) < self.mask_ratio
        seen = replace(batch, weather=batch.weather.masked_fill(hidden[..., None], 0.0))
        encoded = network.encode(seen, keep)
        images = network.forecast(encoded, batch.origin, batch.target_day)
        error = network.weather_out(encoded.memory.state[:, 1:]) - batch.weather
        weather = (error.square().mean(-1) * hidden).sum() / hidden.sum().clamp(min=1)
        loss: Tensor = masked_mean_square(images, batch.target, batch.target_valid) + weather
        return loss


def own_images(batch: Batch) -> Batch:
    """The same batch, in which every image is its own target."""
    b, t = batch.image_days.shape
    origin = torch.arange(t, device=batch.images.device).expand(b, t)
    return replace(batch, origin=origin, target=batch.images, target_valid=batch.valid, target_day=batch.image_days)


OBJECTIVES: dict[str, Objective] = {
    "sm-mae": Objective(weather=False, reconstruct=1.0),
    "mm-mae": Objective(reconstruct=1.0, reconstruct_weather=True),
    "sm-vsf": Objective(weather=False),
    "mm-vsf": Objective(),
    "kg-vsf": Objective(reconstruct=0.5),
}
"""The paper's four, {single, multi}-modal x {masked reconstruction, variable-step forecasting}, and the two phases of
its later versions: first what an image is, then how weather moves it."""
