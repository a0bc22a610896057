"""Figures of the crop map: the confusion matrix, and the map beside the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import LegendClass

from .drawing import MISSING, ON_DARK, ON_LIGHT, WIDTH, class_handles, class_image, map_frame
from .elements import Element, drawn, percent
from .runs import SETS, Rows
from .view import Floats, ReportView

MOST_CLASSES = 16
"""Classes of a confusion matrix that is drawn, at most: the most frequent."""


def confusion_matrix(rows: Rows, classes: Sequence[LegendClass]) -> list[Element]:
    """The confusion matrix of MM-VSF on the hardest held-out set, in percent of each label.

    Raises ValueError where its size does not fit the legend.
    """
    matrices = {row["set"]: row["confusion"] for row in rows if row["method"] == "mmvsf" and row.get("confusion")}
    held_out = next((name for name in ("both", "new_year", "new_place") if name in matrices), None)
    if held_out is None:
        return []
    counts = np.asarray(matrices[held_out], np.float64)
    if counts.shape != (len(classes),) * 2:
        raise ValueError(f"the confusion matrix is {counts.shape}, the legend has {len(classes)} classes")
    total = counts.sum(0) + counts.sum(1)
    occurring = np.count_nonzero(total)
    used = np.sort(np.argsort(-total, kind="stable")[: min(MOST_CLASSES, occurring)])
    if len(used) == 0:
        return []
    figure = _confusion_figure(counts[np.ix_(used, used)], counts[used].sum(1), [classes[i].name for i in used])
    only = "" if len(used) == occurring else f" The {len(used)} most frequent classes."
    caption = f"Confusion of classes, MM-VSF, {SETS[held_out]}: where the pixels of each label went, in percent.{only}"
    return [drawn(figure, "Confusion matrix", caption)]


def _confusion_figure(counts: NDArray[np.float64], support: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """`counts` (label, mapped class); `support` is the number of pixels of each label, mapped as any class."""
    share = np.zeros_like(counts)
    np.divide(100 * counts, support[:, None], out=share, where=support[:, None] > 0)
    longest, side = 0.075 * max(map(len, names)), 0.5 * len(names)
    figure = Figure(figsize=(side + longest + 2.3, side + 0.7 * longest + 0.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [f"{n} ({int(s):,})" for n, s in zip(names, support, strict=True)])
    axes.set(xlabel="mapped as", ylabel="label (pixels)")
    for (row, column), value in np.ndenumerate(share):
        text = "" if support[row] == 0 else f"{value:.0f}" if value >= 0.5 else "·"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ON_DARK if value > 55 else ON_LIGHT)
    for spine in axes.spines.values():
        spine.set_visible(True)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("percent of the label's pixels")
    return figure


@dataclass(frozen=True)
class _MapBlock:
    """One block of the map, each array (H, W)."""

    block: BlockIndex
    mapped: NDArray[np.int64]
    """class codes, 0 unknown"""
    labels: NDArray[np.integer[Any]] | None
    """class codes, 0 unknown; None where the year of the map has no labels"""
    confidence: Floats
    """percent, NaN where there is none"""

    @property
    def agreement(self) -> str:
        """Share of the pixels, labelled and mapped, that carry the label, in words; empty where there are none."""
        if self.labels is None:
            return ""
        both = (self.labels > 0) & (self.mapped > 0)
        return f"{percent(float((self.labels == self.mapped)[both].mean()), 0)} agree" if both.any() else ""


def map_beside_labels(
    view: ReportView, crop_map: Path, confidence: Path, classes: Sequence[LegendClass], year: int | None
) -> Element | None:
    """Labels, map, where they differ, and confidence of up to three blocks; None where the files cannot be read or do
    not lie on the cube's grid."""
    try:
        blocks = _read_map(view, crop_map, confidence, classes, year)
    except (RasterioError, CPLE_BaseError, OSError):
        return None
    if not blocks:
        return None
    what = f"The crop map{f' of {year}' if year else ''}"
    if blocks[0].labels is None:
        alt, caption = "Crop map and its confidence", f"{what}, and its confidence."
    else:
        alt = "Crop map beside the labels"
        caption = f"{what} beside the labels. Red: mapped differently from the label; grey: unknown in one of them."
    return drawn(_map_figure(view, blocks, classes), alt, caption)


