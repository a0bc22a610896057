"""A random forest over regular time steps: the usual way to map crops, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from mmvsf.datasets.loader import WindowClasses
from mmvsf.datasets.reader import Floats, WindowReader
from mmvsf.datasets.windows import Window

from .baselines import days_since_new_year

STEPS = np.arange(100, 301, 12)
"""Days of the year (from 1 January) that each pixel's series is interpolated to."""


def features(reader: WindowReader, window: Window, steps: NDArray[np.integer[Any]] = STEPS) -> Floats:
    """(H * W, steps * C): every pixel's bands, interpolated between its clear days to steps of the year."""
    images, valid = reader.images(window, window.days)
    return interpolated(images, valid, days_since_new_year(window.days), steps)


def interpolated(
    images: Floats, valid: NDArray[np.bool_], position: NDArray[np.floating[Any]], steps: NDArray[np.number[Any]]
) -> Floats:
    """(H * W, steps * C): every pixel's bands (T, C, H, W) where valid (T, H, W), interpolated to steps along an axis
    on which the images lie at the positions (T,), which never fall.

    Before the first and after the last clear image the nearest value stands; 0, the mean, where there is none.
    """
    t, c, h, w = images.shape
    if t == 0:
        return np.zeros((h * w, len(steps) * c), np.float32)
    images, valid = images.reshape(t, c, -1), valid.reshape(t, -1)
    place = np.arange(t)[:, None]
    before = np.maximum.accumulate(np.where(valid, place, -1), 0)
    after = np.minimum.accumulate(np.where(valid, place, t)[::-1], 0)[::-1]
    never = np.full((1, h * w), -1), np.full((1, h * w), t)
    before, after = np.concatenate([never[0], before]), np.concatenate([after, never[1]])
    upto = np.searchsorted(position, steps, side="right")  # images up to each step
    left, right = before[upto], after[upto]  # (steps, pixels)
    left, right = np.where(left < 0, right, left), np.where(right >= t, left, right)
    seen = (left >= 0) & (left < t) & (right >= 0) & (right < t)
    left, right = np.where(seen, left, 0), np.where(seen, right, 0)
    span = position[right] - position[left]
    share = np.divide(steps[:, None] - position[left], span, out=np.zeros_like(span), where=span > 0).clip(0, 1)
    pixel = np.arange(h * w)
    by_pixel = images.transpose(0, 2, 1)  # (T, pixels, C)
    out = by_pixel[left, pixel] * (1 - share[..., None]) + by_pixel[right, pixel] * share[..., None]
    return np.ascontiguousarray((out * seen[..., None]).transpose(1, 0, 2).reshape(h * w, -1), np.float32)


def draw_pixels(
    describe: Callable[[Window], Floats],
    windows: Sequence[Window],
    classes: WindowClasses,
    *,
    pixels: int,
    seed: int,
) -> tuple[Floats, NDArray[np.int64]]:
    """Features (n, F) and classes (n,) of about that many labelled pixels, drawn evenly from the windows. `describe`
    gives the features (H * W, F) of a window."""
    rng = np.random.default_rng(seed)
    xs: list[Floats] = []
    ys: list[NDArray[np.int64]] = []
    for window in windows:
        known_classes = classes(window).ravel()
        known = np.flatnonzero(known_classes >= 0)
        chosen = rng.choice(known, min(len(known), -(-pixels // len(windows))), replace=False)
        if len(chosen):
            xs.append(describe(window)[chosen])
            ys.append(known_classes[chosen])
    return np.concatenate(xs), np.concatenate(ys)


def train_forest(x: Floats, y: NDArray[np.int64], seed: int = 0) -> RandomForestClassifier:
    """A forest of 100 trees on features (n, F) and classes (n,)."""
    forest = RandomForestClassifier(100, min_samples_leaf=2, max_features="sqrt", n_jobs=-1, random_state=seed)
    return forest.fit(x, y)


def most_frequent(windows: Sequence[Window], classes_of: WindowClasses, classes: int) -> int:
    """The class that most pixels of the windows have."""
    count = np.zeros(classes, np.int64)
    for window in windows:
        labels = classes_of(window)
        count += np.bincount(labels[labels >= 0], minlength=classes)
    return int(count.argmax())
