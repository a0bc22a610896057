"""The weather of a normal and of an unusual year, before the band of all years."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .drawing import NORMAL, UNUSUAL, WIDTH, month_axis
from .elements import Absent, Note, Part, Section, drawn
from .view import ReportView, spread

BASE = 10.0
"""Growing-degree days are counted above this mean temperature, degrees Celsius."""
JUNE_1 = 152
"""Day of year."""
MOST_BLOCKS = 64
"""Blocks whose weather is averaged."""
HALF_WINDOW = 7
"""Days on either side that make up a day's climatology."""

Days = NDArray[np.float64]
"""(years, 366), NaN where there is none"""


@dataclass(frozen=True)
class Years:
    """The weather of each year, mean over the blocks: variable -> (years, 366) by day of year."""

    years: tuple[int, ...]
    values: dict[str, Days]
    heat: Days
    """growing-degree days since 1 January; NaN from the first missing day on"""
    normal: int | None
    """the year whose heat by 1 June is the median (a year with images, and labels where there are any)"""
    late: int | None
    """the one with the least; None where there are fewer than two to choose from"""

    def of(self, name: str, year: int) -> NDArray[np.float64]:
        """(366,) of one year."""
        row: NDArray[np.float64] = self.values[name][self.years.index(year)]
        return row

    def heat_by_june(self, year: int) -> float:
        return float(self.heat[self.years.index(year), JUNE_1 - 1])


def read_years(sample: ReportView) -> Years:
    """Weather by year, and which year is normal and which is late."""
    blocks = spread(sample.cube.grid.blocks, MOST_BLOCKS)
    axis = sample.cube.calendar.years()
    years = tuple(int(year) for year in np.unique(axis))
    place = axis - years[0], sample.day_of_year - 1
    values = {}
    for name in sample.cube.weather:
        values[name] = np.full((len(years), 366), np.nan)
        values[name][place] = sample.weather(name, blocks)
    if {"tmin", "tmax"} <= values.keys():
        heat = np.maximum((values["tmin"] + values["tmax"]) / 2 - BASE, 0).cumsum(axis=1)
    else:
        heat = np.full((len(years), 366), np.nan)
    candidates = [y for y in sample.cube.years if not sample.cube.label_years or y in sample.cube.label_years]
    june = {y: heat[years.index(y), JUNE_1 - 1] for y in candidates if y in years}
    june = {year: value for year, value in june.items() if np.isfinite(value)}
    if not june:
        return Years(years, values, heat, None, None)
    late = min(june, key=lambda year: june[year]) if len(june) > 1 else None
    middle = float(np.median(list(june.values())))
    normal = min((year for year in june if year != late), key=lambda year: abs(june[year] - middle))
    return Years(years, values, heat, normal, late)


def weather_section(sample: ReportView, years: Years) -> Section:
    """Temperature, rain, radiation and heat of the normal and the late year, side by side."""
    title = "Weather"
    if years.normal is None:
        needs = "minimum and maximum temperature from 1 January to 1 June of a year with images"
        return Section("weather", title, [Absent(f"This cube does not hold what the picture needs: {needs}.")])
    columns = [year for year in (years.normal, years.late) if year is not None]
    heights = {"temperature": 1.5, "precipitation": 0.8, "radiation": 0.9, "heat": 1.3}
    rows = [name for name in heights if name in ("temperature", "heat") or name in years.values]
    figure = Figure(
        figsize=(WIDTH if len(columns) > 1 else 0.6 * WIDTH, 1.35 * sum(heights[r] for r in rows) + 0.8),
        layout="constrained",
    )
    grid = figure.subplots(
        len(rows), len(columns), squeeze=False, sharex=True, sharey="row", height_ratios=[heights[r] for r in rows]
    )
    first, last = 1, 366
    for column, year in enumerate(columns):
        word = "late year" if year == years.late else "normal year"
        mark = "the normal year" if years.late is not None else "the only year with a whole spring"
        heat = f"{years.heat_by_june(year):.0f} °C d by 1 June"
        grid[0, column].set_title(f"{year}, {word if years.late is not None else mark}: {heat}")
        for row, name in enumerate(rows):
            _DRAW[name](grid[row, column], years, year)
            grid[row, column].grid(axis="both")
        month_axis(grid[-1, column], first, last)
    for row, name in enumerate(rows):
        grid[row, 0].set_ylabel(_LABELS[name])
    entries, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(entries, names, loc="outside lower center", ncols=len(names))
    several = sum(np.isfinite(years.values["tmin"]).sum(axis=1) > 200) > 1
    chosen = " The late year had the least heat by 1 June, the normal one the median." if years.late else ""
    band = (
        f" Grey: the 10th to the 90th percentile of all years' days within {HALF_WINDOW} days of the date (of tmin "
        "and of tmax for temperature); for the heat sum, all years."
        if several
        else ""
    )
    caption = (
        "Daily weather, mean over the blocks. Heat: growing-degree days, the sum of (tmin + tmax) / 2 above "
        f"{BASE:g} °C since 1 January.{chosen}{band}"
    )
    parts: list[Part] = [drawn(figure, "Daily weather of a normal and of a late year", caption, vector=True)]
    ranked = sorted((y for y in years.years if np.isfinite(years.heat_by_june(y))), key=years.heat_by_june)
    if len(ranked) > 1:
        listed = ", ".join(f"{year} {years.heat_by_june(year):.0f}" for year in ranked)
        parts.append(Note(f"Growing-degree days by 1 June, from the latest spring to the earliest: {listed}."))
    return Section("weather", title, parts)


