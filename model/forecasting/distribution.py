"""What may come, as equally likely members. Everything that makes a distribution of images returns one of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from mmvsf.datasets.samples.reader import Floats

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of a forecast: its median, and the limits of its 50 and 90 % intervals."""
STEPS = 20
"""Members that quantiles are turned into."""
STEPS_OF_ERROR = 10
"""Members that a member with an error is turned into."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """Equally likely members (M, ...), such as images (M, P, K, H, W) of P days; NaN where unknown."""

    members: Floats
    error: Floats | None = None
    """(M, ...): the expected absolute error of each member, that of a t distribution around it; None for none"""

    @classmethod
    def of_quantiles(cls, levels: Sequence[float], values: Floats) -> Self:
        """Of quantiles (Q, ...) at sorted levels: STEPS members at even steps of probability, straight between the
        levels, and constant outside."""
        at = (np.arange(STEPS) + 0.5) / STEPS
        upper = np.searchsorted(levels, at).clip(1, max(1, len(levels) - 1))
        if len(levels) == 1:
            return cls(values)
        low, high = np.asarray(levels)[upper - 1], np.asarray(levels)[upper]
        share = ((at - low) / (high - low)).clip(0, 1).astype(np.float32)
        share = share.reshape(-1, *[1] * (values.ndim - 1))
        return cls(np.asarray(values[upper - 1] * (1 - share) + values[upper] * share, np.float32))

    def quantiles(self, levels: Sequence[float] = QUANTILES) -> Floats:
        """(Q, ...): each member is the middle of its share of the probability (Hazen 1914), straight between members
        and constant outside. Those of one member without an error are all itself."""
        if self.error is not None and len(self.members) == 1:
            return _with_error(self.members, self.error, levels)[:, 0]
        ordered = np.sort(self._all_members(), axis=0)  # numpy's quantiles, which look for NaN, are many times slower
        place = (np.asarray(levels) * len(ordered) - 0.5).clip(0, len(ordered) - 1)
        below = np.floor(place).astype(int).clip(0, max(0, len(ordered) - 2))
        share = (place - below).astype(np.float32).reshape(-1, *[1] * (ordered.ndim - 1))
        above = np.minimum(below + 1, len(ordered) - 1)
        return np.asarray(ordered[below] * (1 - share) + ordered[above] * share, np.float32)

    def crps(self, truth: NDArray[np.floating]) -> Floats:
        """(...): the continuous ranked probability score of the members as they are (Gneiting and Raftery 2007, eq.
        20); of one member its absolute error."""
        members = self._all_members()
        count = len(members)
        error = np.abs(members - truth).mean(axis=0)
        # Mean distance of two members, from their order.
        rank = (2 * np.arange(1, count + 1) - count - 1).astype(np.float32)
        spread = np.tensordot(rank, np.sort(members, axis=0), 1) / count**2
        return np.asarray(error - spread, np.float32)

    def _all_members(self) -> Floats:
        """The members, or STEPS_OF_ERROR quantiles of each at even steps of probability, by its error."""
        if self.error is None:
            return self.members
        steps = (np.arange(STEPS_OF_ERROR) + 0.5) / STEPS_OF_ERROR
        return _with_error(self.members, self.error, steps).reshape(-1, *self.members.shape[1:])


def _with_error(members: Floats, error: Floats, levels: Sequence[float] | NDArray[np.float64]) -> Floats:
    """(Q, M, ...): the quantiles of t distributions with 4 degrees of freedom, whose mean absolute value is 1, around
    members (M, ...). In the middle they are as wide as the errors of held-out forecasts are, between those of bands
    (nearly Laplace) and of NDVI (nearly logistic)."""
    widths = stdtrit(4, np.asarray(levels))
    return np.stack([members + np.float32(width) * error for width in widths])
