"""MM-VSF: a network that forecasts satellite images from earlier images and the weather in between.

After Ravirathinam et al., "Towards a Knowledge guided Multimodal Foundation Model for Spatio-Temporal Remote
Sensing Applications", arXiv 2407.19660, with everything forward in time: an image embedding sees only earlier
images, and weather only up to the day before the image or the target. Read it from the bottom up: `MMVSF.encode`
turns a series of images into embeddings, `MMVSF.forecast` turns embeddings into images of later days.

Letters in shapes: B samples, T images, C bands, H x W pixels, N patches of p x p pixels, P targets, E width,
U weather series, D days, V weather variables, R time constants of the memory of weather.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.metrics import has_ndvi

from .layers import HARMONICS, NEVER, Block, day_length, from_patches, grid_position, to_patches, year_phase
from .pixel_decoder import Encoded, PixelDecoder, last_clear
from .sizes import NetworkConfig
from .weather_encoder import Memory, WeatherEncoder


class Forecaster(nn.Module):
    """Carries embeddings from their origin to the target day, driven by the weather of the gap."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, totals = config.width, len(config.weather) + 2
        self.condition = nn.Sequential(
            nn.Linear(2 * (config.weather_width + totals + 2 * HARMONICS + config.site_inputs) + 2, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, 4 * width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, config.mlp), nn.GELU(), nn.Linear(config.mlp, width)) for _ in range(2)
        )

    def forward(
        self, tokens: Tensor, memory: Memory, origin_day: Tensor, target_day: Tensor, latitude: Tensor | None
    ) -> Tensor:
        """Embeddings (B, N, P, E) at the target days (B, P) from those at the origin days (B, P); with the latitudes
        (B,) where the network is given them."""
        state_0, total_0 = memory.before(origin_day)
        state_1, total_1 = memory.before(target_day)
        lead = (target_day - origin_day).float()[..., None]
        gap = torch.cat([lead / 50, (lead / 5).log1p()], -1)
        phases = [year_phase(origin_day), year_phase(target_day)]
        drivers = [state_0, state_1, total_0, (total_1 - total_0) * 5, *phases, gap]
        if latitude is not None:
            drivers += [day_length(latitude, origin_day), day_length(latitude, target_day)]
        film = self.condition(torch.cat(drivers, -1))[:, None].chunk(4, -1)  # each (B, 1, P, E)
        for i, (norm, step) in enumerate(zip(self.norms, self.steps, strict=True)):
            tokens = tokens + step(norm(tokens) * (1 + film[2 * i]) + film[2 * i + 1])
        return tokens


