"""Resample labels from their rasters to the cube's pixels, in the recipe's groups, with the purity of each pixel."""

from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.legend import Legend, grouped
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.pipeline.layers.source import LabelSource
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.mappings import code_resampler
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .cdl_classes import CDL, CDL_GROUP_COLORS, CDL_GROUPS
from .codes import refuse_unlisted

POINTS = 5
"""A pixel's label is the majority of POINTS x POINTS points in it, and its purity their share. An odd number: the
middle one is the pixel's centre. Against the shares of area this misses the purity of mixed pixels by 4 to 5 percentage
points on average, for a CDL of 30 m as for one of 10 m."""

Code = TypeVar("Code", np.uint16, np.uint8)

LABELS_VERSION = 5
"""Raised when the same rasters give other labels: those of an older version are then redone."""


@dataclass(frozen=True)
class LabelTask:
    """The labels of one block in one year."""

    year: int
    block: BlockIndex
    entry: str
    """name of its ledger entry"""
    asset: Asset
    digest: str
    confidence: Asset | None = None
    """the raster of the source's confidence, on the grid of `asset`; None where it has none or it is not wanted"""
    least_purity: int = 0
    """percent; a pixel of which a smaller share carries its label is unknown"""


class BlockLabels(NamedTuple):
    """The labels of one block in one year: arrays (block, block)."""

    crop: NDArray[np.uint16]
    """codes, 0 unknown"""
    purity: NDArray[np.uint8]
    """percent of the pixel that carries the code"""
    confidence: NDArray[np.uint8]
    """percent, the mean of what carries the code; 255 unknown"""


def stored_legend(options: Labels, legend: Legend) -> Legend:
    """The classes that the cube stores: the source's own, or the groups of the recipe. Raises InputError."""
    if options.groups is None:
        return legend
    if options.groups == "default":
        if not set(CDL.codes) <= set(legend.codes):
            raise InputError(
                "labels.groups: default groups the classes of the Cropland Data Layer, which these labels do not have;"
                " name groups of their own classes"
            )
        return grouped(legend, CDL_GROUPS, CDL_GROUP_COLORS)
    return grouped(legend, dict(options.groups), options.colors)


def label_tasks(
    source: LabelSource,
    grid: Grid,
    years: tuple[int, ...],
    method: str,
    legend: str,
    confidence: bool = False,
    least_purity: int = 0,
) -> list[LabelTask]:
    """One task a block and year. `legend` is any text that changes with the stored classes. With `confidence`,
    also the raster of the source's confidence where there is one. Raises InputError.

    A task's digest holds what its labels depend on: what the raster holds, not where it lies."""
    contents = []
    for year in years:
        asset = source.asset(year)
        text = f"{LABELS_VERSION} {source.fingerprint(asset)} {asset.grid} {method} {legend}"
        text += f" {least_purity}" if least_purity else ""
        percent = None
        if confidence:
            percent = source.confidence(year)
            text += f" {source.fingerprint(percent) if percent else 'no confidence'}"
        contents.append((year, asset, percent, text))
    tasks = []
    for block in grid.blocks:  # the years of a block together: they share its mapping
        place = RasterGrid.of(grid.block_geobox(block))
        for year, asset, percent, text in contents:
            tasks.append(
                LabelTask(
                    year,
                    block,
                    f"labels/{year}/{grid.block_name(block)}",
                    asset,
                    sha256(f"{text} {place}".encode()).hexdigest(),
                    percent,
                    least_purity,
                )
            )
    return tasks


def read_labels(
    task: LabelTask, grid: Grid, source: LabelSource, method: str, valid: tuple[int, ...], stored: dict[int, int]
) -> BlockLabels:
    """The labels of a block.

    `valid` are the codes that the source may hold, `stored` maps them to those of the cube; one that it lacks is stored
    as 0. Classes are grouped before they are counted, so purity is that of the group. Raises InputError for a code
    that is not valid, ReadError for a raster that cannot be read.
    """
    target = RasterGrid.of(grid.block_geobox(task.block))
    points = 1 if code_resampler(task.asset.grid, target).native else POINTS
    place = code_resampler(task.asset.grid, target.refined(points))
    if place.empty:
        nothing = np.zeros(target.shape, np.uint16)
        return BlockLabels(nothing, nothing.astype(np.uint8), np.full(target.shape, CONFIDENCE_FILL, np.uint8))
    codes = source.read(task.asset, place.window)
    refuse_unlisted(codes, valid, f"{task.asset.name} ({task.year}, block {task.block[0]},{task.block[1]})")
    table = np.zeros(max((0, *valid)) + 1, np.uint16)
    table[list(stored)] = list(stored.values())
    cells = _cells(place.codes(table[codes.astype(np.int64)], 0), points)
    crop = cells[:, :, points // 2, points // 2].copy() if method == "nearest" else _majority(cells)
    carries = (cells == crop[:, :, None, None]) & (crop > 0)[:, :, None, None]
    purity = (carries.sum(axis=(2, 3)) * 100 // points**2).astype(np.uint8)
    mixed = purity < task.least_purity
    crop[mixed], purity[mixed], carries[mixed] = 0, 0, False
    if task.confidence is None:
        return BlockLabels(crop, purity, np.full(target.shape, CONFIDENCE_FILL, np.uint8))
    if task.confidence.grid != task.asset.grid:
        raise ReadError(f"{task.confidence.name} is on {task.confidence.grid}, its labels are on {task.asset.grid}")
    percent = _cells(place.codes(source.read(task.confidence, place.window), CONFIDENCE_FILL), points)
    return BlockLabels(crop, purity, _mean_confidence(percent, carries))


def _mean_confidence(percent: NDArray[np.uint8], carries: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(row, column) mean percent, rounded down, of the points that carry the pixel's label and are known: a raster of
    the CDL has 0 where it knows no confidence."""
    counted = carries & (percent > 0) & (percent <= 100)
    count = counted.sum(axis=(2, 3))
    total = np.where(counted, percent, 0).sum(axis=(2, 3), dtype=np.int64)
    return np.where(count > 0, total // np.maximum(count, 1), CONFIDENCE_FILL).astype(np.uint8)


def _cells(labels: NDArray[Code], points: int) -> NDArray[Code]:
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
