"""What a cube must hold, worked out pixel by pixel from the files of the tiny archive with plain loops.

Written from the specification: rasterio reads whole files, pyproj maps one pixel centre at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

from .tiny_archive import BANDS, BLOCK, COLUMNS, EAST, LEFT, MASK, PIXEL, ROWS, TOP, Granule, Scene

FILL = -9999


@dataclass
class Day:
    """One day of the whole region. `reflectance` is not rounded yet."""

    quality: NDArray[np.uint8]
    scene: NDArray[np.object_]
    reflectance: NDArray[np.float64]
    status: NDArray[np.object_]


def read(path: Path) -> NDArray[np.int64]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1), np.int64)


@cache
def position(granule: Granule, row: int, column: int) -> tuple[float, float]:
    """(row, column) in a granule of the centre of a pixel of the region, counted from its first pixel's centre."""
    x, y = LEFT + (column + 0.5) * PIXEL, TOP - (row + 0.5) * PIXEL
    if granule.epsg != EAST.epsg:
        x, y = _to_west().transform(x, y)
    return (granule.top - y) / granule.pixel - 0.5, (x - granule.left) / granule.pixel - 0.5


@cache
def _to_west() -> Transformer:
    return Transformer.from_crs(32615, 32614, always_xy=True)


def rank(quality: int) -> int:
    """Clear before snow before shadow or cloud edge before cloud; no data last."""
    if quality == 255:
        return 4
    if quality & 0b10:
        return 3
    if quality & 0b1100:
        return 2
    return 1 if quality & 0b10000 else 0


def decode(code: int) -> int:
    """Fmask to quality bits: 255 first, then bits 1 to 7 as they are."""
    return 255 if code == 255 else code - code % 2


def at(values: NDArray[np.int64], row: int, column: int, outside: int) -> int:
    inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
    return int(values[row, column]) if inside else outside


def bilinear(values: NDArray[np.int64], row: float, column: float) -> float:
    """Of the four neighbours, those with a weight; fill if one of them has none."""
    total = 0.0
    low_row, low_column = math.floor(row), math.floor(column)
    for r, weight_r in ((low_row, 1 - (row - low_row)), (low_row + 1, row - low_row)):
        for c, weight_c in ((low_column, 1 - (column - low_column)), (low_column + 1, column - low_column)):
            if weight_r * weight_c > 0:
                value = at(values, r, c, FILL)
                if value == FILL:
                    return FILL
                total += weight_r * weight_c * value
    return total


def has_pixel(quality: int, bands: list[float]) -> bool:
    """Whether a scene has a pixel: in its mask, and if that is clear, in all six bands."""
    return quality != 255 and (rank(quality) > 0 or FILL not in bands)


def preference(scene: Scene) -> tuple[bool, list[int], str]:
    """The native grid first, then the newer version, then the smaller id."""
    return scene.granule.epsg != EAST.epsg, [-int(part) for part in scene.version.split(".")], scene.id


def expected_day(root: Path, scenes: Iterable[Scene], skip_below_clear: float) -> Day:
    """The day that these scenes make. Of one acquisition only the newest version counts."""
    newest: dict[tuple[str, str, str], Scene] = {}
    for scene in sorted(scenes, key=preference, reverse=True):
        newest[scene.granule.tile, scene.collection, scene.when] = scene
    ordered = sorted(newest.values(), key=preference)
    masks = {s.id: read(root / f"scenes/{s.id}/{MASK[s.collection]}.tif") for s in ordered}
    bands = {s.id: [read(root / f"scenes/{s.id}/{key}.tif") for key in BANDS[s.collection]] for s in ordered}
    day = Day(
        np.full((ROWS, COLUMNS), 255, np.uint8),
        np.full((ROWS, COLUMNS), None, object),
        np.full((6, ROWS, COLUMNS), FILL, np.float64),
        np.full((ROWS // BLOCK, COLUMNS // BLOCK), "not_acquired", object),
    )

    def candidates(row: int, column: int) -> Iterator[tuple[int, Scene, list[float]]]:
        """(quality, scene, bands) of each scene that has a quality there, the best first."""
        found = []
        for scene in ordered:
            r, c = position(scene.granule, row, column)
            quality = decode(at(masks[scene.id], math.floor(r + 0.5), math.floor(c + 0.5), 255))
            if quality != 255:
                found.append((quality, scene, r, c))
        for quality, scene, r, c in sorted(found, key=lambda entry: rank(entry[0])):
            yield quality, scene, [bilinear(values, r, c) for values in bands[scene.id]]

    for block_row, block_column, rows, columns in blocks():
        pixels = [(row, column) for row in range(*rows.indices(ROWS)) for column in range(*columns.indices(COLUMNS))]
        # A block that is cloudy by its masks keeps what these say; its bands are not read.
        clear = sum(any(rank(quality) == 0 for quality, *_ in candidates(*pixel)) for pixel in pixels) / BLOCK**2
        for pixel in pixels:
            for quality, scene, values in candidates(*pixel):
                if clear < skip_below_clear or has_pixel(quality, values):
                    day.quality[pixel], day.scene[pixel] = quality, scene
                    day.reflectance[:, *pixel] = values
                    break
        quality = day.quality[rows, columns]
        if (quality == 255).all():
            continue
        clear = sum(rank(int(q)) == 0 for q in quality.ravel()) / BLOCK**2
        day.status[block_row, block_column] = "stored" if clear >= skip_below_clear else "skipped_cloudy"
        if clear < skip_below_clear:
            day.reflectance[:, rows, columns] = FILL
    return day


def blocks() -> Iterator[tuple[int, int, slice, slice]]:
    for block_row in range(ROWS // BLOCK):
        for block_column in range(COLUMNS // BLOCK):
            rows = slice(block_row * BLOCK, block_row * BLOCK + BLOCK)
            yield block_row, block_column, rows, slice(block_column * BLOCK, block_column * BLOCK + BLOCK)
