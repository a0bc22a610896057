"""Checks of weather, targets and static layers."""

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.variables import STATIC_BY_NAME, WEATHER_BY_NAME
from mmvsf.datasets.words import plural

from .check_parts import by_chunk, chunks_of, empty_parts
from .check_result import Check

RANGE_MARGIN = 0.1
"""In units of a weather variable: as far as rounding may carry a value out of its valid range."""

MOST_REVERSED_DAYS = 0.01
"""Share of the days of a cell on which tmin may lie above tmax: regridding mixes stations and cells of either."""


def check_weather(cube: Cube) -> Check:
    """Every cell that shares ground with a block has every variable on every day, in range, and tmin below tmax. Where
    the cube says that cells may lack days, all variables of a cell lack the same."""
    problems = []
    may_lack = bool(cube.group_attributes("weather").get(LACKING))
    first = cube.calendar.index(day_number(cube.region.weather_start))
    last = cube.calendar.index(day_number(cube.region.period.end))
    rows, columns = np.nonzero(cells_of_blocks(cube.grid))
    series = {name: cube.array(f"weather/{name}")[first : last + 1, rows, columns] for name in cube.weather}
    lacking = np.logical_and.reduce([np.isnan(values) for values in series.values()]) if may_lack else False
    for name, values in series.items():
        variable = WEATHER_BY_NAME[name]
        missing = np.isnan(values)
        if (missing & ~np.asarray(lacking)).any():
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
    gaps = f"{np.mean(lacking):.0%} of the days of cells lacking" if may_lack else "without a gap"
    days, cells = plural(last - first + 1, "day"), plural(len(rows), "cell")
    return Check.of("weather", problems, f"{days}, {gaps}, in range, in {cells}")


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


def check_targets(cube: Cube) -> Check:
    """Targets have numbers in each of their years and each part of the split, in their valid range."""
    problems, details = [], []
    pixels = len(cube.grid.blocks) * cube.grid.block**2
    for name in cube.targets:
        target = cube.region.targets[name]
        years = tuple(sorted(target.years))
        known, low, high = _numbers(cube, name, years)
        if empty := [str(year) for year, count in zip(years, known, strict=True) if not count.any()]:
            problems.append(f"{name} has no number in {', '.join(empty)}")
            continue
        text = f"{name} {low:.4g} to {high:.4g} {target.units}"
        if target.valid_range and (low < target.valid_range[0] or high > target.valid_range[1]):
            problems.append(f"{text}, out of range")
        problems += [f"{name} has no number in {part}" for part in empty_parts(cube, known, years)]
        details.append(f"{text} on {known.sum() / (pixels * len(years)):.0%}")
    return Check.of("targets", problems, "; ".join(details))


def _numbers(cube: Cube, name: str, years: tuple[int, ...]) -> tuple[NDArray[np.int64], float, float]:
    """(known pixels (year, chunk_y, chunk_x), least, greatest number) of a target."""
    known = np.zeros((len(years), *cube.grid.chunk_shape), np.int64)
    low, high = np.inf, -np.inf
    for position, year in enumerate(years):
        for block in cube.grid.blocks:
            values = cube.pixels(f"targets/{name}").read((cube.years.index(year), *cube.grid.block_slices(block)))
            finite = np.isfinite(values)
            known[(position, *chunks_of(cube.grid, block))] = by_chunk(finite, cube.grid.chunk)
            if finite.any():
                low, high = min(low, float(values[finite].min())), max(high, float(values[finite].max()))
    return known, low, high


def check_static(cube: Cube) -> Check:
    """Static layers have data in each part of the split, in range, and name their source."""
    pixels = len(cube.grid.blocks) * cube.grid.block**2
    problems, details = [], []
    for name, (low, high, known) in _static_ranges(cube).items():
        layer, count = STATIC_BY_NAME[name], int(known.sum())
        text = f"{name} {low:.4g} to {high:.4g} {layer.units}"
        if not count:
            problems.append(f"{name} has no data in any block")
        elif low < layer.valid_min or high > layer.valid_max:
            problems.append(f"{text}, out of range")
        else:
            details.append(text + (f" on {count / pixels:.0%}" if count < pixels else ""))
            problems += [f"{name} has no data in {part}" for part in empty_parts(cube, known)]
    documented = {record.get("layer") for record in cube.attributes.get("sources", [])}
    if missing := [name for name in cube.static_layers if name not in documented]:
        problems.append(f"no source and licence of {', '.join(missing)}")
    return Check.of("static", problems, "; ".join(details))


def _static_ranges(cube: Cube) -> dict[str, tuple[float, float, NDArray[np.int64]]]:
    """(minimum, maximum, pixels with data by chunk) of each static layer over all blocks."""
    low, high = dict.fromkeys(cube.static_layers, np.inf), dict.fromkeys(cube.static_layers, -np.inf)
    known = {name: np.zeros(cube.grid.chunk_shape, np.int64) for name in cube.static_layers}
    for block in cube.grid.blocks:
        for name, values in cube.static(block).items():
            finite = np.isfinite(values)
            known[name][chunks_of(cube.grid, block)] = by_chunk(finite, cube.grid.chunk)
            if finite.any():
                low[name] = min(low[name], float(values[finite].min()))
                high[name] = max(high[name], float(values[finite].max()))
    return {name: (low[name], high[name], known[name]) for name in cube.static_layers}
