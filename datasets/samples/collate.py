"""One sample of training, and many of them as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.errors import InputError

from .batch import Batch
from .reader import Floats
from .site import Site


@dataclass(frozen=True, slots=True)
class Earlier:
    """Images of the season before."""

    images: Floats
    """(T, C, H, W)"""
    days: NDArray[np.int64]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One sample before it is stacked; shapes as in `Batch`, without B."""

    images: Floats
    days: NDArray[np.int64]
    valid: NDArray[np.bool_]
    """(T, H, W): the pixels that the network may see"""
    clear: NDArray[np.bool_]
    """(T, H, W): the pixels that may be a target"""
    origin: NDArray[np.int64]
    """(P,)"""
    target: NDArray[np.int64]
    """(P,): indices of the images to forecast"""
    series: tuple[int, int, int, int]
    """(cube, cell y, cell x, year) of the weather"""
    weather: Floats
    weather_start: int
    labels: NDArray[np.int64] | None = None
    measured: Floats | None = None
    """(K, H, W)"""
    earlier: Earlier | None = None
    """images of the season before, which may be seen and are no targets"""
    site: Site | None = None
    """for a network that is given it"""


def collate(samples: Sequence[TrainingSample]) -> Batch:
    """Stack samples. Images of the season before come after those of the season. Shorter series are padded with images
    that are valid nowhere, and missing targets with targets that count nowhere. Weather that several samples share is
    kept once.

    Raises InputError where the weather ends before a target.
    """
    # Whole, though radon counts each comprehension: it is one flat list of the fields of a batch.
    _refuse_short_weather(samples)
    images = [_with_earlier(sample) for sample in samples]
    length = max(len(days) for _, days, _ in images)
    targets = max(len(sample.origin) for sample in samples)
    series = {sample.series: sample for sample in samples}
    positions = {key: position for position, key in enumerate(series)}
    image_days = _stack([days for _, days, _ in images], length, "edge")
    target_day = _stack([sample.days[sample.target] for sample in samples], targets, "edge")
    start = torch.tensor([sample.weather_start for sample in series.values()])
    index = torch.tensor([positions[sample.series] for sample in samples])
    needed = int((image_days.amax(1) - start[index]).max())  # later weather is not used
    labels = [sample.labels for sample in samples if sample.labels is not None]
    measured = [sample.measured for sample in samples if sample.measured is not None]
    sites = [sample.site for sample in samples if sample.site is not None]
    return Batch(
        images=_stack([pixels for pixels, _, _ in images], length),
        image_days=image_days,
        valid=_stack([valid for _, _, valid in images], length),
        weather=_stack([sample.weather[:needed] for sample in series.values()], max(1, needed)),
        weather_start=start,
        weather_index=index,
        origin=_stack([sample.origin for sample in samples], targets, "edge"),
        target=_stack([sample.images[sample.target] for sample in samples], targets),
        target_valid=_stack([sample.clear[sample.target] for sample in samples], targets),
        target_day=target_day,
        labels=torch.from_numpy(np.stack(labels)) if len(labels) == len(samples) else None,
        measured=torch.from_numpy(np.stack(measured)) if len(measured) == len(samples) else None,
        latitude=torch.tensor([site.latitude for site in sites]) if len(sites) == len(samples) else None,
        static=torch.from_numpy(np.stack([site.static for site in sites])) if len(sites) == len(samples) else None,
    )


def _with_earlier(sample: TrainingSample) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """Images, days and valid pixels of a sample with those of the season before."""
    if sample.earlier is None:
        return sample.images, sample.days, sample.valid
    before = sample.earlier
    return (
        np.concatenate([sample.images, before.images]),
        np.concatenate([sample.days, before.days]),
        np.concatenate([sample.valid, before.valid]),
    )


def _stack(arrays: Sequence[NDArray[Any]], size: int, mode: str = "constant") -> torch.Tensor:
    """Stack arrays whose first axis is padded to `size` with zeros, or by repeating the last entry ("edge")."""
    padded = [
        np.pad(a, [(0, size - len(a))] + [(0, 0)] * (a.ndim - 1), mode=mode) if len(a) < size else a  # type: ignore[call-overload]
        for a in arrays
    ]
    return torch.from_numpy(np.stack(padded))


def _refuse_short_weather(samples: Sequence[TrainingSample]) -> None:
    """Raise InputError where the weather of a sample ends before one of its targets."""
    for sample in samples:
        last = int(sample.days[sample.target].max(initial=0))
        if sample.weather_start + len(sample.weather) < last:
            raise InputError(f"the weather ends before {date_of(last)}, a day to forecast; see `mmvsf check`")
