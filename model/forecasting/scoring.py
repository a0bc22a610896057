"""Forecasts of the held-out sets, scored beside persistence and climatology."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.pairs import window_pairs
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import SplitName, Window, chunk_window, clear_days
from mmvsf.datasets.variables import Split
from mmvsf.model.baselines.simple import Climatology, persistence, season_phase
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.network import MMVSF


class ClimatologySource:
    """Climatology of any window of a cube, from its training years other than the window's own."""

    def __init__(self, reader: WindowReader, fold: Fold | None = None) -> None:
        self.reader = reader
        cube = reader.cube
        self.years = (fold or Fold.of(cube)).years_of(cube, Split.TRAIN)
        self.clear = clear_days(cube)

    def for_window(self, window: Window) -> Climatology | None:
        """The climatology of a window; None where no other training year has a clear day."""
        chunk = self.reader.cube.grid.chunk
        days = [
            chunk_window(self.reader.cube, window.row // chunk, window.column // chunk, year, self.clear).days
            for year in self.years
            if year != window.year
        ]
        seen = np.concatenate(days) if days else np.empty(0, np.int32)
        if len(seen) == 0:
            return None
        images, valid = self.reader.images(window, seen)
        return Climatology(images, season_phase(self.reader.cube.season, seen), valid)


def model_forecasts(
    network: MMVSF, samples: Sequence[TrainingSample], *, weather: bool, precision: torch.dtype | None
) -> Floats:
    """Normalised forecasts (B, P, C, H, W) of the network; `precision` is that of autocast, None for none."""
    batch = collate(samples)
    if not weather:
        batch = batch.without_weather()
    return forecast_images(network, batch, next(network.parameters()).device, precision)


def forecast_images(
    network: Callable[[Batch], Tensor], batch: Batch, device: torch.device, precision: torch.dtype | None
) -> Floats:
    """Normalised forecasts (B, P, C, H, W) that a batch asks for, on the device of the network."""
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return np.asarray(network(batch.to(device)).float().cpu().numpy())


def score_forecasts(
    network: MMVSF,
    reader: WindowReader,
    windows: dict[SplitName, Sequence[Window]],
    scores: ForecastScores,
    *,
    weather: bool = True,
    precision: torch.dtype | None = None,
    size: int = 32,
    limit: int = 32,
    seed: int = 0,
) -> Iterator[SplitName]:
    """Add the network's forecasts of every window to `scores`, with those of persistence and climatology on the same
    pixels. Yields after each window, for a progress bar."""
    network.eval()
    climatology = ClimatologySource(reader)
    normal = reader.normalisation
    for part, members in windows.items():
        for window in members:
            for tile in window.tiles(size):
                pairs = window_pairs(tile, seed, limit)
                if not pairs:
                    continue
                sample = season_sample(reader, tile, pairs=pairs)
                forecasts = model_forecasts(network, [sample], weather=weather, precision=precision)[0]
                average = climatology.for_window(tile)
                usual = None if average is None else average.forecast(season_phase(reader.cube.season, tile.days))
                for (origin, target), forecast in zip(pairs, forecasts, strict=True):
                    valid, observed = sample.clear[target], sample.images[target]
                    last = persistence(sample.images, sample.days, sample.clear, int(sample.days[origin]))
                    methods = {"mmvsf": forecast, "persistence": last}
                    if usual is not None:
                        methods["climatology"] = usual[target]
                    # Only pixels that every method can forecast, so that they are compared on the same ones.
                    for image in methods.values():
                        valid = valid & np.isfinite(image).all(0)
                    lead = int(sample.days[target] - sample.days[origin])
                    for method, image in methods.items():
                        scores.add(part, method, lead, normal.reflectance(image), normal.reflectance(observed), valid)
            yield part
