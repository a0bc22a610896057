"""From the numbers of a product to those of a cube."""

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import REFLECTANCE_FILL, band_named

from .masks import is_fill
from .products import Product

REFLECTANCE_MAX = np.iinfo(np.int16).max
"""Numbers above this (a reflectance of 3.28, a temperature of 328 degrees Celsius) saturate."""

LARGEST_DENOMINATOR = 1_000_000
"""Scales and offsets are taken as fractions of the cube's scale with at most this denominator: 2.75e-5 is 11/40."""


def to_band(stored: NDArray[np.generic], product: Product, band: str, offset: int) -> NDArray[np.int16]:
    """A product's numbers of a band -> the cube's int16 (of the band's scale, for reflectance 1e-4; fill -9999), same
    shape.

    `offset` is that of the scene, in stored numbers. Where the product has another scale than the cube, numbers are
    rounded to the nearest step, halves to even, without an error of floating point. Negative reflectance is kept, as
    the products do; what would fall to the fill value or below becomes the smallest number above it, and what is above
    the largest becomes that. Numbers that are the cube's already are returned as they are, not as a copy.
    """
    (scale, zero), shifted = product.declared(band), product.bands[band].shift
    step = band_named(band).quantity.scale
    if product.any_numbers:
        missing = is_fill(stored, product.nodata)
        return _in_steps(np.where(missing, 0, stored).astype(np.float64) * scale + (zero + shifted), step, missing)
    factor, shift, divisor = _steps(scale, zero + shifted, step)
    same = (factor, shift, divisor, offset) == (1, 0, 1, 0) and product.nodata == REFLECTANCE_FILL
    if same and stored.dtype == np.int16 and stored.size and stored.min() >= REFLECTANCE_FILL:
        return stored.view(np.int16)
    values: NDArray[Any] = stored.astype(np.int32)
    values += offset
    if (factor, shift, divisor) != (1, 0, 1):
        # Halves are exact in floating point, and nothing else comes closer to one than 1 / divisor.
        values = np.rint((values.astype(np.int64) * factor + shift) / divisor)
    np.clip(values, REFLECTANCE_FILL + 1, REFLECTANCE_MAX, out=values)
    result = values.astype(np.int16)
    missing = is_fill(stored, product.nodata)
    if missing.any():
        result[missing] = REFLECTANCE_FILL
    return result


def _in_steps(values: NDArray[Any], step: float, missing: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Numbers in the unit of a band in its steps, as `to_band`, in floating point."""
    steps = np.clip(np.rint(values / step), REFLECTANCE_FILL + 1, REFLECTANCE_MAX)
    return np.where(missing, REFLECTANCE_FILL, steps).astype(np.int16)


@cache  # three numbers a band of a product
def _steps(scale: float, offset: float, step: float) -> tuple[int, int, int]:
    """Whole numbers (factor, shift, divisor): a stored number n is (n x factor + shift) / divisor steps of the cube."""
    factor, shift = (Fraction(value / step).limit_denominator(LARGEST_DENOMINATOR) for value in (scale, offset))
    divisor = int(np.lcm(factor.denominator, shift.denominator))
    return int(factor * divisor), int(shift * divisor), divisor
