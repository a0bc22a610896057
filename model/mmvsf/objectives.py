"""The objectives of pretraining. An objective is a loss of the network, chosen by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvsf.datasets.samples.batch import Batch

from .agreement import disagreement
from .network import MMVSF
from .pixel_decoder import Encoded

SPREAD = 0.1
"""Weight of the error of the spread in a loss."""
SQUARE = 4
"""Pixels a side of the smallest square that is hidden."""


def uniform_keep(samples: int, images: int, patches: int, ratio: float, generator: torch.Generator) -> Tensor:
    """Patches (samples, images, kept) that stay visible under spatio-temporally uniform masking.

    Every image keeps as many patches, and every patch is kept in as many images (give or take one): the
    images, in a random order, take turns along one random order of the patches.
    """
    kept = max(1, round(patches * (1 - ratio)))
    order = torch.rand(samples, patches, generator=generator).argsort(1)
    turn = torch.rand(samples, images, generator=generator).argsort(1)
    index = (turn[..., None] * kept + torch.arange(kept)) % patches
    return order[:, None].expand(-1, images, -1).gather(2, index)


def visible_patches(batch: Batch, patch: int, ratio: float, generator: torch.Generator) -> Tensor:
    """Patches (B, T, K) of each image that stay visible. Patches smaller than SQUARE are hidden in squares of that
    side, as clouds hide them."""
    b, t, h, w = batch.valid.shape
    side = patch if patch >= SQUARE or h % SQUARE or w % SQUARE else SQUARE
    squares = uniform_keep(b, t, (h // side) * (w // side), ratio, generator)
    across, n = w // side, side // patch
    row, column = squares // across * n, squares % across * n
    inside = torch.arange(n)
    rows = row[..., None, None] + inside[:, None]
    columns = column[..., None, None] + inside
    return (rows * (w // patch) + columns).flatten(2).to(batch.images.device)


def forecast_error(
    network: MMVSF, encoded: Encoded, batch: Batch, chosen: Tensor | None, robust: float = 0.0
) -> Tensor:
    """The error of the forecasts that a batch asks for, or of those of its `chosen` pixels (B, L), a scalar in squared
    deviations of the bands: squared up to `robust` deviations and linear beyond (Huber, 1964), or squared alone for 0;
    and SPREAD times the negative log-likelihood of their spread, for which the errors are given."""
    forecasts, spread = network.forecast_with_spread(encoded, batch.origin, batch.target_day)
    target, valid = batch.target, batch.target_valid
    if chosen is not None:
        b, p, c, _, _ = target.shape
        target = target.flatten(3).gather(3, chosen[:, None, None].expand(b, p, c, -1))[..., None]
        valid = valid.flatten(2).gather(2, chosen[:, None].expand(b, p, -1))[..., None]
    error = (forecasts.detach() - target).abs()
    if spread.shape[2] > error.shape[2]:
        ndvi = (network.ndvi(forecasts.detach()) - network.ndvi(target)).abs()
        error = torch.cat([error, ndvi], 2)
    error = torch.where(valid[:, :, None], error, 0.0)  # before it is divided: no gradient of what is not known
    # Negative log-likelihood of a Laplace distribution: at its least where the spread is the mean absolute error.
    likelihood = torch.where(valid[:, :, None], error / spread + spread.log(), 0.0)
    width = likelihood.sum() / (valid.sum() * spread.shape[2]).clamp(min=1)
    if robust:
        apart = torch.where(valid[:, :, None], forecasts - target, 0.0)
        huber = 2 * F.huber_loss(apart, torch.zeros_like(apart), reduction="sum", delta=robust)
        return huber / (valid.sum() * forecasts.shape[2]).clamp(min=1) + SPREAD * width
    return masked_mean_square(forecasts, target, valid) + SPREAD * width


def masked_mean_square(forecast: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean over bands and clear pixels of the squared error of (B, P, C, H, W); 0 where nothing is clear."""
    error = torch.where(valid[:, :, None], forecast - target, 0.0)
    return error.square().sum() / (valid.sum() * forecast.shape[2]).clamp(min=1)


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss for pretraining. All objectives see the same images in the same order; they differ in the day that is
    forecast, in how much of the images is hidden, and in whether the weather is seen."""

    weather: bool = True
    """False makes it single-modal: the same network, with the mean weather on every day."""
    reconstruct: float = 0.0
    """Share of the training, from its start, that reconstructs the hidden patches of each image from its visible ones
    and from earlier images (masked reconstruction); the rest forecasts images a variable step ahead."""
    reconstruct_weather: bool = False
    """Hide `mask_ratio` of the days of weather while reconstructing, and reconstruct them too."""
    mask_ratio: float = 0.5
    """Share of the patches of each context image that are hidden while forecasting."""
    reconstruct_ratio: float = 0.75
    """The same while reconstructing, where a low ratio could be met by copying from neighbours (the value of He et al.,
    2022, "Masked autoencoders are scalable vision learners")."""

    agreement: float = 0.3
    """Weight, while forecasting, of `disagreement`: two halves of the images must give one embedding. 0 for none.
    Windows of a single patch go without: it has no other to differ from, and cameras of PhenoCam gained nothing."""
    robust: float = 1.0
    """Error, in deviations of a band, above which the loss grows linearly rather than squared; 0 for squares alone."""
    pixels: int = 64
    """Pixels of a window that a step learns from, drawn at random, where the network follows each pixel alone: its
    neighbours have nearly the same season. 0 for all."""

    @property
    def forecasts(self) -> bool:
        """Whether it ever forecasts, rather than only reconstruct."""
        return self.reconstruct < 1

    def __call__(self, network: MMVSF, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar. The generator draws the masks; `progress` runs from 0 to 1 over a training."""
        reconstructs = progress < self.reconstruct
        keep = None
        if ratio := self.reconstruct_ratio if reconstructs else self.mask_ratio:
            keep = visible_patches(batch, network.config.patch, ratio, generator)
        chosen = self._chosen(network, batch, generator)
        if not self.weather:
            batch = batch.without_weather()
        if not reconstructs or keep is None:
            encoded = network.encode(batch, keep, chosen=chosen)
            loss = forecast_error(network, encoded, batch, chosen, self.robust)
            if self.agreement and encoded.tokens.shape[1] > 1:
                loss = loss + self.agreement * disagreement(network, batch, encoded.memory, chosen, generator)
            return loss
        batch = hidden_patches(batch, keep, network.config.patch)
        if self.reconstruct_weather:
            return self._with_weather(network, batch, keep, chosen, generator)
        return forecast_error(network, network.encode(batch, keep, chosen=chosen), batch, chosen, self.robust)

    def _chosen(self, network: MMVSF, batch: Batch, generator: torch.Generator) -> Tensor | None:
        """(B, L) int64: the pixels of each window that this step learns from; None for all."""
        b, _, h, w = batch.valid.shape
        if network.mixes_pixels or not 0 < self.pixels < h * w:
            return None
        return torch.rand(b, h * w, generator=generator).argsort(1)[:, : self.pixels].to(batch.images.device)

    def _with_weather(
        self, network: MMVSF, batch: Batch, keep: Tensor, chosen: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        """The loss of images and of hidden weather, weighted equally."""
        hidden = torch.rand(batch.weather.shape[:2], generator=generator).to(batch.weather.device) < self.mask_ratio
        seen = replace(batch, weather=batch.weather.masked_fill(hidden[..., None], 0.0))
        encoded = network.encode(seen, keep, chosen=chosen)
        error = network.weather_out(encoded.memory.state[:, 1:]) - batch.weather
        weather = (error.square().mean(-1) * hidden).sum() / hidden.sum().clamp(min=1)
        loss: Tensor = forecast_error(network, encoded, batch, chosen, self.robust) + weather
        return loss


def hidden_patches(batch: Batch, keep: Tensor, patch: int) -> Batch:
    """The same batch with every image as its target, scored only on the patches that `keep` (B, T, K) leaves out."""
    b, t, h, w = batch.valid.shape
    hidden = torch.ones(b, t, (h // patch) * (w // patch), dtype=torch.bool, device=keep.device).scatter(2, keep, False)
    pixels = hidden.view(b, t, h // patch, w // patch).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return replace(
        batch,
        origin=torch.arange(t, device=keep.device).expand(b, t),
        target=batch.images,
        target_valid=batch.valid & pixels,
        target_day=batch.image_days,
    )


OBJECTIVES: dict[str, Objective] = {
    "sm-mae": Objective(weather=False, reconstruct=1.0, agreement=0.0),
    "mm-mae": Objective(reconstruct=1.0, reconstruct_weather=True, agreement=0.0),
    "sm-vsf": Objective(weather=False),
    "mm-vsf": Objective(),
    "kg-vsf": Objective(reconstruct=0.5),
}
"""The paper's four, {single, multi}-modal x {masked reconstruction, variable-step forecasting}, and the two phases of
its later versions: masked reconstruction first, then forecasting."""
