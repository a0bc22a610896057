"""Pictures of a forecast's layers: the image, NDVI, the width of its 90 % interval, and what a scenario changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib.figure import Figure
from rasterio.enums import Resampling

from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import spread
from mmvsf.datasets.sidecars.forecasts import DIFFERENCE, MEDIAN, NDVI, layer_file
from mmvsf.model.figures import MISSING, false_colour, literal, shown_names
from mmvsf.model.metrics import has_ndvi

from .distribution import QUANTILES

MOST_PIXELS = 600
"""On the longer side of a map; larger areas are averaged."""
MOST_DAYS = 4
LOW, MIDDLE, HIGH = 0, QUANTILES.index(0.5), len(QUANTILES) - 1


def maps_figure(result: Mapping[str, Any], folder: Path, bands: Sequence[str]) -> Figure:
    """One row for each day (at most MOST_DAYS), of the layers in a folder."""
    days = spread(result["days"], MOST_DAYS)
    several, scenario = bool(result["quantiles_over"]), result["scenario"] and literal(result["scenario"]["name"])
    panels = 1 + has_ndvi(bands) * (1 + several) + (scenario is not None)
    figure = Figure(figsize=(3.2 * panels, 3.1 * len(days) + 0.5), layout="constrained")
    grid = figure.subplots(len(days), panels, squeeze=False)
    for row, day in zip(grid, days, strict=True):
        axes = iter(row)
        axis = next(axes)
        axis.imshow(false_colour(_read(folder / layer_file(MEDIAN, day)), bands), interpolation="nearest")
        axis.set_title(f"{day}, {scenario}" if scenario else f"forecast of {day}", fontsize=9)
        shown: list[tuple[str, Floats, dict[str, Any]]] = []
        if has_ndvi(bands):
            ndvi = _read(folder / layer_file(NDVI, day))
            shown.append(("NDVI, median", ndvi[MIDDLE], {"cmap": "YlGn", "vmin": 0, "vmax": 0.95}))
            if several:
                shown.append(("NDVI, width of 90 %", ndvi[HIGH] - ndvi[LOW], {"cmap": "magma", "vmin": 0}))
        if scenario is not None:
            change = _read(folder / layer_file(DIFFERENCE, day))[MIDDLE]
            most = max(0.05, float(np.nanquantile(np.abs(change), 0.99)) if np.isfinite(change).any() else 0.0)
            name = "NDVI" if has_ndvi(bands) else bands[0]
            shown.append((f"{scenario}: {name} changes by", change, {"cmap": "RdBu", "vmin": -most, "vmax": most}))
        for axis, (title, image, style) in zip(axes, shown, strict=True):
            drawn = axis.imshow(image, interpolation="nearest", **style)
            axis.set_facecolor(MISSING)
            axis.set_title(title, fontsize=9)
            figure.colorbar(drawn, ax=axis, shrink=0.85)
        for axis in row:
            axis.set(xticks=[], yticks=[])
    figure.suptitle(
        f"{result['region']}, {result['area']}, issued {result['issued']}; {shown_names(bands)}; light grey: not seen",
        fontsize=9,
    )
    return figure


def _read(path: Path) -> Floats:
    """(bands, H, W) in their units, NaN where unknown, averaged to at most MOST_PIXELS on a side."""
    with rasterio.open(path) as source:
        step = max(1, -(-max(source.shape) // MOST_PIXELS))
        shape = (source.count, *(-(-side // step) for side in source.shape))
        read = source.read(out_shape=shape, resampling=Resampling.average, masked=True)
        scales = np.asarray(source.scales, np.float32)[:, None, None]
    return np.ma.filled(read.astype(np.float32) * scales, np.nan)
