"""The area of an export: a block, a site, a box or a polygon; or the whole cube, one file per cluster of blocks."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.select import Bbox, box_of, box_of_site, extent, to_metres
from mmvsf.datasets.cube.sites import blocks_of_sites
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import read_polygons

FEWEST = 0.2
"""Share of a file that must lie in blocks of the cube; a file of less is refused, for most of it would be nothing."""


@dataclass(frozen=True)
class AreaRequest:
    """The options that say where. Raises InputError for more than one of them."""

    block: str | None = None
    """its name, such as x12_y-3; see `Grid.block_name`"""
    site: str | None = None
    bbox: Bbox | None = None
    metres: bool = False
    """whether `bbox` is in the CRS of the cube; otherwise it is in degrees"""
    polygon: Path | None = None
    """a vector file"""

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.block, self.site, self.bbox, self.polygon)) > 1:
            raise InputError("give one of --block, --site, --bbox and --polygon")
        if self.metres and self.bbox is None:
            raise InputError("--metres applies to --bbox; give --bbox too")


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels of a cube's grid."""

    name: str
    """of a cluster or site; empty for an area that was requested"""
    box: Bbox
    """metres, on edges of pixels"""
    blocks: tuple[BlockIndex, ...]
    """that it meets"""
    polygon: BaseGeometry | None
    """what lies outside of it is not exported"""


def find_area(cube: Cube, request: AreaRequest) -> Area:
    """The smallest rectangle around what a request and the blocks of the cube have in common.

    Raises InputError where they have nothing in common, or where the request cannot be read.
    """
    grid = cube.grid
    box, polygon = _requested(cube, request)
    blocks = tuple(block for block in grid.blocks if _overlap(_outline(grid, block), box, polygon) > 0)
    if not blocks:
        raise InputError(f"{cube.path} has no block there; it covers {extent(grid)} (degrees){_sites(cube)}")
    return Area("", _aligned(grid, _common(box, box_of(grid, blocks))), blocks, polygon)


def clusters_of(cube: Cube, area: Area) -> list[Area]:
    """The parts of an area by site, or by cluster of connected blocks."""
    parts: dict[tuple[BlockIndex, ...], Area] = {}
    for name, blocks in blocks_of_sites(cube.region, cube.grid).items():
        inside = tuple(block for block in blocks if block in area.blocks)
        if inside and inside not in parts:
            box = _aligned(cube.grid, _common(area.box, box_of(cube.grid, inside)))
            parts[inside] = replace(area, name=name, box=box, blocks=inside)
    return list(parts.values())


def refuse_empty(cube: Cube, area: Area) -> None:
    """Raise InputError for an area most of which the cube does not cover, such as that of places far apart."""
    left, bottom, right, top = area.box
    whole = (right - left) * (top - bottom)
    share = sum(_overlap(_outline(cube.grid, block), area.box, None) for block in area.blocks) / whole
    if share < FEWEST:
        raise InputError(
            f"only {share:.1%} of that area is in {cube.path}; give a folder (--out maps/) for one file a cluster of"
            f" blocks, or a smaller area{_sites(cube)}"
        )


def _requested(cube: Cube, request: AreaRequest) -> tuple[Bbox, BaseGeometry | None]:
    """The requested box in metres, and the polygon in it."""
    grid = cube.grid
    if request.polygon is not None:
        shapes = read_polygons(request.polygon, f"--polygon {request.polygon}")
        shape = shapes.to_crs(grid.crs).make_valid().union_all()
        if not np.isfinite(shape.bounds).all():
            raise InputError(f"--polygon {request.polygon} cannot be projected to {grid.crs}; is it in another place?")
        return shape.bounds, shape
    if request.bbox is not None:
        left, bottom, right, top = request.bbox
        if not all(map(math.isfinite, request.bbox)) or (request.metres and left >= right) or bottom >= top:
            raise InputError(
                f"--bbox is west,south,east,north with west < east and south < north; found {request.bbox}"
            )
        return request.bbox if request.metres else to_metres(request.bbox, grid.crs), None
    if request.site is not None:
        return box_of_site(cube, request.site), None
    if request.block is not None:
        return box_of(grid, (grid.find_block(request.block),)), None
    return box_of(grid, grid.blocks), None


def _outline(grid: Grid, block: BlockIndex) -> Bbox:
    return box_of(grid, (block,))


def _common(one: Bbox, other: Bbox) -> Bbox:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _overlap(one: Bbox, other: Bbox, polygon: BaseGeometry | None) -> float:
    """Square metres that two boxes, and a polygon, have in common."""
    left, bottom, right, top = _common(one, other)
    if left >= right or bottom >= top:
        return 0.0
    if polygon is None:
        return (right - left) * (top - bottom)
    return float(shapely.area(shapely.intersection(polygon, shapely.box(left, bottom, right, top))))


def _aligned(grid: Grid, box: Bbox) -> Bbox:
    """The box widened to whole pixels."""
    step, tolerance = grid.resolution, 1e-6
    left, bottom = (
        math.floor((v - c) / step + tolerance) * step + c for v, c in ((box[0], grid.left), (box[1], grid.top))
    )
    right, top = (
        math.ceil((v - c) / step - tolerance) * step + c for v, c in ((box[2], grid.left), (box[3], grid.top))
    )
    return left, bottom, right, top


def _sites(cube: Cube) -> str:
    """The names of some sites, for errors."""
    names = list(blocks_of_sites(cube.region, cube.grid))
    return f"; its sites are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''} (--site)"
