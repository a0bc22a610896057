"""Compare an existing cube with its recipe: whether the recipe extends the cube, and where the present content goes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid, Tile
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.cube.place import slices_of
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.recipe.region import Region

from .layers import LAYERS

Positions = dict[str, NDArray[np.int64]]
"""dimension -> for each old position along it, the new one"""


def reasons_against(old: CubeSpec, new: CubeSpec) -> list[str]:
    """Why `new` is no extension of `old`, one short reason each; empty where it is one (or the same)."""
    reasons = [
        f"grid.{name} is {now}, but {was} in the cube"
        for name in ("crs", "resolution", "block", "chunk", "weather_cell")
        if (was := getattr(old.grid, name)) != (now := getattr(new.grid, name))
    ]
    reasons = reasons or _area(old.grid, new.grid)
    reasons += _period(old.region, new.region)
    return reasons + [reason for layer in LAYERS for reason in layer.reasons_against(old, new)]


def positions(old: CubeSpec, new: CubeSpec) -> dict[str, Positions]:
    """For each group where the positions of `old` lie in `new`, over the whole grid; a dimension that is not named
    keeps its positions.

    `new` is an extension of `old`.
    """
    down, right = _shift(old.grid, new.grid)
    corner = Tile("old", down, right, old.grid)
    days = np.arange(len(old.calendar)) + old.calendar.first_day - new.calendar.first_day
    common = {"time": days, "band": np.arange(len(old.bands)), "variable": _members(old.weather, new.weather)}
    result = {}
    for group in tile_layout(old, old.grid):
        rows, columns = slices_of(new.grid, corner, group.name)
        seasons = (old.label_years, new.label_years) if group.name == "labels" else (old.years, new.years)
        space = {"y": np.arange(rows.start, rows.stop), "x": np.arange(columns.start, columns.stop)}
        result[group.name] = {**common, **space, "season": _members(*seasons)}
    return result


def _shift(old: Grid, new: Grid) -> tuple[int, int]:
    """By how many blocks the old blocks move (down, right), since the grid grew to the north or west."""
    side = old.block * old.resolution
    return round((new.top - old.top) / side), round((old.left - new.left) / side)


def _members(old: tuple[Any, ...], new: tuple[Any, ...]) -> NDArray[np.int64]:
    return np.array([new.index(member) for member in old], np.int64)


def _area(old: Grid, new: Grid) -> list[str]:
    side, (down, right) = old.block * old.resolution, _shift(old, new)
    if max(abs(new.top - old.top - down * side), abs(old.left - new.left - right * side)) > 1e-6 * side:
        return ["grid.origin moves the lattice of the blocks"]
    covered = set(new.blocks)
    dropped = sum((by + down, bx + right) not in covered for by, bx in old.blocks)
    if dropped:
        return [f"area leaves out {dropped} of the cube's {len(old.blocks)} blocks"]
    if min(down, right) < 0 or old.blocks_y + down > new.blocks_y or old.blocks_x + right > new.blocks_x:
        return ["the rectangle around area is smaller than the cube's"]
    return []


def _period(old: Region, new: Region) -> list[str]:
    reasons = []
    if (was := old.period.season) != (now := new.period.season):
        reasons.append(
            f"period.season is from {now.begins}, label {now.label}, but {was.begins}, label {was.label} in the cube"
        )
    if new.period.start > old.period.start:
        reasons.append(f"period.start is {new.period.start}, but {old.period.start} in the cube")
    if new.period.end < old.period.end:
        reasons.append(f"period.end is {new.period.end}, but {old.period.end} in the cube")
    if dropped := set(old.period.months) - set(new.period.months):
        reasons.append(f"period.months leaves out {', '.join(map(str, sorted(dropped)))}")
    if old.simulate or new.simulate:
        worlds = [(r.simulate, r.period, r.area.sites) for r in (old, new)]
        if worlds[0] != worlds[1]:
            reasons.append("simulate: another period or other sites would change the whole simulated world")
    return reasons
