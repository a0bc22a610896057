"""The groups `blocks`, `chunks` and `seasons`: what is known of each block, chunk and season."""

from typing import TYPE_CHECKING

import numpy as np

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.variables import CLEAR_FRACTION_FILL, Split, Status

from .calendar import SHARD_DAYS, Calendar
from .conventions import group_attributes
from .coordinates import flag_attributes, georeferenced, season_axis, time_axis
from .grid import Grid
from .layout_radar import passes_of_blocks

if TYPE_CHECKING:
    from .spec import CubeSpec

MAPPED = {"grid_mapping": "spatial_ref"}
SUMS = ("count", "sum", "sum_of_squares")


def blocks_group(grid: Grid, calendar: Calendar, orbits: tuple[str, ...] = ()) -> GroupSpec:
    """What became of each block on each day, and of the radar passes in these directions."""
    status = ArraySpec(
        "status",
        ("time", "y", "x"),
        (len(calendar), grid.blocks_y, grid.blocks_x),
        "uint8",
        (SHARD_DAYS, grid.blocks_y, grid.blocks_x),
        int(Status.OUTSIDE),
        None,
        {"long_name": "what became of a block on a day", **flag_attributes(Status), **MAPPED},
    )
    arrays = (status, *passes_of_blocks(grid, calendar, orbits), time_axis(calendar))
    return georeferenced("blocks", arrays, grid.blocks_geobox, "what became of each block")


def chunks_group(grid: Grid, spec: "CubeSpec") -> GroupSpec:
    """How clear each chunk was, which split it belongs to, and the sums that statistics follow from."""
    clear_fraction = ArraySpec(
        "clear_fraction",
        ("time", "y", "x"),
        (len(spec.calendar), *grid.chunk_shape),
        "uint8",
        (SHARD_DAYS, *grid.chunk_shape),
        CLEAR_FRACTION_FILL,
        None,
        {
            "long_name": "share of clear pixels of a chunk, rounded down; 255 where it was not seen",
            "units": "percent",
            "missing_code": CLEAR_FRACTION_FILL,
            **MAPPED,
        },
    )
    split = ArraySpec(
        "split",
        ("y", "x"),
        grid.chunk_shape,
        "uint8",
        grid.chunk_shape,
        int(Split.NONE),
        None,
        {"long_name": "split that a place belongs to", **flag_attributes(Split), **MAPPED},
    )
    names = [("band", [band.name for band in spec.bands])]
    sums = _sums(grid, spec.years, "imagery", len(spec.bands))
    if spec.weather:
        names.append(("variable", list(spec.weather)))
        sums += _sums(grid, spec.years, "weather", len(spec.weather))
    axes = [
        ArraySpec(dim, (dim,), (len(values),), "string", (len(values),), "", data=np.array(values, dtype=object))
        for dim, values in names
    ]
    arrays = (clear_fraction, split, *sums, *axes, season_axis(spec.years), time_axis(spec.calendar))
    return georeferenced("chunks", arrays, grid.chunks_geobox, "what each chunk holds")


def _sums(grid: Grid, years: tuple[int, ...], kind: str, members: int) -> list[ArraySpec]:
    """Sums over the clear pixels (stored integers), or over the daily weather, by season and chunk."""
    of, dim, dtype, fill = {
        "imagery": ("stored reflectance of clear pixels", "band", "int64", 0),
        "weather": ("daily weather of the chunk's cell", "variable", "float64", 0.0),
    }[kind]
    return [
        ArraySpec(
            f"{kind}_{what}",
            ("season", "y", "x", dim),
            (len(years), *grid.chunk_shape, members),
            dtype,
            (1, *grid.chunk_shape, members),
            fill,
            None,
            {"long_name": f"{what.replace('_', ' ')} of the {of}", **MAPPED},
        )
        for what in SUMS
    ]


def seasons_group(spec: "CubeSpec") -> GroupSpec:
    """First and last day of each season, and its split."""
    years = spec.years
    shape = (len(years),)
    split = ArraySpec(
        "split",
        ("season",),
        shape,
        "uint8",
        shape,
        int(Split.NONE),
        None,
        {"long_name": "split that a season belongs to", **flag_attributes(Split)},
    )
    seasons = [spec.region.period.season.season(year) for year in years]
    days = {
        "start": ("first day of the season", [season.first_number for season in seasons]),
        "end": ("last day of the season", [season.last_number for season in seasons]),
    }
    ends = [
        ArraySpec(
            name,
            ("season",),
            shape,
            "int32",
            shape,
            0,
            None,
            {"long_name": text, "units": "days since 1970-01-01", "calendar": "standard"},
            np.array(values, np.int32),
        )
        for name, (text, values) in days.items()
    ]
    return GroupSpec("seasons", (split, *ends, season_axis(years)), group_attributes("seasons and their splits"))
