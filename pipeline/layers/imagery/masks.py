"""Decoders of quality masks: from a product's codes to the bits of `imagery/quality`.

Sources: HLS v2 user guide, table 9 (LP DAAC, 2023); Sentinel-2 Products Specification Document 14.9 (ESA); Landsat 8-9
Collection 2 Level 2 Science Product Guide, section on QA_PIXEL (USGS).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import QUALITY_FILL, Quality


def decode_fmask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """HLS Fmask -> quality bits. The layouts agree; bit 0 is unused in v2 and dropped, 255 stays no data."""
    return np.where(mask == QUALITY_FILL, np.uint8(QUALITY_FILL), mask & np.uint8(0b11111110)).astype(np.uint8)


_SCL_BITS = {
    0: QUALITY_FILL,  # no data
    1: QUALITY_FILL,  # saturated or defective
    2: 0,  # dark area: topographic shade, which the ground shows through
    3: Quality.SHADOW,
    4: 0,  # vegetation
    5: 0,  # not vegetated
    6: Quality.WATER,
    7: 0,  # unclassified
    8: Quality.CLOUD,  # medium probability
    9: Quality.CLOUD,  # high probability
    10: Quality.CLOUD,  # thin cirrus
    11: Quality.SNOW,
}


def decode_scl(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sentinel-2 scene classification -> quality bits. Codes that SCL does not define become no data."""
    table = np.full(256, QUALITY_FILL, np.uint8)
    for code, bits in _SCL_BITS.items():
        table[code] = bits
    return table[mask]


_QA_PIXEL_FILL = 1 << 0
_QA_PIXEL_BITS = {
    1: Quality.ADJACENT,  # dilated cloud
    2: Quality.CLOUD,  # cirrus, high confidence
    3: Quality.CLOUD,
    4: Quality.SHADOW,
    5: Quality.SNOW,
    7: Quality.WATER,
}
"""bit of QA_PIXEL -> bit of `imagery/quality`"""


def decode_qa_pixel(mask: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Landsat Collection 2 QA_PIXEL of OLI (uint16) -> quality bits (uint8), same shape.

    Bit 6 (clear) is not read: USGS sets it for cirrus and dilated cloud too. Nor are the confidences in bits 8 to 15:
    the highest sets bits 2 to 5, and a medium one is clear to USGS. Aerosol is another band of Landsat, so the aerosol
    bits are 0. A pixel with the fill bit has no data; nor has one of code 0, since observed pixels have confidences.
    """
    return _qa_pixel_table()[mask]


@cache  # 64 KiB
def _qa_pixel_table() -> NDArray[np.uint8]:
    codes = np.arange(1 << 16, dtype=np.uint16)
    table = np.zeros(codes.shape, np.uint8)
    for bit, quality in _QA_PIXEL_BITS.items():
        table[codes >> bit & 1 == 1] |= np.uint8(quality)
    table[(codes & _QA_PIXEL_FILL != 0) | (codes == 0)] = QUALITY_FILL
    table.flags.writeable = False
    return table


Decoder = Callable[[NDArray[Any]], NDArray[np.uint8]]

LAYOUTS: dict[str, tuple[type[np.unsignedinteger[Any]], Decoder]] = {
    "fmask": (np.uint8, decode_fmask),
    "scl": (np.uint8, decode_scl),
    "qa-pixel": (np.uint16, decode_qa_pixel),
}
"""Layouts that a recipe may name -> (type of the mask, its decoder)."""

QUALITY_NAMES: dict[str, int] = {
    "clear": 0,
    "cloud": Quality.CLOUD,
    "adjacent": Quality.ADJACENT,
    "shadow": Quality.SHADOW,
    "snow": Quality.SNOW,
    "water": Quality.WATER,
    "nodata": QUALITY_FILL,
}
"""What a recipe may call a code or a bit of a mask -> bits of `imagery/quality`."""


@dataclass(frozen=True)
class CodeTable:
    """Decodes a mask of codes by a table: (code, bits of `imagery/quality`). A code that is not in it has no data."""

    codes: tuple[tuple[int, int], ...]

    def __call__(self, mask: NDArray[Any]) -> NDArray[np.uint8]:
        """Same shape."""
        codes, bits = np.array(sorted(self.codes), np.int64).T
        place = np.searchsorted(codes, mask.astype(np.int64)).clip(max=len(codes) - 1)
        return np.where(codes[place] == mask, bits[place], QUALITY_FILL).astype(np.uint8)


@dataclass(frozen=True)
class BitTable:
    """Decodes a mask of bits by a table: (bit, bits of `imagery/quality`)."""

    bits: tuple[tuple[int, int], ...]

    def __call__(self, mask: NDArray[Any]) -> NDArray[np.uint8]:
        """Same shape."""
        result = np.zeros(mask.shape, np.uint8)
        numbers = mask.astype(np.int64)
        for bit, quality in self.bits:
            result[numbers >> bit & 1 == 1] |= np.uint8(quality)
        return result


@dataclass(frozen=True)
class FillMask:
    """The quality of a product without a mask, from a band: no data where it is fill or NaN, clear elsewhere."""

    fill: float | None
    """None: NaN only"""

    def __call__(self, band: NDArray[Any]) -> NDArray[np.uint8]:
        """Same shape."""
        return np.where(is_fill(band, self.fill), QUALITY_FILL, 0).astype(np.uint8)


def is_fill(stored: NDArray[Any], fill: float | None) -> NDArray[np.bool_]:
    """Where stored numbers are no data: the fill value, or in floating-point files whatever is not finite."""
    missing = np.zeros(stored.shape, bool) if stored.dtype.kind in "iu" else ~np.isfinite(stored)
    if fill is None:
        return missing
    # A fill value such as -3.4028235e+38 is rounded by the type of its file.
    exact = np.asarray(fill).astype(stored.dtype) if stored.dtype.kind == "f" else fill
    missing |= stored == exact
    return missing
