"""Embeddings by a pretrained MM-VSF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.loader import begin_earlier
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, Checkpoint, check_fits, weights_digest
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.weather_encoder import Memory
from mmvsf.model.season_weather import SeasonWeather
from mmvsf.model.training.device import autocast_precision, choose_device

from .seasons import SEASON_STEP, SeasonDays

BATCH = 8
"""Windows that are encoded together."""


@dataclass(frozen=True)
class NetworkEncoder:
    """A network opened for a cube. The embedding of a season is the mean of those of its days."""

    network: MMVSF
    weather: bool
    precision: torch.dtype | None
    """of autocast; None for none"""
    reader: WindowReader
    model: dict[str, Any]
    """what identifies it"""

    @classmethod
    def of(cls, cube: Cube, checkpoint: Checkpoint, where: Path) -> Self:
        """The network of a checkpoint, which lies in the folder `where`. Raises InputError where it does not fit."""
        check_fits(checkpoint.normalisation, cube, where)
        device = choose_device()
        model = {
            "weights_sha256": weights_digest(where / WEIGHTS),
            "network": asdict(checkpoint.network.config),
            "objective": checkpoint.config["training"].get("objective"),
            "trained_on": checkpoint.config["cubes"],
            "sees_weather": checkpoint.weather,
        }
        network, reader = checkpoint.network.to(device).eval(), WindowReader(cube, checkpoint.normalisation)
        return cls(network, checkpoint.weather, autocast_precision(device), reader, model)

    @property
    def patch(self) -> int:
        return self.network.config.patch

    @property
    def width(self) -> int:
        return self.network.config.width

    @property
    def window(self) -> int:
        return min(32, self.reader.cube.grid.chunk)

    def settings(self, every: int | None) -> dict[str, Any]:
        """See `WindowEncoder`."""
        normalisation = self.reader.normalisation
        return {
            "model": self.model,
            "normalisation": {key: asdict(getattr(normalisation, key)) for key in ("bands", "weather")},
            "season_step": None if every else SEASON_STEP,
        }

    def season(
        self, tiles: Sequence[Window], season: SeasonDays
    ) -> Iterator[tuple[Window, Floats, NDArray[np.uint16]]]:
        """See `WindowEncoder`."""
        device, side = next(self.network.parameters()).device, self.window // self.patch
        weather = SeasonWeather.of(self.reader, tiles, season.year)
        memory = self.remember(weather)
        for first in range(0, len(tiles), BATCH):
            batch = tiles[first : first + BATCH]
            samples = [embedding_sample(self.reader, tile, season.days) for tile in batch]
            encoded, seen = self(samples, len(season.days), replace(memory, index=weather.index(batch).to(device)))
            encoded = np.where((seen > 0)[..., None], encoded, np.nan)
            if season.whole:
                encoded, seen = _mean(encoded), seen[:, -1:]
            for tile, embeddings, counts in zip(batch, encoded, seen, strict=True):
                yield tile, embeddings.reshape(-1, side, side, self.width), counts.reshape(-1, side, side)

    @torch.inference_mode()
    def remember(self, weather: SeasonWeather) -> Memory:
        """The memory of the weather of many cells."""
        device = next(self.network.parameters()).device
        seen = weather.weather.to(device) if self.weather else torch.zeros_like(weather.weather, device=device)
        memory: Memory = self.network.weather(seen, weather.start.to(device), torch.zeros(0, dtype=torch.int64))
        return memory

    def __call__(
        self, samples: Sequence[TrainingSample], days: int, memory: Memory | None = None
    ) -> tuple[Floats, NDArray[np.uint16]]:
        """Embeddings (B, days, N, E) of the first `days` images of each sample, and in how many images up to each the
        patches were clear (B, days, N). `memory` is that of the samples' weather where it was made before."""
        device = next(self.network.parameters()).device
        batch = collate(samples).to(device)
        if not self.weather:
            batch = batch.without_weather()
        with torch.inference_mode(), torch.autocast(device.type, self.precision, enabled=self.precision is not None):
            encoded = self.network.encode(batch, memory=memory)
        index = encoded.rank[:, :days, None]
        tokens = encoded.tokens.transpose(1, 2)
        tokens = tokens.gather(1, index[..., None].expand(-1, -1, *tokens.shape[2:]))
        when = encoded.days.gather(1, encoded.rank[:, :days])
        known = encoded.days[:, None, :] <= when[:, :, None]  # (B, days, T)
        usable = encoded.valid.any(-1).float()  # (B, N, T)
        seen = torch.einsum("bdt,bnt->bdn", known.float(), usable)
        return np.asarray(tokens.float().cpu().numpy()), seen.cpu().numpy().astype(np.uint16)


def embedding_sample(reader: WindowReader, window: Window, days: NDArray[np.int64]) -> TrainingSample:
    """A season's images of a window, and before them, in the order of the batch, an image without a valid pixel on each
    of `days`: its embedding is what is known on that day, whether or not the day was clear."""
    images, valid = reader.images(window, window.days)
    blank = np.zeros((len(days), *images.shape[1:]), np.float32)
    unseen = np.zeros((len(days), *valid.shape[1:]), bool)
    start, weather = reader.weather(window.cell, window.year)
    valid, nothing = np.concatenate([unseen, valid]), np.empty(0, np.int64)
    return TrainingSample(
        images=np.concatenate([blank, images]),
        days=np.concatenate([days, window.days]),
        valid=valid,
        clear=valid,
        origin=nothing,
        target=nothing,
        series=(0, *window.cell, window.year),
        weather=weather,
        weather_start=start,
        earlier=begin_earlier(reader, window)(),
        site=reader.site(window),
    )


def _mean(embeddings: Floats) -> Floats:
    """Mean over the days (axis 1, kept) that have an embedding; NaN where none has."""
    known = np.isfinite(embeddings)
    count = known.sum(1, keepdims=True)
    total: Floats = np.where(known, embeddings, 0).sum(1, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
