"""Pictures of losses and crop maps, and what all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.datasets.variables import band_named

MISSING = "#dbdbdb"


def save(figure: Figure, path: Path) -> None:
    """Write a picture as PNG. Raises OSError where the disk refuses."""
    FigureCanvasAgg(figure)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=110, bbox_inches="tight")
    write_verified(path, content.getvalue())


def literal(text: str) -> str:
    """A text of a user's for a picture, in which dollar signs would begin a formula."""
    return text.replace("$", r"\$")


COLOURS = ("nir", "red", "green")
"""Bands that are shown as red, green and blue, so that leaves are red and bare soil is grey."""
TOP = (0.55, 0.25, 0.22)
"""Reflectance that is drawn full bright, of each."""


def shown_bands(bands: Sequence[str]) -> tuple[str, ...]:
    """The bands that `false_colour` shows: near infrared, red and green, or else the first one."""
    return COLOURS if set(COLOURS) <= set(bands) else tuple(bands[:1])


def shown_names(bands: Sequence[str]) -> str:
    """What `false_colour` shows, for a title."""
    return ", ".join("near infrared" if name == "nir" else name for name in shown_bands(bands))


def false_colour(image: Floats, bands: Sequence[str]) -> Floats:
    """(H, W, 3) of an image (C, H, W) in the units of its bands: near infrared, red and green as red, green and blue,
    or the first band in grey; pixels that are NaN become light grey."""
    shown = shown_bands(bands)
    quantity = band_named(shown[0]).quantity
    low, high = (0.0, np.array(TOP, np.float32)) if shown == COLOURS else (quantity.valid_min, quantity.valid_max)
    picked = (np.stack([image[bands.index(name)] for name in shown], -1) - low) / (high - low)
    picked = np.broadcast_to(picked, (*picked.shape[:-1], 3))
    known = np.isfinite(picked).all(-1, keepdims=True)
    return np.where(known, np.clip(np.nan_to_num(picked), 0, 1) ** 0.8, np.float32(0.86))


def loss_figure(losses: Sequence[Sequence[float | None]]) -> Figure:
    """Training and validation loss by step, of [step, training or None, validation or None]; a loss that holds a
    likelihood may be below 0."""
    figure = Figure(figsize=(7, 3.6))
    axes = figure.subplots()
    lowest = min((loss for _, *both in losses for loss in both if loss is not None), default=0.0)
    for column, name, style in ((1, "training", "-"), (2, "validation", "o-")):
        points = [(row[0], row[column]) for row in losses if row[column] is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=name, markersize=4)
    axes.set(xlabel="step", ylabel="what the objective minimises", ylim=(min(0.0, lowest), None))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    return figure


def map_figure(
    panels: Sequence[tuple[str, NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.float32]]], legend: Legend
) -> Figure:
    """One row per block: predicted classes (H, W), labels where there are any, and confidence (0 to 1).

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
