"""A pixel-wise head over the encoder, which names the class of every pixel from a season's images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.samples.ahead import SampleLoader
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.loader import LabelledSamples, SamplePlan
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.mmvsf.layers import HARMONICS, NEVER, from_patches, year_phase
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.pixel_decoder import Series
from mmvsf.model.mmvsf.weather_encoder import Memory
from mmvsf.model.training.module import Training
from mmvsf.model.training.trainer import train

PIXELS = 128
"""Pixels of a window that a step learns from, where the network follows each alone: neighbours are much alike."""
FORGET = 0.25
"""Share of the samples of a training whose images have no sums of weather, and of those that have no date."""


@dataclass(frozen=True, slots=True)
class EncodedSeason(Series):
    """The input of the head: the encoder's embeddings of a season, and the weather that led up to each image."""

    totals: Tensor
    """(B, T, V + 2): weather and growing degrees summed up to the day before each image; 0 where the
    head sees no weather."""


@dataclass(frozen=True, slots=True)
class WeatherMemory:
    """The weather of samples as encoder and head see it."""

    encoder: Memory
    totals: Tensor
    """(U, D + 1, V + 2): sums that the head sees, as `Memory.total`; 0 where it sees no weather."""

    def of(self, index: Tensor) -> WeatherMemory:
        """The same for samples whose series are index (B,)."""
        return replace(self, encoder=replace(self.encoder, index=index))


class CropHead(nn.Module):
    """A pooling of every pixel's season by several queries, and a classifier.

    A pixel's season is the embeddings of its images with its own values. The head sees the sums of the weather itself,
    so that an encoder that never saw weather can be compared on equal terms.
    """

    def __init__(self, network: MMVSF, classes: int, queries: int = 4) -> None:
        super().__init__()
        config = network.config
        width = config.width
        self.drivers = nn.Sequential(
            nn.Linear(len(config.weather) + 2 + 2 * HARMONICS, width), nn.GELU(), nn.Linear(width, width)
        )
        self.own = nn.Linear(len(config.bands), width)
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, queries)
        self.value = nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.mlp = nn.Sequential(nn.Linear(queries * width, config.pixel_width), nn.GELU(), nn.Dropout(0.1))
        self.out = nn.Linear(config.pixel_width, classes)

    def features(self, season: EncodedSeason) -> Tensor:
        """Features (B, N, 1, p * p, pixel width) of every pixel, from which its class follows."""
        totals, phase = season.totals, year_phase(season.days)
        if self.training:
            # Neither the date nor degree-days alone is relied on: another climate has them in another relation.
            lost = torch.rand(len(totals), 1, 1, device=totals.device)
            totals, phase = totals * (lost > FORGET), phase * (lost < 1 - FORGET)
        drivers = self.drivers(torch.cat([totals, phase], -1))
        tokens = (season.tokens + drivers[:, None])[..., None, :]
        x = self.norm(tokens + self.own(season.pixels.to(tokens.dtype)))  # (B, N, T, p p, E)
        # Where no image is valid, all weigh the same, and only their days differ.
        weight = self.score(x).float().masked_fill(~season.valid[..., None], NEVER).softmax(2)
        value = self.value(x)
        pooled = torch.einsum("bntpq,bntpe->bnpqe", weight.to(value.dtype), value).flatten(-2)
        features: Tensor = self.mlp(pooled)[:, :, None]
        return features

    def describe(self, season: EncodedSeason) -> tuple[Tensor, Tensor]:
        """Class scores (B, K, H, W) and features (B, pixel width, H, W)."""
        features = self.features(season)
        scores, features = (from_patches(x.float(), *season.size)[:, 0] for x in (self.out(features), features))
        return scores, features

    def forward(self, season: EncodedSeason) -> Tensor:
        """Class scores (B, K, H, W)."""
        return from_patches(self.out(self.features(season)).float(), *season.size)[:, 0]


