"""The arrays of the group `labels`."""

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import CONFIDENCE_FILL

from .conventions import geo_attributes
from .coordinates import season_axis, spatial_ref, yx_axes
from .grid import Grid
from .legend import Legend


def labels_group(grid: Grid, years: tuple[int, ...], legend: Legend, confidence: bool) -> GroupSpec:
    shape, dims = (len(years), *grid.shape), ("season", "y", "x")
    shards, chunks = (1, grid.block, grid.block), (1, grid.chunk, grid.chunk)
    crop = ArraySpec(
        "crop",
        dims,
        shape,
        "uint16",
        chunks,
        0,
        shards,
        {"long_name": "crop or cover class; 0 is unknown", **legend.attributes(), "grid_mapping": "spatial_ref"},
    )
    purity = ArraySpec(
        "purity",
        dims,
        shape,
        "uint8",
        chunks,
        0,
        shards,
        {
            "long_name": "share of the pixel that carries its label, as seen on the label's own grid",
            "units": "percent",
            "grid_mapping": "spatial_ref",
        },
    )
    certain = ArraySpec(
        "confidence",
        dims,
        shape,
        "uint8",
        chunks,
        CONFIDENCE_FILL,
        shards,
        {
            "long_name": "confidence of the source in the label, mean of what carries it in the pixel; 255 is unknown",
            "units": "percent",
            "missing_code": CONFIDENCE_FILL,
            "grid_mapping": "spatial_ref",
        },
    )
    optional = (certain,) if confidence else ()
    arrays = (crop, purity, *optional, season_axis(years), *yx_axes(*grid.coordinates()), spatial_ref(grid.geobox))
    return GroupSpec("labels", arrays, geo_attributes(grid.geobox, "crop labels by season"))
