"""The area of a recipe as a geometry: points, a box, polygons of a file, or US states and counties."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from mmvsf.datasets.errors import InputError, one_line

from .boundaries import outline
from .load import resolve_path
from .place import Area

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
    import geopandas
    from pyogrio import list_layers
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        layers = [name for name, _ in list_layers(path)]
        if len(layers) > 1:
            raise InputError(f"{what} has the layers {', '.join(layers)}; write the one you need to its own file")
        frame = geopandas.read_file(path)
    except (DataSourceError, DataLayerError, OSError) as error:
        raise InputError(f"{what} cannot be read as a vector file: {one_line(error)}") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise InputError(f"{what} holds a table without polygons")
    if frame.crs is None:
        raise InputError(f"{what} names no CRS; write the file with its CRS (GeoJSON: EPSG:4326)")
    parts = frame.geometry.dropna().make_valid().explode().explode()
    polygons = parts[parts.geom_type == "Polygon"]
    if polygons.is_empty.all():
        kinds = ", ".join(sorted(set(parts.geom_type[~parts.is_empty]))) or "nothing"
        raise InputError(f"{what} holds no polygon (found: {kinds}); list single places under area.sites")
    return polygons.segmentize(EDGE_DEGREES if frame.crs.is_geographic else EDGE_METRES)


@lru_cache(maxsize=200)  # a Transformer takes less than 100 KB: 20 MB at most
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
