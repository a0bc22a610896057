"""The pictures that a run leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.samples.reader import Floats

from .forecast import BlockForecast
from .metrics import ndvi

MISSING = "#dbdbdb"


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def false_colour(image: Floats, bands: Sequence[str]) -> Floats:
    """(H, W, 3) of reflectance (C, H, W): near infrared, red and green as red, green and blue, so that leaves
    are red and bare soil is grey; pixels that are NaN become light grey."""
    top = np.array([0.55, 0.25, 0.22], np.float32)
    picked = np.stack([image[bands.index(name)] for name in ("nir", "red", "green")], -1) / top
    known = np.isfinite(picked).all(-1, keepdims=True)
    return np.where(known, np.clip(np.nan_to_num(picked), 0, 1) ** 0.8, np.float32(0.86))


def loss_figure(losses: Sequence[Sequence[float | None]]) -> Figure:
    """Training and validation loss by step, of [step, training or None, validation or None]."""
    figure = Figure(figsize=(7, 3.6))
    axes = figure.subplots()
    for place, name, style in ((1, "training", "-"), (2, "validation", "o-")):
        points = [(row[0], row[place]) for row in losses if row[place] is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=name, markersize=4)
    axes.set(xlabel="step", ylabel="mean squared error\n(training deviation = 1)", ylim=(0, None))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    return figure


def forecast_figure(examples: Sequence[tuple[str, BlockForecast]], bands: Sequence[str]) -> Figure:
    """One row an example: last clear context, forecast, observation, and difference of NDVI."""
    rows = len(examples)
    figure = Figure(figsize=(11.5, 2.9 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, 4, squeeze=False)
    for axes, (name, example) in zip(grid, examples, strict=True):
        lead = example.day - example.issued
        titles = (
            f"{name}\nlast clear until {date_of(example.issued)}",
            f"forecast of {date_of(example.day)}\n{lead} days ahead",
            f"observed {date_of(example.day)}",
            "NDVI: forecast - observed",
        )
        images = (example.last, example.forecast, example.observed)
        for axis, image in zip(axes, images, strict=False):
            axis.imshow(false_colour(image, bands), interpolation="nearest")
        difference = ndvi(example.forecast, bands) - ndvi(example.observed, bands)
        shown = axes[3].imshow(difference, cmap="RdBu", vmin=-0.4, vmax=0.4, interpolation="nearest")
        axes[3].set_facecolor(MISSING)
        figure.colorbar(shown, ax=axes[3], shrink=0.85)
        for axis, title in zip(axes, titles, strict=True):
            axis.set_title(title, fontsize=9)
            axis.set(xticks=[], yticks=[])
    figure.suptitle("near infrared, red, green; light grey: not clear", fontsize=9)
    return figure


def map_figure(
    panels: Sequence[tuple[str, NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.float32]]], legend: Legend
) -> Figure:
    """One row a block: predicted classes (H, W), labels where there are any, and confidence (0 to 1).

    Classes count from 0 in the legend's order; -1 is unknown.
    """
    colours = ListedColormap([MISSING, *(entry.color for entry in legend.classes)])
    figure = Figure(figsize=(9.5, 2.9 * len(panels) + 1.0), layout="constrained")
    grid = figure.subplots(len(panels), 3, squeeze=False)
    for axes, (name, predicted, labels, confidence) in zip(grid, panels, strict=True):
        for axis, classes, title in ((axes[0], predicted, f"{name}: map"), (axes[1], labels, "labels")):
            axis.set_title(title, fontsize=9)
            if classes is not None:
                axis.imshow(
                    classes + 1, cmap=colours, vmin=-0.5, vmax=len(legend.classes) + 0.5, interpolation="nearest"
                )
            else:
                axis.text(0.5, 0.5, "no labels", ha="center", va="center", transform=axis.transAxes)
        shown = axes[2].imshow(confidence, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        axes[2].set_title("confidence", fontsize=9)
        figure.colorbar(shown, ax=axes[2], shrink=0.85)
        for axis in axes:
            axis.set(xticks=[], yticks=[])
    handles = [Patch(color=entry.color, label=entry.name) for entry in legend.classes]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=8, frameon=False)
    return figure
