"""Calibration of a trained mapper on validation places: how certain its probabilities are, and which pixels are unlike
the training data.

Both are fitted for several days of the season, since a map of July rests on other images than one of October.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn import functional as F

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import Window, spread
from mmvsf.model.mmvsf.layers import from_patches
from mmvsf.model.training.device import autocast_precision, choose_device

from .head import CropMapper, EncodedSeason

STEP = 45
"""Days between the days of the season that are calibrated."""
WHOLE = 366
"""The last of them: the whole season."""
TILES, BATCH = 32, 8
"""Windows that are encoded of each part, and at a time."""
PIXELS = 256
"""Labelled pixels of each window that are kept: those of one field tell the same."""
PERCENTILES = 101
RIDGE = 1e-3
"""Share of its mean variance that is added to the covariance of the features, so that it can be inverted."""
FAR = 1e6
"""Mean of the features of a class that was never seen, so that it is never the nearest."""
BINS = 15
"""Bins of confidence, of equal width, in the expected calibration error."""


class Calibration(nn.Module):
    """Temperatures and distances by day of the season. It is saved with the weights.

    Temperature scaling after Guo et al. (2017), "On calibration of modern neural networks"; the distance is that of Lee
    et al. (2018), "A simple unified framework for detecting out-of-distribution samples", to the nearest class.
    """

    days: Tensor
    temperature: Tensor
    means: Tensor
    whitening: Tensor
    distances: Tensor

    def __init__(self, days: int, classes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("days", torch.full((days,), float(WHOLE)))
        """(R,): days into the season"""
        self.register_buffer("temperature", torch.ones(days))
        """(R,): what scores are divided by"""
        self.register_buffer("means", torch.zeros(days, classes, features))
        """(R, K, D): of the features of each class, whitened"""
        self.register_buffer("whitening", torch.eye(features).repeat(days, 1, 1))
        """(R, D, D)"""
        self.register_buffer("distances", torch.zeros(days, PERCENTILES))
        """(R, 101): percentiles of the distance of pixels that were known"""

    def at(self, day: int) -> int:
        """The number of the calibrated day nearest to a day of the season."""
        return int((self.days - day).abs().argmin())

    def probabilities(self, scores: Tensor, number: int) -> Tensor:
        """Probabilities (B, K, H, W) from scores, for the calibrated day of that number."""
        return (scores / self.temperature[number]).softmax(1)

    def distance(self, features: Tensor, number: int) -> Tensor:
        """Mahalanobis distance, squared, of features (n, D) to the nearest class."""
        white = features @ self.whitening[number]
        return torch.cdist(white, self.means[number]).amin(-1).square()

    def percentile(self, features: Tensor, number: int) -> Tensor:
        """How unlike the known pixels those with features (B, D, H, W) are, (B, H, W): the percentage of the known
        ones that are nearer to a class."""
        distance = self.distance(features.movedim(1, -1).flatten(0, -2), number)
        limits = self.distances[number].contiguous()
        place = torch.searchsorted(limits, distance.contiguous()).clamp(max=PERCENTILES - 1)
        return place.float().view(features.shape[0], *features.shape[2:])


@dataclass(frozen=True, slots=True)
class Known:
    """Pixels with a known class as a mapper sees them on one day of the season."""

    scores: Tensor
    """(n, K)"""
    features: Tensor
    """(n, D)"""
    classes: Tensor
    """(n,)"""


def calibrate(
    mapper: CropMapper,
    reader: WindowReader,
    classes: WindowClasses,
    training: Sequence[Window],
    validation: Sequence[Window],
    size: int,
) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate a trained mapper, on tiles of `size` pixels: distances to the classes of the training windows, with
    temperatures and percentiles of the validation windows. Where these have no known class, temperatures are 1 and
    percentiles those of the training, and it is not `validated`. Returns what is kept of it for people too."""
    season = reader.cube.season
    into = np.arange(2 * STEP, WHOLE, STEP)
    learned = _known(mapper, reader, classes, training, size, into)
    held_out = _known(mapper, reader, classes, validation, size, into)
    calibrated = [day for day in learned if day in held_out or not held_out] or [WHOLE]
    features = mapper.network.config.pixel_width
    result = Calibration(len(calibrated), mapper.head.out.out_features, features)
    rows = []
    for number, day in enumerate(calibrated):
        result.days[number] = day
        if day not in learned:
            continue
        _fit_distance(result, number, learned[day])
        known = held_out.get(day)
        before = after = None
        if known is not None:
            result.temperature[number] = best_temperature(known.scores, known.classes)
            before = expected_calibration_error(known.scores.softmax(-1), known.classes)
            after = expected_calibration_error((known.scores / result.temperature[number]).softmax(-1), known.classes)
        distances = result.distance((known or learned[day]).features, number)
        result.distances[number] = torch.quantile(distances, torch.linspace(0, 1, PERCENTILES))
        rows.append({
            "days_into_season": day, "pixels": len(known.classes) if known else 0,
            "temperature": float(result.temperature[number]), "ece_before": before, "ece_after": after,
        })  # fmt: skip
    about = {"season_from": season.begins, "validated": any(row["pixels"] for row in rows), "by_day": rows}
    return result, about


def best_temperature(scores: Tensor, classes: Tensor) -> float:
    """The temperature, between 1/8 and 8, at which scores (n, K) give the classes (n,) the highest likelihood."""

    def loss(logarithm: float) -> float:
        return float(F.cross_entropy(scores / float(np.exp(logarithm)), classes))

    limit = float(np.log(8))
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))


