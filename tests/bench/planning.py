"""What a plan of many blocks and scenes takes: their matching alone, without a catalogue and without pixels."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mmvsf.datasets.cube.calendar import Calendar, day_number
from mmvsf.datasets.cube.grid import Grid
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan, plan_scenes
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

LATTICE, TILE_PIXELS, TILE_METRES = 7, 3660, 106_000.0
"""Tiles on each side, as HLS has them: 109.8 km wide, and overlapping."""

SCENES, BLOCKS = 46_872, 95
"""Those of HLS over a state of 9,025 blocks in three years of seven months."""

FIRST, DAYS = datetime(2019, 4, 1, 17, tzinfo=UTC), 3 * 365


@dataclass(frozen=True)
class Planning:
    """What a plan took."""

    blocks: int
    scenes: int
    units: int
    seconds: float
    """of processor time"""
    peak_bytes: int
    """of the process"""


def measure_planning(side: int = BLOCKS, number: int = SCENES) -> Planning:
    """Plan side x side blocks with about so many scenes."""
    grid, scenes = grid_of(side), scenes_of(number)
    first = day_number(FIRST.date()) // 32
    began = time.process_time()
    plan: ImageryPlan = plan_scenes(scenes, grid, Calendar(32 * first, DAYS // 32 + 2), 0.05)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Planning(len(grid.blocks), len(plan.scenes), len(plan.units), seconds, peak)


def grid_of(side: int) -> Grid:
    """side x side blocks of 256 pixels of 30 m."""
    blocks = tuple((row, column) for row in range(side) for column in range(side))
    return Grid("EPSG:32615", 30.0, 300_000.0, 4_800_000.0, side, side, 256, 64, 256, blocks)


def scenes_of(number: int) -> list[Scene]:
    """Scenes of 7 x 7 tiles, the same number of each, spread evenly over the days."""
    passes = number // LATTICE**2
    return [
        _scene(row, column, count, passes)
        for row in range(LATTICE)
        for column in range(LATTICE)
        for count in range(passes)
    ]


def _scene(row: int, column: int, count: int, passes: int) -> Scene:
    corner = (300_000.0 + column * TILE_METRES, 4_800_000.0 - row * TILE_METRES)
    grid = RasterGrid("EPSG:32615", (30.0, 0.0, corner[0], 0.0, -30.0, corner[1]), (TILE_PIXELS, TILE_PIXELS))
    when = FIRST + timedelta(days=count * DAYS // passes)
    name = f"HLS.S30.T{10 + row}TV{'ABCDEFG'[column]}.{when:%Y%jT%H%M%S}.{count}.v2.0"
    *bands, mask = (Asset(f"https://example.org/{name}/{band}.tif", grid) for band in range(7))
    return Scene(name, "hls-s30", when, "v2.0", tuple(bands), mask, 0, day_number(when.date()))
