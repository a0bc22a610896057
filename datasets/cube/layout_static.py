"""The arrays of the group `static`."""

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import STATIC_BY_NAME

from .conventions import geo_attributes
from .coordinates import spatial_ref, yx_axes
from .grid import Grid


def static_group(grid: Grid, layers: tuple[str, ...]) -> GroupSpec:
    arrays = []
    for name in layers:
        layer = STATIC_BY_NAME[name]
        attributes = {
            "long_name": layer.long_name,
            **({"standard_name": layer.standard_name} if layer.standard_name else {}),
            "units": layer.units,
            "valid_range": [layer.valid_min, layer.valid_max],
            "comment": "NaN where it is not known",
            "grid_mapping": "spatial_ref",
        }
        shards, chunks = (grid.block, grid.block), (grid.chunk, grid.chunk)
        arrays.append(ArraySpec(name, ("y", "x"), grid.shape, "float32", chunks, "NaN", shards, attributes))
    arrays += [*yx_axes(*grid.coordinates()), spatial_ref(grid.geobox)]
    return GroupSpec("static", tuple(arrays), geo_attributes(grid.geobox, "terrain and soil"))