def expected_calibration_error(probabilities: Tensor, classes: Tensor) -> float:
    """Mean difference between confidence and accuracy over BINS bins, weighted by their pixels, of probabilities (n, K)
    and classes (n,) (Naeini et al., 2015)."""
    confidence, predicted = probabilities.max(-1)
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    error = confidence - (predicted == classes).float()
    sums = torch.zeros(BINS).index_add(0, bins, error)
    return float(sums.abs().sum() / len(classes))


def _fit_distance(result: Calibration, number: int, known: Known) -> None:
    """Means of the classes that were seen and their common covariance."""
    features, count = known.features.double(), result.means.shape[1]
    mean = torch.full((count, features.shape[1]), FAR, dtype=torch.float64)
    for k in sorted(set(known.classes.tolist())):
        mean[k] = features[known.classes == k].mean(0)
    rest = features - mean[known.classes]
    covariance = rest.T @ rest / len(rest)
    covariance += torch.eye(len(covariance)) * (covariance.diagonal().mean() * RIDGE + 1e-12)
    whitening = torch.linalg.cholesky(torch.linalg.inv(covariance))
    result.whitening[number] = whitening.float()
    result.means[number] = (mean @ whitening).float()


def _known(
    mapper: CropMapper,
    reader: WindowReader,
    classes: WindowClasses,
    windows: Sequence[Window],
    size: int,
    into: NDArray[np.int64],
) -> dict[int, Known]:
    """What is known of labelled pixels of windows by the day of the season, for those days on which half of the windows
    have three images, and for the whole season."""
    tiles = _labelled_tiles(classes, [tile for window in windows for tile in window.tiles(size)])
    if not tiles:
        return {}
    season, rng = reader.cube.season, np.random.default_rng(0)
    images = np.array([[(season.days_into(tile.days) <= day).sum() for day in into] for tile in tiles])
    days = [int(day) for day, enough in zip(into, (images >= 3).mean(0) >= 0.5, strict=True) if enough]
    parts: dict[int, list[Known]] = {day: [] for day in (*days, WHOLE)}
    for first in range(0, len(tiles), BATCH):
        batch = tiles[first : first + BATCH]
        labels = torch.from_numpy(np.stack([_some(classes(tile), rng) for tile in batch]))
        encoded = _encode(mapper, reader, batch)
        begins = torch.tensor([season.season(tile.year).first_number for tile in batch], device=encoded.days.device)
        for day, members in parts.items():
            members.append(_seen(mapper, until(encoded, begins + day), begins, labels))
    return {day: _join(members) for day, members in parts.items() if any(len(part.classes) for part in members)}


def _labelled_tiles(classes: WindowClasses, tiles: Sequence[Window]) -> list[Window]:
    """At most TILES of the tiles, spread evenly, all with a known class; few others are looked at."""
    most = TILES
    while True:
        labelled = [tile for tile in spread(tiles, most) if (classes(tile) >= 0).any()]
        if len(labelled) >= TILES or most >= len(tiles):
            return spread(labelled, TILES)
        most *= 2


def _some(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (H, W) of which at most PIXELS are known."""
    places = np.flatnonzero(labels >= 0)
    kept = np.full(labels.size, -1, np.int64)
    chosen = rng.choice(places, min(PIXELS, len(places)), replace=False)
    kept[chosen] = labels.ravel()[chosen]
    return kept.reshape(labels.shape)


def _encode(mapper: CropMapper, reader: WindowReader, tiles: Sequence[Window]) -> EncodedSeason:
    device = choose_device()
    precision = autocast_precision(device)
    batch = collate([season_sample(reader, tile) for tile in tiles]).to(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return mapper.encode(batch)


def until(season: EncodedSeason, days: Tensor) -> EncodedSeason:
    """The seasons (B) as they were known at the end of a day each (B,); at least one image is kept of each, valid
    nowhere where it was taken later."""
    taken = season.days <= days[:, None]
    length = max(1, int(taken.sum(1).max()))
    last = torch.where(taken, season.days, season.days[:, :1]).amax(1, keepdim=True)
    return replace(
        season,
        tokens=season.tokens[:, :, :length],
        days=torch.minimum(season.days, last)[:, :length],
        pixels=season.pixels[:, :, :length],
        valid=season.valid[:, :, :length] & taken[:, None, :length, None],
        totals=season.totals[:, :length],
    )


def _seen(mapper: CropMapper, season: EncodedSeason, first: Tensor, labels: Tensor) -> Known:
    """The labelled pixels, labels (B, H, W), that were seen from the days `first` (B,) on."""
    device = choose_device()
    precision = autocast_precision(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        scores, features = (tensor.cpu() for tensor in mapper.head.describe(season))
    known = (labels >= 0) & seen_pixels(season, first).cpu()
    return Known(scores.movedim(1, -1)[known], features.movedim(1, -1)[known], labels[known])


def seen_pixels(season: EncodedSeason, first: Tensor) -> Tensor:
    """(B, H, W): whether each pixel was clear in any image from the days `first` (B,) on."""
    valid = season.valid & (season.days >= first[:, None])[:, None, :, None]
    return from_patches(valid.any(2, keepdim=True)[..., None], *season.size)[:, 0, 0]


def _join(parts: Sequence[Known]) -> Known:
    columns = ([part.scores for part in parts], [part.features for part in parts], [part.classes for part in parts])
    scores, features, classes = (torch.cat(column).clone() for column in columns)  # out of inference mode
    return Known(scores, features, classes)
