"""The area of a recipe as a geometry: points, a box, polygons of a file, or US states and counties."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.errors import InputError

from .boundaries import outline
from .load import resolve_path
from .place import Area
from .vector_file import read_vector

if TYPE_CHECKING:
    from geopandas import GeoSeries

MARGIN_DEGREES = 6.0
"""An area may reach this far beyond a CRS's area of use: a UTM zone's width, for regions in two zones."""

EDGE_DEGREES, EDGE_METRES = 0.01, 1000.0
"""Edges are cut into pieces of this length before they are projected, since straight edges become curves."""


def area_shape(area: Area, crs: str, recipe: Path, data_dir: Path) -> BaseGeometry:
    """The area in a projected CRS, in metres: a MultiPoint for sites, otherwise polygons.

    Raises InputError if its file cannot be read, if there is no such state or county, or if the area lies far outside
    the area of use of the CRS.
    """
    if area.sites is not None:
        shape = shapely.multipoints([(site.lon, site.lat) for site in area.sites])
    elif area.bbox is not None:
        west, south, east, north = area.bbox
        shape = shapely.segmentize(shapely.box(west, south, east + 360 * (east < west), north), EDGE_DEGREES)
    elif area.fips is not None:
        shape = shapely.segmentize(outline(area.fips), EDGE_DEGREES)
    else:
        path = resolve_path(cast(str, area.file), recipe, data_dir)
        polygons = read_polygons(path, f"{recipe}: area.file {path}")
        degrees = polygons.to_crs("EPSG:4326").transform(_unwrapped)
        _require_area_of_use(_near(shapely.GeometryCollection(list(degrees)), crs), crs, recipe)
        return polygons.to_crs(crs).make_valid().union_all()
    _require_area_of_use(_near(shape, crs), crs, recipe)
    return shapely.make_valid(shapely.transform(shape, from_lonlat(crs).transform, interleaved=False))


def _near(shape: BaseGeometry, crs: str) -> BaseGeometry:
    """A shape in degrees with each of its parts on the side of 180 degrees where the CRS is used, so that parts that
    were split there are beside each other."""
    use = CRS(crs).area_of_use
    if use is None:
        return shape
    middle = (use.west + use.east + 360 * (use.west > use.east)) / 2
    parts = []
    for part in shapely.get_parts(shape):
        west, _, east, _ = part.bounds
        turns = 360 * round(((west + east) / 2 - middle) / 360)
        parts.append(shapely.transform(part, lambda points, turns=turns: points - (turns, 0)))
    return shapely.GeometryCollection(parts)


def read_polygons(path: Path, what: str) -> "GeoSeries":
    """The polygons of a vector file in the file's CRS, made valid where their rings cross.

    Raises InputError that begins with `what`.
    """
    frame = read_vector(path, what)
    west, south, east, north = frame.total_bounds
    # Edges are cut into pieces of a length, so corners far away would make any number of them.
    if (reach := max(-west, -south, east, north)) > (1000.0 if frame.crs.is_geographic else 1e8):
        unit = "degrees" if frame.crs.is_geographic else "metres"
        raise InputError(
            f"{what} reaches to {reach:.4g}, so it is not in {unit}, though its CRS says so; write the file with the"
            " CRS of its coordinates"
        )
    shapes = frame.geometry.dropna()
    if frame.crs.is_geographic:
        shapes = shapes.transform(_unwrapped)
    parts = shapes.make_valid().explode().explode()
    polygons = parts[parts.geom_type == "Polygon"]
    if polygons.is_empty.all():
        kinds = ", ".join(sorted(set(parts.geom_type[~parts.is_empty]))) or "nothing"
        raise InputError(f"{what} holds no polygon (found: {kinds}); list single places under area.sites")
    return polygons.segmentize(EDGE_DEGREES if frame.crs.is_geographic else EDGE_METRES)


def _unwrapped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (point, 2) in degrees, each moved by whole turns to where it is nearest to the one before it: edges of
    polygons go the short way round the earth."""
    turns = np.rint(np.diff(points[:, 0], prepend=points[:1, 0]) / 360).cumsum()
    return np.column_stack([points[:, 0] - 360 * turns, points[:, 1]])


@lru_cache(maxsize=200)  # a Transformer takes less than 100 KB: 20 MB at most
def from_lonlat(crs: str) -> Transformer:
    """From (longitude, latitude) in degrees to (x, y) of a CRS."""
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _require_area_of_use(shape: BaseGeometry, crs: str, recipe: Path) -> None:
    """Raise InputError if an area in degrees (see `_near`) lies far outside a CRS's area of use, where its coordinates
    are strongly distorted."""
    use = CRS(crs).area_of_use
    if use is None or shape.is_empty:
        return
    west, south, east, north = shape.bounds
    if not (-90 <= south <= north <= 90 and -720 <= west <= east <= 720):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g}, {south:.4g} to {north:.4g}) is not in degrees, though its"
            " CRS says so; write the file with the CRS of its coordinates"
        )
    last = use.east + 360 * (use.west > use.east)
    if (
        west < use.west - MARGIN_DEGREES
        or east > last + MARGIN_DEGREES
        or south < use.south - MARGIN_DEGREES
        or north > use.north + MARGIN_DEGREES
    ):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g} east, {south:.4g} to {north:.4g} north) lies far outside"
            f" the area of use of {crs}; choose the UTM zone that it lies in, and check the signs of the degrees"
        )
