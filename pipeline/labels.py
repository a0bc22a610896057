"""Labels from their own rasters to the cube's pixels, grouped as the recipe says, with the purity of each pixel."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.crops import CDL_GROUP_COLORS, CDL_GROUPS
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.grid import BlockIndex, Grid
from mmvsf.datasets.legend import Legend, grouped
from mmvsf.datasets.region import Labels

from .identity import content_identity
from .mapping import code_mapping
from .scene import Asset, RasterGrid
from .sources.protocols import LabelSource

POINTS = 5
"""A pixel's label is the majority of POINTS x POINTS points in it, and its purity their share. An odd number: the
middle one is the pixel's centre."""

LABELS_VERSION = 2
"""Raised when the same rasters give other labels: those of an older version are then redone."""


@dataclass(frozen=True)
class LabelTask:
    """The labels of one block in one year."""

    year: int
    block: BlockIndex
    asset: Asset
    digest: str


def stored_legend(options: Labels, legend: Legend) -> Legend:
    """The classes that the cube stores: the source's own, or the groups of the recipe. Raises InputError."""
    if options.groups is None:
        return legend
    if options.groups == "default":
        return grouped(legend, CDL_GROUPS, CDL_GROUP_COLORS)
    return grouped(legend, dict(options.groups), options.colors)


def label_tasks(source: LabelSource, grid: Grid, years: tuple[int, ...], method: str, legend: str) -> list[LabelTask]:
    """One task a block and year. `legend` is any text that changes with the stored classes. Raises InputError.

    A task's digest holds what its labels depend on: what the raster holds, not where it lies."""
    contents = []
    for year in years:
        asset = source.asset(year)
        text = f"{LABELS_VERSION} {content_identity(asset.href)} {asset.grid} {method} {legend}"
        contents.append((year, asset, text))
    tasks = []
    for block in grid.blocks:  # the years of a block together: they share its mapping
        place = RasterGrid.of(grid.block_geobox(block))
        for year, asset, text in contents:
            tasks.append(LabelTask(year, block, asset, sha256(f"{text} {place}".encode()).hexdigest()))
    return tasks


def read_labels(
    task: LabelTask, grid: Grid, source: LabelSource, method: str, known: tuple[int, ...], stored: dict[int, int]
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(crop, purity) of a block: uint16 codes, 0 unknown, and the percent of the pixel that carries the code.

    `known` are the codes that the source may hold, `stored` maps them to those of the cube; one that is not there
    is stored as 0. Classes are grouped before they are counted, so purity is that of the group. Raises InputError
    for a code that is not known, ReadError for a raster that cannot be read.
    """
    target = RasterGrid.of(grid.block_geobox(task.block))
    points = 1 if code_mapping(task.asset.grid, target).native else POINTS
    place = code_mapping(task.asset.grid, _refine(target, points))
    if place.empty:
        nothing = np.zeros(target.shape, np.uint16)
        return nothing, nothing.astype(np.uint8)
    codes = source.read(task.asset, place.window)
    unknown = np.setdiff1d(np.unique(codes), (0, *known))
    if unknown.size:
        raise InputError(
            f"{task.asset.href}: the codes {', '.join(map(str, unknown.tolist()))} are not in the legend; add them"
            " to it, or write 0 where the label is unknown"
        )
    table = np.zeros(max((0, *known)) + 1, np.uint16)
    table[list(stored)] = list(stored.values())
    cells = _cells(place.codes(table[codes.astype(np.int64)], 0), points)
    crop = cells[:, :, points // 2, points // 2].copy() if method == "nearest" else _majority(cells)
    votes = (cells == crop[:, :, None, None]).sum(axis=(2, 3))
    return crop, np.where(crop > 0, votes * 100 // points**2, 0).astype(np.uint8)


def _refine(target: RasterGrid, points: int) -> RasterGrid:
    """The grid with points x points cells in each pixel."""
    a, b, c, d, e, f = target.transform
    rows, columns = target.shape
    return RasterGrid(target.crs, (a / points, b, c, d, e / points, f), (rows * points, columns * points))


def _cells(labels: NDArray[np.uint16], points: int) -> NDArray[np.uint16]:
    """(row, column, point row, point column) of a grid with points x points cells in each pixel."""
    rows, columns = labels.shape[0] // points, labels.shape[1] // points
    return labels.reshape(rows, points, columns, points).swapaxes(1, 2)


def _majority(cells: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """(row, column) most frequent code of each pixel's points; of equals the smaller code."""
    best = np.zeros(cells.shape[:2], np.uint16)
    votes = np.zeros(cells.shape[:2], np.int64)
    for code in np.unique(cells):
        count = (cells == code).sum(axis=(2, 3))
        wins = count > votes
        best[wins], votes[wins] = code, count[wins]
    return best
