"""What is published about a cube, read from the cube."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Tile
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.cube.select import box_of
from mmvsf.datasets.storage.spec import GroupSpec
from mmvsf.datasets.variables import Status

DECIMALS = 6
"""Of degrees: about 0.1 m."""
ZARR = "application/vnd+zarr; version=3"
"""The media type of a Zarr group"""


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CubeFacts:
    """A cube, and the address that it will have."""

    cube: Cube
    url: str | None = None
    """https://..., or None: links are then relative to the folder of the descriptions"""

    def href(self, path: str = "", depth: int = 0) -> str:
        """The address of an object of the cube, seen from a file `depth` folders below the folder of descriptions."""
        store = self.url or posixpath.join(*[".."] * (depth + 1), self.cube.path.name)
        return f"{store}/{path}" if path else store

    @property
    def name(self) -> str:
        return self.cube.region.name

    @property
    def description(self) -> str:
        """What the recipe says, or its title; and that a simulated cube is one."""
        region = self.cube.region
        text = region.description or region.title
        return f"{text} All of it is simulated; it describes no real place." if region.simulate else text

    @cached_property
    def keywords(self) -> list[str]:
        """Products, layers and classes."""
        legend = self.cube.legend
        named = {"radar": self.cube.orbits, "weather": self.cube.weather, "crop labels": legend}
        layers = [*(name for name, present in named.items() if present), *self.cube.targets, *self.cube.static_layers]
        classes = [entry.name for entry in legend.classes[:20]] if legend else []
        general = ["satellite image time series", "earth observation", "zarr"]
        return list(dict.fromkeys([*general, *self.cube.region.imagery.products, *layers, *classes]))

    @cached_property
    def licences(self) -> list[str]:
        """The licences of its sources, each once, in the words of the sources."""
        return list(dict.fromkeys(record["licence"] for record in self.sources if record.get("licence")))

    @property
    def sources(self) -> list[dict[str, str]]:
        records: list[dict[str, str]] = self.cube.attributes.get("sources", [])
        return records

    @property
    def providers(self) -> list[dict[str, Any]]:
        """The archives and services that its data come from, as STAC and schema.org want them."""
        providers: dict[str, dict[str, Any]] = {}
        for record in self.sources:
            name = record.get("from", "unknown")
            entry = providers.setdefault(name, {"name": name, "description": "", "roles": ["producer", "licensor"]})
            words = record.get("product") or record.get("layer") or record.get("source") or ""
            text = f"{record['role']}: {words}" if words else record["role"]
            entry["description"] = "; ".join(part for part in (entry["description"], text) if part)
            if record.get("url", "").startswith("https://"):
                entry["url"] = record["url"]
        return list(providers.values())

    def groups(self, tile: Tile) -> tuple[GroupSpec, ...]:
        """The groups of a tile, as they are stored."""
        return tile_layout(self.cube.spec, tile.grid)

    @property
    def box(self) -> Box:
        """(west, south, east, north) of all blocks, degrees."""
        return self.bounds(self.cube.grid.blocks)

    def bounds(self, blocks: tuple[BlockIndex, ...]) -> Box:
        """(west, south, east, north) of some blocks, degrees. Across 180 degrees west is greater than east."""
        west, south, east, north = (round(float(value), DECIMALS) for value in self._ground(blocks).bounds)
        return west, south, east - 360 if east > 180 else east, north

    def outline(self, blocks: tuple[BlockIndex, ...]) -> BaseGeometry:
        """The ground of some blocks in degrees as GeoJSON wants it: rings counted anticlockwise, split at 180."""
        shape = self._ground(blocks)
        west, south, east, north = shape.bounds
        if east > 180:
            here = shapely.intersection(shape, shapely.box(west, south, 180, north))
            there = shapely.intersection(shape, shapely.box(180, south, east, north))
            shape = shapely.union(here, shapely.transform(there, lambda points: points - (360, 0)))
        return shapely.orient_polygons(shape)

    def _ground(self, blocks: tuple[BlockIndex, ...]) -> BaseGeometry:
        """The ground of some blocks in degrees; longitudes are counted on beyond 180."""
        grid = self.cube.grid
        metres = shapely.union_all([shapely.box(*box_of(grid, (block,))) for block in blocks])
        shape = shapely.segmentize(metres, grid.block * grid.resolution)
        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform
        shape = shapely.transform(shape, to_degrees, interleaved=False)
        west, _, east, _ = shape.bounds
        if east - west > 180:
            shape = shapely.transform(shape, lambda points: points + (points < (0, -90)) * (360, 0))
        return shapely.transform(shape, lambda points: points.round(DECIMALS))

    def tile_blocks(self, tile: Tile) -> tuple[BlockIndex, ...]:
        """The blocks of a tile in the whole grid."""
        return tuple((tile.row + by, tile.column + bx) for by, bx in tile.grid.blocks)

    def days(self, blocks: tuple[BlockIndex, ...] | None = None) -> tuple[date, date]:
        """First and last day with an image of some blocks, or of all; of the period where there is none."""
        rows, columns = zip(*(blocks or self.cube.grid.blocks), strict=True)
        seen = np.flatnonzero(self._stored[:, rows, columns].any(axis=1))
        if not seen.size:
            return self.cube.region.period.start, self.cube.region.period.end
        first, last = (date_of(self.cube.calendar.days[seen[end]]) for end in (0, -1))
        return first, last

    def images(self, blocks: tuple[BlockIndex, ...] | None = None) -> int:
        """Images, one a block and day."""
        rows, columns = zip(*(blocks or self.cube.grid.blocks), strict=True)
        return int(self._stored[:, rows, columns].sum())

    @cached_property
    def _stored(self) -> Any:
        return self.cube.array("blocks/status") == Status.STORED

    @property
    def bytes(self) -> int:
        """Of all objects that the manifest lists."""
        objects = self.cube.objects
        return sum(part.bytes for part in objects.manifest.parts.values()) if objects else 0
