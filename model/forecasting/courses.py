"""A network that forecasts windows under several courses of the weather ahead. Images are encoded once for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.reader import Floats, Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.training.device import autocast_precision

from .block import issue_sample
from .scenario import Scenario
from .weather_ahead import Cell, WeatherAhead, normalised

MOST_CELLS = 256
"""Weather cells whose courses are kept; a tile has fewer."""


@dataclass(frozen=True, eq=False)
class Courses:
    """The courses of the weather from a day of issue on: the members of a weather ahead, then, where there is a
    scenario, the same members changed."""

    reader: WindowReader
    weather: WeatherAhead
    scenario: Scenario | None
    issued: int
    last: int
    """the last day to forecast, since 1970-01-01"""
    seen: bool
    """whether the model sees weather"""
    _cells: dict[Cell, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of courses, N."""
        return len(self.weather.members) * (1 if self.scenario is None else 2)

    def of_cell(self, cell: Cell) -> Floats:
        """(N, days, V) normalised, from the day of issue to the day before the last one. Raises InputError where the
        weather is missing."""
        known = self._cells.get(cell)
        if known is not None:
            return known
        reader = self.reader
        weather = self.weather.ahead(reader, cell, self.issued, self.last - self.issued)
        if self.scenario is not None:
            weather = np.concatenate([weather, self.scenario.changed(weather, reader.cube.weather)])
        if len(self._cells) >= MOST_CELLS:
            self._cells.clear()
        ready = self._cells[cell] = normalised(reader.normalisation, weather)
        return ready

    def series(self, samples: Sequence[TrainingSample], windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
        """Weather (N * B, D, V) of the samples of windows, course by course, and the days (N * B,) of its first
        rows."""
        begun = [sample.weather[: self.issued - sample.weather_start] for sample in samples]
        length = max(self.last - sample.weather_start for sample in samples)
        stacked = np.zeros((len(self), len(samples), length, begun[0].shape[-1]), np.float32)
        for number, (past, window) in enumerate(zip(begun, windows, strict=True)):
            ahead = self.of_cell(window.cell)
            if self.seen:
                stacked[:, number, : len(past)] = past
                stacked[:, number, len(past) : len(past) + ahead.shape[1]] = ahead
        start = torch.tensor([sample.weather_start for sample in samples]).repeat(len(self))
        return torch.from_numpy(stacked).flatten(0, 1), start


@torch.inference_mode()
def window_forecasts(
    network: MMVSF, courses: Courses, windows: Sequence[Window], days: Sequence[int]
) -> Iterator[tuple[Floats, NDArray[np.bool_], TrainingSample]]:
    """For each window: forecasts (N, P, C, H, W) of P days under N courses, in the units of the bands, whether each
    pixel was seen before (H, W), and the sample of what was known. The expected error of each variable follows the
    bands: (N, P, C + K, H, W)."""
    device = next(network.parameters()).device
    precision = autocast_precision(device)
    reader, issued = courses.reader, courses.issued
    samples = [issue_sample(reader, window, issued, weather=courses.seen) for window in windows]
    count = len(windows)
    batch = collate(samples).to(device)
    weather, start = (tensor.to(device) for tensor in courses.series(samples, windows))
    origin = torch.tensor([[len(sample.days) - 1] * len(days) for sample in samples], device=device)
    target = torch.tensor([list(days)] * count, device=device)
    with torch.autocast(device.type, precision, enabled=precision is not None):
        memory = network.weather(weather, start, torch.arange(count, device=device))
        encoded = network.encode(batch, memory=memory)
        drawn = []
        for number in range(len(courses)):
            course = replace(encoded, memory=replace(memory, index=memory.index + number * count))
            drawn.append(_in_units(reader.normalisation, *network.forecast_with_spread(course, origin, target)))
    for number, sample in enumerate(samples):
        yield np.stack([each[number] for each in drawn]), np.asarray(sample.valid.any(axis=0)), sample


def _in_units(normalisation: Normalisation, images: Tensor, error: Tensor) -> Floats:
    """(B, P, C + K, H, W): bands and errors in the units of each variable."""
    bands = normalisation.reflectance(images.float().cpu().numpy())
    scales = np.append(normalisation.bands.std, [1.0] * (error.shape[2] - bands.shape[2])).astype(np.float32)
    return np.concatenate([bands, error.float().cpu().numpy() * scales[:, None, None]], axis=2)
