"""Checks of the other layers: weather, labels, static layers."""

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.variables import CONFIDENCE_FILL, STATIC_BY_NAME, WEATHER_BY_NAME

from .check_result import Check

RANGE_MARGIN = 0.1
"""In units of a weather variable: as far as rounding may carry a value out of its valid range."""

MOST_REVERSED_DAYS = 0.01
"""Share of the days of a cell on which tmin may lie above tmax: regridding mixes stations and cells of either."""


def check_weather(cube: Cube) -> Check:
    """Every cell that shares ground with a block has every variable on every day, in range, and tmin below tmax."""
    problems = []
    first = cube.calendar.index(day_number(cube.region.weather_start))
    last = cube.calendar.index(day_number(cube.region.period.end))
    rows, columns = np.nonzero(cells_of_blocks(cube.grid))
    series = {name: cube.array(f"weather/{name}")[first : last + 1, rows, columns] for name in cube.weather}
    for name, values in series.items():
        variable = WEATHER_BY_NAME[name]
        missing = np.isnan(values)
        if missing.any():
            problems.append(f"{name} misses days in {int(missing.any(axis=0).sum())} of {len(rows)} cells")
        present = values[~missing]
        if not present.size:
            continue
        if present.min() < variable.valid_min - RANGE_MARGIN or present.max() > variable.valid_max + RANGE_MARGIN:
            problems.append(f"{name} out of range ({present.min():.4g} to {present.max():.4g} {variable.units})")
    if {"tmin", "tmax"} <= series.keys():
        reversed_days = (series["tmin"] > series["tmax"]).mean(axis=0)
        if reversed_cells := int((reversed_days > MOST_REVERSED_DAYS).sum()):
            problems.append(f"tmin lies above tmax in {reversed_cells} of {len(rows)} cells")
    return Check.of("weather", problems, f"{last - first + 1} days without a gap, in range, in {len(rows)} cells")


def cells_of_blocks(grid: Grid) -> NDArray[np.bool_]:
    """(weather_y, weather_x), True for the cells that share ground with a block of the recipe.

    From the edges of cells and blocks alone, not by the rule of the build.
    """
    above = round((grid.weather_geobox.transform.f - grid.top) / grid.resolution)
    before = round((grid.left - grid.weather_geobox.transform.c) / grid.resolution)
    overlap_y, overlap_x = (
        _overlaps(cells, grid.weather_cell, blocks, grid.block, beyond)
        for cells, blocks, beyond in zip(
            grid.weather_shape, (grid.blocks_y, grid.blocks_x), (above, before), strict=True
        )
    )
    return overlap_y @ grid.block_mask() @ overlap_x.T


def _overlaps(cells: int, cell: int, blocks: int, block: int, beyond: int) -> NDArray[np.bool_]:
    """(cells, blocks), True where a cell of `cell` pixels and a block of `block` pixels overlap on one axis; the first
    cell begins `beyond` pixels before the first block."""
    cell_start, block_start = np.arange(cells)[:, None] * cell - beyond, np.arange(blocks) * block
    return (cell_start < block_start + block) & (block_start < cell_start + cell)


def check_labels(cube: Cube) -> Check:
    """Labels have codes of the legend only, some pixels have one in each year, and their confidence fits."""
    crop = cube.pixels("labels/crop")
    codes: set[int] = set()
    labelled, pixels = dict.fromkeys(cube.label_years, 0), 0
    for position, year in enumerate(cube.label_years):
        for block in cube.grid.blocks:
            values = crop.read((position, *cube.grid.block_slices(block)))
            codes |= set(np.unique(values).tolist())
            labelled[year] += int((values > 0).sum())
            pixels += values.size
    legend = cube.legend.codes if cube.legend else ()
    stray = sorted(codes - {0, *legend})
    problems = [f"codes not in the legend: {stray}"] if stray else []
    if empty := [str(year) for year, count in labelled.items() if not count]:
        problems.append(f"no pixel is labelled in {', '.join(empty)}: do the labels of that year lie elsewhere?")
    details = [f"{sum(labelled.values()) / pixels:.0%} of the pixels labelled"]
    if cube.confidence:
        confidence_problem, mean = _confidence(cube)
        problems += [confidence_problem] if confidence_problem else []
        details.append(mean)
    return Check.of("labels", problems, "; ".join(details))


def _confidence(cube: Cube) -> tuple[str, str]:
    """(first problem or nothing, mean in words) of the confidence of the labels."""
    crop, confidence = (cube.pixels(f"labels/{name}") for name in ("crop", "confidence"))
    total = count = 0
    for position, year in enumerate(cube.label_years):
        for block in cube.grid.blocks:
            index = (position, *cube.grid.block_slices(block))
            percent = confidence.read(index)
            given = percent != CONFIDENCE_FILL
            if np.any(given & (percent > 100)):
                return f"confidence above 100 percent in {year}, block {block[0]},{block[1]}", ""
            if np.any(given & (crop.read(index) == 0)):
                return f"confidence without a label in {year}, block {block[0]},{block[1]}", ""
            total, count = total + int(percent[given].sum(dtype=np.int64)), count + int(given.sum())
    return "", f"mean confidence {total / count:.0f} %" if count else "no pixel has a confidence"


def check_static(cube: Cube) -> Check:
    """Static layers have data somewhere, in range, and name their source."""
    pixels = len(cube.grid.blocks) * cube.grid.block**2
    problems, details = [], []
    for name, (low, high, count) in _static_ranges(cube).items():
        layer = STATIC_BY_NAME[name]
        text = f"{name} {low:.4g} to {high:.4g} {layer.units}"
        if not count:
            problems.append(f"{name} has no data in any block")
        elif low < layer.valid_min or high > layer.valid_max:
            problems.append(f"{text}, out of range")
        else:
            details.append(text + (f" on {count / pixels:.0%}" if count < pixels else ""))
    documented = {record.get("layer") for record in cube.attributes.get("sources", [])}
    if missing := [name for name in cube.static_layers if name not in documented]:
        problems.append(f"no source and licence of {', '.join(missing)}")
    return Check.of("static", problems, "; ".join(details))


def _static_ranges(cube: Cube) -> dict[str, tuple[float, float, int]]:
    """(minimum, maximum, pixels with data) of each static layer over all blocks."""
    ranges = dict.fromkeys(cube.static_layers, (np.inf, -np.inf, 0))
    for block in cube.grid.blocks:
        for name, values in cube.static(block).items():
            finite = values[np.isfinite(values)]
            if finite.size:
                low, high, count = ranges[name]
                ranges[name] = min(low, float(finite.min())), max(high, float(finite.max())), count + finite.size
    return ranges