class CropMapper(nn.Module):
    """The encoder of a network, and a head."""

    def __init__(
        self,
        network: MMVSF,
        classes: int,
        *,
        weather: bool = True,
        head_weather: bool | None = None,
        freeze: bool = False,
    ) -> None:
        """`weather`: whether the encoder sees weather; `head_weather`: whether the head does, by default the same."""
        super().__init__()
        self.network, self.sees_weather = network, weather
        self.head_weather = weather if head_weather is None else head_weather
        self.head = CropHead(network, classes)
        for parameter in network.parameters():
            parameter.requires_grad_(not freeze)
        # Parts that only forecasts and masked weather use take no part in mapping.
        heads = (network.out, network.spread, network.weather_out)
        for unused in (network.forecaster, network.decoding, network.decoder, *heads):
            unused.requires_grad_(False)

    def remember(self, weather: Tensor, start: Tensor, index: Tensor) -> WeatherMemory:
        """The memory of normalised weather (U, D, V) whose first rows are the days start (U,), for samples whose series
        are index (B,)."""
        seen = weather if self.sees_weather else torch.zeros_like(weather)
        totals = self.network.weather.totals(weather)
        totals = totals if self.head_weather else torch.zeros_like(totals)
        return WeatherMemory(self.network.weather(seen, start, index), totals)

    def encode(self, batch: Batch, memory: WeatherMemory | None = None, chosen: Tensor | None = None) -> EncodedSeason:
        """The input of the head. An image's embedding holds nothing later than itself, so cutting a season short after
        encoding gives the same as encoding the shorter season. `memory` is what `remember` gave for the weather of the
        samples, where it was called before. `chosen` is as in `MMVSF.encode`."""
        memory = memory or self.remember(batch.weather, batch.weather_start, batch.weather_index)
        encoded = self.network.encode(batch, memory=memory.encoder, chosen=chosen)
        totals = replace(memory.encoder, total=memory.totals).before(encoded.days)[1]
        return EncodedSeason(encoded.tokens, encoded.days, encoded.pixels, encoded.valid, encoded.size, totals)

    def forward(self, batch: Batch, chosen: Tensor | None = None) -> Tensor:
        """Class scores (B, K, H, W); (B, K, L, 1) of L `chosen` pixels (B, L)."""
        scores: Tensor = self.head(self.encode(batch, chosen=chosen))
        return scores

    def draw(self, known: Tensor, generator: torch.Generator) -> Tensor | None:
        """(B, L) int64: PIXELS pixels of each window that a step learns from, drawn at random from those that are
        `known` (B, H, W), and from the others where these are fewer; None for all."""
        known = known.flatten(1)
        if self.network.mixes_pixels or known.shape[1] <= PIXELS:
            return None
        order = torch.rand(known.shape, generator=generator).to(known.device) + known
        return order.topk(PIXELS, dim=1).indices


def mapping_loss(scores: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy of scores (B, K, H, W) on the pixels whose class (B, H, W) is known, not -1; 0 where none is."""
    total = F.cross_entropy(scores, classes, ignore_index=-1, reduction="sum")
    return total / (classes >= 0).sum().clamp(min=1)


def take(values: Tensor, chosen: Tensor | None) -> Tensor:
    """(B, L, 1): the `chosen` pixels (B, L) of values (B, H, W); all values where none are chosen."""
    return values if chosen is None else values.flatten(1).gather(1, chosen)[..., None]


class MappingLoss:
    """The loss of a crop mapper over a batch."""

    def __call__(self, mapper: CropMapper, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar; 0 where no class is known. Raises ValueError for a batch without labels."""
        if batch.labels is None:
            raise ValueError("a batch for mapping needs labels")
        chosen = mapper.draw(batch.labels >= 0, generator)
        return mapping_loss(mapper(batch, chosen), take(batch.labels, chosen))


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """How a mapper is trained."""

    steps: int = 250
    batch_size: int = 8
    images: int = 16
    """Images of a training sample, at most."""
    learning_rate: float = 1e-3
    """Of the encoder; the head learns faster, by `NEW_PART`."""
    early: float = 0.0
    """Chance that a sample's season ends early."""
    seed: int = 0


def train_mapper(
    mapper: CropMapper,
    reader: WindowReader,
    windows: Sequence[Window],
    classes: WindowClasses,
    size: int,
    options: MappingOptions,
    title: str = "mapping crops",
) -> dict[str, Any]:
    """Train the parameters that are not frozen on windows of `size` pixels. Returns seconds, steps, rate and losses.
    Raises KeyboardInterrupt."""
    plan = SamplePlan(size=size, images=options.images, seed=options.seed, early=options.early)
    samples = LabelledSamples(reader, windows, classes, plan, options.steps * options.batch_size)
    module = Training(mapper, MappingLoss(), options, new_part="head")
    trained = train(module, SampleLoader.of(samples, options.batch_size), title=title)
    return {
        "seconds": round(trained.seconds, 1),
        "steps": options.steps,
        "windows_per_second": round(options.steps * options.batch_size / trained.seconds, 1),
        "losses": module.losses,
    }


def predict(mapper: CropMapper, samples: Sequence[TrainingSample], precision: torch.dtype | None) -> Floats:
    """Probabilities (B, K, H, W)."""
    device = next(mapper.parameters()).device
    batch = collate(samples).to(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return np.asarray(mapper(batch).softmax(1).cpu().numpy())
