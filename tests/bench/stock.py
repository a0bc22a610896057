"""What torch's own modules give on the same task: the network that training speed is compared with.

Of the same width, depth and tokens as ours: `nn.TransformerEncoder` over the dates of each pixel, `nn.LSTM` over the
weather, and a perceptron that draws a target from the pixel's token and the weather at origin and target.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.layers import HARMONICS, year_phase
from mmvsf.model.mmvsf.objectives import masked_mean_square
from mmvsf.model.mmvsf.sizes import NetworkConfig

PIXELS = 64
"""Of each window that a step learns from, as in `Objective.pixels`"""


class StockNetwork(nn.Module):
    """Forecasts pixels from earlier ones and the weather in between."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, bands, time = config.width, len(config.bands), 2 * HARMONICS
        self.heads = config.heads
        self.embed = nn.Linear(bands + 1 + time, width)
        layer = nn.TransformerEncoderLayer(
            width, config.heads, config.mlp, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.temporal_layers, enable_nested_tensor=False)
        self.weather = nn.LSTM(len(config.weather) + time, config.weather_width, batch_first=True)
        self.draw = nn.Sequential(
            nn.Linear(width + 2 * config.weather_width + time + 1, config.mlp), nn.GELU(), nn.Linear(config.mlp, bands)
        )

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of the targets at PIXELS pixels drawn from each window, in deviations of the bands."""
        b, _, _, h, w = batch.images.shape
        chosen = torch.rand(b, h * w, device=batch.images.device).argsort(1)[:, : min(PIXELS, h * w)]
        images, target = (_pixels(x, chosen) for x in (batch.images, batch.target))
        valid, known = (_pixels(x[:, :, None], chosen) for x in (batch.valid, batch.target_valid))
        tokens = self._encode(images, valid, batch.image_days)
        drawn = self._forecast(tokens, batch)
        return masked_mean_square(*(x.permute(0, 2, 3, 1)[..., None] for x in (drawn, target)), known.movedim(1, 2))

    def _encode(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Tokens (B, L, T, E) of pixels (B, L, T, C), each of which sees the clear ones up to its day."""
        b, count, t, _ = images.shape
        x = torch.cat([images, valid.to(images.dtype), year_phase(days)[:, None].expand(-1, count, -1, -1)], -1)
        earlier = (days[:, None, :] <= days[:, :, None])[:, None]
        itself = torch.eye(t, dtype=torch.bool, device=days.device)
        hidden = ~((earlier & valid.movedim(-1, -2)) | itself)  # (B, L, T, T)
        mask = hidden[:, :, None].expand(-1, -1, self.heads, -1, -1).reshape(-1, t, t)
        out: Tensor = self.encoder(self.embed(x).flatten(0, 1), mask).unflatten(0, (b, count))
        return out

    def _forecast(self, tokens: Tensor, batch: Batch) -> Tensor:
        """Pixels (B, L, P, C) of the targets."""
        b, count, _, width = tokens.shape
        days = batch.weather_start[:, None] + torch.arange(batch.weather.shape[1], device=tokens.device)
        states = self.weather(torch.cat([batch.weather, year_phase(days)], -1))[0]
        origin_day = batch.image_days.gather(1, batch.origin)
        series = batch.weather_index[:, None]
        weather = [
            states[series, (day - batch.weather_start[series] - 1).clamp(0, states.shape[1] - 1)]
            for day in (origin_day, batch.target_day)
        ]
        lead = (batch.target_day - origin_day).float()[..., None] / 50
        drivers = torch.cat([*weather, year_phase(batch.target_day), lead], -1)[:, None].expand(-1, count, -1, -1)
        index = batch.origin[:, None, :, None].expand(b, count, -1, width)
        out: Tensor = self.draw(torch.cat([tokens.gather(2, index), drivers], -1))
        return out


def _pixels(images: Tensor, chosen: Tensor) -> Tensor:
    """(B, L, T, C) of images (B, T, C, H, W) at the pixels `chosen` (B, L)."""
    b, t, c, _, _ = images.shape
    index = chosen[:, None, None].expand(b, t, c, -1)
    return images.flatten(3).gather(3, index).permute(0, 3, 1, 2)
