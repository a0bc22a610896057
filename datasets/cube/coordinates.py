"""Coordinates and grid mappings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

from .calendar import Calendar
from .conventions import crs_of_geobox, geo_attributes


def georeferenced(
    name: str,
    arrays: tuple[ArraySpec, ...],
    geobox: GeoBox,
    title: str,
    attributes: dict[str, Any] | None = None,
    coordinates: tuple[str, ...] = (),
) -> GroupSpec:
    """A group of arrays over y and x, with the coordinates of the pixel centres and the CRS of a north-up grid.

    `coordinates` names those of the arrays that describe the others: see `geo_attributes`.
    """
    step, left, top = geobox.transform.a, geobox.transform.c, geobox.transform.f
    ys, xs = (np.arange(size, dtype=np.float64) + 0.5 for size in geobox.shape)
    axes = yx_axes(top - ys * step, left + xs * step)
    known = geo_attributes(geobox, title, coordinates)
    return GroupSpec(name, (*arrays, *axes, spatial_ref(geobox)), {**known, **(attributes or {})})


def flag_attributes(members: Any) -> dict[str, Any]:
    """CF flag_values and flag_meanings of an IntEnum of codes."""
    return {
        "flag_values": [int(member) for member in members],
        "flag_meanings": " ".join(member.name.lower() for member in members),
    }


def time_axis(calendar: Calendar, attributes: dict[str, Any] | None = None) -> ArraySpec:
    return ArraySpec(
        "time",
        ("time",),
        (len(calendar),),
        "int32",
        (len(calendar),),
        0,
        None,
        {
            "long_name": "day",
            "standard_name": "time",
            "axis": "T",
            "units": "days since 1970-01-01",
            "units_metadata": "leap_seconds: none",
            "calendar": "standard",
            **(attributes or {}),
        },
        calendar.days,
    )


def season_axis(seasons: tuple[int, ...]) -> ArraySpec:
    """The names of seasons: years."""
    values = np.array(seasons, np.int32)
    return ArraySpec(
        "season", ("season",), values.shape, "int32", values.shape, 0, None, {"long_name": "season"}, values
    )


def yx_axes(ys: NDArray[np.float64], xs: NDArray[np.float64]) -> tuple[ArraySpec, ArraySpec]:
    def axis(name: str, values: NDArray[np.float64]) -> ArraySpec:
        attributes = {"standard_name": f"projection_{name}_coordinate", "units": "m", "axis": name.upper()}
        return ArraySpec(name, (name,), values.shape, "float64", values.shape, "NaN", None, attributes, values)

    return axis("y", ys), axis("x", xs)


def spatial_ref(geobox: GeoBox) -> ArraySpec:
    """The CF grid mapping, with GDAL's GeoTransform."""
    crs = crs_of_geobox(geobox)
    attributes = {
        "long_name": "coordinate reference system",
        **crs.proj.to_cf(),
        "spatial_ref": crs.wkt,
        "GeoTransform": " ".join(f"{value:.12g}" for value in geobox.transform.to_gdal()),
    }
    return ArraySpec("spatial_ref", (), (), "int32", (), 0, None, attributes, np.array(crs.epsg or 0, dtype=np.int32))
