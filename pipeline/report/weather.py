"""The weather of a normal and of an unusual year, before the band of all years."""

from calendar import month_name
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .drawing import NORMAL, UNUSUAL, WIDTH, SeasonAxis, month_axis
from .elements import Absent, Element, Note, ReportSection, drawn
from .view import ReportView, spread

BASE = 10.0
"""Growing-degree days are counted above this mean temperature, degrees Celsius."""
SPRING_END = 152
"""Day of the season by which heat tells a late spring: 1 June where seasons begin on 1 January."""
MOST_BLOCKS = 64
"""Blocks whose weather is averaged."""
MOST_OF_A_YEAR = 200
"""Days with weather from which a year counts in the band of all years."""
HALF_WINDOW = 7
"""Days on either side that make up a day's climatology."""

Days = NDArray[np.float64]
"""(years, 366), NaN where there is none"""


@dataclass(frozen=True)
class Years:
    """The weather of each season, mean over the blocks: variable -> (years, 366) by day of the season."""

    years: tuple[int, ...]
    values: dict[str, Days]
    heat: Days
    """growing-degree days since the season began; NaN from the first missing day on"""
    normal: int | None
    """the year whose heat by SPRING_END is the median (a year with images, and labels where there are any)"""
    late: int | None
    """the one with the least; None where there are fewer than two to choose from"""
    axis: SeasonAxis
    begins: str
    """the first day of a season, in words"""
    spring_ends: str
    """SPRING_END, in words"""

    @property
    def spring(self) -> str:
        """The days whose heat is compared, in words."""
        return f"from {self.begins} to {self.spring_ends}"

    @property
    def growing(self) -> tuple[slice, str]:
        """The fourth to the ninth month of a season, and their names."""
        months = sorted(self.axis.starts, key=lambda month: self.axis.starts[month])
        days = slice(self.axis.starts[months[3]] - 1, self.axis.starts[months[9]] - 1)
        return days, f"{month_name[months[3]]} to {month_name[months[8]]}"

    def of(self, name: str, year: int) -> NDArray[np.float64]:
        """(366,) of one year."""
        row: NDArray[np.float64] = self.values[name][self.years.index(year)]
        return row

    def spring_heat(self, year: int) -> float:
        return float(self.heat[self.years.index(year), SPRING_END - 1])


def read_years(view: ReportView) -> Years:
    """Weather by year, and which year is normal and which is late."""
    blocks = spread(view.cube.grid.blocks, MOST_BLOCKS)
    axis, season = view.cube.season_of_day, view.cube.season
    years = tuple(int(year) for year in np.unique(axis))
    index = axis - years[0], view.day_of_season - 1
    values = {}
    for name in view.cube.weather:
        values[name] = np.full((len(years), 366), np.nan)
        values[name][index] = view.weather(name, blocks)
    if {"tmin", "tmax"} <= values.keys():
        heat = np.maximum((values["tmin"] + values["tmax"]) / 2 - BASE, 0).cumsum(axis=1)
    else:
        heat = np.full((len(years), 366), np.nan)
    candidates = [y for y in view.cube.years if not view.cube.label_years or y in view.cube.label_years]
    normal, late = _normal_and_late({y: float(heat[years.index(y), SPRING_END - 1]) for y in candidates if y in years})
    first = season.common.first
    words = [f"{day.day} {month_name[day.month]}" for day in (first, first + timedelta(days=SPRING_END - 1))]
    return Years(years, values, heat, normal, late, view.season_axis.whole, *words)


def _normal_and_late(spring_heat: dict[int, float]) -> tuple[int | None, int | None]:
    """The year nearest to the median and the one with the least heat; None where there are too few years."""
    known = {year: heat for year, heat in spring_heat.items() if np.isfinite(heat)}
    if not known:
        return None, None
    late = min(known, key=lambda year: known[year]) if len(known) > 1 else None
    middle = float(np.median(list(known.values())))
    return min((year for year in known if year != late), key=lambda year: abs(known[year] - middle)), late


def weather_section(view: ReportView, years: Years) -> ReportSection:
    """Temperature, rain, radiation and heat of the normal and the late year, side by side."""
    if not view.cube.weather:
        return ReportSection("weather", "Weather", [Absent("The cube has no weather.")])
    if years.normal is None:
        needs = f"minimum and maximum temperature {years.spring} of a year with images"
        absent = Absent(f"The cube does not have what the picture needs: {needs}.")
        return ReportSection("weather", "Weather", [absent])
    alt = "Daily weather of a normal and of a late year"
    elements: list[Element] = [drawn(_figure(years, years.normal), alt, _caption(years))]
    ranked = sorted((y for y in years.years if np.isfinite(years.spring_heat(y))), key=years.spring_heat)
    if len(ranked) > 1:
        listed = ", ".join(f"{year} {years.spring_heat(year):.0f}" for year in ranked)
        elements.append(
            Note(f"Growing-degree days by {years.spring_ends}, from the latest spring to the earliest: {listed}.")
        )
    return ReportSection("weather", "Weather", elements)


