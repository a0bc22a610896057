"""The arrays of the group `targets`."""

from collections.abc import Mapping

from mmvsf.datasets.recipe.target import Target
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

from .conventions import geo_attributes
from .coordinates import season_axis, spatial_ref, yx_axes
from .grid import Grid


def targets_group(grid: Grid, years: tuple[int, ...], targets: Mapping[str, Target]) -> GroupSpec:
    shape, dims = (len(years), *grid.shape), ("season", "y", "x")
    shards, chunks = (1, grid.block, grid.block), (1, grid.chunk, grid.chunk)
    arrays = []
    for name, target in sorted(targets.items()):
        attributes = {
            "long_name": target.long_name or name.replace("_", " "),
            "units": target.units,
            **({"valid_range": list(target.valid_range)} if target.valid_range else {}),
            "comment": "area-weighted mean of what is known in the pixel; NaN where less than half of it is",
            "grid_mapping": "spatial_ref",
        }
        arrays.append(ArraySpec(name, dims, shape, "float32", chunks, "NaN", shards, attributes))
    arrays += [season_axis(years), *yx_axes(*grid.coordinates()), spatial_ref(grid.geobox)]
    return GroupSpec("targets", tuple(arrays), geo_attributes(grid.geobox, "numbers to be learnt, by season"))
