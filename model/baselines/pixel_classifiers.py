"""Classifiers of single pixels: a straight line, boosted trees and a small convolution over time.

Each is trained by a function of features (n, F), classes (n,) and a seed; `random_forest` has the forest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from mmvsf.datasets.samples.reader import Floats

Classes = NDArray[np.int64]
PREDICTED = 8192
"""Pixels that a convolution maps at once."""


class Classifier(Protocol):
    """What a training returns."""

    def predict(self, x: Floats) -> Classes:
        """Classes (n,) of features (n, F)."""
        ...


Train = Callable[[Floats, Classes, int], Classifier]


def train_logistic(x: Floats, y: Classes, seed: int = 0) -> Classifier:
    """A multinomial logistic regression on standardised features, of at most 150 iterations; a constant where all
    pixels are of one class. The seed changes nothing."""
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=150, tol=1e-3))
    if len(np.unique(y)) == 1:
        line = make_pipeline(DummyClassifier(strategy="most_frequent"))
    with threadpool_limits(torch.get_num_threads()), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model: Classifier = line.fit(x, y)
    return model


@dataclass(frozen=True)
class BoostedTrees:
    """Boosted trees that use as many threads as torch has: a worker of several shares the processors with others."""

    trees: HistGradientBoostingClassifier

    def predict(self, x: Floats) -> Classes:
        """Classes (n,) of features (n, F)."""
        with threadpool_limits(torch.get_num_threads(), "openmp"):
            return np.asarray(self.trees.predict(x), np.int64)


def train_trees(x: Floats, y: Classes, seed: int = 0) -> Classifier:
    """40 rounds of boosted trees."""
    trees = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.2, max_leaf_nodes=16, early_stopping=False, random_state=seed
    )
    with threadpool_limits(torch.get_num_threads(), "openmp"):
        return BoostedTrees(trees.fit(x, y))


@dataclass(frozen=True)
class PixelConvolution:
    """Convolutions over the steps of a pixel's series, after Pelletier et al. (2019), "Temporal Convolutional Neural
    Network for the Classification of Satellite Image Time Series": three layers of 5 steps, and one dense layer."""

    network: nn.Module
    bands: int

    def predict(self, x: Floats) -> Classes:
        """Classes (n,) of features (n, steps * bands)."""
        with torch.inference_mode():
            parts = [
                self.network(self.series(torch.from_numpy(x[first : first + PREDICTED]))).argmax(1)
                for first in range(0, len(x), PREDICTED)
            ]
        return np.asarray(torch.cat(parts).numpy(), np.int64)

    def series(self, x: Tensor) -> Tensor:
        """(n, bands, steps) of features (n, steps * bands)."""
        return x.float().view(len(x), -1, self.bands).transpose(1, 2)


def convolution_trainer(bands: int, classes: int, *, steps: int = 300, batch: int = 256, width: int = 32) -> Train:
    """Trains a `PixelConvolution` over features of so many bands with AdamW and a learning rate that falls to 0."""

    def train(x: Floats, y: Classes, seed: int = 0) -> Classifier:
        torch.manual_seed(seed)
        length = x.shape[1] // bands
        layers: list[nn.Module] = []
        for inputs in (bands, width, width):
            layers += [nn.Conv1d(inputs, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)]
        network = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(width * length, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, classes)
        )
        model = PixelConvolution(network, bands)
        series, target = model.series(torch.from_numpy(x)), torch.from_numpy(y)
        optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        rng = np.random.default_rng(seed)
        network.train()
        for _ in range(steps):
            drawn = torch.from_numpy(rng.integers(len(y), size=batch))
            loss = nn.functional.cross_entropy(network(series[drawn]), target[drawn])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        network.eval()
        return model

    return train
