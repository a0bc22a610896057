"""A small convolutional LSTM that forecasts images: a plain sequence network trained on the same windows.

After Shi et al., "Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting" (2015). It
shares batches and the residual from the last clear pixel with MM-VSF and learns by the squared error. It takes the
weather as means: of the days since the image before with each image, of the days of the gap with each forecast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.layers import HARMONICS, year_phase


class ConvLSTM(nn.Module):
    """One cell of 3 x 3 convolutions at full resolution, and two more that draw a forecast."""

    def __init__(self, bands: int, weather: int, hidden: int = 24) -> None:
        super().__init__()
        self.hidden = hidden
        step = weather + 1 + 2 * HARMONICS  # mean weather and length of the step, phase of the year
        self.cell = nn.Conv2d(bands + 1 + step + hidden, 4 * hidden, 3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(hidden + bands + 2 + step, 2 * hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * hidden, 2 * bands, 3, padding=1),
        )

    def forward(self, batch: Batch, keep: Tensor | None = None) -> Tensor:
        """The forecasts (B, P, C, H, W) that a batch asks for. `keep` must be None: pixels are not hidden from it."""
        if keep is not None:
            raise ValueError("a ConvLSTM has no patches to hide; set mask_ratio to 0")
        b, t, c, height, width = batch.images.shape
        samples = torch.arange(b, device=batch.images.device)[:, None]
        order = batch.image_days.sort(dim=1, stable=True).indices
        days = batch.image_days[samples, order]
        valid = batch.valid[samples, order][:, :, None]
        images = torch.where(valid, batch.images[samples, order], 0)
        steps = self._step(batch, torch.cat([days[:, :1], days[:, :-1]], 1), days)

        hidden = images.new_zeros(b, self.hidden, height, width)
        memory, last, seen_on = hidden, images.new_zeros(b, c, height, width), days.new_zeros(b, 1, height, width)
        kept = []
        for i in range(t):
            now = valid[:, i]
            step = steps[:, i, :, None, None].expand(-1, -1, height, width)
            gates = self.cell(torch.cat([images[:, i], now.to(images.dtype), step, hidden], 1))
            put, forget, show, new = gates.chunk(4, 1)
            memory = torch.sigmoid(forget + 1) * memory + torch.sigmoid(put) * torch.tanh(new)
            hidden = torch.sigmoid(show) * torch.tanh(memory)
            last = torch.where(now, images[:, i], last)
            seen_on = torch.where(now, days[:, i, None, None, None], seen_on)
            kept.append((hidden, last, seen_on))
        states, lasts, dates = (torch.stack(part, 1) for part in zip(*kept, strict=True))

        index = order.argsort(1).gather(1, batch.origin)
        state, bands, seen = states[samples, index], lasts[samples, index], dates[samples, index]
        there = seen > 0
        age = (batch.target_day[:, :, None, None, None] - seen).float() * there
        gap = self._step(batch, days.gather(1, index), batch.target_day)
        step = gap[..., None, None].expand(-1, -1, -1, height, width)
        parts = [state, bands.to(state.dtype), (age / 30).to(state.dtype), there.to(state.dtype), step.to(state.dtype)]
        value, gate = self.head(torch.cat(parts, 2).flatten(0, 1)).float().unflatten(0, (b, -1)).chunk(2, 2)
        gate = torch.sigmoid(gate + 4 - age / 8) * there
        out: Tensor = gate * bands + (1 - gate) * value
        return out

    def _step(self, batch: Batch, first: Tensor, last: Tensor) -> Tensor:
        """(B, n, step): mean weather of the days from `first` to the one before `last` (B, n), and how many."""
        total = nn.functional.pad(batch.weather.float().cumsum(1), (0, 0, 1, 0))
        series = batch.weather_index[:, None]
        start = batch.weather_start[series]
        a, b = ((day - start).clamp(0, batch.weather.shape[1]) for day in (first, last))
        count = (last - first).float()[..., None]
        mean = (total[series, b] - total[series, a]) / count.clamp(min=1)
        return torch.cat([mean, count / 30, year_phase(last)], -1)
