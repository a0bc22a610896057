"""From embeddings of patches to features of every pixel.

Letters in shapes are those of `network`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .sizes import NetworkConfig
from .weather_encoder import Memory


@dataclass(frozen=True, slots=True)
class Series:
    """A series of images as the network sees it, sorted by day."""

    tokens: Tensor
    """(B, N, T, E): the embeddings, which downstream tasks use."""
    days: Tensor
    """(B, T)."""
    pixels: Tensor
    """(B, N, T, p * p, C): the images, 0 where not valid."""
    valid: Tensor
    """(B, N, T, p * p) bool."""
    size: tuple[int, int]
    """H and W."""


@dataclass(frozen=True, slots=True)
class Encoded(Series):
    """A series with the weather and the order of its images, which a forecast needs."""

    rank: Tensor
    """(B, T): place of each image of the batch in the order of days."""
    memory: Memory
    latitude: Tensor | None
    """(B,) in degrees, for a network that is given it."""


def last_clear(encoded: Series, day: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The latest valid pixel on or before each day (B, P).

    Returns its bands (B, N, P, p * p, C), its day (B, N, P, p * p) and whether there is one (same, bool).
    """
    b, n, t, pp, c = encoded.pixels.shape
    index = torch.arange(t, device=day.device)[:, None]
    latest = torch.where(encoded.valid, index, -1).cummax(2).values
    seen = (encoded.days[:, None] <= day[:, :, None]).sum(-1)  # images up to each day, which come first
    seen = seen[:, None, :, None].expand(b, n, -1, pp)
    latest = F.pad(latest, (0, 0, 1, 0), value=-1).gather(2, seen)
    source = latest.clamp(min=0)
    bands = encoded.pixels.gather(2, source[..., None].expand(-1, -1, -1, -1, c))
    when = encoded.days[:, None, :, None].expand(b, n, t, pp).gather(2, source)
    return bands, when, latest >= 0


class PixelDecoder(nn.Module):
    """From embeddings of patches to features of every pixel, with its last clear value."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.pp, self.coarse = config.patch**2, config.pixel_width // (1 if config.patch == 1 else 2)
        self.norm = nn.LayerNorm(config.width)
        self.to_pixels = nn.Linear(config.width, self.pp * self.coarse)
        self.copy = config.copy
        inputs = self.coarse + (len(config.bands) + 2 if config.copy else 0)
        self.mlp = nn.Sequential(nn.Linear(inputs, config.pixel_width), nn.GELU())

    def forward(self, tokens: Tensor, encoded: Series, seen_until: Tensor, day: Tensor) -> Tensor:
        """Features (B, N, P, p * p, pixel width) from embeddings (B, N, P, E) for a day (B, P), using images
        on or before the days `seen_until` (B, P)."""
        parts = [self.to_pixels(self.norm(tokens)).unflatten(-1, (self.pp, self.coarse))]
        if self.copy:
            bands, when, there = last_clear(encoded, seen_until)
            age = (day[:, None, :, None] - when).float() / 30 * there
            parts += [bands, age[..., None], there[..., None]]
        out: Tensor = self.mlp(torch.cat([part.to(parts[0].dtype) for part in parts], -1))
        return out
