"""MM-VSF: a network that forecasts satellite images from earlier images and the weather in between.

After Ravirathinam et al., "Towards a Knowledge guided Multimodal Foundation Model for Spatio-Temporal Remote
Sensing Applications", arXiv 2407.19660, with everything forward in time: an image embedding sees only earlier
images, and weather only up to the day before the image or the target. Read it from the bottom up: `MMVSF.encode`
turns a series of images into embeddings, `MMVSF.forecast` turns embeddings into images of later days.

Letters in shapes: B samples, T images, C bands, H x W pixels, N patches of p x p pixels, P targets, E width,
U weather series, D days, V weather variables,
R time constants of antecedent indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.batch import Batch

CYCLE = 1461
"""Days in four years: the calendar repeats, so the phase of the year is exact in integers."""
HARMONICS = 3
RECENT = (2.0, 6.0, 20.0)
"""Days after which what a day's weather did is down to 1 / e, for the antecedent indices: topsoil dries within days
of rain, the root zone within weeks. After Kohler and Linsley (1951), "Predicting the runoff from storm rainfall"."""
NEVER = -1e4
"""Added to an attention score it makes a weight of exactly zero, and unlike -inf never a NaN."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What fixes the shapes of the network; it travels with the weights."""

    bands: tuple[str, ...]
    weather: tuple[str, ...]
    patch: int = 4
    width: int = 128
    heads: int = 4
    mlp: int = 256
    spatial_layers: int = 2
    temporal_layers: int = 2
    decoder_layers: int = 1
    """Spatial layers over the forecast embeddings, as many as the paper has. Without one, nothing of an image's
    visible patches would reach its hidden ones, and masked reconstruction would be forecasting from earlier images."""
    weather_width: int = 128
    fine: int = 32
    """Channels of the full-resolution path; 0 leaves it out."""
    pixel_width: int = 64
    recent: tuple[float, ...] = RECENT
    """Time constants of the antecedent indices, in days; none leaves them out."""

    @property
    def indices(self) -> int:
        """How many antecedent indices there are."""
        return len(self.recent) * len(self.weather)


SIZES: dict[str, dict[str, Any]] = {
    "compact": {},
    "paper": {"patch": 8, "width": 512, "heads": 8, "mlp": 1024, "spatial_layers": 4, "temporal_layers": 1,
              "decoder_layers": 1, "weather_width": 512, "fine": 0},
    "large": {"width": 384, "heads": 6, "mlp": 1536, "spatial_layers": 6, "temporal_layers": 6,
              "weather_width": 384, "fine": 64},
}  # fmt: skip


def year_phase(day: Tensor) -> Tensor:
    """Fourier features (..., 2 * HARMONICS) of the day of the year, from days since 1970-01-01 (...)."""
    angle = (day % CYCLE).float()[..., None] * (2 * math.pi / (CYCLE / 4))
    angle = angle * torch.arange(1, HARMONICS + 1, device=day.device)
    return torch.cat([angle.sin(), angle.cos()], -1)


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


@dataclass(frozen=True, slots=True)
class Memory:
    """What the weather has left behind after k days, k = 0 ... D."""

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
        """State, totals and antecedent indices, (B, n, ...), on the morning of each day (B, n): the day itself is not
        in them."""
        series = self.index[:, None]
        known = (day - self.start[series]).clamp(0, self.state.shape[1] - 1)
        return self.state[series, known], self.total[series, known], self.recent[series, known]


