"""When the ground was seen: a calendar of clear fractions, clear views a month, and what became of each unit."""

import numpy as np
from matplotlib.figure import Figure

from mmvsf.datasets.variables import Split, Status

from .drawing import MONTHS, SPLIT_NAMES, WIDTH, clear_colours, month_axis
from .elements import Absent, Cell, Note, Part, Section, Table, drawn, number, percent
from .view import ReportView, spread

MOST_BLOCKS = 30
"""Rows of a year's strip, at most."""


def clear_section(sample: ReportView) -> Section:
    """How often, and how clearly, the blocks were seen."""
    acquired = np.isin(sample.status, (Status.STORED, Status.SKIPPED_CLOUDY, Status.FAILED))
    if not acquired.any():
        return Section("clear", "When and how clear", [Absent("No scene was acquired in this period.")])
    blocks = spread(sorted(sample.cube.grid.blocks, key=lambda block: (block[1], block[0])), MOST_BLOCKS)
    some = f"{len(blocks)} of {len(sample.cube.grid.blocks)} blocks, spread over the region"
    every = "one row a block" if len(blocks) == len(sample.cube.grid.blocks) else some
    parts: list[Part] = [
        drawn(
            _strips(sample, blocks),
            "Calendar of each year: for every day and block, the percentage of pixels that were clear",
            f"Every acquisition, by day (across) and block (down, from west to east; {every}). Clear: no cloud, "
            "cloud edge, shadow or snow. Ground outside the scene counts as not clear.",
        ),
        _views(sample),
        _outcomes(sample),
    ]
    if failures := int((sample.status == Status.FAILED).sum()):
        parts.append(
            Note(f"{failures:,} (day, block) units could not be read: {sample.command('dataset')} tries them again.")
        )
    return Section("clear", "When and how clear", parts)


def _strips(sample: ReportView, blocks: list[tuple[int, int]]) -> Figure:
    years, places = sample.cube.years, [sample.cube.grid.blocks.index(block) for block in blocks]
    first, last = sample.season
    strip = min(1.3, max(0.30, 0.055 * len(blocks)))
    figure = Figure(figsize=(WIDTH, (strip + 0.16) * len(years) + 0.9), layout="constrained")
    rows = figure.subplots(len(years), 1, squeeze=False, sharex=True)[:, 0]
    calendar_years = sample.cube.calendar.years()
    for axes, year in zip(rows, years, strict=True):
        image = np.full((len(blocks), 366), np.nan)
        own = calendar_years == year
        image[:, sample.day_of_year[own] - 1] = sample.clear[own][:, places].T
        shown = axes.imshow(
            image, cmap=clear_colours(), vmin=0, vmax=100, aspect="auto", extent=(1, 367, len(blocks), 0)
        )
        failed = np.argwhere(sample.status[own][:, places] == Status.FAILED)
        if len(failed):
            axes.scatter(
                sample.day_of_year[own][failed[:, 0]] + 0.5, failed[:, 1] + 0.5, s=9, c="#d55e00", marker="x", lw=1
            )
        part = sample.year_split[year]
        name = f"{year}" if part is Split.TRAIN else f"{year}\n({SPLIT_NAMES[part]})"
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.grid(axis="x")
        for spine in axes.spines.values():
            spine.set_visible(True)
    month_axis(rows[-1], first, last)
    bar = figure.colorbar(shown, ax=list(rows), location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_label("clear pixels of a block, percent (white: not acquired; orange cross: failed)", fontsize=8.5)
    bar.outline.set_linewidth(0.5)
    return figure


def _views(sample: ReportView) -> Table:
    """Mean number of clear views of a pixel, by month and year."""
    months = sorted(sample.cube.region.period.months)
    calendar = sample.cube.calendar
    month_of = calendar.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    share = np.where(sample.status == Status.STORED, np.nan_to_num(sample.clear), 0).mean(axis=1) / 100
    covered = (sample.status != Status.OUTSIDE).any(axis=1)
    rows = []
    for year in sample.cube.years:
        own = calendar.years() == year
        values = [
            float(share[own & (month_of == month)].sum()) if (covered & own & (month_of == month)).any() else None
            for month in months
        ]
        total = sum(value for value in values if value is not None)
        rows.append([Cell(str(year)), *(Cell(number(value, 1)) for value in values), Cell(number(total, 1))])
    return Table(
        "Clear views of a pixel in each month, mean over all blocks",
        ["year", *(MONTHS[month - 1] for month in months), "all"],
        rows,
    )


def _outcomes(sample: ReportView) -> Table:
    """What became of the (day, block) units of each year."""
    scenes = sample.scenes()
    products = sorted({str(name) for name in scenes.get("product", ())})
    scene_years = (
        scenes["day"].astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970 if products else np.array([])
    )
    rows = []
    for year in sample.cube.years:
        own = sample.cube.calendar.years() == year
        status = sample.status[own]
        counts = [int((status == code).sum()) for code in (Status.STORED, Status.SKIPPED_CLOUDY, Status.FAILED)]
        total = sum(counts)
        stored = status == Status.STORED
        mean = float(np.nanmean(sample.clear[own][stored]) / 100) if stored.any() else None
        rows.append(
            [
                Cell(str(year)),
                Cell(f"{total:,}"),
                *(Cell(f"{count:,} ({percent(count / total, 0)})" if total else "–") for count in counts),
                Cell(percent(mean, 0)),
                *(Cell(f"{int(((scene_years == year) & (scenes['product'] == name)).sum()):,}") for name in products),
            ]
        )
    return Table(
        "What became of the (day, block) units on which a scene was acquired. Too cloudy: the mask is kept, the bands "
        "were not read."
        + (" The last columns count the scenes of each product that gave pixels to a unit." if products else ""),
        ["year", "acquired", "stored", "too cloudy", "failed", "clear, of stored", *products],
        rows,
    )
