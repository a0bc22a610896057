"""The arrays of the groups `splits` and `statistics`."""

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import BANDS, Split

from .coordinates import flag_attributes, year_axis
from .grid import Grid


def splits_group(grid: Grid, years: tuple[int, ...]) -> GroupSpec:
    arrays = (
        ArraySpec(
            "split",
            ("chunk_y", "chunk_x"),
            grid.chunk_shape,
            "uint8",
            grid.chunk_shape,
            int(Split.NONE),
            None,
            {"long_name": "part a place belongs to", **flag_attributes(Split)},
        ),
        ArraySpec(
            "year_split",
            ("year",),
            (len(years),),
            "uint8",
            (len(years),),
            int(Split.NONE),
            None,
            {"long_name": "part a year belongs to", **flag_attributes(Split)},
        ),
        year_axis(years),
    )
    return GroupSpec("splits", arrays)


def statistics_group(grid: Grid, years: tuple[int, ...], weather: tuple[str, ...]) -> GroupSpec:
    """Sums over the clear pixels (stored integers) and over the daily weather, by year and chunk."""
    shape = (len(years), *grid.chunk_shape)
    dims = ("year", "chunk_y", "chunk_x")
    chunks = (1, *grid.chunk_shape)
    arrays = []
    for what in ("count", "sum", "sum_of_squares"):
        arrays.append(
            ArraySpec(
                f"imagery_{what}",
                (*dims, "band"),
                (*shape, len(BANDS)),
                "int64",
                (*chunks, len(BANDS)),
                0,
                None,
                {"long_name": f"{what.replace('_', ' ')} of the stored reflectance of clear pixels"},
            )
        )
        arrays.append(
            ArraySpec(
                f"weather_{what}",
                (*dims, "variable"),
                (*shape, len(weather)),
                "float64",
                (*chunks, len(weather)),
                0.0,
                None,
                {"long_name": f"{what.replace('_', ' ')} of the daily weather of the chunk's cell"},
            )
        )
    names = (("band", [b.name for b in BANDS]), ("variable", list(weather)))
    for dim, values in names:
        arrays.append(
            ArraySpec(dim, (dim,), (len(values),), "string", (len(values),), "", data=np.array(values, dtype=object))
        )
    return GroupSpec("statistics", (*arrays, year_axis(years)))
