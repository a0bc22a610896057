"""A small transformer that forecasts a change since the last clear image from patches of images and five-day weather.

The recipe is that of the Contextformer of Benson et al. (2024), "Multi-modal learning for geospatial vegetation
forecasting" (GreenEarthNet): weather as one token for every five days, seen together with the images of the same
place, and a difference from the last clear value as the output. It is made small here: convolutions of 3 x 3 pixels
in place of a pretrained vision backbone, and reflectance in place of NDVI. It shares batches and loss with MM-VSF.

Letters in shapes: B samples, T images, C bands, N patches of p x p pixels, P targets, U weather series, K tokens of
weather, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.layers import HARMONICS, NEVER, attention, from_patches, grid_position, to_patches, year_phase

STEP = 5
"""Days of a token of weather."""
STATISTICS = 4
"""Mean, minimum, maximum and sum."""
PATCH = 4
"""Pixels a side of a patch, as in the paper."""


class Reading(nn.Module):
    """A pre-norm transformer layer in which some tokens read others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.query = nn.LayerNorm(width), nn.Linear(width, width)
        self.pair, self.out = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(),
                                 nn.Linear(2 * width, width))  # fmt: skip

    def forward(self, x: Tensor, others: Tensor, bias: Tensor) -> Tensor:
        """Tokens (..., L, E) that read themselves and others (..., M, E); `bias` is (..., L, L + M)."""
        normed = self.norm(x)
        query = self._heads(self.query(normed))
        key, value = (self._heads(part) for part in self.pair(torch.cat([normed, self.norm(others)], -2)).chunk(2, -1))
        x = x + self.out(attention(query, key, value, bias[..., None, :, :]).transpose(-2, -3).flatten(-2))
        out: Tensor = x + self.mlp(x)
        return out

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(-2, -3)


