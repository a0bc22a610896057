"""Forecasts that learn nothing: what a model must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def persistence(images: Floats, days: NDArray[np.integer], valid: NDArray[np.bool_], origin_day: int) -> Floats:
    """The last clear value of each pixel on or before `origin_day`: (C, H, W) of images (T, C, H, W), sorted
    by day, valid (T, H, W). NaN where a pixel was not yet clear."""
    out = np.full(images.shape[1:], np.nan, np.float32)
    for image, clear in zip(images[days <= origin_day], valid[days <= origin_day], strict=True):
        out = np.where(clear, image, out)
    return out


@dataclass(frozen=True)
class Climatology:
    """What each pixel looked like on each day of the year, in training years other than the one forecast."""

    images: Floats
    """(T, C, H, W)"""
    phase: NDArray[np.float32]
    """(T,): days since 1 January."""
    valid: NDArray[np.bool_]
    """(T, H, W)"""
    width: float = 6.0
    """Days: deviation of the Gaussian weights, so that most of the weight lies within +-10 days."""

    def forecast(self, days_of_year: NDArray[np.float32]) -> Floats:
        """(G, C, H, W), the weighted means around days of the year (G,), counted from 1 January; NaN where a
        pixel was never clear."""
        away = np.abs(self.phase - days_of_year[:, None])
        away = np.minimum(away, 365.25 - away)
        # The faint tail is what counts where nothing was clear so near.
        weight = (np.exp(-0.5 * (away / self.width) ** 2) + 1e-9 * np.exp(-away / 10)).astype(np.float32)
        seen = np.where(self.valid[:, None], self.images, 0)
        with np.errstate(invalid="ignore"):
            mean = np.tensordot(weight, seen, 1) / np.tensordot(weight, self.valid.astype(np.float32), 1)[:, None]
        out: Floats = np.asarray(mean, np.float32)
        return out


def days_since_new_year(days: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) float32 of days since 1970-01-01 (n,)."""
    dates = np.asarray(days).astype("datetime64[D]")
    passed: NDArray[np.float32] = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float32)
    return passed
