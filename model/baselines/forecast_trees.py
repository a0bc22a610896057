"""Boosted trees that forecast single pixels from their history, the date and the weather, as a table of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from mmvsf.datasets.samples.collate import TrainingSample
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.pairs import window_pairs
from mmvsf.datasets.samples.reader import Floats, Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window

from .simple import interpolate, season_phase

BASE = 5.0
"""Degrees Celsius above which growing-degree days count."""

PAST_DAYS = (15, 60)
"""Days before the origin whose weather is averaged, beside all since the series began."""

KNOWN = 2
"""Clear values of each pixel that are features: the last, and the one before."""


LEAST_PAIRS = 12
"""Forecasts that are taken of each training window."""


@dataclass(frozen=True, eq=False)
class DescribedPairs:
    """What trees know of the pixels of a sample's pairs, computed once for trees that see more or less of it."""

    features: Floats
    """(P, H, W, F): history and date, then the weather before the origin, then that between origin and target."""
    last: Floats
    """(P, C, H, W): last clear values, normalised; NaN for none."""


@dataclass(frozen=True, slots=True)
class ForecastTrees:
    """One model for each band, which gives the change since the last clear value."""

    models: tuple[HistGradientBoostingRegressor, ...]
    used: NDArray[np.bool_]
    """(F,): the features that they were shown, of those that were ever known in training: the season before of a cube's
    first season is not."""

    def forecast(self, pairs: DescribedPairs, pixels: NDArray[np.bool_] | None = None) -> Floats:
        """Normalised forecasts (P, C, H, W) at some `pixels` (P, H, W), by default at all; NaN elsewhere, and where a
        pixel was never clear."""
        pixels = np.ones(pairs.features.shape[:3], np.bool_) if pixels is None else pixels
        forecasts = np.full_like(pairs.last, np.nan)
        known = pairs.features[pixels][:, self.used]
        if not len(known):
            return forecasts
        with threadpool_limits(torch.get_num_threads(), "openmp"):
            for band, model in enumerate(self.models):
                forecasts[:, band][pixels] = pairs.last[:, band][pixels] + model.predict(known)
        return forecasts


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What trees are trained on."""

    features: Floats
    """(n, F), as of `DescribedPairs`."""
    changes: Floats
    """(n, C): the target less the last clear value."""
    variables: int
    """Of the weather."""

    def train(self, *, past: bool, gap: bool, seed: int = 0) -> ForecastTrees:
        """Trees that see the weather before the origin, and between origin and target, or not."""
        used = np.asarray(np.isfinite(self.features).any(0))
        gap_from = len(used) - _gap_columns(self.variables)
        past_from = gap_from - _past_columns(self.variables)
        used[past_from:gap_from] &= past
        used[gap_from:] &= gap
        # As many threads as torch has: a worker of several shares the processors with the others.
        with threadpool_limits(torch.get_num_threads(), "openmp"):
            models = [
                HistGradientBoostingRegressor(
                    max_iter=300, learning_rate=0.06, max_leaf_nodes=31, min_samples_leaf=40, random_state=seed
                ).fit(self.features[:, used], self.changes[:, band])
                for band in range(self.changes.shape[1])
            ]
        return ForecastTrees(tuple(models), used)


def training_rows(
    reader: WindowReader, windows: Sequence[Window], *, size: int, rows: int = 30_000, seed: int = 0
) -> TrainingRows:
    """At most about so many rows: pixels of several forecasts of each window, or of a part of `size` pixels of it."""
    random = np.random.default_rng(seed)
    share = max(1, -(-rows // len(windows)))
    pairs = max(LEAST_PAIRS, -(-share // size**2))
    features, changes = [], []
    for window in windows:
        tiles = list(window.tiles(size))
        tile = tiles[int(random.integers(len(tiles)))]
        chosen = window_pairs(tile, seed, pairs)
        if not chosen:
            continue
        sample = season_sample(reader, tile, pairs=chosen)
        described = describe_pairs(reader, sample)
        change = sample.images[sample.target] - described.last
        usable = sample.clear[sample.target] & np.isfinite(change).all(1)
        pair, row, column = np.nonzero(usable)
        drawn = random.choice(len(pair), min(share, len(pair)), replace=False)
        at = pair[drawn], row[drawn], column[drawn]
        features.append(described.features[at])
        changes.append(change[at[0], :, at[1], at[2]])
    variables = len(reader.normalisation.weather.names)
    return TrainingRows(np.concatenate(features), np.concatenate(changes), variables)


def describe_pairs(reader: WindowReader, sample: TrainingSample) -> DescribedPairs:
    """The features of the pairs of a sample."""
    values, ages = _history(sample)
    origin, days = sample.days[sample.origin], sample.days
    target = days[sample.target]
    count, _, height, width = values[0].shape
    columns: list[NDArray[np.floating]] = [np.moveaxis(value, 1, -1) for value in values]
    columns.append(np.stack([origin[:, None, None] - age for age in ages], axis=-1))
    columns.append(np.moveaxis(_season_before(reader, sample), 1, -1))
    phase = 2 * np.pi * season_phase(reader.cube.season, target) / 365.25
    of_pair = [(target - origin)[:, None], np.stack([f(k * phase) for k in (1, 2) for f in (np.sin, np.cos)], axis=1)]
    table = np.concatenate([*of_pair, _weather_features(reader, sample)], axis=1)
    columns.append(np.broadcast_to(table[:, None, None], (count, height, width, table.shape[1])))
    return DescribedPairs(np.concatenate(columns, axis=-1).astype(np.float32), values[0])


def _season_before(reader: WindowReader, sample: TrainingSample) -> Floats:
    """(P, C, H, W): each pixel in the season before on the same day of the season as a pair's target; NaN where it is
    not known."""
    before, shape = sample.earlier, (len(sample.target), *sample.images.shape[1:])
    if before is None:
        return np.full(shape, np.nan, np.float32)
    days = (season_phase(reader.cube.season, each) for each in (before.days, sample.days[sample.target]))
    return interpolate(before.images, next(days), before.valid, next(days))


def _history(sample: TrainingSample) -> tuple[list[Floats], list[NDArray[np.floating]]]:
    """The last KNOWN clear values (P, C, H, W) of each pixel up to each pair's origin, and their days (P, H, W);
    NaN where there are fewer."""
    shape = sample.images.shape[1:]
    values = [np.full(shape, np.nan, np.float32) for _ in range(KNOWN)]
    days: list[NDArray[np.floating]] = [np.full(shape[1:], np.nan) for _ in range(KNOWN)]
    at_image = []
    for image, day, clear in zip(sample.images, sample.days, sample.clear, strict=True):
        values = [np.where(clear, newer, older) for newer, older in zip([image, *values], values, strict=False)]
        today = np.full(shape[1:], float(day))
        days = [np.where(clear, newer, older) for newer, older in zip([today, *days], days, strict=False)]
        at_image.append((values, days))
    chosen = [at_image[origin] for origin in sample.origin]
    return (
        [np.stack([each[0][k] for each in chosen]).astype(np.float32) for k in range(KNOWN)],
        [np.stack([each[1][k] for each in chosen]) for k in range(KNOWN)],
    )


def _weather_features(reader: WindowReader, sample: TrainingSample) -> NDArray[np.float64]:
    """(P, F): means of each variable and degree-days before the origin and between origin and target, in as many
    columns as `_past_columns` and `_gap_columns` say."""
    origin, target = sample.days[sample.origin], sample.days[sample.target]
    weather = np.concatenate([sample.weather, _degree_days(sample.weather, reader.normalisation)[:, None]], axis=1)
    total = np.concatenate([np.zeros((1, weather.shape[1])), weather.cumsum(0, dtype=np.float64)])
    first, last = ((days - sample.weather_start).clip(0, len(weather)) for days in (origin, target))

    def mean(start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray((total[stop] - total[start]) / np.maximum(stop - start, 1)[:, None])

    past = [*(mean((first - days).clip(0), first) for days in PAST_DAYS), mean(0 * first, first), total[first][:, -1:]]
    gap = [
        mean(first, last),
        mean((last - PAST_DAYS[0]).clip(0), last),
        total[last][:, -1:] - total[first][:, -1:],
    ]
    return np.concatenate([*past, *gap], axis=1)


def _past_columns(variables: int) -> int:
    """Features of the weather before the origin: spans of days and all of them, and the sum of degree-days."""
    return (len(PAST_DAYS) + 1) * (variables + 1) + 1


def _gap_columns(variables: int) -> int:
    """Features of the weather from the origin to the target: all of it and its end, and the sum of degree-days."""
    return 2 * (variables + 1) + 1


def _degree_days(weather: Floats, normalisation: Normalisation) -> Floats:
    """(D,) growing-degree days of normalised weather (D, V); 0 where it has no temperatures."""
    moments = normalisation.weather
    if not {"tmin", "tmax"} <= set(moments.names):
        return np.zeros(len(weather), np.float32)
    at = [moments.names.index(name) for name in ("tmin", "tmax")]
    low, high = (weather[:, at] * np.array(moments.std)[at] + np.array(moments.mean)[at]).T
    return np.asarray(np.maximum((low + high) / 2 - BASE, 0), np.float32)
