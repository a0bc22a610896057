"""The input and output of an encoder: the adapter for any model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class EncoderInput:
    """What is known of a square of pixels on a day: images up to it, and weather up to the day before."""

    images: Floats
    """(time, band, y, x): bands in their units, reflectance as a fraction; NaN where not valid."""
    valid: NDArray[np.bool_]
    """(time, y, x): False for cloud and no data."""
    days: Days
    """(time,) datetime64[D], sorted"""
    weather: Floats
    """(day, variable): daily weather in the units of the cube."""
    weather_days: Days
    """(day,) datetime64[D], consecutive, from three months before the season to the day before `until`."""
    until: np.datetime64
    """The day of the embedding."""
    latitude: NDArray[np.float64]
    """(pixel,) degrees north, row by row"""
    longitude: NDArray[np.float64]
    """(pixel,) degrees east"""
    bands: tuple[str, ...]
    variables: tuple[str, ...]

    @property
    def pixels(self) -> Floats:
        """(pixel, time, band): the same as series of single pixels, row by row."""
        return np.ascontiguousarray(self.images.reshape(*self.images.shape[:2], -1).transpose(2, 0, 1))

    @property
    def pixels_valid(self) -> NDArray[np.bool_]:
        """(pixel, time)"""
        return np.ascontiguousarray(self.valid.reshape(len(self.valid), -1).T)


class Encoder(ABC):
    """A model that embeds pixels, for `mmvsf embed --encoder MODULE:OBJECT`. It may be called from several threads."""

    name: str
    version: str
    digest: str
    """Identifies the weights, such as their SHA-256: embeddings with another name, version or digest are replaced."""
    width: int
    """Number of features of an embedding."""
    patch: int = 1
    """Side in pixels of the square that has one embedding; 1 for an encoder of pixels."""
    bands: tuple[str, ...] = ()
    """The bands that a cube must have, in this order; empty for any."""
    variables: tuple[str, ...] = ()
    """The weather variables that a cube must have, in this order; empty for any."""

    season_before: bool = False
    """Whether `images` begins with up to eight images of the season before."""

    @abstractmethod
    def __call__(self, given: EncoderInput) -> Floats:
        """(pixel, width), or (y, x, width) of whole images, where y and x count patches; NaN where there is none."""
