"""The weather of a season in many weather cells at once, so that a network encodes that of each cell only once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import Window


@dataclass(frozen=True)
class SeasonWeather:
    """The normalised daily weather of the cells that some windows lie in."""

    weather: Tensor
    """(U, D, V), 0 after the end of a shorter series"""
    start: Tensor
    """(U,) int64: the day of the first row of each, since 1970-01-01"""
    places: dict[tuple[int, int], int]
    """weather cell -> its row"""

    @classmethod
    def of(cls, reader: WindowReader, windows: Iterable[Window], year: int) -> Self:
        """Raises InputError, naming the day, where the cube has no weather of a cell."""
        cells = sorted({window.cell for window in windows})
        series = [reader.weather(cell, year) for cell in cells]
        length = max((len(days) for _, days in series), default=1)
        padded = [np.pad(days, ((0, length - len(days)), (0, 0))) for _, days in series]
        weather = np.stack(padded) if padded else np.zeros((0, length, len(reader.cube.weather)), np.float32)
        start = torch.tensor([first for first, _ in series], dtype=torch.int64)
        return cls(torch.from_numpy(weather), start, {cell: row for row, cell in enumerate(cells)})

    def index(self, windows: Iterable[Window]) -> Tensor:
        """(B,) int64: the row of the weather of each window."""
        return torch.tensor([self.places[window.cell] for window in windows])