def _temperature(axes: Axes, years: Years, year: int) -> None:
    _band(axes, years.values["tmin"], years.values["tmax"])
    days = np.arange(1, 367)
    low, high = years.of("tmin", year), years.of("tmax", year)
    axes.fill_between(days, low, high, color=_tone(years, year), alpha=0.55, linewidth=0, label="tmin to tmax")


def _rain(axes: Axes, years: Years, year: int) -> None:
    axes.bar(np.arange(1, 367), np.nan_to_num(years.of("precipitation", year)), width=1.0, color="#0072b2")
    total = np.nansum(years.of("precipitation", year)[90:273])
    axes.set_title(f"April to September {total:.0f} mm", loc="right", fontsize=8)
    axes.set_ylim(0, None)


def _radiation(axes: Axes, years: Years, year: int) -> None:
    _band(axes, years.values["radiation"], years.values["radiation"])
    axes.plot(np.arange(1, 367), years.of("radiation", year), color=_tone(years, year), linewidth=0.7)
    axes.set_ylim(0, None)


def _heat(axes: Axes, years: Years, year: int) -> None:
    days = np.arange(1, 367)
    known = np.isfinite(years.heat).sum(axis=0) > 1
    if known.any():
        columns = years.heat[:, known]
        axes.fill_between(days[known], np.nanmin(columns, axis=0), np.nanmax(columns, axis=0), color="#dddddd", lw=0)
    axes.plot(days, years.heat[years.years.index(year)], color=_tone(years, year), linewidth=1.6)
    axes.axvline(JUNE_1, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_ylim(0, None)


def _band(axes: Axes, low: Days, high: Days) -> None:
    """The middle 80 % of the days near each date in all years, where there is more than one."""
    if (np.isfinite(low).sum(axis=1) > 200).sum() < 2:
        return
    days = np.arange(1, 367)
    bottom, top = (np.full(366, np.nan) for _ in range(2))
    for day in range(366):
        near = np.arange(day - HALF_WINDOW, day + HALF_WINDOW + 1) % 366
        if np.isfinite(low[:, near]).any():
            bottom[day], top[day] = np.nanpercentile(low[:, near], 10), np.nanpercentile(high[:, near], 90)
    axes.fill_between(days, bottom, top, color="#dddddd", linewidth=0, label="all years")


def _tone(years: Years, year: int) -> str:
    return UNUSUAL if year == years.late else NORMAL


_LABELS = {
    "temperature": "temperature\n°C",
    "precipitation": "rain\nmm a day",
    "radiation": "radiation\nMJ m⁻² a day",
    "heat": "heat sum\n°C d",
}
_DRAW: dict[str, Any] = {
    "temperature": _temperature,
    "precipitation": _rain,
    "radiation": _radiation,
    "heat": _heat,
}
