"""A random forest over regular time steps: the usual way to map crops, for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from mmvsf.datasets.loader import LabelLookup
from mmvsf.datasets.reader import Floats, WindowReader
from mmvsf.datasets.windows import Window

from .baselines import days_since_new_year, interpolate

STEPS = np.arange(100, 301, 12)
"""Days of the year (from 1 January) that each pixel's series is interpolated to."""


def features(reader: WindowReader, window: Window) -> Floats:
    """(H * W, steps * C): every pixel's bands, interpolated between its clear days to regular steps.

    Before the first and after the last clear day the nearest value stands; 0, the mean, where there is none.
    """
    images, valid = reader.images(window, window.days)
    steps = interpolate(images, days_since_new_year(window.days), valid, STEPS)  # (steps, C, H, W)
    by_pixel = np.nan_to_num(steps).reshape(*steps.shape[:2], -1).transpose(2, 0, 1)
    return np.ascontiguousarray(by_pixel.reshape(len(by_pixel), -1))


def train_forest(
    reader: WindowReader, windows: Sequence[Window], lookup: LabelLookup, *, pixels: int = 20_000, seed: int = 0
) -> RandomForestClassifier:
    """A forest of 100 trees, trained on about that many labelled pixels drawn evenly from the windows."""
    rng = np.random.default_rng(seed)
    xs: list[Floats] = []
    ys: list[NDArray[np.int64]] = []
    for window in windows:
        labels = reader.labels(window)
        if labels is None:
            continue
        classes = lookup(labels).ravel()
        known = np.flatnonzero(classes >= 0)
        chosen = rng.choice(known, min(len(known), -(-pixels // len(windows))), replace=False)
        if len(chosen):
            xs.append(features(reader, window)[chosen])
            ys.append(classes[chosen])
    forest = RandomForestClassifier(100, min_samples_leaf=2, max_features="sqrt", n_jobs=-1, random_state=seed)
    return forest.fit(np.concatenate(xs), np.concatenate(ys))