def _read_map(
    view: ReportView, crop_map: Path, confidence: Path, classes: Sequence[LegendClass], year: int | None
) -> list[_MapBlock]:
    """The example blocks; none where the map lies on another grid."""
    grid, blocks = view.cube.grid, []
    with rasterio.open(crop_map) as map_file, rasterio.open(confidence) as confidence_file:
        if map_file.shape != grid.shape or not map_file.transform.almost_equals(grid.geobox.transform):
            return []
        code_by_name = {entry.name: entry.code for entry in classes}
        legend = view.cube.legend  # codes of another legend mean other classes
        alike = legend is not None and {(entry.code, entry.name) for entry in legend.classes} <= {
            (entry.code, entry.name) for entry in classes
        }
        names = {int(key[6:]): name for key, name in map_file.tags().items() if key.startswith("class_")}
        for block in view.example_blocks:
            rows, columns = grid.block_slices(block)
            window = Window.from_slices(rows, columns)
            stored = map_file.read(1, window=window)
            codes = np.zeros(stored.shape, np.int64)
            for value in np.unique(stored):
                codes[stored == value] = code_by_name.get(names.get(int(value), ""), 0)
            labels = view.labels(int(year), rows, columns) if alike and year in view.cube.label_years else None
            share = confidence_file.read(1, window=window).astype(np.float32)
            blocks.append(_MapBlock(block, codes, labels, np.where(share > 100, np.nan, share)))
    return blocks


def _map_figure(view: ReportView, blocks: Sequence[_MapBlock], classes: Sequence[LegendClass]) -> Figure:
    """One line per block: labels, map, difference and confidence; or map and confidence where nothing is labelled."""
    labelled = blocks[0].labels is not None
    titles = ["labels", "crop map", "difference", "confidence"] if labelled else ["crop map", "confidence"]
    width = WIDTH if labelled else 0.62 * WIDTH
    figure = Figure(figsize=(width, ((WIDTH - 0.9) / 4 - 0.2) * len(blocks) + 0.9), layout="constrained")
    grid = figure.subplots(len(blocks), len(titles), squeeze=False)
    for line, block in zip(grid, blocks, strict=True):
        for axes, title in zip(line, titles, strict=True):
            image = _draw_panel(axes, title, block, classes, view.side_km)
            heading = [title] if block is blocks[0] else []
            agreement = [block.agreement] if title == "difference" and block.agreement else []
            axes.set_title(", ".join([*heading, *agreement]))
            map_frame(axes, view.side_km, y_label=title == titles[0], x_label=block is blocks[-1])
        line[0].set_ylabel(f"{view.names[block.block]} ({view.part_name(block.block)})\nkm north", fontsize=8)
    # The last panel drawn is a confidence.
    figure.colorbar(image, ax=list(grid[:, -1]), shrink=0.7, label="percent", aspect=8 * len(blocks))
    maps = [codes for block in blocks for codes in (block.mapped, block.labels) if codes is not None]
    entries = class_handles(classes, maps)
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 7 if labelled else 3))
    return figure


def _draw_panel(axes: Axes, title: str, block: _MapBlock, classes: Sequence[LegendClass], side: float) -> Any:
    """Draw what a title names; returns the image. `side` is that of a block in km."""
    extent = (0, side, 0, side)
    if title == "confidence":
        axes.set_facecolor(MISSING)
        return axes.imshow(block.confidence, cmap="viridis", vmin=0, vmax=100, extent=extent)
    if title == "crop map" or block.labels is None:
        return axes.imshow(class_image(block.mapped, classes), extent=extent)
    if title == "labels":
        return axes.imshow(class_image(block.labels, classes), extent=extent)
    return axes.imshow(_difference(block.labels, block.mapped), extent=extent)


def _difference(labels: NDArray[np.integer[Any]], mapped: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(H, W, 3): red where they differ, near white where they agree, grey where one is unknown."""
    image = np.full((*labels.shape, 3), 246, np.uint8)
    image[labels != mapped] = (190, 40, 40)
    image[(labels == 0) | (mapped == 0)] = (217, 217, 217)
    return image
