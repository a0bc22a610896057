"""Boxes in degrees to search catalogues with."""

import math
from typing import Any

from mmvsf.datasets.cube.grid import Grid
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.raster.extent import lonlat_bounds

OUTLINE_MARGIN = 0.01
"""Degrees. Outlines in catalogues are simplified."""


def search_box(grid: Grid) -> Bounds:
    """The rectangle around a grid's blocks, a little wider than it is. Across 180 degrees `east` is above 180."""
    west, south, east, north = lonlat_bounds(grid)
    south, north = max(south - OUTLINE_MARGIN, -90.0), min(north + OUTLINE_MARGIN, 90.0)
    return west - OUTLINE_MARGIN, south, east + OUTLINE_MARGIN, north


def boxes_within_180(bbox: Bounds) -> list[Bounds]:
    """A box in the form that every service understands: itself, or two boxes where it crosses 180 degrees."""
    west, south, east, north = bbox
    turns = 360 * math.floor((west + 180) / 360)
    west, east = west - turns, east - turns
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    if east <= 180:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east - 360, north)]


def search_polygons(grid: Grid) -> dict[str, Any]:
    """`search_box` as the GeoJSON of one polygon, or of two where it crosses 180 degrees."""
    rings = [
        [[[west, south], [east, south], [east, north], [west, north], [west, south]]]
        for west, south, east, north in boxes_within_180(search_box(grid))
    ]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}
