"""What the images up to a day reveal about the fields of a site: weights of draws of the prior, and forecasts from
them.

Importance sampling. All fields of a site share the draws, whose seasons are simulated under the weather of the site;
the images weight them for each unit of the field map. Where the images tell more than some thousand draws can follow,
the likelihood is taken to the largest power, below 1, that leaves enough draws with a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sensor import relative_errors
from .spec import WorldSpec
from .window_view import WindowView

Array = NDArray[np.float64]
Float = NDArray[np.float32]

_ABSOLUTE_SD = 0.004  # reflectance: rounding, and what the texture within fields leaves
_MIXED_SD = 0.05  # of the ground beside a field, where its pixels hold nothing of the field itself
_TAIL = 4.0  # degrees of freedom of the errors, heavy because of haze that the mask misses
_PURE = 4  # power of a field's share in a pixel with which the pixel counts for the field
_LEAST_EFFECTIVE = 20.0  # draws, that the weights of a field leave
_BISECTIONS = 12


@dataclass(frozen=True)
class UnitImages:
    """What the clear pixels of images show of each unit of a site."""

    days: NDArray[np.int64]
    """(T,), since 1970-01-01, sorted"""
    seen: Float
    """(T, units, 6): reflectance, 0 where nothing is seen"""
    precision: Float
    """(T, units, 6): one over the variance of its error, 0 where nothing is seen"""

    @classmethod
    def of(
        cls,
        spec: WorldSpec,
        views: Sequence[WindowView],
        days: NDArray[np.int64],
        images: Sequence[Float],
        clear: Sequence[NDArray[np.bool_]],
    ) -> UnitImages:
        """From windows: for each its view, its images (T, 6, y, x) and its clear pixels (T, y, x)."""
        units = views[0].shares.shape[1]
        weight, purity, seen = (
            np.zeros((len(days), units)),
            np.zeros((len(days), units)),
            np.zeros((len(days), units, 6)),
        )
        for view, window, pixels in zip(views, images, clear, strict=True):
            share = view.shares
            count = share.copy()
            count.data = count.data**_PURE
            flat, valid = window.reshape(len(days), 6, -1), pixels.reshape(len(days), -1)
            good = np.where(valid[:, None], flat / view.textures.T, 0.0)
            weight += (count.T @ valid.T.astype(np.float64)).T
            purity += (count.multiply(share).T @ valid.T.astype(np.float64)).T
            seen += np.stack([count.T @ image.T for image in good])
        total = np.maximum(weight, 1e-9)[..., None]
        mean = seen / total
        mixed = _MIXED_SD * (1 - purity[..., None] / total)
        variance = (relative_errors(spec) * mean) ** 2 + _ABSOLUTE_SD**2 + mixed**2
        there = weight[..., None] > 1e-3
        return cls(
            days, np.where(there, mean, 0).astype(np.float32), np.where(there, 1 / variance, 0).astype(np.float32)
        )


@dataclass(frozen=True)
class Posterior:
    """Weights of the draws for each unit, on one day."""

    weights: Float
    """(units, draws), each row sums to 1"""
    effective: Array
    """(units,): effective number of draws, 1 / sum of squared weights"""
    power: Array
    """(units,): that the likelihood is taken to"""


def log_likelihood(seen: Float, precision: Float, drawn: Float) -> Float:
    """(units, draws) of one of the `UnitImages` (units, 6), under each of the draws (draws, 6)."""
    distance: Float = (
        (precision * seen**2).sum(1)[:, None] - 2 * (precision * seen) @ drawn.T + precision @ (drawn**2).T
    )
    np.maximum(distance, 0, out=distance)
    distance /= np.float32(_TAIL)
    np.log1p(distance, out=distance)
    distance *= np.float32(-0.5 * (_TAIL + 6))
    return distance


def weigh(log_prior: Array, log_likelihood: Float) -> Posterior:
    """Weights from the prior (draws,) and the likelihood (units, draws)."""
    prior = log_prior.astype(np.float32)
    low, high = np.zeros(len(log_likelihood)), np.ones(len(log_likelihood))
    weights, effective = _weights(prior, log_likelihood, high)
    short = effective < _LEAST_EFFECTIVE
    for _ in range(_BISECTIONS if short.any() else 0):
        middle = (low + high) / 2
        enough = _weights(prior, log_likelihood[short], middle[short])[1] >= _LEAST_EFFECTIVE
        low[short] = np.where(enough, middle[short], low[short])
        high[short] = np.where(enough, high[short], middle[short])
    power = np.where(short, low, 1.0)
    weights, effective = _weights(prior, log_likelihood, power)
    return Posterior(weights, effective, power)


def _weights(prior: Float, log_likelihood: Float, power: Array) -> tuple[Float, Array]:
    """(weights (units, draws), effective number of draws (units,))."""
    logs = prior + power.astype(np.float32)[:, None] * log_likelihood
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights, 1 / np.square(weights, dtype=np.float64).sum(axis=1)


def expected(posterior: Posterior, seasons: Float) -> Float:
    """The mean of seasons (days, draws, 6), (days, units, 6)."""
    days, draws, bands = seasons.shape
    mean = posterior.weights @ np.ascontiguousarray(seasons.swapaxes(0, 1)).reshape(draws, -1)
    return np.asarray(mean.reshape(-1, days, bands).swapaxes(0, 1))


def sampling_variance(posterior: Posterior, seasons: Float) -> Array:
    """The Monte-Carlo variance of `expected`: a quarter of the squared difference between two halves of the draws."""
    halves = []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        weights = posterior.weights[:, half]
        total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
        halves.append(expected(Posterior(weights / total, posterior.effective, posterior.power), seasons[:, half]))
    return np.asarray(np.square(halves[0] - halves[1], dtype=np.float64) / 4)
