"""The cost of reading radar: from the scenes of a plan, and without a catalogue."""

from math import ceil
from typing import NamedTuple

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.radar import Radar
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan, block_groups, shard_tasks
from mmvsf.pipeline.layers.imagery.rectangles import extent
from mmvsf.pipeline.layers.radar.pixels import points_of
from mmvsf.pipeline.layers.radar.products import SENTINEL_1, SENTINEL_1_RTC
from mmvsf.pipeline.raster.scene import RasterGrid

BYTES_OF_A_NUMBER = 3.3
"""Compressed bytes of a float32 of speckle, roughly: little of it can be compressed."""

PIXEL = 10.0
"""Metres of a pixel of a scene"""

REQUESTS_TO_OPEN = 2
"""As `cost.REQUESTS_TO_OPEN`"""


class Effort(NamedTuple):
    """What is fetched."""

    bytes: float = 0.0
    requests: float = 0.0


def window_effort(height: float, width: float, polarisations: int) -> Effort:
    """The effort of a window of so many pixels of a scene: files are read in whole tiles."""
    tile = SENTINEL_1_RTC.tiling.internal_tile
    size = (height + tile) * (width + tile) * BYTES_OF_A_NUMBER
    return Effort(polarisations * size, polarisations * (REQUESTS_TO_OPEN + ceil(height / tile) + 1))


def planned_effort(plan: ImageryPlan, grid: Grid) -> Effort:
    """The effort of the scenes of a plan."""
    cube = RasterGrid.of(grid.geobox)
    sides = {scene.key: points_of(scene.quality.grid, cube) for scene in plan.scenes if not scene.fault}
    size = requests = 0.0
    for task in shard_tasks(plan, grid, set(plan.units)):
        height, width = (side * grid.block for side in extent(task.blocks))
        for scene in task.scenes:
            if points := sides.get(scene.key):
                effort = window_effort(height * points, width * points, len(scene.bands))
                size, requests = size + effort.bytes, requests + effort.requests
    return Effort(size, requests)


def expected_effort(section: Radar, grid: Grid, days: int, latitude: float) -> Effort:
    """The effort of a recipe of so many days by the cycle of the satellites."""
    passes = days * min(1.0, SENTINEL_1.passes_a_day(latitude)) * len(section.orbits)
    points = max(1.0, grid.resolution / PIXEL)
    size = requests = 0.0
    for blocks in block_groups(grid.blocks, grid.block, len(section.polarisations)):
        height, width = (side * grid.block * points for side in extent(blocks))
        effort = window_effort(height, width, len(section.polarisations))
        size, requests = size + passes * effort.bytes, requests + passes * effort.requests
    return Effort(size, requests)
