"""Checks of the images: every block was seen, and pixels, masks, scenes and summaries agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.variables import (
    CLEAR_FRACTION_FILL,
    QUALITY_FILL,
    REFLECTANCE_FILL,
    SCENE_FILL,
    Status,
    band_named,
    band_scales,
    is_clear,
)
from mmvsf.datasets.words import plural

from .check_result import Check

MOST_REPORTED = 3
"""Units that disagree with their summaries and are named."""


def check_coverage(cube: Cube) -> Check:
    """Every block of the recipe was seen, and no other has a status."""
    status = cube.array("blocks/status")
    inside = cube.grid.block_mask()
    problems = []
    if np.any(status[:, ~inside] != Status.OUTSIDE):
        problems.append("a block outside the recipe has a status")
    seen = np.isin(status[:, inside], (Status.STORED, Status.SKIPPED_CLOUDY))
    never = int((~seen.any(axis=0)).sum())
    if never:
        problems.append(f"{plural(never, 'block')} never seen")
    failed = int((status == Status.FAILED).sum())
    detail = f"{plural(int(inside.sum()), 'block')}, seen on {plural(round(seen.sum(axis=0).mean()), 'day')} each" + (
        f", {plural(failed, 'unit')} failed and accepted" if failed else ""
    )
    return Check.of("coverage", problems, detail)


def check_statistics(cube: Cube) -> Check:
    """The sums of clear pixels come to plausible means of all bands."""
    count = cube.array("chunks/imagery_count").sum(axis=(0, 1, 2)).astype(float)
    total = cube.array("chunks/imagery_sum").sum(axis=(0, 1, 2)).astype(float)
    if np.any(count == 0):
        return Check("statistics", False, "no clear pixel at all")
    ok, values = _plausible(cube, total / count * band_scales(cube.bands))
    return Check("statistics", ok, f"mean clear reflectance: {values}" + ("" if ok else " (wrong scale or offset?)"))


def _plausible(cube: Cube, values: NDArray[np.float64]) -> tuple[bool, str]:
    """Whether a value per band, in its unit, is plausible, and the values as text."""
    quantities = [band_named(name).quantity for name in cube.bands]
    text = ", ".join(f"{name} {value:.3f}" for name, value in zip(cube.bands, values, strict=True))
    return all(q.valid_min < value < q.valid_max for q, value in zip(quantities, values, strict=True)), text


@dataclass(frozen=True)
class _Unit:
    """One block on one day, as it is stored."""

    day: int
    block: BlockIndex
    status: Status
    quality: NDArray[np.uint8]
    """(row, column)"""
    bands: NDArray[np.int16]
    """(band, row, column)"""
    scene: NDArray[np.uint8]
    """(row, column)"""
    clear_percent: NDArray[np.uint8]
    """(chunk_y, chunk_x), the summary"""

    def problems(self, chunk: int) -> list[str]:
        """In which ways pixels, mask, scene and summary of chunks of `chunk` pixels a side disagree."""
        problems = []
        stored = (self.bands != REFLECTANCE_FILL).all(axis=0)
        if np.any((self.quality == QUALITY_FILL) != (self.scene == SCENE_FILL)):
            problems.append("pixels without a scene, or a scene without pixels")
        if self.status == Status.SKIPPED_CLOUDY and stored.any():
            problems.append("skipped as cloudy, yet has reflectance")
        if self.status == Status.STORED and np.any(stored & (self.quality == QUALITY_FILL)):
            problems.append("reflectance where the mask says no data")
        if self.status == Status.STORED and np.any(is_clear(self.quality) & ~stored):
            problems.append("clear by the mask, yet a band is missing")
        rows, columns = self.clear_percent.shape
        clear = self.clear.reshape(rows, chunk, columns, chunk).sum(axis=(1, 3)) * 100 // chunk**2
        seen = self.clear_percent != CLEAR_FRACTION_FILL
        if np.any(clear[seen] != self.clear_percent[seen]):
            problems.append("clear fraction does not agree with the pixels")
        return problems

    @property
    def clear(self) -> NDArray[np.bool_]:
        """(row, column), True where all bands are stored and the mask is clear."""
        stored: NDArray[np.bool_] = (self.bands != REFLECTANCE_FILL).all(axis=0)
        return is_clear(self.quality) & stored


def check_pixels(cube: Cube, units: int) -> list[Check]:
    """Compare up to so many units, drawn at random, pixel by pixel with their summaries."""
    status, clear_fraction = cube.array("blocks/status"), cube.array("chunks/clear_fraction")
    reflectance, quality, scene = (cube.pixels(f"imagery/{n}") for n in ("reflectance", "quality", "scene"))
    acquired = np.argwhere(np.isin(status, (Status.STORED, Status.SKIPPED_CLOUDY)))
    drawn = np.sort(np.random.default_rng(0).permutation(len(acquired))[:units])
    problems, medians = [], []
    n = cube.grid.chunks_per_block
    for time, by, bx in acquired[drawn].tolist():
        rows, columns = cube.grid.block_slices((by, bx))
        unit = _Unit(
            cube.calendar.days[time],
            (by, bx),
            Status(int(status[time, by, bx])),
            quality.read((time, rows, columns)),
            reflectance.read((time, slice(None), rows, columns)),
            scene.read((time, rows, columns)),
            clear_fraction[time, by * n : by * n + n, bx * n : bx * n + n],
        )
        problems += [f"day {unit.day}, block {by},{bx}: {problem}" for problem in unit.problems(cube.grid.chunk)]
        if (clear := unit.clear).any():
            medians.append(np.median(unit.bands[:, clear], axis=1) * band_scales(cube.bands))
    in_range, values = _plausible(cube, np.median(medians, axis=0)) if medians else (True, "")
    text = f"typical clear reflectance: {values}" if medians else "no clear pixel in the sample"
    return [
        Check.of("pixels agree with summaries", problems[:MOST_REPORTED], f"{plural(len(drawn), 'unit')} compared"),
        Check("ranges", in_range, text),
    ]