class MMVSF(nn.Module):
    """The whole network. One set of weights serves any number of images and any lead time."""

    mean: Tensor
    """(C,) of the bands in training, in their units"""
    std: Tensor
    """(C,) their deviations"""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, bands, pp = config.width, len(config.bands), config.patch**2
        self.weather = WeatherEncoder(config)
        self.embed = nn.Linear(pp * (bands + 1), width)
        self.unseen = nn.Parameter(torch.randn(width) * 0.02)
        self.spatial = nn.ModuleList(self._block() for _ in range(config.spatial_layers))
        self.when = nn.Sequential(
            nn.Linear(config.weather_width + len(config.weather) + 2 + 2 * HARMONICS + config.site_inputs, width),
            nn.GELU(),
            nn.Linear(width, width),
        )
        self.temporal = nn.ModuleList(self._block() for _ in range(config.temporal_layers))
        self.forecaster = Forecaster(config)
        self.decoding = nn.ModuleList(self._block() for _ in range(config.decoder_layers))
        self.decoder = PixelDecoder(config)
        self.out = nn.Linear(config.pixel_width, (1 + config.copy) * bands)
        self.spread = nn.Linear(config.pixel_width, bands + has_ndvi(config.bands))
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        # Used only by the objective that reconstructs weather.
        self.weather_out = nn.Linear(config.weather_width, len(config.weather)) if config.weather else nn.Identity()
        self.site = nn.Linear(2 * len(config.static), width, bias=False) if config.static else None

    @property
    def mixes_pixels(self) -> bool:
        """Whether what is found of a pixel depends on others."""
        return self.config.patch > 1 or self.config.spatial_layers > 0 or self.config.decoder_layers > 0

    def _block(self) -> Block:
        return Block(self.config.width, self.config.heads, self.config.mlp)

    def encode(
        self, batch: Batch, keep: Tensor | None = None, memory: Memory | None = None, chosen: Tensor | None = None
    ) -> Encoded:
        """Embeddings of every image, from images up to its day and weather up to the day before.

        keep: (B, T, K) int64, the patches of each image that may be seen (masking for pretraining).
        memory: that of the samples' weather where it was made before; the batch's weather is not read then.
        chosen: (B, L) int64, the patches to encode, by default all; only where patches do not attend to each other.
        """
        config, p = self.config, self.config.patch
        b, t, _, h, w = batch.images.shape
        if memory is None:
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
        seen = torch.cat([pixels, valid[..., None].to(pixels.dtype)], -1).flatten(3)  # (B, N, T, p p (C + 1))
        size = (h, w)
        if chosen is not None:
            seen, pixels, valid = (x[samples, chosen] for x in (seen, pixels, valid))
            size = (chosen.shape[1], 1)

        usable = valid.any(-1)  # (B, N, T)
        x = self.embed(seen)
        latitude, site = self._site(batch)
        if site is not None:
            x = x + (site if chosen is None else site[samples, chosen])[:, :, None]
        if self.spatial:
            x = x + grid_position(h // p, w // p, config.width, days.device)[:, None]
            x = self._across_space(x, usable, keep)
        x = torch.where(usable[..., None], x, self.unseen.to(x.dtype))
        when = [*memory.before(days), year_phase(days)]
        x = x + self.when(torch.cat(when if latitude is None else [*when, day_length(latitude, days)], -1))[:, None]
        x = self._across_time(x, usable, days)
        return Encoded(x, days, pixels, valid, size, rank, memory, latitude)

    def _site(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Latitudes (B,), and what static layers add to the patches (B, N, E); None where the network is not given
        them. What a batch does not tell is unknown."""
        if self.config.static is None:
            return None, None
        images, latitude, static = batch.images, batch.latitude, batch.static
        if latitude is None:
            latitude = images.new_full((len(images),), torch.nan)
        if self.site is None:
            return latitude, None
        if static is None:
            static = images.new_full((len(images), len(self.config.static), *images.shape[3:]), torch.nan)
        known = static.isfinite()
        layers = torch.cat([torch.where(known, static, 0.0), known.to(static.dtype)], 1)
        added: Tensor = self.site(to_patches(layers[:, None], self.config.patch)[:, :, 0].mean(2))
        return latitude, added

    def _across_space(self, x: Tensor, usable: Tensor, keep: Tensor | None) -> Tensor:
        """Each image's patches see each other; masked patches are left out, which saves time."""
        everything = x.transpose(1, 2)  # (B, T, N, E)
        usable, index = usable.transpose(1, 2), None
        if keep is not None:
            index = keep.transpose(1, 2)[..., None].expand(-1, -1, -1, x.shape[-1])
            usable = usable.gather(2, keep.transpose(1, 2))
        x = everything if index is None else everything.gather(2, index)
        bias = torch.where(usable, 0.0, NEVER)[:, :, None, None]
        for block in self.spatial:
            x = block(x, bias)
        return (x if index is None else everything.scatter(2, index, x.to(everything.dtype))).transpose(1, 2)

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
        """Normalised images (B, P, C, H, W) of the days target_day (B, P), as forecast from the images `origin`
        (B, P) of the batch: with images up to their day, and weather up to the day before the target."""
        return self.forecast_with_spread(encoded, origin, target_day)[0]

    def forecast_with_spread(self, encoded: Encoded, origin: Tensor, target_day: Tensor) -> tuple[Tensor, Tensor]:
        """The forecasts of `forecast`, and the expected absolute error (B, P, S, H, W) of each band, in its
        deviations, and of NDVI where the bands give it."""
        b, n, _, e = encoded.tokens.shape
        index = encoded.rank.gather(1, origin)
        origin_day = encoded.days.gather(1, index)
        tokens = encoded.tokens.gather(2, index[:, None, :, None].expand(b, n, -1, e))
        tokens = self.forecaster(tokens, encoded.memory, origin_day, target_day, encoded.latitude)
        if self.decoding:
            tokens = self._decode_across_space(tokens, encoded.size)
        features = self.decoder(tokens, encoded, origin_day, target_day)
        drawn = self.out(features).float()
        spread = from_patches(F.softplus(self.spread(features).float()) + 1e-3, *encoded.size)
        if not self.config.copy:
            return from_patches(drawn, *encoded.size), spread
        value, gate = drawn.chunk(2, -1)
        bands, when, there = last_clear(encoded, origin_day)
        age = (target_day[:, None, :, None] - when).float()[..., None]
        # How much of the last clear pixel stays: nearly all after no time, little after a month, as a start.
        gate = torch.sigmoid(gate + 4 - age / 8) * there[..., None]
        return from_patches(gate * bands + (1 - gate) * value, *encoded.size), spread

    def ndvi(self, images: Tensor) -> Tensor:
        """NDVI (B, P, 1, H, W) of normalised images (B, P, C, H, W), whose bands must hold red and nir."""
        red, nir = (images[:, :, i] * self.std[i] + self.mean[i] for i in map(self.config.bands.index, ("red", "nir")))
        return ((nir - red) / (nir + red).clamp(min=0.02)).clamp(-1, 1)[:, :, None]

    def _decode_across_space(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Patches (B, N, P, E) of a forecast see each other, so that hidden patches learn from their neighbours."""
        rows, columns = (side // self.config.patch for side in size)
        x = tokens.transpose(1, 2) + grid_position(rows, columns, self.config.width, tokens.device)
        for block in self.decoding:
            x = block(x, x.new_zeros(1))
        return x.transpose(1, 2)

    def forward(self, batch: Batch, keep: Tensor | None = None, chosen: Tensor | None = None) -> Tensor:
        """The forecasts (B, P, C, H, W) that a batch asks for; (B, P, C, L, 1) of L `chosen` pixels (B, L)."""
        return self.forecast(self.encode(batch, keep, chosen=chosen), batch.origin, batch.target_day)