class Contextformer(nn.Module):
    """Tokens of weather read earlier weather; those of an image read the images and the weather before it; those of a
    forecast read the images up to the origin and the weather before the target."""

    def __init__(
        self, bands: int, weather: int, *, patch: int = PATCH, width: int = 64, heads: int = 4, layers: int = 2
    ) -> None:
        super().__init__()
        self.patch = patch
        self.stem = nn.Sequential(nn.Conv2d(bands + 1, 24, 3, padding=1), nn.GELU(), nn.Conv2d(24, 24, 3, padding=1))
        self.embed_image = nn.Linear(24 * patch**2 + 2 * HARMONICS, width)
        self.embed_weather = nn.Linear(STATISTICS * weather + 2 * HARMONICS, width)
        self.embed_target = nn.Linear(STATISTICS * weather + 2 + 2 * HARMONICS, width)
        self.of_weather, self.of_images, self.of_targets = (
            nn.ModuleList(Reading(width, heads) for _ in range(layers)) for _ in range(3)
        )
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, patch**2 * bands)
        nn.init.zeros_(self.pixels.weight)
        nn.init.zeros_(self.pixels.bias)

    def forward(self, batch: Batch, keep: Tensor | None = None) -> Tensor:
        """The forecasts (B, P, C, H, W) that a batch asks for. `keep` must be None: no patches are hidden from it."""
        if keep is not None:
            raise ValueError("the Contextformer is trained without hidden patches; set mask_ratio to 0")
        b, t, _, h, w = batch.images.shape
        days, target, origin = batch.image_days, batch.target_day, batch.image_days.gather(1, batch.origin)
        images, usable = self._image_tokens(batch)  # (B, N, T, E), (B, N, T)
        weather, ends = self._weather_tokens(batch)  # (B, K, E), (B, K): the day after the last of each token

        step = _never(ends[:, None] > ends[:, :, None])  # (B, K, K)
        # An image reads itself also where it is not clear, so that it always reads something.
        earlier = (days[:, None] <= days[:, :, None])[:, None] & usable[:, :, None]
        earlier = earlier | torch.eye(t, dtype=torch.bool, device=days.device)
        before = (ends[:, None] <= days[:, :, None])[:, None].expand(b, images.shape[1], t, -1)
        image_bias = _never(~torch.cat([earlier, before], -1))
        known = (days[:, None] <= origin[:, :, None])[:, None] & usable[:, :, None]  # (B, N, P, T)
        driven = (ends[:, None] <= target[:, :, None])[:, None].expand(*known.shape[:3], -1)
        itself = torch.eye(target.shape[1], dtype=torch.bool, device=days.device).expand(*known.shape[:3], -1)
        target_bias = _never(~torch.cat([itself, known, driven], -1))

        x = self._target_tokens(batch, origin)[:, None].expand(-1, images.shape[1], -1, -1)
        x = x + grid_position(h // self.patch, w // self.patch, x.shape[-1], x.device)[:, None]
        none = weather[:, :0]
        for of_weather, of_images, of_targets in zip(self.of_weather, self.of_images, self.of_targets, strict=True):
            spread = weather[:, None].expand(-1, images.shape[1], -1, -1)
            x = of_targets(x, torch.cat([images, spread], -2), target_bias)
            images = of_images(images, spread, image_bias)
            weather = of_weather(weather, none, step)
        change = self.pixels(self.norm(x)).float().unflatten(-1, (self.patch**2, -1))
        return from_patches(change, h, w) + self._last_clear(batch, origin)

    def _image_tokens(self, batch: Batch) -> tuple[Tensor, Tensor]:
        b, t, _, h, w = batch.images.shape
        valid = batch.valid[:, :, None]
        seen = torch.cat([torch.where(valid, batch.images, 0), valid.to(batch.images.dtype)], 2)
        features = to_patches(self.stem(seen.flatten(0, 1)).unflatten(0, (b, t)), self.patch).flatten(3)
        phase = year_phase(batch.image_days)[:, None].expand(-1, features.shape[1], -1, -1)
        tokens = self.embed_image(torch.cat([features, phase.to(features.dtype)], -1))
        place = grid_position(h // self.patch, w // self.patch, tokens.shape[-1], tokens.device)
        return tokens + place[:, None], to_patches(valid, self.patch)[..., 0].any(-1)

    def _weather_tokens(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The tokens of each sample; days at the end that fill no token are left to `_target_tokens`."""
        steps = batch.weather.shape[1] // STEP
        whole = batch.weather[:, : steps * STEP]
        parts = whole.reshape(len(whole), steps, STEP, whole.shape[-1])
        ends = batch.weather_start[:, None] + STEP * torch.arange(1, steps + 1, device=parts.device)
        tokens = self.embed_weather(torch.cat([_statistics(parts), year_phase(ends)], -1))
        return tokens[batch.weather_index], ends[batch.weather_index]

    def _target_tokens(self, batch: Batch, origin: Tensor) -> Tensor:
        """(B, P, E): the lead, the time of the year and the weather of the five days before the target."""
        first = batch.target_day - STEP - batch.weather_start[batch.weather_index][:, None]
        index = first[..., None] + torch.arange(STEP, device=first.device)
        index = index.clamp(0, max(0, batch.weather.shape[1] - 1))
        last = batch.weather[batch.weather_index[:, None, None], index]
        lead = (batch.target_day - origin).float()[..., None]
        parts = [_statistics(last), lead / 50, (lead / 5).log1p(), year_phase(batch.target_day)]
        tokens: Tensor = self.embed_target(torch.cat(parts, -1))
        return tokens

    def _last_clear(self, batch: Batch, origin: Tensor) -> Tensor:
        """(B, P, C, H, W): the last clear value of each pixel up to the origin's day, 0, the mean, where there is
        none."""
        order = batch.image_days.sort(dim=1, stable=True).indices
        out = batch.images.new_zeros(*origin.shape, *batch.images.shape[2:])
        samples = torch.arange(len(order), device=order.device)
        for position in range(order.shape[1]):
            at = order[:, position]
            image, valid, day = batch.images[samples, at], batch.valid[samples, at], batch.image_days[samples, at]
            seen = (day[:, None] <= origin)[..., None, None] & valid[:, None]
            out = torch.where(seen[:, :, None], image[:, None], out)
        return out.float()


def _statistics(days: Tensor) -> Tensor:
    """(..., STATISTICS * V) of weather (..., STEP, V); the sum in units of one that changes every day alike."""
    days = days.float()
    return torch.cat([days.mean(-2), days.amin(-2), days.amax(-2), days.sum(-2) / STEP**0.5], -1)


def _never(hidden: Tensor) -> Tensor:
    return torch.where(hidden, NEVER, 0.0)
