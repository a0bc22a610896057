"""Tiles of the Sentinel-2 tiling grid: 100 km squares of every UTM zone, in both hemispheres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.pipeline.layers.source import lonlat_bounds

WIDTH = 109_800
"""Metres a side of a tile; squares are 100 km apart."""
SQUARE = 100_000
CORNERS = 60
"""Metres: tiles begin at multiples of it."""
FALSE_NORTHING = 10_000_000
"""Metres at the equator in the southern form of a zone."""


@dataclass(frozen=True)
class Tile:
    """A tile, in the northern form of its zone: `top` is negative south of the equator."""

    name: str
    zone: int
    left: int
    top: int

    @property
    def crs(self) -> str:
        """The northern form, as HLS has it everywhere."""
        return f"EPSG:{32600 + self.zone}"

    @property
    def is_southern(self) -> bool:
        return self.name[2] < "N"

    @property
    def southern_crs(self) -> str:
        return f"EPSG:{32700 + self.zone}"

    @property
    def box(self) -> Any:
        """In metres of `crs`."""
        return shapely.box(self.left, self.top - WIDTH, self.left + WIDTH, self.top)

    def transform(self, pixel: int) -> Affine:
        """Of pixels so many metres wide, in `crs`."""
        return Affine(pixel, 0, self.left, 0, -pixel, self.top)

    def outline(self) -> tuple[dict[str, Any], list[float]]:
        """(geometry, bbox) in degrees, split at 180 degrees as RFC 7946, 3.1.9 and 5.2, prescribes."""
        to_degrees = Transformer.from_crs(self.crs, 4326, always_xy=True)
        ring = shapely.transform(self.box, to_degrees.transform, interleaved=False)
        middle = _middle(self.zone)
        around = shapely.transform(ring, lambda x, y: (_near(x, middle), y), interleaved=False)
        west, south, east, north = around.bounds
        parts = [
            shapely.transform(part, lambda x, y, turn=turn: (x - turn, y), interleaved=False)
            for turn in (-360, 0, 360)
            if (part := shapely.intersection(around, shapely.box(turn - 180, -90, turn + 180, 90))).area > 0
        ]
        outline = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
        west, east = ((lon + 180) % 360 - 180 for lon in (west, east))
        return shapely.geometry.mapping(outline), [west, south, east, north]


def tile_of(zone: int, column: int, row: int) -> Tile:
    """The tile of the MGRS square at `column`, `row` (hundreds of kilometres east and north of the equator)."""
    left, top = CORNERS * floor(column * SQUARE / CORNERS), CORNERS * ceil((row + 1) * SQUARE / CORNERS)
    to_degrees = Transformer.from_crs(32600 + zone, 4326, always_xy=True)
    _, latitude = to_degrees.transform((column + 0.5) * SQUARE, (row + 0.5) * SQUARE)
    band = "CDEFGHJKLMNPQRSTUVWX"[int((latitude + 80) // 8)]
    columns = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[zone % 3]
    rows = "ABCDEFGHJKLMNPQRSTUV"
    return Tile(f"{zone:02d}{band}{columns[column - 1]}{rows[(row + 5 * (zone % 2 == 0)) % 20]}", zone, left, top)


def tiles_over(grid: Grid) -> list[Tile]:
    """The tiles of all zones that hold a part of a grid's blocks."""
    blocks = shapely.union_all([shapely.box(*grid.block_geobox(block).boundingbox) for block in grid.blocks])
    west, _, east, _ = lonlat_bounds(grid)
    zones = (number % 60 + 1 for number in range(floor((west + 180) / 6) - 1, floor((east + 180) / 6) + 2))
    return [tile for zone in zones for tile in _tiles_of_zone(zone, grid.crs, blocks)]


def _tiles_of_zone(zone: int, crs: str, blocks: Any) -> Iterator[Tile]:
    to_zone = Transformer.from_crs(crs, 32600 + zone, always_xy=True)
    there = shapely.transform(shapely.segmentize(blocks, 10_000), to_zone.transform, interleaved=False)
    west, south, east, north = there.bounds
    for column in range(max(1, floor(west / SQUARE) - 1), min(8, floor(east / SQUARE)) + 1):
        for row in range(floor(south / SQUARE) - 1, floor(north / SQUARE) + 2):
            tile = tile_of(zone, column, row)
            if _reaches_zone(zone, column, row) and tile.box.intersection(there).area > 0:
                yield tile


def _reaches_zone(zone: int, column: int, row: int) -> bool:
    """Whether a square has a part within the six degrees of a zone."""
    x, y = np.meshgrid((column * SQUARE, (column + 1) * SQUARE), (row * SQUARE, (row + 1) * SQUARE))
    lon, _ = Transformer.from_crs(32600 + zone, 4326, always_xy=True).transform(x, y)
    lon = _near(np.asarray(lon), _middle(zone))
    return bool(lon.min() < _middle(zone) + 3 and lon.max() > _middle(zone) - 3)


def _middle(zone: int) -> float:
    """The central meridian of a zone."""
    return 6.0 * zone - 183


def _near(lon: Any, middle: float) -> Any:
    """Longitudes within 180 degrees of a meridian."""
    return (lon - middle + 180) % 360 - 180 + middle
