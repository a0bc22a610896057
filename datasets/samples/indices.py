"""Spectral indices by name: numbers that are computed from the bands of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SpectralIndex:
    """A number for each pixel, from surface reflectance as a fraction."""

    bands: tuple[str, ...]
    """What it is computed from, in the order in which `parts` takes them"""
    parts: Callable[..., tuple[Floats, Floats]]
    """From the bands: numerator and denominator"""
    source: str
    """The formula, and who published it"""

    def __call__(self, *bands: Floats) -> Floats:
        """The index of bands of any one shape; NaN where its denominator is not above 0."""
        above, below = self.parts(*bands)
        defined = below > 0
        return np.divide(above, below, out=np.full_like(above, np.nan), where=defined)


def _difference(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return first - second, first + second


INDICES: dict[str, SpectralIndex] = {
    "ndvi": SpectralIndex(("nir", "red"), _difference, "(nir - red) / (nir + red); Rouse et al. 1974"),
    "gndvi": SpectralIndex(("nir", "green"), _difference, "(nir - green) / (nir + green); Gitelson et al. 1996"),
    "ndre": SpectralIndex(
        ("nir", "rededge1"), _difference, "(nir - rededge1) / (nir + rededge1); Gitelson and Merzlyak 1994"
    ),
    "ndwi": SpectralIndex(("green", "nir"), _difference, "(green - nir) / (green + nir), water; McFeeters 1996"),
    "mndwi": SpectralIndex(("green", "swir1"), _difference, "(green - swir1) / (green + swir1), water; Xu 2006"),
    "ndmi": SpectralIndex(("nir", "swir1"), _difference, "(nir - swir1) / (nir + swir1), moisture of leaves; Gao 1996"),
    "nbr": SpectralIndex(("nir", "swir2"), _difference, "(nir - swir2) / (nir + swir2), burns; Key and Benson 2006"),
    "ndti": SpectralIndex(
        ("swir1", "swir2"), _difference, "(swir1 - swir2) / (swir1 + swir2), crop residue; van Deventer et al. 1997"
    ),
    "savi": SpectralIndex(
        ("nir", "red"),
        lambda nir, red: (np.float32(1.5) * (nir - red), nir + red + np.float32(0.5)),
        "1.5 (nir - red) / (nir + red + 0.5); Huete 1988",
    ),
    "evi": SpectralIndex(
        ("nir", "red", "blue"),
        lambda nir, red, blue: (
            np.float32(2.5) * (nir - red),
            nir + np.float32(6) * red - np.float32(7.5) * blue + np.float32(1),
        ),
        "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1); Huete et al. 2002",
    ),
    "evi2": SpectralIndex(
        ("nir", "red"),
        lambda nir, red: (np.float32(2.5) * (nir - red), nir + np.float32(2.4) * red + np.float32(1)),
        "2.5 (nir - red) / (nir + 2.4 red + 1); Jiang et al. 2008",
    ),
}
"""Index -> its bands and formula. `nir` is the narrow near infrared."""
