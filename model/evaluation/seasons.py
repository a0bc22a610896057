"""Frozen features: what an encoder makes of a season is computed once, and any number of heads learn from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmvsf.datasets.loader import collate, season_sample
from mmvsf.datasets.reader import WindowReader
from mmvsf.datasets.windows import Window
from mmvsf.model.device import autocast_precision, choose_device
from mmvsf.model.mapper import CropHead, CropMapper, Season, mapping_loss
from mmvsf.model.training import scheduled_optimizer

BATCH = 8
"""Seasons that are encoded, or mapped, at once."""


def encode_seasons(mapper: CropMapper, reader: WindowReader, windows: Sequence[Window]) -> Iterator[Season]:
    """The season (B = 1) of each window, in main memory and in the precision that the machine computes in."""
    device = next(mapper.parameters()).device
    precision = autocast_precision(device)
    for first in range(0, len(windows), BATCH):
        samples = [season_sample(reader, window) for window in windows[first : first + BATCH]]
        with torch.no_grad(), torch.autocast(device.type, precision, enabled=precision is not None):
            batch = mapper.encode(collate(samples).to(device))
        for number, sample in enumerate(samples):
            season = _images(_tensors(batch, lambda tensor, i=number: tensor[i : i + 1]), slice(len(sample.days)))
            yield _tensors(season, lambda tensor: _kept(tensor, precision))


def until(season: Season, day: int) -> Season | None:
    """The season (B = 1) as it was known at the end of a day; None where no image was taken by then."""
    count = int((season.days <= day).sum())
    return _images(season, slice(count)) if count else None


def stack(seasons: Sequence[Season]) -> Season:
    """Seasons (B = 1) as one; shorter ones are padded with images that are valid nowhere."""
    length = max(season.days.shape[1] for season in seasons)
    place = torch.arange(length)
    padded = []
    for season in seasons:
        own = season.days.shape[1]
        longer = _images(season, place.clamp(max=own - 1)) if own < length else season
        padded.append(replace(longer, valid=longer.valid & (place < own)[:, None]))
    fine = [season.fine for season in padded if season.fine is not None]
    return Season(
        tokens=torch.cat([season.tokens for season in padded]),
        days=torch.cat([season.days for season in padded]),
        pixels=torch.cat([season.pixels for season in padded]),
        valid=torch.cat([season.valid for season in padded]),
        fine=torch.cat(fine) if fine else None,
        size=padded[0].size,
        totals=torch.cat([season.totals for season in padded]),
    )


def without_totals(season: Season) -> Season:
    """The season as a head that is not told the weather sees it."""
    return replace(season, totals=torch.zeros_like(season.totals))


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How a head is trained on frozen features."""

    steps: int = 200
    learning_rate: float = 2e-3
    early: float = 0.5
    """Chance that a season ends early, after any of its images."""


def train_head(
    head: CropHead, seasons: Sequence[Season], classes: Sequence[NDArray[np.int64]], options: HeadOptions, seed: int
) -> float:
    """Train a head in place on seasons (B = 1) and their classes (H, W), -1 where unknown. Returns the seconds it took.

    Raises ValueError where no class is known.
    """
    known = [place for place, labels in enumerate(classes) if (labels >= 0).any()]
    if not known:
        raise ValueError("no pixel of the windows has a known class")
    started = time.perf_counter()
    device = choose_device()
    precision = autocast_precision(device)
    rng = np.random.default_rng(seed)
    optimizer, schedule = scheduled_optimizer(head, options.learning_rate, options.steps)
    head.to(device).train()
    for _ in range(options.steps):
        drawn = [known[int(i)] for i in rng.integers(len(known), size=BATCH)]
        batch = stack([_ended(seasons[i], rng, options.early) for i in drawn])
        labels = torch.from_numpy(np.stack([classes[i] for i in drawn])).to(device)
        with torch.autocast(device.type, precision, enabled=precision is not None):
            scores = head(_tensors(batch, lambda tensor: tensor.to(device)))
        optimizer.zero_grad()
        mapping_loss(scores, labels).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    head.eval()
    return time.perf_counter() - started


def predict_classes(
    head: CropHead, seasons: Sequence[Season], days: Sequence[int], otherwise: int
) -> list[NDArray[np.int64]]:
    """The class of every pixel (H, W) of each season (B = 1) as it was known at the end of a day, `otherwise` where
    there was no image yet."""
    device = next(head.parameters()).device
    precision = autocast_precision(device)
    known = [until(season, day) for season, day in zip(seasons, days, strict=True)]
    found = [np.full(season.size, otherwise, np.int64) for season in seasons]
    mapped = [(place, season) for place, season in enumerate(known) if season is not None]
    for first in range(0, len(mapped), BATCH):
        members = mapped[first : first + BATCH]
        batch = _tensors(stack([season for _, season in members]), lambda tensor: tensor.to(device))
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
            best = head(batch).argmax(1).cpu().numpy()
        for (place, _), classes in zip(members, best, strict=True):
            found[place] = classes
    return found


def _ended(season: Season, rng: np.random.Generator, early: float) -> Season:
    if rng.random() >= early:
        return season
    return _images(season, slice(int(rng.integers(1, season.days.shape[1] + 1))))


def _kept(tensor: Tensor, precision: torch.dtype | None) -> Tensor:
    """A copy of its own, so that the batch it comes from can be let go."""
    dtype = precision if precision is not None and tensor.is_floating_point() else tensor.dtype
    return tensor.to("cpu", dtype, copy=True)


def _images(season: Season, places: slice | Tensor) -> Season:
    """The images at some places of the season."""
    return Season(
        tokens=season.tokens[:, :, places],
        days=season.days[:, places],
        pixels=season.pixels[:, :, places],
        valid=season.valid[:, :, places],
        fine=None if season.fine is None else season.fine[:, :, places],
        size=season.size,
        totals=season.totals[:, places],
    )


def _tensors(season: Season, change: Callable[[Tensor], Tensor]) -> Season:
    """The season with a change made to each of its tensors."""
    return Season(
        tokens=change(season.tokens),
        days=change(season.days),
        pixels=change(season.pixels),
        valid=change(season.valid),
        fine=None if season.fine is None else change(season.fine),
        size=season.size,
        totals=change(season.totals),
    )
