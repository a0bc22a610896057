"""The picture of forecasts beside what was observed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.words import plural
from mmvsf.model.figures import MISSING, false_colour, shown_names
from mmvsf.model.metrics import has_ndvi, ndvi

from .block import BlockForecast


def forecast_figure(examples: Sequence[tuple[str, BlockForecast]], bands: Sequence[str]) -> Figure:
    """One row per example: last clear pixels before it, forecast, observation, and difference of NDVI, or of the first
    band where there is no NDVI."""
    compared = "NDVI" if has_ndvi(bands) else bands[0]
    rows = len(examples)
    figure = Figure(figsize=(11.5, 2.9 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, 4, squeeze=False)
    for axes, (name, example) in zip(grid, examples, strict=True):
        lead = example.day - example.issued
        titles = (
            f"{name}\nlast clear until {date_of(example.issued)}",
            f"forecast of {date_of(example.day)}\n{plural(lead, 'day')} ahead",
            f"observed {date_of(example.day)}",
            f"{compared}: forecast - observed",
        )
        images = (example.last, example.forecast, example.observed)
        for axis, image in zip(axes, images, strict=False):
            axis.imshow(false_colour(image, bands), interpolation="nearest")
        pair = [ndvi(i, bands) if has_ndvi(bands) else i[0] for i in (example.forecast, example.observed)]
        most = 0.4 if has_ndvi(bands) else None
        shown = axes[3].imshow(pair[0] - pair[1], cmap="RdBu", vmin=most and -most, vmax=most, interpolation="nearest")
        axes[3].set_facecolor(MISSING)
        figure.colorbar(shown, ax=axes[3], shrink=0.85)
        for axis, title in zip(axes, titles, strict=True):
            axis.set_title(title, fontsize=9)
            axis.set(xticks=[], yticks=[])
    figure.suptitle(f"{shown_names(bands)}; light grey: not clear", fontsize=9)
    return figure
