"""Labels from their own rasters to the cube's pixels, with the purity of each pixel."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.grid import BlockIndex, Grid

from .mapping import mapping
from .scene import Asset, RasterGrid
from .sources.protocols import LabelSource

POINTS = 5
"""A pixel's label is the majority of POINTS x POINTS points in it."""


@dataclass(frozen=True)
class LabelTask:
    """The labels of one block in one year."""

    year: int
    block: BlockIndex
    asset: Asset
    digest: str


def label_tasks(source: LabelSource, grid: Grid, years: tuple[int, ...], method: str, legend: str) -> list[LabelTask]:
    """One task a block and year. `legend` is any text that changes with the legend. Raises InputError."""
    tasks = []
    for year in years:
        asset = source.asset(year)
        for block in grid.blocks:
            text = f"{asset.href} {asset.grid} {RasterGrid.of(grid.block_geobox(block))} {method} {legend}"
            tasks.append(LabelTask(year, block, asset, sha256(text.encode()).hexdigest()))
    return tasks


def read_labels(
    task: LabelTask, grid: Grid, source: LabelSource, method: str, codes: tuple[int, ...]
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(crop, purity) of a block: uint16 codes, 0 unknown, and the percent of the pixel that carries the code.

    Raises InputError for a code that the legend does not list, ReadError for a raster that cannot be read.
    """
    target = RasterGrid.of(grid.block_geobox(task.block))
    points = 1 if method == "nearest" or mapping(task.asset.grid, target).native else POINTS
    fine = _refine(target, points)
    place = mapping(task.asset.grid, fine)
    if place.empty:
        nothing = np.zeros(target.shape, np.uint16)
        return nothing, nothing.astype(np.uint8)
    stored = source.read(task.asset, place.window)
    unknown = np.setdiff1d(np.unique(stored), (0, *codes))
    if unknown.size:
        raise InputError(
            f"{task.asset.href}: the codes {', '.join(map(str, unknown.tolist()))} are not in the legend; add them"
            " to it, or write 0 where the label is unknown"
        )
    labels = place.codes(stored.astype(np.uint16), 0)
    return _majority(labels, points)


def _refine(target: RasterGrid, points: int) -> RasterGrid:
    """The grid with points x points cells in each pixel."""
    a, b, c, d, e, f = target.transform
    rows, columns = target.shape
    return RasterGrid(target.crs, (a / points, b, c, d, e / points, f), (rows * points, columns * points))


def _majority(labels: NDArray[np.uint16], points: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Most frequent code of each pixel's points and its share in percent; of equals the smaller code."""
    rows, columns = labels.shape[0] // points, labels.shape[1] // points
    cells = labels.reshape(rows, points, columns, points)
    best = np.zeros((rows, columns), np.uint16)
    votes = np.zeros((rows, columns), np.int64)
    for code in np.unique(labels):
        count = (cells == code).sum(axis=(1, 3))
        wins = count > votes
        best[wins], votes[wins] = code, count[wins]
    purity = np.where(best > 0, votes * 100 // points**2, 0).astype(np.uint8)
    return best, purity
