"""The area of a recipe as a geometry: points, a box, polygons of a file, or US states and counties."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import shapely
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
        lons, lats = [s.lon for s in area.sites], [s.lat for s in area.sites]
        _require_area_of_use((min(lons), min(lats), max(lons), max(lats)), crs, recipe)
        xs, ys = from_lonlat(crs).transform(lons, lats)
        return shapely.multipoints(np.column_stack([xs, ys]))
    if area.bbox is not None:
        _require_area_of_use(area.bbox, crs, recipe)
        ring = shapely.segmentize(shapely.box(*area.bbox), EDGE_DEGREES)
        return shapely.transform(ring, from_lonlat(crs).transform, interleaved=False)
    if area.fips is not None:
        shape = shapely.segmentize(outline(area.fips), EDGE_DEGREES)
        _require_area_of_use(shape.bounds, crs, recipe)
        return shapely.transform(shape, from_lonlat(crs).transform, interleaved=False)
    path = resolve_path(cast(str, area.file), recipe, data_dir)
    polygons = read_polygons(path, f"{recipe}: area.file {path}")
    west, south, east, north = polygons.to_crs("EPSG:4326").total_bounds
    _require_area_of_use((west, south, east, north), crs, recipe)
    return polygons.to_crs(crs).make_valid().union_all()


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
    parts = frame.geometry.dropna().make_valid().explode().explode()
    polygons = parts[parts.geom_type == "Polygon"]
    if polygons.is_empty.all():
        kinds = ", ".join(sorted(set(parts.geom_type[~parts.is_empty]))) or "nothing"
        raise InputError(f"{what} holds no polygon (found: {kinds}); list single places under area.sites")
    return polygons.segmentize(EDGE_DEGREES if frame.crs.is_geographic else EDGE_METRES)


@lru_cache(maxsize=200)
def from_lonlat(crs: str) -> Transformer:
    """From (longitude, latitude) in degrees to (x, y) of a CRS."""
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _require_area_of_use(bounds: tuple[float, float, float, float], crs: str, recipe: Path) -> None:
    """Raise InputError if an area (west, south, east, north in degrees) lies far outside a CRS's area of use, where
    its coordinates are strongly distorted."""
    use = CRS(crs).area_of_use
    if use is None or use.west > use.east:
        return
    west, south, east, north = bounds
    if not (-90 <= south <= north <= 90 and -360 <= west <= east <= 360):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g}, {south:.4g} to {north:.4g}) is not in degrees, though its"
            " CRS says so; write the file with the CRS of its coordinates"
        )
    if east - west > 180:
        raise InputError(f"{recipe}: the area crosses the antimeridian (180 degrees); make one region for each side")
    if (
        west < use.west - MARGIN_DEGREES
        or east > use.east + MARGIN_DEGREES
        or south < use.south - MARGIN_DEGREES
        or north > use.north + MARGIN_DEGREES
    ):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g} east, {south:.4g} to {north:.4g} north) lies far outside"
            f" the area of use of {crs}; choose the UTM zone that it lies in, and check the signs of the degrees"
        )
