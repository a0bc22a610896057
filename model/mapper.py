"""A pixel-wise head over the encoder, which names the class of every pixel from a season's images."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.batch import Batch
from mmvsf.datasets.loader import Sample, collate
from mmvsf.datasets.reader import Floats

from .network import MMVSF, PixelDecoder, from_patches


class CropMapper(nn.Module):
    """The encoder, a pooling of its embeddings over the season, and a head for every pixel.

    The pixel decoder starts as the forecast's, which has learned to find edges in full resolution.
    """

    def __init__(self, network: MMVSF, classes: int, *, weather: bool = True, freeze: bool = False) -> None:
        super().__init__()
        self.network, self.sees_weather = network, weather
        width = network.config.width
        self.score = nn.Linear(width, 1)
        self.decoder: PixelDecoder = copy.deepcopy(network.decoder)
        self.out = nn.Linear(network.config.pixel_width, classes)
        for parameter in network.parameters():
            parameter.requires_grad_(not freeze)
        # What only forecasts take no part in mapping.
        for unused in (network.forecaster, network.decoding, network.decoder, network.out):
            unused.requires_grad_(False)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, K, H, W)."""
        if not self.sees_weather:
            batch = batch.without_weather()
        encoded = self.network.encode(batch)
        usable = encoded.valid.any(-1)[..., None]  # (B, N, T, 1)
        # Where nothing was ever seen all images weigh the same, and none says more than its day.
        weight = self.score(encoded.tokens).float().masked_fill(~usable, -1e4).softmax(2)
        season = (weight.to(encoded.tokens.dtype) * encoded.tokens).sum(2, keepdim=True)
        last = encoded.days.amax(1, keepdim=True)
        scores = self.out(self.decoder(season, encoded, last, last))
        return from_patches(scores.float(), *encoded.size)[:, 0]


class MappingLoss:
    """Cross-entropy on the pixels whose class is known."""

    def __call__(self, mapper: CropMapper, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar; 0 where no class is known. Raises ValueError for a batch without labels."""
        if batch.labels is None:
            raise ValueError("a batch for mapping needs labels")
        total = F.cross_entropy(mapper(batch), batch.labels, ignore_index=-1, reduction="sum")
        return total / (batch.labels >= 0).sum().clamp(min=1)


def predict(mapper: CropMapper, samples: Sequence[Sample], precision: torch.dtype | None) -> Floats:
    """Probabilities (B, K, H, W)."""
    device = next(mapper.parameters()).device
    batch = collate(samples).to(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return np.asarray(mapper(batch).softmax(1).cpu().numpy())
