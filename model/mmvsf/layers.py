"""The building blocks of the network: positions, patches, attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CYCLE = 1461
"""Days in four years: the calendar repeats, so the phase of the year is exact in integers."""
HARMONICS = 3
NEVER = -1e4
"""Added to an attention score it makes a weight of exactly zero, and unlike -inf never a NaN."""


def year_phase(day: Tensor) -> Tensor:
    """Fourier features (..., 2 * HARMONICS) of the day of the year, from days since 1970-01-01 (...)."""
    angle = (day % CYCLE).float()[..., None] * (2 * math.pi / (CYCLE / 4))
    angle = angle * torch.arange(1, HARMONICS + 1, device=day.device)
    return torch.cat([angle.sin(), angle.cos()], -1)


def day_length(latitude: Tensor, day: Tensor) -> Tensor:
    """(B, n, 2): hours of daylight at latitudes (B,) in degrees on days (B, n) since 1970-01-01, less 12 and divided by
    4, and 1; both 0 where the latitude is NaN. After Allen et al. (1998), "Crop evapotranspiration", FAO 56,
    equations 24, 25 and 34."""
    year = (day % CYCLE).float() * (2 * math.pi / (CYCLE / 4))
    declination = 0.409 * (year - 1.39).sin()
    phi = latitude.nan_to_num()[:, None].deg2rad()
    hours = 24 / math.pi * (-phi.tan() * declination.tan()).clamp(-1, 1).acos()
    known = latitude.isfinite()[:, None].expand_as(hours)
    return torch.stack([torch.where(known, (hours - 12) / 4, 0.0), known.to(hours.dtype)], -1)


def grid_position(rows: int, columns: int, width: int, device: torch.device) -> Tensor:
    """Fixed sine-cosine embedding (rows * columns, width) of a patch's place in the window, for any size."""
    rate = 100.0 ** -torch.linspace(0, 1, width // 4, device=device)
    y = torch.arange(rows, device=device)[:, None] * rate
    x = torch.arange(columns, device=device)[:, None] * rate
    y = torch.cat([y.sin(), y.cos()], -1)[:, None].expand(-1, columns, -1)
    x = torch.cat([x.sin(), x.cos()], -1)[None].expand(rows, -1, -1)
    return torch.cat([y, x], -1).reshape(rows * columns, -1)


def to_patches(images: Tensor, patch: int) -> Tensor:
    """(B, T, C, H, W) -> (B, N, T, p * p, C)."""
    b, t, c, h, w = images.shape
    images = images.view(b, t, c, h // patch, patch, w // patch, patch)
    return images.permute(0, 3, 5, 1, 4, 6, 2).reshape(b, -1, t, patch * patch, c)


def from_patches(patches: Tensor, height: int, width: int) -> Tensor:
    """(B, N, T, p * p, C) -> (B, T, C, H, W)."""
    b, _, t, pp, c = patches.shape
    p = math.isqrt(pp)
    patches = patches.view(b, height // p, width // p, t, p, p, c)
    return patches.permute(0, 3, 6, 1, 4, 2, 5).reshape(b, t, c, height, width)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention; written out on CPUs, where the fused kernel is 3 to 10 times slower
    for series this short."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, bias.to(q.dtype))
    score = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias.to(q.dtype)
    out: Tensor = score.softmax(-1) @ v
    return out


class Block(nn.Module):
    """A pre-norm transformer layer over (..., L, E) with an additive bias broadcast to (..., heads, L, L)."""

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, mlp), nn.GELU(), nn.Linear(mlp, width))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-2, -3)
        x = x + self.out(attention(q, k, v, bias).transpose(-2, -3).flatten(-2))
        out: Tensor = x + self.mlp(x)
        return out
