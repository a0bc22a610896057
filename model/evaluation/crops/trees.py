"""Boosted trees over series aligned by growing-degree days instead of dates: a field grows with them, so that a warm
year and a cool one look alike on that axis."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.random_forest import interpolated
from mmvsf.model.mmvsf.weather_encoder import growing_degrees

GDD_STEPS = np.arange(50, 1800, 100)
"""Growing-degree days over 10 C since the season began that each pixel's series is interpolated to: to the end of a
season of maize, which ripens at 1,100 to 1,500."""


def degree_days(reader: WindowReader, window: Window) -> NDArray[np.float32]:
    """(T,) growing-degree days over 10 C from the first day of the season, or where the weather begins later, to the
    day before each image of a window.

    Raises ValueError where the cube has no temperatures.
    """
    names = reader.normalisation.weather.names
    if not {"tmin", "tmax"} <= set(names):
        raise ValueError("growing-degree days need the weather variables tmin and tmax")
    start, weather = reader.weather(window.cell, window.year)
    extremes = [names.index("tmin"), names.index("tmax")]
    moments = reader.normalisation.weather
    celsius = weather[:, extremes] * np.array(moments.std)[extremes] + np.array(moments.mean)[extremes]
    daily = growing_degrees(torch.from_numpy(celsius)).numpy()
    daily[: max(0, reader.cube.season.season(window.year).first_number - start)] = 0
    total = np.concatenate([[0], daily.cumsum()])
    return np.asarray(total[window.days - start], np.float32)


def aligned_features(reader: WindowReader, window: Window) -> Floats:
    """(H * W, steps * C): every pixel's bands, interpolated between its clear days to steps of growing-degree days."""
    images, valid = reader.images(window, window.days)
    return interpolated(images, valid, degree_days(reader, window), GDD_STEPS)


def train_trees(x: Floats, y: NDArray[np.int64], seed: int = 0) -> HistGradientBoostingClassifier:
    """100 rounds of boosted trees on features (n, F) and classes (n,)."""
    trees = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)
    return trees.fit(x, y)
