"""Which forecasts are scored: pairs of an origin, the last day with a known image, and a later target day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .windows import Window

LEADS: tuple[tuple[int, int], ...] = ((5, 10), (11, 20), (21, 40), (41, 80))
"""Lead times in days, both ends included, by which forecasts are scored."""
PAIRS = 32
"""Largest number of scored forecasts per window."""


def forecast_pairs(days: NDArray[np.integer], seed: int, limit: int = PAIRS) -> list[tuple[int, int]]:
    """(origin, target) indices into a series of days: for every target and lead bin, one origin drawn at random from
    that bin; at most `limit` pairs."""
    rng = np.random.default_rng([seed, int(days[0])])
    pairs = []
    for target, day in enumerate(days):
        for low, high in LEADS:
            origins = np.flatnonzero((day - days >= low) & (day - days <= high))
            if len(origins):
                pairs.append((int(rng.choice(origins)), target))
    if len(pairs) > limit:
        pairs = [pairs[i] for i in np.sort(rng.choice(len(pairs), limit, replace=False))]
    return pairs


def window_pairs(window: Window, seed: int = 0, limit: int = PAIRS) -> list[tuple[int, int]]:
    """The (origin, target) indices into the days of a window that are scored; each place has its own draw."""
    return forecast_pairs(window.days, seed + window.row * 7919 + window.column, limit)
