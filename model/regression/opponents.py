"""What a regressor is compared with: boosted trees on each pixel's own series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.random_forest import features, season_steps


def describe(reader: WindowReader, window: Window) -> Floats:
    """(H * W, F): every pixel's bands at steps of the season, as `features` gives them, and the weather summed up to
    the day before the window's last image, and to each step before that."""
    season = reader.cube.season.season(window.year)
    start, weather = reader.weather(window.cell, window.year)
    last = int(window.days[-1]) if len(window.days) else season.first_number
    ends = np.minimum(season.first_number + season_steps(reader.cube), last) - start
    totals = np.concatenate([np.zeros_like(weather[:1]), weather.cumsum(0)])[np.clip(ends, 0, len(weather))] / 50
    series = features(reader, window)
    return np.concatenate([series, np.broadcast_to(totals.ravel(), (len(series), totals.size))], axis=1)


def train_trees(
    reader: WindowReader, windows: Sequence[Window], target: str, pixels: int, seed: int
) -> HistGradientBoostingRegressor:
    """Trees on about so many pixels with a known number, drawn evenly from the windows."""
    rng = np.random.default_rng(seed)
    xs: list[Floats] = []
    ys: list[NDArray[np.float32]] = []
    for window in windows:
        numbers = reader.targets(window, [target]).ravel()
        known = np.flatnonzero(np.isfinite(numbers))
        chosen = rng.choice(known, min(len(known), -(-pixels // len(windows))), replace=False)
        if len(chosen):
            xs.append(describe(reader, window)[chosen])
            ys.append(numbers[chosen])
    with threadpool_limits(torch.get_num_threads()):
        return HistGradientBoostingRegressor(random_state=seed).fit(np.concatenate(xs), np.concatenate(ys))
