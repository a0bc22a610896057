"""Outlines of US states and counties, by FIPS code.

`us.topojson.gz` is derived from the US Census Bureau's cartographic boundary files of 2017 at 1:10,000,000
(public domain), as packaged by us-atlas (`counties-10m.json`, ISC licence, see NOTICE.txt). It was made with

    python -m mmvsf.datasets.recipe.boundaries counties-10m.json us.topojson.gz

which leaves out the outline of the nation and compresses the rest. Coordinates are rounded to 0.0036 degrees of
longitude and 0.00086 degrees of latitude, about 300 m and 100 m: finer than a block, coarser than a field.
"""

import gzip
import io
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from mmvsf.datasets.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from geopandas import GeoDataFrame
    from numpy.typing import NDArray
    from shapely import LineString
    from shapely.geometry.base import BaseGeometry

FILE = "us.topojson.gz"
WESTERNMOST, EASTERNMOST = -180.0, -60.0
"""Degrees of longitude between which the United States lie, but for a few islands: elsewhere no file is read."""


def outline(fips: tuple[str, ...]) -> "BaseGeometry":
    """The union of states (two digits) and counties (five digits), in degrees of NAD83.

    Raises InputError for a code of no state or county.
    """
    import shapely

    shapes = []
    for layer, digits in (("states", 2), ("counties", 5)):
        wanted = {code for code in fips if len(code) == digits}
        if not wanted:
            continue
        frame = _frame(layer)
        if missing := wanted - set(frame["id"]):
            raise InputError(
                f"area.fips: there is no {'state' if digits == 2 else 'county'} with the FIPS code"
                f" {', '.join(sorted(missing))} (Iowa is 19, Story County in Iowa 19169)"
            )
        shapes += [shapely.make_valid(shape) for shape in frame[frame["id"].isin(wanted)].geometry]
    return shapely.union_all(shapes)


def name_of(code: str) -> str:
    """Name of a state or county. Raises InputError for a code of neither."""
    frame = _frame("states" if len(code) == 2 else "counties")
    names = frame["name"][frame["id"] == code]
    if names.empty:
        raise InputError(f"there is no state or county with the FIPS code {code}")
    return str(names.iloc[0])


def full_name_of(code: str) -> str:
    """Name of a state, or of a county with its state: 1,755 of the 3,231 counties share theirs with another. Raises
    InputError for a code of neither."""
    return f"{name_of(code)}, {name_of(code[:2])}" if len(code) == 5 else name_of(code)


@dataclass(frozen=True)
class Outline:
    """What of the border of a state or county lies in a box, in degrees."""

    name: str
    lines: "tuple[LineString, ...]"
    middle: tuple[float, float] | None
    """a point of it in the box; None where only its border is there"""


def outlines_within(layer: str, box: tuple[float, float, float, float]) -> list[Outline]:
    """The `states` or `counties` that meet a box (west, south, east, north), in degrees of NAD83, sorted by code. A
    border that two share is in the lines of the first."""
    import shapely

    frame = _frame(layer)
    frame = frame[frame.intersects(shapely.box(*box))].sort_values("id")
    drawn = shapely.GeometryCollection()
    outlines = []
    for name, shape in zip(frame["name"], frame.geometry, strict=True):
        border = shapely.clip_by_rect(shape.boundary, *box)
        inside = shapely.clip_by_rect(shapely.make_valid(shape), *box)
        left = shapely.line_merge(border.difference(drawn))
        drawn = drawn.union(border)
        parts = tuple(part for part in shapely.get_parts(left) if part.geom_type == "LineString")
        point = None if inside.is_empty else inside.representative_point()
        outlines.append(Outline(str(name), parts, None if point is None else (point.x, point.y)))
    return outlines


def counties_at(lon: "NDArray[np.float64]", lat: "NDArray[np.float64]") -> list[str]:
    """County and state of each point in degrees, such as `Story, Iowa`; empty for a point in no county."""
    import shapely

    points = shapely.points(lon, lat)
    names = [""] * len(points)
    if not ((lon > WESTERNMOST) & (lon < EASTERNMOST)).any():
        return names
    counties = _frame("counties")
    states = dict(zip(_frame("states")["id"], _frame("states")["name"], strict=True))
    for point, county in zip(*shapely.STRtree(counties.geometry.values).query(points, "within"), strict=True):
        entry = counties.iloc[county]
        names[point] = f"{entry['name']}, {states[entry['id'][:2]]}"
    return names


@lru_cache(maxsize=2)  # the states and the counties: 10 MB
def _frame(layer: str) -> "GeoDataFrame":
    """All states or all counties: their `id` (FIPS code), name and geometry."""
    import geopandas

    content = gzip.decompress(resources.files(__name__).joinpath(FILE).read_bytes())
    return geopandas.read_file(io.BytesIO(content), layer=layer)
