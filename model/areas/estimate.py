"""Class areas with confidence limits from a crop map and a stratified reference sample.

Counting the pixels of a map gives biased areas, since omissions and commissions differ. The stratified estimator of
Olofsson et al. (2014, "Good practices for estimating area and assessing accuracy of land change", Remote Sensing of
Environment 148) takes the map for the strata only, and areas and accuracies from the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

DRAWS = 4000
"""Draws of the limits: they repeat to about a fiftieth of their width."""

Limits = tuple[float, float]
"""Of an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantity between 0 and 1, or an area in pixels."""

    value: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class ClassEstimate:
    """One class, by its position in the legend."""

    mapped: int
    """pixels in the map"""
    sampled: int
    """reference pixels drawn where the map has this class"""
    area: Estimate
    """pixels"""
    standard_error: float
    """of the area, pixels: Olofsson et al., equation 10, with the correction for a finite population"""
    user_accuracy: Estimate | None
    """share of the mapped class that is right; None where it is mapped nowhere"""
    producer_accuracy: Estimate | None
    """share of the class that is mapped as such; None where its area is 0"""


@dataclass(frozen=True, slots=True)
class AreaEstimates:
    """Of all classes of a map."""

    classes: tuple[ClassEstimate, ...]
    overall_accuracy: Estimate


def estimate_areas(mapped: NDArray[np.int64], sample: NDArray[np.int64], seed: int = 0) -> AreaEstimates:
    """Areas and accuracies from the map's pixels (K,) of each class and the sample's counts (K, K), rows by the map and
    columns by the reference.

    Limits are those of the areas that remain possible: in each stratum the classes of the pixels that were not drawn
    follow a Dirichlet distribution given the sample, with the prior 1/K of Perks (1947). Where a class was not met in
    the sample of a large stratum, the normal limits of Olofsson et al. leave no room for it and cover too rarely.
    Raises InputError where a mapped class has fewer than two reference pixels and more than those on the map.
    """
    drawn = sample.sum(1)
    for k in np.flatnonzero((drawn < 2) & (drawn < mapped)):
        raise InputError(
            f"class number {k + 1} of the legend is mapped on {mapped[k]} pixels and has {drawn[k]} labelled reference"
            " pixels; label at least two of each mapped class"
        )
    strata = np.flatnonzero(mapped)
    share = sample[strata] / drawn[strata, None]
    joint = mapped[strata, None] * share
    """(stratum, K): estimated pixels of each class in each stratum"""
    finite = 1 - drawn[strata] / mapped[strata]
    variance = (mapped[strata] ** 2 * finite / np.maximum(drawn[strata] - 1, 1))[:, None] * share * (1 - share)
    possible = _possible(mapped[strata], sample[strata], seed)
    area, areas = joint.sum(0), possible.sum(1)
    right, rights = np.zeros(len(mapped)), np.zeros(areas.shape)
    right[strata] = joint[np.arange(len(strata)), strata]
    rights[:, strata] = possible[:, np.arange(len(strata)), strata]
    return AreaEstimates(
        tuple(
            ClassEstimate(
                int(mapped[k]),
                int(drawn[k]),
                _estimate(area[k], areas[:, k]),
                float(np.sqrt(variance[:, k].sum())),
                _estimate(right[k] / mapped[k], rights[:, k] / mapped[k]) if mapped[k] else None,
                _estimate(right[k] / area[k], _ratio(rights[:, k], areas[:, k])) if area[k] else None,
            )
            for k in range(len(mapped))
        ),
        _estimate(right.sum() / mapped.sum(), rights.sum(1) / mapped.sum()),
    )


def _possible(mapped: NDArray[np.int64], sample: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(draw, stratum, K): pixels of each class that strata of so many pixels may hold, given their samples."""
    random, classes = np.random.default_rng(seed), sample.shape[1]
    rest = mapped - sample.sum(1)
    shares = np.stack([random.dirichlet(counts + 1 / classes, DRAWS) for counts in sample], axis=1)
    return np.asarray(sample + rest[:, None] * shares)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _estimate(value: float, possible: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(possible, (0.025, 0.975))
    return Estimate(float(value), (float(low), float(high)))