def antecedent(weather: Tensor, constants: Sequence[float]) -> Tensor:
    """Antecedent indices (U, D, R * V) of daily weather (U, D, V) at the end of each day: exponentially weighted means
    over the days up to it, for each of R time constants; before the first day lie mean days."""
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
        self.extremes = [variables.index(name) for name in ("tmin", "tmax") if name in variables]
        self.register_buffer("mean", torch.zeros(len(variables)))
        self.register_buffer("std", torch.ones(len(variables)))
        self.lstm = nn.LSTM(len(variables) + 2 + 2 * HARMONICS, config.weather_width, batch_first=True)

    def heat(self, weather: Tensor) -> Tensor:
        """Growing degrees (U, D, 2) of each day over 0 C and, as `growing_degrees`, over 10 C. Zero where the weather
        has no temperatures."""
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
        ... D, scaled to order one a season."""
        daily = torch.cat([weather.float() / 50, self.heat(weather) / 1000], -1)
        return F.pad(daily.cumsum(1), (0, 0, 1, 0))


@dataclass(frozen=True, slots=True)
class Series:
    """A series of images as the network sees it, sorted by day."""

    tokens: Tensor
    """(B, N, T, E): the embeddings; they are what downstream tasks use."""
    days: Tensor
    """(B, T)."""
    pixels: Tensor
    """(B, N, T, p * p, C): the images, 0 where not valid."""
    valid: Tensor
    """(B, N, T, p * p) bool."""
    fine: Tensor | None
    """(B, N, T, p * p, fine): full-resolution features."""
    size: tuple[int, int]
    """H and W."""


@dataclass(frozen=True, slots=True)
class Encoded(Series):
    """A series, and what a forecast from it needs besides."""

    rank: Tensor
    """(B, T): place of each image of the batch in the order of days."""
    memory: Memory


def last_clear(encoded: Series, day: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The latest valid pixel on or before each day (B, P).

    Returns its bands (B, N, P, p * p, C), its day (B, N, P, p * p) and whether there is one (same, bool).
    """
    b, n, t, pp, c = encoded.pixels.shape
    place = torch.arange(t, device=day.device)[:, None]
    latest = torch.where(encoded.valid, place, -1).cummax(2).values
    seen = (encoded.days[:, None] <= day[:, :, None]).sum(-1)  # images up to each day, which come first
    seen = seen[:, None, :, None].expand(b, n, -1, pp)
    latest = F.pad(latest, (0, 0, 1, 0), value=-1).gather(2, seen)
    source = latest.clamp(min=0)
    bands = encoded.pixels.gather(2, source[..., None].expand(-1, -1, -1, -1, c))
    when = encoded.days[:, None, :, None].expand(b, n, t, pp).gather(2, source)
    return bands, when, latest >= 0


class PixelDecoder(nn.Module):
    """From coarse embeddings to features of every pixel, sharpened by what was seen at full resolution."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.pp, self.fine, self.coarse = config.patch**2, config.fine, config.pixel_width // 2
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.to_pixels = nn.Linear(config.width, self.pp * self.coarse)
        if config.fine:
            self.query = nn.Linear(config.width, config.width)
            self.key = nn.Linear(config.width, config.width)
        inputs = self.coarse + config.fine + len(config.bands) + 2
        self.mlp = nn.Sequential(nn.Linear(inputs, config.pixel_width), nn.GELU())

    def forward(self, tokens: Tensor, encoded: Series, seen_until: Tensor, day: Tensor) -> Tensor:
        """Features (B, N, P, p * p, pixel width) from embeddings (B, N, P, E) for a day (B, P), using images
        on or before the days `seen_until` (B, P)."""
        x = self.norm(tokens)
        bands, when, there = last_clear(encoded, seen_until)
        age = (day[:, None, :, None] - when).float() / 30 * there
        parts = [self.to_pixels(x).unflatten(-1, (self.pp, self.coarse)), bands, age[..., None], there[..., None]]
        if encoded.fine is not None:
            parts.append(self._pool(x, encoded, encoded.fine, seen_until))
        out: Tensor = self.mlp(torch.cat([part.to(parts[0].dtype) for part in parts], -1))
        return out

    def _pool(self, x: Tensor, encoded: Series, fine: Tensor, seen_until: Tensor) -> Tensor:
        """Full-resolution features pooled over time by coarse attention: (B, N, P, p * p, fine)."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        k = self.key(encoded.tokens).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        v = fine.view(*fine.shape[:-1], self.heads, -1).movedim(4, 2).flatten(4)  # (B, N, heads, T, p p f)
        seen = (encoded.days[:, None, None] <= seen_until[:, None, :, None]) & encoded.valid.any(-1)[:, :, None]
        bias = torch.where(seen, 0.0, NEVER)[:, :, None]
        # Where a patch was never seen the weights mean nothing; zero keeps images of later days out.
        pooled = attention(q, k, v, bias) * seen.any(-1)[:, :, None, :, None]
        out: Tensor = pooled.view(*pooled.shape[:-1], self.pp, -1).movedim(2, 4).flatten(4)
        return out


