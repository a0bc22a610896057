"""A random forest over regular time steps: the usual way to map crops, for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from mmvsf.datasets.loader import LabelLookup
from mmvsf.datasets.reader import Floats, WindowReader
from mmvsf.datasets.windows import Window

from .baselines import days_since_new_year

STEPS = np.arange(100, 301, 12)
"""Days of the year (from 1 January) that each pixel's series is interpolated to."""


def features(reader: WindowReader, window: Window) -> Floats:
    """(H * W, steps * C): every pixel's bands, interpolated between its clear days to regular steps.

    Before the first and after the last clear day the nearest value stands; 0, the mean, where there is none.
    """
    images, valid = reader.images(window, window.days)
    t, c, h, w = images.shape
    images, valid = images.reshape(t, c, -1), valid.reshape(t, -1)
    doy = days_since_new_year(window.days)
    place = np.arange(t)[:, None]
    before = np.maximum.accumulate(np.where(valid, place, -1), 0)
    after = np.minimum.accumulate(np.where(valid, place, t)[::-1], 0)[::-1]
    never = np.full((1, h * w), -1), np.full((1, h * w), t)
    before, after = np.concatenate([never[0], before]), np.concatenate([after, never[1]])
    upto = np.searchsorted(doy, STEPS, side="right")  # images up to each step
    left, right = before[upto], after[upto]  # (steps, pixels)
    left, right = np.where(left < 0, right, left), np.where(right >= t, left, right)
    seen = (left >= 0) & (left < t) & (right >= 0) & (right < t)
    left, right = np.where(seen, left, 0), np.where(seen, right, 0)
    span = doy[right] - doy[left]
    share = np.divide(STEPS[:, None] - doy[left], span, out=np.zeros_like(span), where=span > 0).clip(0, 1)
    pixel = np.arange(h * w)
    by_pixel = images.transpose(0, 2, 1)  # (T, pixels, C)
    out = by_pixel[left, pixel] * (1 - share[..., None]) + by_pixel[right, pixel] * share[..., None]
    return np.ascontiguousarray((out * seen[..., None]).transpose(1, 0, 2).reshape(h * w, -1))


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
