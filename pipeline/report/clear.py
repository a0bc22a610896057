"""When the region was seen: a calendar of clear fractions, clear views per month, and the outcome of each unit."""

import numpy as np
from matplotlib.figure import Figure

from mmvsf.datasets.variables import Split, Status

from .drawing import MONTHS, SPLIT_NAMES, WIDTH, clear_colours, month_axis
from .elements import Absent, Cell, Element, Note, ReportSection, ReportTable, drawn, number, percent
from .view import ReportView, spread

MOST_BLOCKS = 30
"""Rows of a year's strip, at most."""


def clear_section(view: ReportView) -> ReportSection:
    """How often, and how clearly, the blocks were seen."""
    acquired = np.isin(view.status, (Status.STORED, Status.SKIPPED_CLOUDY, Status.FAILED))
    if not acquired.any():
        return ReportSection("clear", "When and how clear", [Absent("No scene was acquired in this period.")])
    blocks = spread(sorted(view.cube.grid.blocks, key=lambda block: (block[1], block[0])), MOST_BLOCKS)
    some = f"{len(blocks)} of {len(view.cube.grid.blocks)} blocks, spread over the region"
    every = "one row per block" if len(blocks) == len(view.cube.grid.blocks) else some
    elements: list[Element] = [
        drawn(
            _strips(view, blocks),
            "Calendar of each year: for every day and block, the percentage of pixels that were clear",
            f"Every acquisition, by day (across) and block (down, from west to east; {every}). Clear: no cloud, "
            "cloud edge, shadow or snow. Pixels outside the scene count as not clear.",
        ),
        _views(view),
        _outcomes(view),
    ]
    if failures := int((view.status == Status.FAILED).sum()):
        elements.append(
            Note(f"{failures:,} (day, block) units could not be read: {view.command('dataset')} tries them again.")
        )
    return ReportSection("clear", "When and how clear", elements)


def _strips(view: ReportView, blocks: list[tuple[int, int]]) -> Figure:
    years, positions = view.cube.years, [view.cube.grid.blocks.index(block) for block in blocks]
    strip = min(1.3, max(0.30, 0.055 * len(blocks)))
    figure = Figure(figsize=(WIDTH, (strip + 0.16) * len(years) + 0.9), layout="constrained")
    rows = figure.subplots(len(years), 1, squeeze=False, sharex=True)[:, 0]
    season_of_day = view.cube.season_of_day
    for axes, year in zip(rows, years, strict=True):
        image = np.full((len(blocks), 366), np.nan)
        of_year = season_of_day == year
        image[:, view.day_of_season[of_year] - 1] = view.clear[of_year][:, positions].T
        shown = axes.imshow(
            image, cmap=clear_colours(), vmin=0, vmax=100, aspect="auto", extent=(1, 367, len(blocks), 0)
        )
        failed = np.argwhere(view.status[of_year][:, positions] == Status.FAILED)
        if len(failed):
            axes.scatter(
                view.day_of_season[of_year][failed[:, 0]] + 0.5, failed[:, 1] + 0.5, s=9, c="#d55e00", marker="x", lw=1
            )
        part = view.year_split[year]
        name = f"{year}" if part is Split.TRAIN else f"{year}\n({SPLIT_NAMES[part]})"
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.grid(axis="x")
        for spine in axes.spines.values():
            spine.set_visible(True)
    month_axis(rows[-1], view.season_axis)
    bar = figure.colorbar(shown, ax=list(rows), location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_label("clear pixels of a block, percent (blank: not acquired; orange cross: failed)", fontsize=8.5)
    bar.outline.set_linewidth(0.5)
    return figure


def _views(view: ReportView) -> ReportTable:
    """Mean number of clear views of a pixel, by month and year."""
    months = [month for month in view.cube.season.months if month in view.cube.region.period.months]
    calendar, season_of_day = view.cube.calendar, view.cube.season_of_day
    month_of = calendar.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    share = np.where(view.status == Status.STORED, np.nan_to_num(view.clear), 0).mean(axis=1) / 100
    covered = (view.status != Status.OUTSIDE).any(axis=1)
    rows = []
    for year in view.cube.years:
        of_months = [(season_of_day == year) & (month_of == month) for month in months]
        values = [float(share[days].sum()) if (covered & days).any() else None for days in of_months]
        total = sum(value for value in values if value is not None)
        name = str(year) if view.year_share[year] == 1 else f"{year}, {percent(view.year_share[year], 0)} of it"
        rows.append([Cell(name), *(Cell(number(value, 1)) for value in values), Cell(number(total, 1))])
    return ReportTable(
        "Clear views of a pixel in each month, mean over all blocks",
        ["year", *(MONTHS[month - 1] for month in months), "all"],
        rows,
    )


def _outcomes(view: ReportView) -> ReportTable:
    """The outcome of the (day, block) units of each year."""
    scenes = view.scenes()
    products = sorted({str(name) for name in scenes.get("product", ())})
    scene_years = view.cube.season.names_of(scenes["day"]) if products else np.array([])
    rows = []
    for year in view.cube.years:
        of_year = view.cube.season_of_day == year
        status = view.status[of_year]
        counts = [int((status == code).sum()) for code in (Status.STORED, Status.SKIPPED_CLOUDY, Status.FAILED)]
        total = sum(counts)
        stored = status == Status.STORED
        mean = float(np.nanmean(view.clear[of_year][stored]) / 100) if stored.any() else None
        rows.append(
            [
                Cell(str(year)),
                Cell(f"{total:,}"),
                *(Cell(f"{count:,} ({percent(count / total, 0)})" if total else "–") for count in counts),
                Cell(percent(mean, 0)),
                *(Cell(f"{int(((scene_years == year) & (scenes['product'] == name)).sum()):,}") for name in products),
            ]
        )
    return ReportTable(
        "Outcome of the (day, block) units on which a scene was acquired. Too cloudy: the mask is stored, the bands "
        "are not."
        + (" The last columns count the scenes of each product that gave pixels to a unit." if products else ""),
        ["year", "acquired", "stored", "too cloudy", "failed", "clear, of stored", *products],
        rows,
    )