def _figure(years: Years, normal: int) -> Figure:
    columns = [normal] if years.late is None else [normal, years.late]
    rows = [name for name in _PANELS if name in ("temperature", "heat") or name in years.values]
    heights = [_PANELS[name].height for name in rows]
    width = WIDTH if len(columns) > 1 else 0.6 * WIDTH
    figure = Figure(figsize=(width, 1.35 * sum(heights) + 0.8), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey="row", height_ratios=heights)
    for column, year in enumerate(columns):
        grid[0, column].set_title(
            f"{year}, {_kind(years, year)}: {years.spring_heat(year):.0f} °C d by {years.spring_ends}"
        )
        for row, name in enumerate(rows):
            _PANELS[name].draw(grid[row, column], years, year)
            grid[row, column].grid(axis="both")
        month_axis(grid[-1, column], years.axis)
    for row, name in enumerate(rows):
        grid[row, 0].set_ylabel(_PANELS[name].label)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _kind(years: Years, year: int) -> str:
    if years.late is None:
        return "the only year with a whole spring"
    return "the late year" if year == years.late else "the normal year"


def _caption(years: Years) -> str:
    text = (
        "Daily weather, mean over the blocks. Heat: growing-degree days, the sum of (tmin + tmax) / 2 above "
        f"{BASE:g} °C since {years.begins}."
    )
    if years.late:
        text += f" The late year had the least heat by {years.spring_ends}, the normal one the median."
    if np.sum(np.isfinite(years.values["tmin"]).sum(axis=1) > MOST_OF_A_YEAR) > 1:
        text += (
            f" Grey: the 10th to the 90th percentile of all years' days within {HALF_WINDOW} days of the date (of tmin "
            "and of tmax for temperature); for the heat sum, all years."
        )
    return text


def _temperature(axes: Axes, years: Years, year: int) -> None:
    _band(axes, years.values["tmin"], years.values["tmax"])
    days = np.arange(1, 367)
    low, high = years.of("tmin", year), years.of("tmax", year)
    axes.fill_between(days, low, high, color=_colour(years, year), alpha=0.55, linewidth=0, label="tmin to tmax")


def _rain(axes: Axes, years: Years, year: int) -> None:
    axes.bar(np.arange(1, 367), np.nan_to_num(years.of("precipitation", year)), width=1.0, color="#0072b2")
    days, names = years.growing
    total = np.nansum(years.of("precipitation", year)[days])
    axes.set_title(f"{names} {total:.0f} mm", loc="right", fontsize=8)
    axes.set_ylim(0, None)


def _radiation(axes: Axes, years: Years, year: int) -> None:
    _band(axes, years.values["radiation"], years.values["radiation"])
    axes.plot(np.arange(1, 367), years.of("radiation", year), color=_colour(years, year), linewidth=0.7)
    axes.set_ylim(0, None)


def _heat(axes: Axes, years: Years, year: int) -> None:
    days = np.arange(1, 367)
    several = np.isfinite(years.heat).sum(axis=0) > 1
    if several.any():
        heat = years.heat[:, several]
        axes.fill_between(days[several], np.nanmin(heat, axis=0), np.nanmax(heat, axis=0), color="#dddddd", lw=0)
    axes.plot(days, years.heat[years.years.index(year)], color=_colour(years, year), linewidth=1.6)
    axes.axvline(SPRING_END, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_ylim(0, None)


def _band(axes: Axes, low: Days, high: Days) -> None:
    """The middle 80 % of the days near each date in all years, where there is more than one."""
    if (np.isfinite(low).sum(axis=1) > MOST_OF_A_YEAR).sum() < 2:
        return
    days = np.arange(1, 367)
    bottom, top = (np.full(366, np.nan) for _ in range(2))
    for day in range(366):
        near = np.arange(day - HALF_WINDOW, day + HALF_WINDOW + 1) % 366
        if np.isfinite(low[:, near]).any():
            bottom[day], top[day] = np.nanpercentile(low[:, near], 10), np.nanpercentile(high[:, near], 90)
    axes.fill_between(days, bottom, top, color="#dddddd", linewidth=0, label="all years")


def _colour(years: Years, year: int) -> str:
    return UNUSUAL if year == years.late else NORMAL


@dataclass(frozen=True)
class _Panel:
    """One row of the figure."""

    height: float
    """relative to the others"""
    label: str
    draw: Callable[[Axes, Years, int], None]


_PANELS = {
    "temperature": _Panel(1.5, "temperature\n°C", _temperature),
    "precipitation": _Panel(0.8, "rain\nmm per day", _rain),
    "radiation": _Panel(0.9, "radiation\nMJ m⁻² per day", _radiation),
    "heat": _Panel(1.3, "heat sum\n°C d", _heat),
}
