"""Outlines of states and counties, and degrees, in pixels of a cube, so that the page needs no map projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.boundaries import Outline, outlines_within

STEPS = 16
"""Steps per side of the lattice of degrees. Between its points the page interpolates: in a cube of 500 km the error is
below the side of a pixel of 30 m."""
MARGIN = 0.25
"""Of the longer side of the grid, around it, in which outlines are drawn."""
WIDEST = 12.0
"""Degrees of longitude up to which counties are drawn."""
FINEST = 1500
"""Lines are simplified to this part of the grid's longer side."""


@dataclass(frozen=True)
class Frame:
    """The rectangle that the map shows at most, in pixels of the grid."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, grid: Grid) -> Frame:
        height, width = grid.shape
        margin = MARGIN * max(height, width)
        return cls(-margin, -margin, width + margin, height + margin)


def degrees(grid: Grid) -> dict[str, Any]:
    """Longitude and latitude on a lattice of `STEPS` x `STEPS` squares: {left, top, dx, dy, values}, values by rows.
    Across 180 degrees the longitudes go on, beyond 180 or below -180, so that they can be interpolated."""
    frame = Frame.around(grid)
    x, y = np.linspace(frame.left, frame.right, STEPS + 1), np.linspace(frame.top, frame.bottom, STEPS + 1)
    lon, lat = _to_degrees(grid, *np.meshgrid(x, y))
    lon -= 360 * np.rint((lon - lon[STEPS // 2, STEPS // 2]) / 360)
    values = np.stack([lon, lat], -1).round(6).tolist()
    return {"left": frame.left, "top": frame.top, "dx": x[1] - x[0], "dy": y[1] - y[0], "values": values}


def outlines(grid: Grid) -> dict[str, list[dict[str, Any]]]:
    """`states` and `counties` near the grid, each {name, label: [x, y] or null, lines: [[x, y, x, y, ...], ...]} in
    pixels; empty outside the United States."""
    frame = Frame.around(grid)
    edge = np.linspace(0, 1, 9)
    x = np.concatenate([np.interp(edge, [0, 1], [frame.left, frame.right])] * 2 + [np.full(9, frame.left)] * 2)
    y = np.concatenate([np.full(9, frame.top), np.full(9, frame.bottom)] + [edge * (frame.bottom - frame.top)] * 2)
    lon, lat = _to_degrees(grid, x, y)
    if not np.isfinite(lon).all() or np.ptp(lon) > 180:
        return {"states": [], "counties": []}
    box = float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())
    wide = box[2] - box[0] > WIDEST
    return {
        layer: [] if layer == "counties" and wide else [_drawn(grid, shape) for shape in outlines_within(layer, box)]
        for layer in ("states", "counties")
    }


def _drawn(grid: Grid, outline: Outline) -> dict[str, Any]:
    """An outline in pixels."""
    tolerance = max(grid.shape) / FINEST
    forward = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)

    def to_pixels(lon: Any, lat: Any) -> tuple[Any, Any]:
        x, y = forward.transform(lon, lat)
        return (np.asarray(x) - grid.left) / grid.resolution, (grid.top - np.asarray(y)) / grid.resolution

    lines = []
    for part in outline.lines:
        x, y = to_pixels(*np.asarray(part.coords).T)
        simple = part.__class__(np.stack([x, y], -1)).simplify(tolerance)
        lines.append(np.asarray(simple.coords).round(1).ravel().tolist())
    label = None if outline.middle is None else [round(float(v), 1) for v in to_pixels(*outline.middle)]
    return {"name": outline.name, "label": label, "lines": lines}


def _to_degrees(grid: Grid, x: Any, y: Any) -> tuple[Any, Any]:
    """Longitude and latitude of positions in pixels."""
    back = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = back.transform(grid.left + x * grid.resolution, grid.top - y * grid.resolution)
    return np.asarray(lon), np.asarray(lat)
