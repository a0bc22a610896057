"""Do crops follow the weather? NDVI of each class through a normal and a late year."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from mmvsf.datasets.cube.legend import LegendClass
from mmvsf.datasets.variables import is_clear

from .drawing import NORMAL, WIDTH, month_axis, readable
from .elements import Absent, Section, drawn
from .view import ReportView, spread
from .weather import Years

PIXELS_READ = 110_000
"""Pixels of chunks that are looked at in each year, at most."""
PIXELS_A_CHUNK = 30
"""Pixels of one class that are taken from one chunk, at most."""
PURE = 95
"""Percent of a pixel that its class must fill; its eight neighbours must be of that class too."""
STEP = 8
"""Days that one point of a curve stands for."""
MOST_CLASSES = 12
"""Panels, at most: the classes with the most pixels."""
FEWEST = 20
"""Observations below which no point is drawn."""

Curve = NDArray[np.float64]
"""(points, 3): quartiles of NDVI in each step of days, NaN where there are too few observations"""


def curves_section(sample: ReportView, years: Years) -> Section:
    """Small multiples: one panel a class, the same axes in all."""
    title = "Do crops follow the weather?"
    legend = sample.cube.legend
    if legend is None:
        return Section("curves", title, [Absent("Needs labels, and this cube has none.")])
    shown = [year for year in (years.normal, years.late) if year is not None and year in sample.cube.label_years]
    if not shown:
        return Section("curves", title, [Absent("Needs a labelled year with weather from 1 January to 1 June.")])
    curves = {year: _curves(sample, year, legend.classes) for year in shown}
    classes = [entry for entry in legend.classes if any(np.isfinite(curves[y][entry.code][0]).any() for y in shown)]
    frequent = sorted(classes, key=lambda entry: -max(curves[y][entry.code][1] for y in shown))[:MOST_CLASSES]
    classes = [entry for entry in classes if entry in frequent]
    if not classes:
        return Section("curves", title, [Absent("No class has enough pure, clear pixels to draw a curve.")])
    columns = min(3, len(classes))
    rows = -(-len(classes) // columns)
    figure = Figure(figsize=(WIDTH if columns > 1 else 0.6 * WIDTH, 2.3 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    first, last = sample.season
    middles = np.arange(0, 366, STEP) + (STEP + 1) / 2
    for axes, entry in zip(grid.flat, classes, strict=False):
        for year in shown:
            late = year == years.late
            tone = readable(entry.color) if late or len(shown) == 1 else NORMAL
            curve, pixels = curves[year][entry.code]
            known = np.isfinite(curve[:, 1])
            axes.fill_between(
                middles[known], curve[known, 0], curve[known, 2], color=tone, alpha=0.3 if late else 0.18, linewidth=0
            )
            axes.plot(middles[known], curve[known, 1], color=tone, linewidth=1.9 if late else 1.3,
                      linestyle="-" if late or len(shown) == 1 else (0, (4, 1.5)),
                      label=f"{year}, {pixels:,} pixels")  # fmt: skip
        axes.set_title(entry.name)
        axes.grid(axis="both")
        axes.legend(loc="lower center" if columns > 1 else "best", fontsize=7.5, handlelength=2.2)
        month_axis(axes, first, last, every=2 if columns > 1 and last - first > 220 else 1)
    for axes in list(grid.flat)[len(classes) :]:
        axes.set_visible(False)
    for column in range(columns):
        # The lowest panel of each column carries the months.
        below = max(row for row in range(rows) if row * columns + column < len(classes))
        grid[below, column].tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel("NDVI")
    grid[0, 0].set_ylim(-0.05, 1.0)
    pair = (
        f"The normal year {years.normal} is dashed grey, the late year {years.late} in the colour of the class."
        if len(shown) > 1
        else f"{shown[0]} is the only labelled year with a whole spring of weather."
    )
    caption = (
        f"NDVI, (nir − red) / (nir + red), of clear pixels that lie inside fields of one class: median and middle half "
        f"of every {STEP} days. {pair}"
    )
    return Section(
        "curves", title, [drawn(figure, "NDVI by day of year for each class and two years", caption, vector=True)]
    )


def _curves(sample: ReportView, year: int, classes: Sequence[LegendClass]) -> dict[int, tuple[Curve, int]]:
    """For each code, quartiles of NDVI by step of days, and how many pixels they come from."""
    grid = sample.cube.grid
    n = grid.chunks_per_block
    chunks = [(y * n + j, x * n + i) for y, x in grid.blocks for j in range(n) for i in range(n)]
    random = np.random.default_rng(0)
    values: dict[int, list[NDArray[np.float32]]] = {entry.code: [] for entry in classes}
    steps: dict[int, list[NDArray[np.int64]]] = {entry.code: [] for entry in classes}
    pixels = dict.fromkeys(values, 0)
    for cy, cx in spread(chunks, max(1, PIXELS_READ // grid.chunk**2)):
        rows, columns = (slice(place * grid.chunk, (place + 1) * grid.chunk) for place in (cy, cx))
        crop = sample.labels(year, rows, columns)
        pure = _inside(crop) & (sample.labels(year, rows, columns, array="purity") >= PURE)
        picked = {code: _draw(random, np.flatnonzero((pure & (crop == code)).ravel())) for code in values}
        days = sample.stored_days((cy // n, cx // n), year)
        if len(days) == 0 or not any(len(places) for places in picked.values()):
            continue
        clear = is_clear(sample.quality(days, rows, columns)).reshape(len(days), -1)
        red, nir = np.moveaxis(sample.reflectance(days, ("red", "nir"), rows, columns), 1, 0).reshape(2, len(days), -1)
        index = np.where(clear, (nir - red) / np.maximum(nir + red, 0.01), np.nan)
        step = (sample.day_of_year[days] - 1) // STEP
        for code, places in picked.items():
            own = index[:, places]
            known = np.isfinite(own)
            values[code].append(own[known])
            steps[code].append(np.broadcast_to(step[:, None], own.shape)[known])
            pixels[code] += len(places)
    return {code: (_quartiles(values[code], steps[code]), pixels[code]) for code in values}


def _inside(crop: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where a pixel and its eight neighbours (those in the chunk) carry the same code."""
    same: NDArray[np.bool_] = (minimum_filter(crop, 3) == crop) & (maximum_filter(crop, 3) == crop)
    return same


def _draw(random: np.random.Generator, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places if len(places) <= PIXELS_A_CHUNK else random.choice(places, PIXELS_A_CHUNK, replace=False)


def _quartiles(values: list[NDArray[np.float32]], steps: list[NDArray[np.int64]]) -> Curve:
    points = -(-366 // STEP)
    curve = np.full((points, 3), np.nan)
    if values:
        index, step = np.concatenate(values), np.concatenate(steps)
        for point in np.unique(step):
            own = index[step == point]
            if len(own) >= FEWEST:
                curve[point] = np.percentile(own, (25, 50, 75))
    return curve
