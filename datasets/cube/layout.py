"""The layout of a cube, format version 1: every array of every group, with its chunks and metadata.

imagery     reflectance, quality, scene, status, clear_fraction
weather     one array a variable, on a coarser grid
static      optional: one array per layer of terrain or soil (elevation, slope, soil_water)
labels      crop, purity; optional: confidence
splits      split, year_split
statistics  counts, sums and sums of squares
scenes      one row a (day, block, scene); written when the build is finished
"""

from mmvsf.datasets.storage.spec import GroupSpec

from .coordinates import flag_attributes, georeferenced
from .layout_imagery import imagery_group
from .layout_labels import labels_group
from .layout_static import static_group
from .layout_summaries import splits_group, statistics_group
from .layout_weather import weather_group
from .spec import CubeSpec

__all__ = ["FORMAT", "FORMAT_VERSION", "cube_layout", "flag_attributes", "georeferenced"]

FORMAT = "mmvsf-cube"
FORMAT_VERSION = 1


def cube_layout(spec: CubeSpec) -> tuple[GroupSpec, ...]:
    """The groups of a cube, all but `scenes`, whose length is known only when the build is finished."""
    groups = [imagery_group(spec.grid, spec.calendar), weather_group(spec.grid, spec.calendar, spec.weather)]
    if spec.static_layers:
        groups.append(static_group(spec.grid, spec.static_layers))
    if spec.legend is not None and spec.label_years:
        groups.append(labels_group(spec.grid, spec.label_years, spec.legend, spec.confidence))
    groups += [splits_group(spec.grid, spec.years), statistics_group(spec.grid, spec.years, spec.weather)]
    return tuple(groups)
