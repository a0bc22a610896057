"""Where a forecast is made: a block, a site, a box, or the whole cube."""

from __future__ import annotations

from dataclasses import dataclass

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.cube.select import Bbox, box_of_site, extent, to_metres, window_of
from mmvsf.datasets.cube.sites import place_of
from mmvsf.datasets.errors import InputError


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels of a cube, and the blocks that it meets."""

    name: str
    """in names of folders; empty for the whole cube"""
    rows: slice
    columns: slice
    blocks: tuple[BlockIndex, ...]

    @classmethod
    def of(
        cls, cube: Cube, *, block: BlockIndex | None = None, site: str | None = None, bbox: Bbox | None = None
    ) -> Area:
        """The area of one of the options, the whole cube for none. Raises InputError for more than one of them, and
        where the cube has nothing there."""
        grid = cube.grid
        if sum(option is not None for option in (block, site, bbox)) > 1:
            raise InputError("give one of --block, --site and --bbox")
        if block is not None:
            if block not in grid.blocks:
                names = " ".join(f"{y},{x}" for y, x in grid.blocks[:12])
                raise InputError(f"{cube.path}: block {block[0]},{block[1]} is not in this cube; choose one of {names}")
            return cls(place_of(cube.region, grid, block), *grid.block_slices(block), (block,))
        if site is not None:
            return cls._inside(cube, site, box_of_site(cube, site))
        if bbox is not None:
            name = "box " + "_".join(f"{value:g}" for value in bbox)
            return cls._inside(cube, name, to_metres(bbox, grid.crs))
        return cls("", *_around(grid, grid.blocks), grid.blocks)

    @classmethod
    def _inside(cls, cube: Cube, name: str, box: Bbox) -> Area:
        grid = cube.grid
        window = window_of(grid.geobox, box)
        blocks = () if window is None else tuple(block for block in grid.blocks if _meets(grid, block, *window))
        if window is None or not blocks:
            raise InputError(f"{cube.path} has no block there; it covers {extent(grid)} (degrees)")
        rows, columns = (_common(a, b) for a, b in zip(window, _around(grid, blocks), strict=True))
        return cls(name, rows, columns, blocks)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) in pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def part_of(self, grid: Grid, block: BlockIndex) -> tuple[slice, slice]:
        """The rows and columns of the grid that a block and the area have in common."""
        rows, columns = grid.block_slices(block)
        return _common(rows, self.rows), _common(columns, self.columns)


def _around(grid: Grid, blocks: tuple[BlockIndex, ...]) -> tuple[slice, slice]:
    places = [grid.block_slices(block) for block in blocks]
    rows, columns = zip(*places, strict=True)
    return tuple(slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in (rows, columns))  # type: ignore[return-value]


def _meets(grid: Grid, block: BlockIndex, rows: slice, columns: slice) -> bool:
    return all(
        part.start < other.stop and other.start < part.stop
        for part, other in zip(grid.block_slices(block), (rows, columns), strict=True)
    )


def _common(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))
