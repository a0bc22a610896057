"""The memory of past weather: a recurrence, sums and antecedent indices, all forward in time.

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
    """(U, D + 1, weather width): state of the recurrence."""
    total: Tensor
    """(U, D + 1, V + 2): sums since the first day, scaled to order one a season."""
    recent: Tensor
    """(U, D + 1, R * V): antecedent indices, means of the days before that weigh recent days most."""
    start: Tensor
    """(U,): day of the first row."""
    index: Tensor
    """(B,): series of each sample."""

    def before(self, day: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """State, totals and antecedent indices, (B, n, ...), on the morning of each day (B, n), without that day
        itself."""
        series = self.index[:, None]
        days = (day - self.start[series]).clamp(0, self.state.shape[1] - 1)
        return self.state[series, days], self.total[series, days], self.recent[series, days]


def antecedent(weather: Tensor, constants: Sequence[float]) -> Tensor:
    """Antecedent indices (U, D, R * V) of daily weather (U, D, V) at the end of each day: exponentially weighted means
    over the days up to it, for each of R time constants; days before the first count as mean days."""
    days = torch.arange(weather.shape[1], device=weather.device)
    age = (days[:, None] - days).float()
    weights = [torch.where(age >= 0, (-age / tau).exp() * (1 - math.exp(-1 / tau)), 0.0) for tau in constants]
    return torch.cat([weather[..., :0], *(weight @ weather for weight in weights)], -1)


def growing_degrees(celsius: Tensor) -> Tensor:
    """Growing degrees (...) of days with the extremes tmin and tmax (..., 2) in C, over 10 C and capped at 30 C as for
    maize: both extremes are confined before averaging (McMaster and Wilhelm, 1997, method 2)."""
    return celsius.clamp(10, 30).mean(-1) - 10


class WeatherEncoder(nn.Module):
    """A forward-only recurrence over daily weather, run once for each distinct series of a batch."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.recent, variables = config.recent, config.weather
        extremes = [variables.index(name) for name in ("tmin", "tmax") if name in variables]
        self.degree_days = config.degree_days
        self.extremes = extremes if config.degree_days else []
        self.register_buffer("mean", torch.zeros(len(variables)))
        self.register_buffer("std", torch.ones(len(variables)))
        self.lstm = nn.LSTM(len(variables) + 2 + 2 * HARMONICS, config.weather_width, batch_first=True)

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
        heat = self.heat(weather)
        # Full precision: the fused recurrence is faster so, and hundreds of steps compound rounding.
        with torch.autocast(weather.device.type, enabled=False):
            daily = torch.cat([weather.float(), heat / 15, year_phase(days)], -1)
            state, _ = self.lstm(daily)
            recent = antecedent(weather.float(), self.recent)
        state, recent = (F.pad(x, (0, 0, 1, 0)) for x in (state, recent))
        return Memory(state, self.totals(weather), recent, start, index)

    def totals(self, weather: Tensor) -> Tensor:
        """(U, D + 1, V + 2): sums of normalised weather (U, D, V) and of growing degrees over the first k days, k = 0
        ... D, scaled to order one a season; zero where degree-days are left out."""
        if not self.degree_days:
            return weather.new_zeros(len(weather), weather.shape[1] + 1, weather.shape[2] + 2)
        daily = torch.cat([weather.float() / 50, self.heat(weather) / 1000], -1)
        return F.pad(daily.cumsum(1), (0, 0, 1, 0))
