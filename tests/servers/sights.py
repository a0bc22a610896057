"""What the made-up satellites see anywhere on earth: formulas of place and day, that tests compare cubes with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SOIL = np.array([0.06, 0.09, 0.12, 0.20, 0.28, 0.24])
LEAVES = np.array([0.03, 0.07, 0.04, 0.45, 0.20, 0.09])
"""Reflectance of the cube's six bands."""

WAVES, SQUARES = 50, 80
"""Fields come and go so many times in a degree, and clouds are squares of a degree by so many. Both are whole numbers
around the earth, so that nothing jumps at 180 degrees."""


def reflectance(band: int, day: int, lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Reflectance (1) of a band of the cube, by its number, `day` days after 1970-01-01. Linear to some 2e-4 over
    30 m."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    phase = 2 * np.pi * (WAVES * (lon + 0.7 * lat) + day / 365.25)
    leaves = 0.5 + 0.4 * np.sin(phase)
    cover: Floats = SOIL[band] * (1 - leaves) + LEAVES[band] * leaves
    return cover


def cloudy(day: int, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Whether a cloud is over a place on a day: over a fifth of all."""
    column = np.floor((np.asarray(lon, float) % 360) * SQUARES).astype(np.int64)
    row = np.floor((np.asarray(lat, float) + 90) * SQUARES).astype(np.int64)
    mixed = (column * 7919 + row * 104729 + day * 1299709) * 2654435761 % 2**32
    return np.asarray((mixed >> 15) % 5 == 0)
