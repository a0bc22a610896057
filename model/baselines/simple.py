"""Forecasts without training, which a model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.recipe.season import SeasonSpec

Floats = NDArray[np.float32]


def persistence(images: Floats, days: NDArray[np.integer], valid: NDArray[np.bool_], origin_day: int) -> Floats:
    """The last clear value of each pixel on or before `origin_day`: (C, H, W) of images (T, C, H, W), sorted
    by day, valid (T, H, W). NaN where a pixel was not yet clear."""
    out = np.full(images.shape[1:], np.nan, np.float32)
    for image, clear in zip(images[days <= origin_day], valid[days <= origin_day], strict=True):
        out = np.where(clear, image, out)
    return out


def linear_trend(
    images: Floats,
    days: NDArray[np.integer],
    valid: NDArray[np.bool_],
    origin_day: int,
    target_day: int,
    *,
    span: int = 40,
) -> Floats:
    """The straight line through each pixel's clear values of the last `span` days up to `origin_day`, at `target_day`:
    (C, H, W) of images (T, C, H, W). The last clear value where there are fewer than two, NaN where there is none.

    Limited to the range of the pixel's values up to the origin, since a steep line leaves it within weeks.
    """
    known = days <= origin_day
    last = persistence(images, days, valid, origin_day)
    recent = known & (days > origin_day - span)
    seen = valid[recent].astype(np.float32)[:, None]
    if len(seen) < 2:
        return last
    when = (days[recent] - origin_day).astype(np.float32)[:, None, None, None]
    shown = images[recent]
    n = seen.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_t, mean_v = (when * seen).sum(0) / n, (shown * seen).sum(0) / n
        slope = ((when - mean_t) * seen * (shown - mean_v)).sum(0) / ((when - mean_t) ** 2 * seen).sum(0)
    line = mean_v + slope * (target_day - origin_day - mean_t)
    past, clear = images[known], valid[known][:, None]
    lowest = np.where(clear, past, np.inf).min(0)
    highest = np.where(clear, past, -np.inf).max(0)
    out: Floats = np.where(np.isfinite(slope), np.clip(line, lowest, highest), last).astype(np.float32)
    return out


def interpolate(images: Floats, days: NDArray[Any], valid: NDArray[np.bool_], at: NDArray[Any]) -> Floats:
    """Each pixel's series (T, C, H, W), drawn straight from clear day to clear day, at the days `at`: (G, C, H, W).

    Before the first and after the last clear day the nearest value is repeated; NaN where a pixel was never clear.
    `days` are sorted; they and `at` count from the same day, whichever it is.
    """
    t, c, h, w = images.shape
    if t == 0:
        return np.full((len(at), c, h, w), np.nan, np.float32)
    flat, clear = images.reshape(t, c, -1), valid.reshape(t, -1)
    index = np.arange(t)[:, None]
    before = np.maximum.accumulate(np.where(clear, index, -1), 0)
    after = np.minimum.accumulate(np.where(clear, index, t)[::-1], 0)[::-1]
    before = np.concatenate([np.full((1, h * w), -1), before])
    after = np.concatenate([after, np.full((1, h * w), t)])
    upto = np.searchsorted(days, at, side="right")  # images up to each day
    left, right = before[upto], after[upto]  # (G, pixels)
    left, right = np.where(left < 0, right, left), np.where(right >= t, left, right)
    seen = (left >= 0) & (left < t) & (right >= 0) & (right < t)
    left, right = np.where(seen, left, 0), np.where(seen, right, 0)
    span = (days[right] - days[left]).astype(np.float32)
    share = np.divide(at[:, None] - days[left], span, out=np.zeros_like(span), where=span > 0).clip(0, 1)[:, None]
    series, pixel = flat.transpose(0, 2, 1), np.arange(h * w)
    out = series[left, pixel].transpose(0, 2, 1) * (1 - share) + series[right, pixel].transpose(0, 2, 1) * share
    return np.where(seen[:, None], out, np.nan).astype(np.float32).reshape(-1, c, h, w)


@dataclass(frozen=True)
class Climatology:
    """The mean of each pixel around each day of the season, over training seasons other than the forecast one."""

    images: Floats
    """(T, C, H, W)"""
    phase: NDArray[np.float32]
    """(T,): days since the first day of the season."""
    valid: NDArray[np.bool_]
    """(T, H, W)"""
    width: float = 6.0
    """Days: deviation of the Gaussian weights, so that most of the weight is within +-10 days."""

    def forecast(self, days: NDArray[np.float32]) -> Floats:
        """(G, C, H, W), the weighted means around days (G,) since the first day of the season; NaN where a pixel was
        never clear."""
        away = np.abs(self.phase - days[:, None])
        away = np.minimum(away, 365.25 - away)
        # The faint tail decides where no near day was clear.
        weight = (np.exp(-0.5 * (away / self.width) ** 2) + 1e-9 * np.exp(-away / 10)).astype(np.float32)
        seen = np.where(self.valid[:, None], self.images, 0)
        with np.errstate(invalid="ignore"):
            mean = np.tensordot(weight, seen, 1) / np.tensordot(weight, self.valid.astype(np.float32), 1)[:, None]
        out: Floats = np.asarray(mean, np.float32)
        return out


def season_phase(season: SeasonSpec, days: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) days since the first day of the season, of days since 1970-01-01 (n,)."""
    return season.days_into(days).astype(np.float32)
