"""The picture of forecasts beside what was observed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.model.figures import MISSING, false_colour
from mmvsf.model.metrics import ndvi

from .block import BlockForecast


def forecast_figure(examples: Sequence[tuple[str, BlockForecast]], bands: Sequence[str]) -> Figure:
    """One row per example: last clear pixels before it, forecast, observation, and difference of NDVI."""
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
