"""A pixel-wise head for numbers, such as yields, over the encoder: that of crop maps with another output and loss."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.cropmap.head import CropMapper, take
from mmvsf.model.mmvsf.network import MMVSF


class Regressor(nn.Module):
    """The encoder of a network, and a head with one number per pixel, in the units of the target."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: MMVSF, mean: float, std: float, *, weather: bool = True, freeze: bool = False) -> None:
        """`mean` and `std` are those of the target in training; the other arguments are those of `CropMapper`."""
        super().__init__()
        self.mapper = CropMapper(network, 1, weather=weather, freeze=freeze)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, batch: Batch, chosen: Tensor | None = None) -> Tensor:
        """Numbers (B, H, W) in the units of the target; (B, L, 1) of L `chosen` pixels (B, L)."""
        numbers: Tensor = self.mapper(batch, chosen)[:, 0] * self.std + self.mean
        return numbers


class RegressionLoss:
    """The Huber loss of a regressor over a batch, in deviations of the target."""

    def __call__(self, regressor: Regressor, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar; 0 where no number is known. Raises ValueError for a batch without numbers."""
        if batch.measured is None:
            raise ValueError("a batch for regression needs the numbers of a target")
        chosen = regressor.mapper.draw(torch.isfinite(batch.measured[:, 0]), generator)
        measured = take(batch.measured[:, 0], chosen)
        known = torch.isfinite(measured)
        error = torch.where(known, (regressor(batch, chosen) - measured.nan_to_num()) / regressor.std, 0.0)
        return F.huber_loss(error, torch.zeros_like(error), reduction="sum") / known.sum().clamp(min=1)


def no_classes(window: Window) -> NDArray[np.int64]:
    """(H, W): the classes of a window of which none is known, for samples that teach numbers alone."""
    return np.full((window.size, window.size), -1, np.int64)
