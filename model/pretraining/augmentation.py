"""Changes of training samples that a network should not depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.network import MMVSF

Loss = Callable[[MMVSF, Batch, torch.Generator, float], Tensor]


def shifted(batch: Batch, deviation: float, generator: torch.Generator) -> Batch:
    """The batch with the days of each of its U series of weather, and of the samples that share it, moved by a whole
    number of days, drawn from a normal distribution of this deviation. Only `weather_start` (U,), `image_days` (B, T)
    and `target_day` (B, P) change, so what lies between two days stays as it is."""
    shift = (deviation * torch.randn(len(batch.weather), generator=generator)).round().long()
    shift = shift.to(batch.weather_start.device)
    of_sample = shift[batch.weather_index][:, None]
    return replace(
        batch,
        weather_start=batch.weather_start + shift,
        image_days=batch.image_days + of_sample,
        target_day=batch.target_day + of_sample,
    )


@dataclass(frozen=True, slots=True)
class ShiftedCalendar:
    """An objective whose network learns to rely on the weather rather than on the date: in another climate the seasons
    come at other dates."""

    objective: Loss
    days: float
    """Deviation of the shift, in days."""

    def __call__(self, network: MMVSF, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
        """The loss, a scalar; as `Objective`."""
        return self.objective(network, shifted(batch, self.days, generator), generator, progress)
