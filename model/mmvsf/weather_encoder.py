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

SPAN = 32
"""Days that are averaged at once."""


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


def faded(x: Tensor, decays: Sequence[float]) -> Tensor:
    """(U, D, R * W): daily x (U, D, W) averaged over the days up to the end of each, with weights that fall by 1 / e in
    each of the R times `decays`; a long constant series has the mean 1.

    Spans of SPAN days are averaged by one product, each from its own days and the average at the end of the span
    before, so that the cost grows with the days and not with their square. A program that is exported for series of any
    length cannot be cut into spans; it takes all days at once.
    """
    if torch.compiler.is_exporting():
        return _faded_at_once(x, decays)
    (days, width), device = x.shape[1:], x.device
    spans, tau = (days + SPAN - 1) // SPAN, torch.tensor(decays, device=device)
    spanned = F.pad(x, (0, 0, 0, SPAN))[:, : spans * SPAN].reshape(len(x), spans, SPAN, width)
    day = torch.arange(SPAN, device=device)
    # (SPAN, R, SPAN): the weight of each day of a span (last axis) at the end of another
    weights = _fading(day[:, None, None] - day, tau[:, None]) * (1 - (-1 / tau[:, None]).exp())
    ends = weights[-1].to(x.dtype) @ spanned  # (U, S, R, W), from the days of the span alone
    span = torch.arange(spans, device=device)
    left = _fading((span[:, None] - span - 1) * SPAN, tau[:, None, None])  # (R, S, S)
    before = torch.einsum("rst,utrw->usrw", left, ends.float()).to(x.dtype)
    kept = torch.diag_embed(_fading(day[:, None] + 1, tau))  # (SPAN, R, R)
    both = torch.cat([weights, kept], -1).flatten(0, 1).to(x.dtype)
    return (both @ torch.cat([spanned, before], 2)).view(len(x), spans * SPAN, len(decays) * width)[:, :days]


def _faded_at_once(x: Tensor, decays: Sequence[float]) -> Tensor:
    day = torch.arange(x.shape[1], device=x.device)
    age = day[:, None] - day
    weights = [_fading(age, torch.tensor(tau)) * (1 - math.exp(-1 / tau)) for tau in decays]
    return torch.cat([each.to(x.dtype) @ x for each in weights], -1)


def _fading(age: Tensor, tau: Tensor) -> Tensor:
    """What is left after so many days; nothing of what is yet to come."""
    return torch.where(age >= 0, (-age / tau).exp(), 0.0)


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
        first = self.daily(daily)
        remembered = faded(first, self.decays)
        second = self.mixed(torch.cat([daily.to(first.dtype), first, remembered], -1))
        out: Tensor = self.out(torch.cat([remembered, faded(second, self.decays)], -1))
        return out


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
