"""The group `overviews`: labels and true colour of each season, over the whole grid."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

from .conventions import multiscales_attributes
from .coordinates import georeferenced, season_axis

if TYPE_CHECKING:
    from .spec import CubeSpec

OVERVIEWS = "overviews"

FACTORS = (8, 32)
"""Pixels of the cube on the side of a pixel of an overview. At 30 m, Iowa is 2,080 and 520 pixels wide, Texas 5,000 and
1,250: three to five chunks."""

CHUNK = 256
"""Pixels on the side of a chunk."""

COLOURS = ("red", "green", "blue")


def has_colours(spec: "CubeSpec") -> bool:
    """Whether true colour can be drawn."""
    return set(COLOURS) <= set(spec.region.imagery.bands)


def has_labels(spec: "CubeSpec") -> bool:
    """Whether labels can be drawn."""
    return spec.legend is not None and bool(spec.label_years)


def levels_of(spec: "CubeSpec") -> tuple[int, ...]:
    """The factors of a cube's overviews: those that divide its tiles, so that no pixel is a part of two tiles; none
    where there is nothing to draw."""
    grid = spec.grid
    drawn = has_colours(spec) or has_labels(spec)
    return tuple(factor for factor in FACTORS if drawn and grid.tile * grid.block % factor == 0)


def overview_groups(spec: "CubeSpec", made_from: str) -> tuple[GroupSpec, ...]:
    """The group `overviews` and one for each of its levels, such as `overviews/8`. `made_from` is the digest of the
    tiles that they show."""
    boxes = {str(factor): spec.grid.geobox.zoom_out(factor) for factor in levels_of(spec)}
    if not boxes:
        return ()
    known = {**multiscales_attributes(boxes, "overviews of each season"), "made_from": made_from}
    return (GroupSpec(OVERVIEWS, (), known), *(_level(spec, factor) for factor in levels_of(spec)))


def _level(spec: "CubeSpec", factor: int) -> GroupSpec:
    colours = ArraySpec("band", ("band",), (3,), "string", (3,), "", data=np.array(COLOURS, dtype=object))
    axes = (*((colours,) if has_colours(spec) else ()), season_axis(spec.years))
    title = f"overviews in pixels of {factor * spec.grid.resolution:g} m"
    arrays = (*overview_arrays(spec, factor).values(), *axes)
    return georeferenced(f"{OVERVIEWS}/{factor}", arrays, spec.grid.geobox.zoom_out(factor), title)


def overview_arrays(spec: "CubeSpec", factor: int) -> dict[str, ArraySpec]:
    """The arrays of a level, by name: `true_colour` where it has its bands, `crop` where it has labels."""
    height, width = (size // factor for size in spec.grid.shape)
    seasons, mapped = len(spec.years), {"grid_mapping": "spatial_ref"}
    colour: dict[str, Any] = {
        "long_name": "true colour: mean of the clear pixels of the clearest weeks, 1 to 255; 0 is no clear pixel",
        "cell_methods": "area: mean",
        "missing_code": 0,
        **mapped,
    }
    arrays = {}
    if has_colours(spec):
        shape, chunks = (seasons, 3, height, width), (1, 3, CHUNK, CHUNK)
        dims = ("season", "band", "y", "x")
        arrays["true_colour"] = ArraySpec("true_colour", dims, shape, "uint8", chunks, 0, attributes=colour)
    if spec.legend is not None and spec.label_years:
        crop = {"long_name": "most frequent crop or cover class; 0 is unknown", "cell_methods": "area: mode"}
        arrays["crop"] = ArraySpec(
            "crop",
            ("season", "y", "x"),
            (seasons, height, width),
            "uint16",
            (1, CHUNK, CHUNK),
            0,
            attributes={**crop, **spec.legend.attributes(), **mapped},
        )
    return arrays
