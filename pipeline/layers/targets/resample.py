"""Quantities of a year on the cube's pixels: area-weighted means of rasters and polygons."""

import math
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.recipe.target import Target
from mmvsf.pipeline.layers.target_source import TargetSource
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.parts import parts_of
from mmvsf.pipeline.raster.resample import relate
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.smoothing import pixel_metres

TARGETS_VERSION = 2
"""Raised when the same sources give other numbers."""

LEAST_POINTS, MOST_POINTS = 5, 60
"""Points of a pixel along each side: their mean is that of the area. At least as many as the source has pixels there,
and a multiple of them, so that for pixels in line the mean is exact."""

MOST_AT_ONCE = 4_000_000
"""Points that are looked up, or pixels of the source that are read, at a time: 400 MB, most of it for the points'
places in another projection."""

MOST_ACROSS = 600
"""Pixels of the source along a side of a pixel that are reckoned with, so that a part has more than one column: numpy
adds the points of a single one in another order."""

LEAST_KNOWN = 0.5
"""A pixel of which less than this share is known is unknown."""


@dataclass(frozen=True)
class TargetTask:
    """The numbers of one target in one block and year."""

    name: str
    year: int
    block: BlockIndex
    entry: str
    """name of its ledger entry"""
    asset: Asset
    digest: str


def target_tasks(name: str, target: Target, source: TargetSource, grid: Grid) -> list[TargetTask]:
    """One task a block and year. Raises what `TargetSource.asset` raises."""
    tasks = []
    for year in sorted(target.years):
        asset = source.asset(year)
        text = f"{TARGETS_VERSION} {source.fingerprint(asset)} {asset.grid} {target.units} {target.valid_range}"
        for block in grid.blocks:
            place = RasterGrid.of(grid.block_geobox(block))
            digest = sha256(f"{text} {place}".encode()).hexdigest()
            entry = f"targets/{name}/{year}/{grid.block_name(block)}"
            tasks.append(TargetTask(name, year, block, entry, asset, digest))
    return tasks


def read_target(task: TargetTask, target: Target, source: TargetSource, grid: Grid) -> NDArray[np.float32]:
    """The numbers of a block (block, block) in the target's units, NaN where unknown. Raises ReadError, also for
    numbers outside the valid range."""
    pixels = RasterGrid.of(grid.block_geobox(task.block))
    points = points_of(task.asset.grid, pixels)
    most = max(points, min(_pixels_across(task.asset.grid, pixels), MOST_ACROSS))
    means = np.full(pixels.shape, np.nan, np.float32)
    for window, part in parts_of(pixels, most, MOST_AT_ONCE):
        place = relate(task.asset.grid, part.refined(points), weighted=False)
        if not place.empty:
            numbers = source.read(task.asset, place.window)
            _refuse_impossible(numbers, target, task)
            means[window] = _means(place.codes(numbers, np.nan), points)
    return means


def _means(fine: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """The mean over the known ones of points x points numbers, NaN where too few are known."""
    rows, columns = fine.shape
    cells = fine.reshape(rows // points, points, columns // points, points)
    known = ~np.isnan(cells)
    count = known.sum(axis=(1, 3))
    total = np.where(known, cells, 0.0).sum(axis=(1, 3))
    enough = count >= LEAST_KNOWN * points**2
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=enough & (count > 0)))


def points_of(source: RasterGrid, target: RasterGrid) -> int:
    """Points along a side of a target's pixel."""
    across = _pixels_across(source, target)
    return min(across * math.ceil(LEAST_POINTS / across), MOST_POINTS)


def _pixels_across(source: RasterGrid, target: RasterGrid) -> int:
    """How many pixels of the source fit the side of a target's pixel: 1 for a coarser source."""
    return max(1, round(target.resolution / pixel_metres(source)[0]))


def _refuse_impossible(numbers: NDArray[np.float64], target: Target, task: TargetTask) -> None:
    known = numbers[~np.isnan(numbers)]
    if target.valid_range is None or not known.size:
        return
    least, greatest = target.valid_range
    if known.min() < least or known.max() > greatest:
        raise ReadError(
            f"{task.asset.name}: {task.name} runs from {known.min():.6g} to {known.max():.6g} {target.units} in"
            f" {task.year}, valid are {least:g} to {greatest:g}; convert the unit, or declare the no-data value"
        )
