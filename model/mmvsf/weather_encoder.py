"""The memory of past weather: what it was, with its effects fading over days to months, and its sums; all forward in
time.

Letters in shapes are those of `network`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import HARMONICS, year_phase
from .sizes import NetworkConfig


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the weather after k days, k = 0 ... D."""

    state: Tensor
    """(U, D + 1, weather width): what the encoder remembers."""
    total: Tensor
    """(U, D + 1, V + 2): sums since the first day, scaled to order one a season."""
    start: Tensor
    """(U,): day of the first row."""
    index: Tensor
    """(B,): series of each sample."""

    def before(self, day: Tensor) -> tuple[Tensor, Tensor]:
        """State and totals, (B, n, ...), on the morning of each day (B, n), without that day itself; both are 0 before
        the first day."""
        series = self.index[:, None]
        days = (day - self.start[series]).clamp(0, self.state.shape[1] - 1)
        return self.state[series, days], self.total[series, days]


def fading(days: int, decays: Sequence[float], device: torch.device) -> Tensor:
    """(R, D, D) weights of each earlier day (last axis) at the end of a day: they fall by 1 / e in each of the R times
    `decays`, and a long constant series has the mean 1."""
    day = torch.arange(days, device=device)
    age = (day[:, None] - day).float()
    return torch.stack([torch.where(age >= 0, (-age / tau).exp() * (1 - math.exp(-1 / tau)), 0.0) for tau in decays])


def growing_degrees(celsius: Tensor) -> Tensor:
    """Growing degrees (...) of days with the extremes tmin and tmax (..., 2) in C, over 10 C and capped at 30 C as for
    maize: both extremes are confined before averaging (McMaster and Wilhelm, 1997, method 2)."""
    return celsius.clamp(10, 30).mean(-1) - 10


class FadingMemory(nn.Module):
    """Two layers of features of daily weather, each averaged over the days before with weights that fade. Unlike a
    recurrence it is computed for all days at once."""

    def __init__(self, inputs: int, width: int, decays: Sequence[float]) -> None:
        super().__init__()
        self.decays = tuple(decays)
        self.daily = nn.Sequential(nn.Linear(inputs, width), nn.GELU())
        self.mixed = nn.Sequential(nn.Linear(inputs + (1 + len(decays)) * width, width), nn.GELU())
        self.out = nn.Linear(2 * len(decays) * width, width)

    def forward(self, daily: Tensor) -> Tensor:
        """(U, D, width) at the end of each day, of daily features (U, D, inputs)."""
        weights = fading(daily.shape[1], self.decays, daily.device)
        first = self.daily(daily)
        remembered = self._average(weights, first)
        second = self.mixed(torch.cat([daily, first.to(daily.dtype), remembered.to(daily.dtype)], -1))
        out: Tensor = self.out(torch.cat([remembered, self._average(weights, second)], -1))
        return out

    def _average(self, weights: Tensor, x: Tensor) -> Tensor:
        """(U, D, R * width)"""
        return torch.cat([weight.to(x.dtype) @ x for weight in weights], -1)


class WeatherEncoder(nn.Module):
    """A forward-only memory of daily weather, made once for each distinct series of a batch."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        variables = config.weather
        extremes = [variables.index(name) for name in ("tmin", "tmax") if name in variables]
        self.degree_days = config.degree_days
        self.extremes = extremes if config.degree_days else []
        self.register_buffer("mean", torch.zeros(len(variables)))
        self.register_buffer("std", torch.ones(len(variables)))
        inputs = len(variables) + 2 + 2 * HARMONICS
        self.memory: nn.Module
        if config.decays:
            self.memory = FadingMemory(inputs, config.weather_width, config.decays)
        else:
            self.memory = nn.LSTM(inputs, config.weather_width, batch_first=True)

    def heat(self, weather: Tensor) -> Tensor:
        """Growing degrees (U, D, 2) of each day over 0 C and, as `growing_degrees`, over 10 C. Zero where the weather
        has no temperatures, or they are left out."""
        celsius = (weather.float() * self.std + self.mean)[..., self.extremes]
        if not self.extremes:
            return weather.new_zeros(*weather.shape[:-1], 2)
        return torch.stack([celsius.mean(-1).clamp(min=0), growing_degrees(celsius)], -1)

    def forward(self, weather: Tensor, start: Tensor, index: Tensor) -> Memory:
        """Memory of normalised weather (U, D, V) whose first rows are the days start (U,)."""
        days = start[:, None] + torch.arange(weather.shape[1], device=start.device)
        daily = torch.cat([weather.float(), self.heat(weather) / 15, year_phase(days)], -1)
        if isinstance(self.memory, nn.LSTM):
            # Full precision: the fused recurrence is faster so, and hundreds of steps compound rounding.
            with torch.autocast(weather.device.type, enabled=False):
                state = self.memory(daily)[0]
        else:
            state = self.memory(daily)
        return Memory(F.pad(state, (0, 0, 1, 0)), self.totals(weather), start, index)

    def totals(self, weather: Tensor) -> Tensor:
        """(U, D + 1, V + 2): sums of normalised weather (U, D, V) and of growing degrees over the first k days, k = 0
        ... D, scaled to order one a season; zero where degree-days are left out."""
        if not self.degree_days:
            return weather.new_zeros(len(weather), weather.shape[1] + 1, weather.shape[2] + 2)
        daily = torch.cat([weather.float() / 50, self.heat(weather) / 1000], -1)
        return F.pad(daily.cumsum(1), (0, 0, 1, 0))
