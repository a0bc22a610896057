"""Frozen features: seasons are encoded once, and any number of heads are trained on them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import HISTORY, Window
from mmvsf.model.cropmap.head import CropHead, CropMapper, EncodedSeason, mapping_loss
from mmvsf.model.evaluation.core.settings import HeadOptions
from mmvsf.model.mmvsf.layers import to_patches
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.module import scheduled_optimizer

FEW_PASSES = 4
"""A head that would see each labelled pixel more often has few of them."""
WINDOWS = 8
"""Windows that are encoded, or mapped, at once."""


def encode_seasons(mapper: CropMapper, reader: WindowReader, windows: Sequence[Window]) -> EncodedSeason:
    """The seasons of windows (B), in main memory and in the precision that the machine computes in. Shorter ones are
    padded with images that are valid nowhere."""
    device = next(mapper.parameters()).device
    precision = autocast_precision(device)
    parts = []
    for first in range(0, len(windows), WINDOWS):
        batch = collate([season_sample(reader, window) for window in windows[first : first + WINDOWS]]).to(device)
        with torch.no_grad(), torch.autocast(device.type, precision, enabled=precision is not None):
            season = mapper.encode(batch)
        parts.append(_tensors(season, lambda tensor: tensor.to("cpu", _kept(tensor, precision))))
    return _joined(parts)


def _joined(seasons: Sequence[EncodedSeason]) -> EncodedSeason:
    """The seasons of many windows as one. Shorter ones are padded with images that are valid nowhere."""
    length = max(season.days.shape[1] for season in seasons)
    parts = [_padded(season, length) for season in seasons]
    return EncodedSeason(
        tokens=torch.cat([part.tokens for part in parts]),
        days=torch.cat([part.days for part in parts]),
        pixels=torch.cat([part.pixels for part in parts]),
        valid=torch.cat([part.valid for part in parts]),
        size=parts[0].size,
        totals=torch.cat([part.totals for part in parts]),
    )


def members(season: EncodedSeason, windows: slice | Tensor) -> EncodedSeason:
    """The seasons of some of the windows."""
    return _tensors(season, lambda tensor: tensor[windows])


def until(season: EncodedSeason, days: Tensor) -> EncodedSeason:
    """The seasons (B) as they were known at the end of a day each (B,). Where no image was taken by then, one image is
    kept that is valid nowhere."""
    taken = (season.days <= days[:, None]).sum(1)
    length = int(taken.max().clamp(min=1))
    b, n, _, e = season.tokens.shape
    # (B, length): past the end the last image is repeated.
    index = torch.arange(length).clamp(max=(taken - 1).clamp(min=0)[:, None])
    there = torch.arange(length) < taken[:, None]
    images = _images(season, slice(length))
    tokens = season.tokens.gather(2, index[:, None, :, None].expand(b, n, length, e))
    totals = season.totals.gather(1, index[..., None].expand(-1, -1, season.totals.shape[-1]))
    any_taken = (taken > 0)[:, None]
    return replace(
        images,
        tokens=tokens * any_taken[..., None, None],
        days=torch.where(any_taken, season.days.gather(1, index), days[:, None]),
        valid=images.valid & there[:, None, :, None],
        totals=totals * any_taken[..., None],
    )


def without_totals(season: EncodedSeason) -> EncodedSeason:
    """The seasons as a head without weather sees them."""
    return replace(season, totals=torch.zeros_like(season.totals))


def train_head(
    head: CropHead, season: EncodedSeason, classes: Sequence[NDArray[np.int64]], options: HeadOptions, seed: int
) -> float:
    """Train a head in place on the seasons of windows (B) and the classes (H, W) of each, -1 where unknown. Returns the
    seconds it took.

    Raises ValueError where no class is known.
    """
    patches = by_patch(season)
    side = patches.size[0]
    labels = to_patches(torch.from_numpy(np.stack(classes))[:, None, None], side).reshape(-1, side, side)
    labelled = (labels >= 0).flatten(1).any(1).nonzero()[:, 0]
    if not len(labelled):
        raise ValueError("no pixel of the windows has a known class")
    started = time.perf_counter()
    device = choose_device()
    precision = autocast_precision(device)
    rng = np.random.default_rng(seed)
    steps, rate = course_of_head(options, int((labels >= 0).sum()))
    optimizer, schedule = scheduled_optimizer(head, rate, steps)
    head.to(device).train()
    for _ in range(steps):
        drawn = labelled[torch.from_numpy(rng.integers(len(labelled), size=max(1, options.pixels // side**2)))]
        length = patches.days.shape[1]
        if rng.random() < options.early:
            length = int(rng.integers(min(HISTORY + 1, length), length + 1))
        batch = members(_images(patches, slice(length)), drawn)
        with torch.autocast(device.type, precision, enabled=precision is not None):
            scores = head(_tensors(batch, lambda tensor: tensor.to(device)))
        optimizer.zero_grad()
        loss = mapping_loss(scores, labels[drawn].to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    head.eval()
    return time.perf_counter() - started


def course_of_head(options: HeadOptions, labelled: int) -> tuple[int, float]:
    """Steps of a training on so many labelled pixels, and its learning rate."""
    steps = max(1, min(options.steps, options.passes * labelled // options.pixels))
    few = options.steps * options.pixels > FEW_PASSES * labelled
    return steps, min(options.learning_rate, options.few_rate) if few else options.learning_rate


def predict_classes(head: CropHead, season: EncodedSeason, days: Sequence[int], otherwise: int) -> NDArray[np.int64]:
    """The class of every pixel (B, H, W) of seasons (B) as they were known at the end of a day each, `otherwise` where
    there was no image yet."""
    device = next(head.parameters()).device
    precision = autocast_precision(device)
    ends = torch.tensor(days)
    parts = []
    for first in range(0, len(days), WINDOWS):
        part = slice(first, first + WINDOWS)
        batch = _tensors(until(members(season, part), ends[part]), lambda tensor: tensor.to(device))
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
            parts.append(head(batch).argmax(1).cpu().numpy())
    classes = np.concatenate(parts)
    classes[(season.days[:, 0] > ends).numpy()] = otherwise
    return classes


def by_patch(season: EncodedSeason) -> EncodedSeason:
    """The seasons of windows (B) as those of their patches (B * N), one patch each."""
    n, side = season.tokens.shape[1], math.isqrt(season.valid.shape[-1])
    return EncodedSeason(
        tokens=season.tokens.flatten(0, 1)[:, None],
        days=season.days.repeat_interleave(n, 0),
        pixels=season.pixels.flatten(0, 1)[:, None],
        valid=season.valid.flatten(0, 1)[:, None],
        size=(side, side),
        totals=season.totals.repeat_interleave(n, 0),
    )


def _kept(tensor: Tensor, precision: torch.dtype | None) -> torch.dtype:
    return precision if precision is not None and tensor.is_floating_point() else tensor.dtype


def _padded(season: EncodedSeason, length: int) -> EncodedSeason:
    index = torch.arange(length)
    taken = season.days.shape[1]
    longer = _images(season, index.clamp(max=taken - 1))
    return replace(longer, valid=longer.valid & (index < taken)[:, None])


def _images(season: EncodedSeason, places: slice | Tensor) -> EncodedSeason:
    """Some of the images of the seasons."""
    return EncodedSeason(
        tokens=season.tokens[:, :, places],
        days=season.days[:, places],
        pixels=season.pixels[:, :, places],
        valid=season.valid[:, :, places],
        size=season.size,
        totals=season.totals[:, places],
    )


def _tensors(season: EncodedSeason, change: Callable[[Tensor], Tensor]) -> EncodedSeason:
    """The seasons with each tensor changed."""
    return EncodedSeason(
        tokens=change(season.tokens),
        days=change(season.days),
        pixels=change(season.pixels),
        valid=change(season.valid),
        size=season.size,
        totals=change(season.totals),
    )
