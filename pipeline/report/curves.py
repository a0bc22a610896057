"""Do crops follow the weather? NDVI of each class through a normal and a late year."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvsf.datasets.cube.legend import LegendClass

from .drawing import NORMAL, WIDTH, month_axis, readable
from .elements import Absent, Element, ReportSection, drawn
from .ndvi import STEP, ClassCurve, ndvi_curves
from .view import ReportView
from .weather import Years

MOST_CLASSES = 12
"""Panels, at most: the classes with the most pixels."""
COLUMNS = 3


@dataclass(frozen=True)
class _Curves:
    """What is drawn: the curves of some classes in one or two years."""

    classes: tuple[LegendClass, ...]
    years: tuple[int, ...]
    late: int | None
    curves: dict[int, dict[int, ClassCurve]]
    """year -> class code -> curve"""


def curves_section(view: ReportView, years: Years) -> ReportSection:
    """Small multiples: one panel per class, the same axes in all."""
    return ReportSection("curves", "Do crops follow the weather?", [_element(view, years)])


def _element(view: ReportView, years: Years) -> Element:
    legend = view.cube.legend
    if legend is None:
        return Absent("This needs labels, and the cube has none.")
    if not {"red", "nir"} <= set(view.cube.bands):
        return Absent(f"This needs red and nir; the bands of the cube are {', '.join(view.cube.bands)}.")
    shown = tuple(year for year in (years.normal, years.late) if year is not None and year in view.cube.label_years)
    if not shown:
        return Absent(f"This needs a labelled year with weather {years.spring}.")
    curves = {year: ndvi_curves(view, year, legend.codes) for year in shown}
    classes = _most_frequent(legend.classes, curves)
    if not classes:
        return Absent("No class has enough pure, clear pixels to draw a curve.")
    figure = _figure(view, _Curves(classes, shown, years.late, curves))
    which = (
        f"The normal year {years.normal} is dashed grey, the late year {years.late} in the colour of the class."
        if len(shown) > 1
        else f"{shown[0]} is the only labelled year with a whole spring of weather."
    )
    caption = (
        "NDVI, (nir − red) / (nir + red), of clear pixels inside fields of one class: median and middle half of every"
        f" {STEP} days. {which}"
    )
    return drawn(figure, "NDVI by day of the season for each class and two years", caption)


def _most_frequent(
    classes: tuple[LegendClass, ...], curves: dict[int, dict[int, ClassCurve]]
) -> tuple[LegendClass, ...]:
    """The classes that have a curve, in the order of the legend; of many, those with the most pixels."""

    def pixels(entry: LegendClass) -> int:
        return max(of_year[entry.code].pixels for of_year in curves.values())

    drawable = [entry for entry in classes if any(of_year[entry.code].has_points for of_year in curves.values())]
    frequent = sorted(drawable, key=pixels, reverse=True)[:MOST_CLASSES]
    return tuple(entry for entry in drawable if entry in frequent)


def _figure(view: ReportView, curves: _Curves) -> Figure:
    columns = min(COLUMNS, len(curves.classes))
    rows = -(-len(curves.classes) // columns)
    figure = Figure(figsize=(WIDTH if columns > 1 else 0.6 * WIDTH, 2.3 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    season = view.season_axis
    every = 2 if columns > 1 and season.last - season.first > 220 else 1
    for axes, entry in zip(grid.flat, curves.classes, strict=False):
        _draw_class(axes, curves, entry)
        axes.legend(loc="lower center" if columns > 1 else "best", fontsize=7.5, handlelength=2.2)
        month_axis(axes, season, every=every)
    for axes in list(grid.flat)[len(curves.classes) :]:
        axes.set_visible(False)
    for column in range(columns):
        # The lowest panel of each column carries the months.
        lowest = (len(curves.classes) - 1 - column) // columns
        grid[lowest, column].tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel("NDVI")
    grid[0, 0].set_ylim(-0.05, 1.0)
    return figure


def _draw_class(axes: Axes, curves: _Curves, entry: LegendClass) -> None:
    """The curves of one class: the late year, or the only one, in the colour of the class."""
    middles = np.arange(0, 366, STEP) + (STEP + 1) / 2
    for year in curves.years:
        late = year == curves.late
        coloured = late or len(curves.years) == 1
        colour = readable(entry.color) if coloured else NORMAL
        curve = curves.curves[year][entry.code]
        has_data = np.isfinite(curve.quartiles[:, 1])
        days, (low, median, high) = middles[has_data], curve.quartiles[has_data].T
        axes.fill_between(days, low, high, color=colour, alpha=0.3 if late else 0.18, linewidth=0)
        axes.plot(
            days,
            median,
            color=colour,
            linewidth=1.9 if late else 1.3,
            linestyle="-" if coloured else (0, (4, 1.5)),
            label=f"{year}, {curve.pixels:,} pixels",
        )
    axes.set_title(entry.name)
    axes.grid(axis="both")
