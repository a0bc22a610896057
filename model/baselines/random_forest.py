"""A random forest over regular time steps, the common way to map crops, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window

from .simple import interpolate, season_phase

STEP = 12
"""Days between the steps that each pixel's series is interpolated to."""


def season_steps(cube: Cube) -> NDArray[np.int64]:
    """Every STEP days through the recipe's months of a season without 29 February, as days since the season began. The
    first is ten days into the months, the last at least three before their end, since images may be missing there."""
    held = cube.season.days_in(cube.region.period.months)
    return np.arange(held[0] + 10, held[-1] - 2, STEP)


def features(reader: WindowReader, window: Window, steps: NDArray[np.integer[Any]] | None = None) -> Floats:
    """(H * W, steps * C): every pixel's bands, interpolated between its clear days to steps of the season, by default
    those of `season_steps`."""
    images, valid = reader.images(window, window.days)
    steps = season_steps(reader.cube) if steps is None else steps
    return interpolated(images, valid, season_phase(reader.cube.season, window.days), steps)


def interpolated(
    images: Floats, valid: NDArray[np.bool_], position: NDArray[np.floating[Any]], steps: NDArray[np.number[Any]]
) -> Floats:
    """(H * W, steps * C): every pixel's bands (T, C, H, W) where valid (T, H, W), interpolated to steps along an axis
    on which the images lie at the positions (T,), which never fall; 0, the mean, where there is none."""
    at_steps = np.nan_to_num(interpolate(images, position, valid, steps))
    return np.ascontiguousarray(
        at_steps.reshape(*at_steps.shape[:2], -1).transpose(2, 0, 1).reshape(-1, at_steps[:, :, 0, 0].size)
    )


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
        labels = classes(window).ravel()
        labelled = np.flatnonzero(labels >= 0)
        chosen = rng.choice(labelled, min(len(labelled), -(-pixels // len(windows))), replace=False)
        if len(chosen):
            xs.append(describe(window)[chosen])
            ys.append(labels[chosen])
    return np.concatenate(xs), np.concatenate(ys)


def train_forest(x: Floats, y: NDArray[np.int64], seed: int = 0) -> RandomForestClassifier:
    """A forest of 100 trees on features (n, F) and classes (n,)."""
    forest = RandomForestClassifier(
        100, min_samples_leaf=2, max_features="sqrt", n_jobs=torch.get_num_threads(), random_state=seed
    )
    return forest.fit(x, y)


def most_frequent(windows: Sequence[Window], window_classes: WindowClasses, classes: int) -> int:
    """The most frequent class of the windows' pixels."""
    count = np.zeros(classes, np.int64)
    for window in windows:
        labels = window_classes(window)
        count += np.bincount(labels[labels >= 0], minlength=classes)
    return int(count.argmax())
