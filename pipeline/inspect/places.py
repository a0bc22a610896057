"""Names of blocks for users: of a site, of a county, or a position."""

from __future__ import annotations

from collections import Counter

import numpy as np
from pyproj import Transformer

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.sites import site_names
from mmvsf.datasets.recipe.boundaries import counties_at


def block_names(cube: Cube) -> dict[BlockIndex, str]:
    """The name of each block: the sites in it; the US county of its middle, with a number where blocks share it; or the
    degrees of its middle."""
    sites = site_names(cube.region, cube.grid)
    rest = [block for block in cube.grid.blocks if block not in sites]
    names = sites | dict(zip(rest, _named_by_place(cube, rest), strict=True))
    return {block: names[block] for block in cube.grid.blocks}


def _named_by_place(cube: Cube, blocks: list[BlockIndex]) -> list[str]:
    if not blocks:
        return []
    grid = cube.grid
    side = grid.block * grid.resolution
    rows, columns = np.transpose(blocks)
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(grid.left + (columns + 0.5) * side, grid.top - (rows + 0.5) * side)
    counties = counties_at(lon, lat)
    shared, seen = Counter(counties), Counter[str]()
    names = []
    for county, x, y in zip(counties, lon, lat, strict=True):
        seen[county] += 1
        number = f" {seen[county]}" if shared[county] > 1 else ""
        position = f"{abs(y):.2f}° {'NS'[int(y < 0)]} {abs(x):.2f}° {'EW'[int(x < 0)]}"
        names.append(f"{county}{number}" if county else position)
    return names
