"""The tensors of one batch, with their shapes checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

_SHAPES = {
    "images": "B T C H W",
    "image_days": "B T",
    "valid": "B T H W",
    "weather": "U D V",
    "weather_start": "U",
    "weather_index": "B",
    "origin": "B P",
    "target": "B P C H W",
    "target_valid": "B P H W",
    "target_day": "B P",
    "labels": "B H W",
    "measured": "B K H W",
    "latitude": "B",
    "static": "B S H W",
}
_OPTIONAL = ("labels", "measured", "latitude", "static")


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples: a series of images each, the weather they share, and the images to be forecast.

    Days count from 1970-01-01. Reflectance and weather are normalised. Padding is an image that is valid
    nowhere. Raises ValueError, naming the field, where shapes do not fit together.
    """

    images: Tensor
    """(B, T, C, H, W) float: context images in any order, 0 where not valid."""
    image_days: Tensor
    """(B, T) int64: the day of each image."""
    valid: Tensor
    """(B, T, H, W) bool: False for cloud, no data and padding."""
    weather: Tensor
    """(U, D, V) float: daily weather of each distinct (weather cell, season) of the batch."""
    weather_start: Tensor
    """(U,) int64: the day of the first row of each series."""
    weather_index: Tensor
    """(B,) int64: which series belongs to a sample."""
    origin: Tensor
    """(B, P) int64: the image from whose day a forecast starts; it sees nothing taken later."""
    target: Tensor
    """(B, P, C, H, W) float: the observed images to be forecast."""
    target_valid: Tensor
    """(B, P, H, W) bool: where the target is clear."""
    target_day: Tensor
    """(B, P) int64: the day of each target, on or after that of its origin."""
    labels: Tensor | None = None
    """(B, H, W) int64: class of each pixel, where the batch is for mapping."""
    measured: Tensor | None = None
    """(B, K, H, W) float: the requested targets of the cube, in their units, NaN where unknown."""
    latitude: Tensor | None = None
    """(B,) float: of each sample in degrees, NaN where unknown; None unless the network is given the site."""
    static: Tensor | None = None
    """(B, S, H, W) float: normalised static layers, NaN where unknown; None unless the network is given the site."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, axes in _SHAPES.items():
            tensor = getattr(self, name)
            if tensor is None and name in _OPTIONAL:
                continue
            letters = axes.split()
            if tensor.ndim != len(letters):
                raise ValueError(f"Batch.{name} must be ({', '.join(letters)}), got {tuple(tensor.shape)}")
            for letter, size in zip(letters, tensor.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    raise ValueError(
                        f"Batch.{name} must be ({', '.join(letters)}) with {letter} = {sizes[letter]}, "
                        f"got {tuple(tensor.shape)}"
                    )
        for name in ("valid", "target_valid"):
            if getattr(self, name).dtype != torch.bool:
                raise ValueError(f"Batch.{name} must be bool, got {getattr(self, name).dtype}")

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Batch:
        """The batch on another device; `dtype`, where given, is that of the floating tensors."""
        moved = {
            name: tensor.to(device, dtype if tensor.is_floating_point() else None, non_blocking=True)
            for name, tensor in self._tensors().items()
        }
        return replace(self, **moved)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, from which a GPU copies asynchronously."""
        return replace(self, **{name: tensor.pin_memory() for name, tensor in self._tensors().items()})

    def without_weather(self) -> Batch:
        """The same batch with the mean weather of the training part in place of every day's weather.

        This is how a single-modality model is made: the same network and parameters, nothing to see.
        """
        return replace(self, weather=torch.zeros_like(self.weather))

    def _tensors(self) -> dict[str, Tensor]:
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: tensor for name, tensor in pairs if tensor is not None}