class Forecaster(nn.Module):
    """Carries embeddings from their origin to the target day, driven by the weather of the gap."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, totals = config.width, len(config.weather) + 2
        self.condition = nn.Sequential(
            nn.Linear(2 * (config.weather_width + totals + config.indices) + 4 * HARMONICS + 2, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, 4 * width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, config.mlp), nn.GELU(), nn.Linear(config.mlp, width)) for _ in range(2)
        )

    def forward(self, tokens: Tensor, memory: Memory, origin_day: Tensor, target_day: Tensor) -> Tensor:
        """Embeddings (B, N, P, E) at the target days (B, P) from those at the origin days (B, P)."""
        state_0, total_0, recent_0 = memory.before(origin_day)
        state_1, total_1, recent_1 = memory.before(target_day)
        lead = (target_day - origin_day).float()[..., None]
        gap = torch.cat([lead / 50, (lead / 5).log1p()], -1)
        phases = [year_phase(origin_day), year_phase(target_day)]
        drivers = [state_0, state_1, total_0, (total_1 - total_0) * 5, recent_0, recent_1, *phases, gap]
        film = self.condition(torch.cat(drivers, -1))[:, None].chunk(4, -1)  # each (B, 1, P, E)
        for i, (norm, step) in enumerate(zip(self.norms, self.steps, strict=True)):
            tokens = tokens + step(norm(tokens) * (1 + film[2 * i]) + film[2 * i + 1])
        return tokens


class MMVSF(nn.Module):
    """The whole network. One set of weights takes any number of images and any lead time."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, bands, pp = config.width, len(config.bands), config.patch**2
        self.weather = WeatherEncoder(config)
        self.embed = nn.Linear(pp * (bands + 1), width)
        self.unseen = nn.Parameter(torch.randn(width) * 0.02)
        self.spatial = nn.ModuleList(self._block() for _ in range(config.spatial_layers))
        self.when = nn.Sequential(
            nn.Linear(config.weather_width + len(config.weather) + config.indices + 2 + 2 * HARMONICS, width),
            nn.GELU(),
            nn.Linear(width, width),
        )
        self.temporal = nn.ModuleList(self._block() for _ in range(config.temporal_layers))
        if config.fine:
            self.fine = nn.Sequential(
                nn.Conv2d(bands + 1, config.fine, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(config.fine, config.fine, 3, padding=1),
            )
        self.forecaster = Forecaster(config)
        self.decoding = nn.ModuleList(self._block() for _ in range(config.decoder_layers))
        self.decoder = PixelDecoder(config)
        self.out = nn.Linear(config.pixel_width, 2 * bands)
        # Only an objective that hides weather asks for it.
        self.weather_out = nn.Linear(config.weather_width, len(config.weather))

    def _block(self) -> Block:
        return Block(self.config.width, self.config.heads, self.config.mlp)

    def encode(self, batch: Batch, keep: Tensor | None = None) -> Encoded:
        """Embeddings of every image, from images up to its day and weather up to the day before.

        keep: (B, T, K) int64, the patches of each image that may be seen (masking for pretraining).
        """
        config, p = self.config, self.config.patch
        b, t, _, h, w = batch.images.shape
        memory = self.weather(batch.weather, batch.weather_start, batch.weather_index)

        order = batch.image_days.sort(dim=1, stable=True).indices
        samples = torch.arange(b, device=order.device)[:, None]
        days, rank = batch.image_days[samples, order], order.argsort(1)
        valid = to_patches(batch.valid[samples, order][:, :, None], p)[..., 0]
        if keep is not None:
            keep = keep[samples, order].transpose(1, 2)
            kept = torch.zeros(b, valid.shape[1], t, dtype=torch.bool, device=keep.device)
            valid = valid & kept.scatter(1, keep, True)[..., None]
        pixels = torch.where(valid[..., None], to_patches(batch.images[samples, order], p), 0)
        masked = torch.cat([pixels, valid[..., None].to(pixels.dtype)], -1)  # (B, N, T, p p, C + 1)

        usable = valid.any(-1)  # (B, N, T)
        x = self.embed(masked.flatten(3)) + grid_position(h // p, w // p, config.width, days.device)[:, None]
        x = torch.where(usable[..., None], self._across_space(x, usable, keep), self.unseen.to(x.dtype))
        x = x + self.when(torch.cat([*memory.before(days), year_phase(days)], -1))[:, None]
        x = self._across_time(x, usable, days)

        fine = None
        if config.fine:
            planes = from_patches(masked, h, w).flatten(0, 1)
            fine = to_patches(self.fine(planes).unflatten(0, (b, t)), p) * valid[..., None]
        return Encoded(x, days, pixels, valid, fine, (h, w), rank, memory)

    def _across_space(self, x: Tensor, usable: Tensor, keep: Tensor | None) -> Tensor:
        """Each image's patches see each other; masked patches are left out, which is what saves time."""
        everything = x.transpose(1, 2)  # (B, T, N, E)
        usable, place = usable.transpose(1, 2), None
        if keep is not None:
            place = keep.transpose(1, 2)[..., None].expand(-1, -1, -1, x.shape[-1])
            usable = usable.gather(2, keep.transpose(1, 2))
        x = everything if place is None else everything.gather(2, place)
        bias = torch.where(usable, 0.0, NEVER)[:, :, None, None]
        for block in self.spatial:
            x = block(x, bias)
        return (x if place is None else everything.scatter(2, place, x.to(everything.dtype))).transpose(1, 2)

    def _across_time(self, x: Tensor, usable: Tensor, days: Tensor) -> Tensor:
        """Each patch sees itself in the clear images up to its day; an image always sees itself, which holds
        no pixel where it isn't valid."""
        earlier = days[:, None, None, :] <= days[:, None, :, None]  # query x key
        itself = torch.eye(days.shape[1], dtype=torch.bool, device=days.device)
        bias = torch.where((earlier & usable[:, :, None]) | itself, 0.0, NEVER)[:, :, None]
        for block in self.temporal:
            x = block(x, bias)
        return x

    def forecast(self, encoded: Encoded, origin: Tensor, target_day: Tensor) -> Tensor:
        """Normalised images (B, P, C, H, W) of the days target_day (B, P), as seen from the images `origin`
        (B, P) of the batch: from their day back, and with the weather up to the day before the target."""
        b, n, _, e = encoded.tokens.shape
        place = encoded.rank.gather(1, origin)
        origin_day = encoded.days.gather(1, place)
        tokens = encoded.tokens.gather(2, place[:, None, :, None].expand(b, n, -1, e))
        tokens = self.forecaster(tokens, encoded.memory, origin_day, target_day)
        if self.decoding:
            tokens = self._decode_across_space(tokens, encoded.size)
        value, gate = self.out(self.decoder(tokens, encoded, origin_day, target_day)).float().chunk(2, -1)
        bands, when, there = last_clear(encoded, origin_day)
        age = (target_day[:, None, :, None] - when).float()[..., None]
        # How much of the last clear pixel stays: nearly all after no time, little after a month, as a start.
        gate = torch.sigmoid(gate + 4 - age / 8) * there[..., None]
        return from_patches(gate * bands + (1 - gate) * value, *encoded.size)

    def _decode_across_space(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Patches (B, N, P, E) of a forecast see each other: a patch that was hidden learns of its neighbours here."""
        rows, columns = (side // self.config.patch for side in size)
        x = tokens.transpose(1, 2) + grid_position(rows, columns, self.config.width, tokens.device)
        for block in self.decoding:
            x = block(x, x.new_zeros(1))
        return x.transpose(1, 2)

    def forward(self, batch: Batch, keep: Tensor | None = None) -> Tensor:
        """The forecasts (B, P, C, H, W) that a batch asks for."""
        return self.forecast(self.encode(batch, keep), batch.origin, batch.target_day)
