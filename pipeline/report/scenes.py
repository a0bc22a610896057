"""A handful of scenes of one block through a season, in true and false colour, beside their masks."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.variables import QUALITY_FILL, is_clear

from .drawing import MASK, WIDTH, handles, map_frame, mask_classes, mask_image
from .elements import Absent, ReportSection, drawn
from .view import Floats, ReportView, spread

CLEAR_DATES = 4
SEARCHED = 12
"""Blocks whose masks are read to choose the one to show."""
TRUE, FALSE = ("red", "green", "blue"), ("nir", "swir1", "red")
GAMMA = 1.4


@dataclass(frozen=True)
class Choice:
    """Days of one block to show: positions on the time axis, and why each was chosen."""

    block: BlockIndex
    days: tuple[int, ...]
    reasons: tuple[str, ...]


def scenes_section(view: ReportView) -> ReportSection:
    """Example scenes of the example year."""
    title, year = "Example scenes", view.example_year
    if not {*TRUE, *FALSE} <= set(view.cube.bands):
        needed = ", ".join(sorted({*TRUE, *FALSE}))
        return ReportSection("scenes", title, [Absent(f"These need {needed}; the cube has other bands.")])
    choice = choose_scenes(view, year)
    if choice is None:
        return ReportSection("scenes", title, [Absent(f"No scene is stored in {year}.")])
    images = _read(view, choice)
    low, high = images.true_range
    ranges = ", ".join(f"{name} up to {top:.2f}" for name, (_, top) in zip(FALSE, images.false_ranges, strict=True))
    caption = (
        f"{view.names[choice.block]}, {year}. True colour: red, green, blue, each from {low:.2f} to {high:.2f} "
        f"reflectance. False colour, in which leaves are orange and bare soil is blue: {ranges}. The same on all dates."
    )
    figure = _figure(view, choice, images)
    return ReportSection("scenes", title, [drawn(figure, "Example scenes of one block, with their masks", caption)])


@dataclass(frozen=True)
class _Images:
    """The chosen days of one block, as they are drawn."""

    true: Floats
    """(days, H, W, 3), red, green and blue as reflectance"""
    false: Floats
    """(days, H, W, 3), the bands of `FALSE`"""
    quality: NDArray[np.uint8]
    """(days, H, W)"""
    true_range: tuple[float, float]
    """reflectance drawn black and full bright, the same for the three bands"""
    false_ranges: list[tuple[float, float]]


def _read(view: ReportView, choice: Choice) -> _Images:
    rows, columns = view.cube.grid.block_slices(choice.block)
    days = np.array(choice.days)
    quality = view.quality(days, rows, columns)
    names = sorted({*TRUE, *FALSE})
    bands = dict(zip(names, np.moveaxis(view.reflectance(days, names, rows, columns), 1, 0), strict=True))
    true, false = (np.stack([bands[name] for name in composite], -1) for composite in (TRUE, FALSE))
    clear = is_clear(quality)
    false_ranges = [(0.0, _range(false[..., i], clear)[1]) for i in range(3)]
    return _Images(true, false, quality, _range(true, clear), false_ranges)


def _figure(view: ReportView, choice: Choice, images: _Images) -> Figure:
    """A column per day: true colour, false colour, mask."""
    days, side = len(choice.days), view.side_km
    figure = Figure(figsize=(WIDTH, 3 * (WIDTH - 1.3) / days + 1.3), layout="constrained")
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(3, days, squeeze=False)
    for column, (day, reason) in enumerate(zip(choice.days, choice.reasons, strict=True)):
        of_day = (
            stretch(images.true[column], [images.true_range] * 3),
            stretch(images.false[column], images.false_ranges),
            mask_image(images.quality[column]),
        )
        for row, image in enumerate(of_day):
            axes = grid[row, column]
            axes.imshow(image, extent=(0, side, 0, side), interpolation="nearest")
            map_frame(axes, side, y_label=column == 0, x_label=row == 2)
        date = date_of(int(view.cube.calendar.days[day]))
        grid[0, column].set_title(f"{date}\n{reason}", fontsize=8.5)
    for row, name in enumerate(("true colour", "false colour", "mask")):
        grid[row, 0].set_ylabel(f"{name}\nkm north", fontsize=8)
    present = set(np.unique(mask_classes(images.quality)).tolist())
    legend = handles([entry for value, entry in enumerate(MASK) if value in present])
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend))
    return figure


def choose_scenes(view: ReportView, year: int) -> Choice | None:
    """Clear days through the season, a partly cloudy and a partial one, of the block with the most variety.

    None where nothing is stored in that year.
    """
    best: tuple[tuple[int, float], Choice] | None = None
    for block in spread(view.cube.grid.blocks, SEARCHED):
        days = view.stored_days(block, year)
        if len(days) == 0:
            continue
        quality = view.quality(days, *view.cube.grid.block_slices(block))
        choice = _choose(block, days, quality)
        clearest = float(is_clear(quality).mean((1, 2)).max())
        score = (len(set(choice.reasons)), round(clearest, 1))
        if best is None or score > best[0]:
            best = (score, choice)
    return best[1] if best else None


def _choose(block: BlockIndex, days: NDArray[np.int64], quality: NDArray[np.uint8]) -> Choice:
    clear, no_data = is_clear(quality).mean((1, 2)), (quality == QUALITY_FILL).mean((1, 2))
    chosen: dict[int, str] = {}

    def pick(score: NDArray[np.float64], allowed: NDArray[np.bool_], reason: str) -> None:
        free = allowed & ~np.isin(np.arange(len(days)), list(chosen))
        if free.any():
            chosen[int(np.where(free, score, -np.inf).argmax())] = reason

    span = days[-1] - days[0]
    for share in np.linspace(0.1, 0.9, CLEAR_DATES):
        off = np.abs(days - (days[0] + share * span)) / max(span, 1)
        pick(4 * clear - off, (clear > 0.9) & (off < 0.25), "clear")
    cloudy = 1 - no_data - clear
    pick(-np.abs(cloudy - 0.4), (cloudy > 0.15) & (cloudy < 0.8) & (no_data < 0.05), "partly cloudy")
    pick(clear - np.abs(no_data - 0.4), (no_data > 0.08) & (no_data < 0.92), "edge of a scene")
    if not chosen:
        pick(clear, np.ones(len(days), bool), f"{clear.max():.0%} clear")
    order = sorted(chosen)
    return Choice(block, tuple(int(days[i]) for i in order), tuple(chosen[i] for i in order))


def stretch(image: Floats, ranges: list[tuple[float, float]]) -> Floats:
    """(H, W, 3) of reflectance to 0 .. 1 on screen, brightened in the dark; no data becomes black."""
    low, high = np.array(ranges, np.float32).T
    scaled = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1) ** np.float32(1 / GAMMA)
    return np.where(np.isfinite(image).all(-1, keepdims=True), scaled, np.float32(0.06))


def _range(values: Floats, clear: NDArray[np.bool_]) -> tuple[float, float]:
    """Reflectance that is drawn black and full bright: the 0.5th and 99.5th percentile of the clear pixels."""
    seen = values[clear]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return 0.0, 0.4
    low, high = (float(value) for value in np.percentile(seen, (0.5, 99.5)))
    return max(0.0, low), max(high, max(0.0, low) + 0.05)
