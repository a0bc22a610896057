"""NDVI of pure pixels by class and day of the season, from some chunks of a cube."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from mmvsf.datasets.variables import is_clear

from .view import Floats, ReportView, spread

PIXELS_READ = 110_000
"""Pixels of chunks that are read in each year, at most."""
PIXELS_PER_CHUNK = 30
"""Pixels of one class that are taken from one chunk, at most."""
PURE = 95
"""Percent of a pixel that its class must fill; its eight neighbours must be of that class too."""
STEP = 8
"""Days per point of a curve."""
FEWEST = 20
"""Observations below which no point is drawn."""


@dataclass(frozen=True)
class ClassCurve:
    """NDVI of one class in one year."""

    quartiles: NDArray[np.float64]
    """(points, 3), one point per `STEP` days; NaN where there are too few observations"""
    pixels: int
    """that the curve comes from"""

    @property
    def has_points(self) -> bool:
        return bool(np.isfinite(self.quartiles).any())


def ndvi_curves(view: ReportView, year: int, codes: Sequence[int]) -> dict[int, ClassCurve]:
    """The curve of each class code."""
    grid, n = view.cube.grid, view.cube.grid.chunks_per_block
    random = np.random.default_rng(0)
    values: dict[int, list[Floats]] = {code: [] for code in codes}
    steps: dict[int, list[NDArray[np.int64]]] = {code: [] for code in codes}
    pixels = dict.fromkeys(codes, 0)
    for cy, cx in spread(view.chunks, max(1, PIXELS_READ // grid.chunk**2)):
        rows, columns = (slice(index * grid.chunk, (index + 1) * grid.chunk) for index in (cy, cx))
        picked = _pick_pure(view, year, rows, columns, codes, random)
        days = view.stored_days((cy // n, cx // n), year)
        if len(days) == 0 or not any(len(indices) for indices in picked.values()):
            continue
        ndvi = _ndvi(view, days, rows, columns)
        step = (view.day_of_season[days] - 1) // STEP
        for code, indices in picked.items():
            of_class = ndvi[:, indices]
            clear = np.isfinite(of_class)
            values[code].append(of_class[clear])
            steps[code].append(np.broadcast_to(step[:, None], of_class.shape)[clear])
            pixels[code] += len(indices)
    return {code: ClassCurve(_quartiles(values[code], steps[code]), pixels[code]) for code in codes}


def _pick_pure(
    view: ReportView, year: int, rows: slice, columns: slice, codes: Sequence[int], random: np.random.Generator
) -> dict[int, NDArray[np.int64]]:
    """For each code, positions in the raveled chunk of some pixels that lie inside fields of that class."""
    crop = view.labels(year, rows, columns)
    pure = _inside(crop) & (view.labels(year, rows, columns, array="purity") >= PURE)
    return {code: _draw(random, np.flatnonzero((pure & (crop == code)).ravel())) for code in codes}


def _inside(crop: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where a pixel and its eight neighbours (those in the chunk) carry the same code."""
    same: NDArray[np.bool_] = (minimum_filter(crop, 3) == crop) & (maximum_filter(crop, 3) == crop)
    return same


def _draw(random: np.random.Generator, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices if len(indices) <= PIXELS_PER_CHUNK else random.choice(indices, PIXELS_PER_CHUNK, replace=False)


def _ndvi(view: ReportView, days: NDArray[np.int64], rows: slice, columns: slice) -> Floats:
    """(days, pixels), NaN where not clear."""
    clear = is_clear(view.quality(days, rows, columns)).reshape(len(days), -1)
    red, nir = np.moveaxis(view.reflectance(days, ("red", "nir"), rows, columns), 1, 0).reshape(2, len(days), -1)
    return np.where(clear, (nir - red) / np.maximum(nir + red, 0.01), np.nan)


def _quartiles(values: list[Floats], steps: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    quartiles = np.full((-(-366 // STEP), 3), np.nan)
    if values:
        ndvi, step = np.concatenate(values), np.concatenate(steps)
        for point in np.unique(step):
            of_point = ndvi[step == point]
            if len(of_point) >= FEWEST:
                quartiles[point] = np.percentile(of_point, (25, 50, 75))
    return quartiles
