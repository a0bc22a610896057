"""The layout of a cube, format version 2: every array of every group, with its chunks and metadata.

seasons              first and last day of each season, and its split
scenes               one row a (day, block, scene)
tiles/<tile>/
    imagery          reflectance, quality, scene
    radar            optional: backscatter of ascending and of descending passes
    blocks           status, one pixel a block; with radar also status and relative orbit of its passes
    chunks           clear_fraction, split, and sums for statistics, one pixel a chunk
    weather          optional: one array a variable, on a coarser grid
    labels           optional: crop, purity; confidence where the source has it
    targets          optional: one array per number to be learnt that is no class, such as a yield
    static           optional: one array per layer of terrain or soil (elevation, slope, soil_water)
"""

from typing import TYPE_CHECKING

from mmvsf.datasets.storage.spec import GroupSpec

from .coordinates import flag_attributes, georeferenced
from .grid import Grid
from .layout_imagery import imagery_group
from .layout_labels import labels_group
from .layout_radar import radar_group
from .layout_static import static_group
from .layout_summaries import blocks_group, chunks_group, seasons_group
from .layout_targets import targets_group
from .layout_weather import weather_group

if TYPE_CHECKING:
    from .spec import CubeSpec

__all__ = ["FORMAT", "FORMAT_VERSION", "flag_attributes", "georeferenced", "seasons_group", "tile_layout"]

FORMAT = "mmvsf-cube"
FORMAT_VERSION = 2


def tile_layout(spec: "CubeSpec", grid: Grid) -> tuple[GroupSpec, ...]:
    """The groups of a tile of a cube; `grid` is the tile's own."""
    groups = [
        imagery_group(grid, spec),
        blocks_group(grid, spec.calendar, spec.orbits),
        chunks_group(grid, spec),
    ]
    if spec.orbits:
        groups.append(radar_group(grid, spec))
    if spec.weather:
        groups.append(weather_group(grid, spec.calendar, spec.weather))
    if spec.static_layers:
        groups.append(static_group(grid, spec.static_layers))
    if spec.legend is not None and spec.label_years:
        groups.append(labels_group(grid, spec.label_years, spec.legend, spec.confidence))
    if spec.targets:
        groups.append(targets_group(grid, spec.years, spec.region.targets))
    return tuple(groups)
