"""The fan of what may come over an area: what was seen, then medians with their intervals, by weather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import matplotlib.dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvsf.model.figures import literal

from .numbers import WHOLE
from .plan import DIFFERENCE

COLOURS = ("#2a6f97", "#d1495b")
"""Of the weather ahead, and of the scenario."""
LEAST_CLEAR = 0.3
"""Share of the area that must be clear for a day to be drawn."""

Rows = Sequence[Mapping[str, Any]]


def fan_figure(result: Mapping[str, Any], observed: Sequence[tuple[date, float]] = ()) -> Figure:
    """Of the content of a forecast.json; `observed` is what was seen later, as the mean of the area."""
    rows = [row for row in result["numbers"] if row["area"] == WHOLE and row["variable"] == result["compared"]]
    kinds = [kind for kind in dict.fromkeys(row["weather"] for row in rows) if kind != DIFFERENCE]
    scenario = result["scenario"] is not None
    figure = Figure(figsize=(8, 5.6 if scenario else 3.8), layout="constrained")
    heights = [2, 1] if scenario else [1]
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    past = [p for p in result["past"] if p["clear"] >= LEAST_CLEAR]
    title = "NDVI" if result["compared"] == "ndvi" else result["compared"]
    axes = panels[0]
    if past:
        days, means = [_number(date.fromisoformat(p["day"])) for p in past], [p["mean"] for p in past]
        axes.plot(days, means, color="#444", linewidth=0.6, alpha=0.5)
        sizes, label = [20 * p["clear"] for p in past], "seen (size: share of the area that was clear)"
        axes.scatter(days, means, sizes, color="#444", zorder=3, label=label)
    for kind, colour in zip(kinds, COLOURS, strict=False):
        _fan(axes, [row for row in rows if row["weather"] == kind], colour, _label(result, kind))
    if observed:
        axes.plot(*zip(*observed, strict=True), "D", color="#444", markerfacecolor="none", label="seen later")
    issued = _number(date.fromisoformat(result["issued"]))
    axes.axvline(issued, color="#888", linewidth=0.8, linestyle=":", label="day of issue")
    axes.set_ylabel(f"{title}, mean of the area")
    axes.set_title(f"{result['region']}, {result['area']}, issued {result['issued']}", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    if scenario:
        _fan(panels[1], [row for row in rows if row["weather"] == DIFFERENCE], COLOURS[1], "")
        panels[1].axhline(0, color="#888", linewidth=0.8)
        panels[1].set_ylabel(f"{title}: difference")
    for panel in panels:
        panel.grid(alpha=0.25)
        locator = matplotlib.dates.AutoDateLocator()  # type: ignore[no-untyped-call]
        panel.xaxis.set_major_locator(locator)
        panel.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return figure


def _label(result: Mapping[str, Any], kind: str) -> str:
    count, weather = len(result["weather"]["members"]), result["weather"]["name"]
    if kind != weather:
        return f"scenario: {literal(kind)}"
    words = {"cube": "the observed weather", "years": f"the weather of {count} other years", "no-weather": "forecast"}
    return words.get(kind, f"{literal(kind)}, {count} courses")


def _fan(axes: Axes, rows: Rows, colour: str, label: str) -> None:
    """Medians with the 50 and 90 % intervals."""
    at = [_number(date.fromisoformat(row["day"])) for row in rows]
    lines = {name: [row[name] for row in rows] for name in ("q05", "q25", "q50", "q75", "q95")}
    for low, high, alpha, width in (("q05", "q95", 0.18, 1.2), ("q25", "q75", 0.3, 3.5)):
        axes.fill_between(at, lines[low], lines[high], color=colour, alpha=alpha, linewidth=0)
        axes.vlines(at, lines[low], lines[high], color=colour, linewidth=width)
    axes.plot(at, lines["q50"], "o-", color=colour, markersize=4, linewidth=1.2, label=label or None)


def _number(day: date) -> float:
    return float((day - date(1970, 1, 1)).days)  # matplotlib counts from that day
