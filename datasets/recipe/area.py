"""The ground that a recipe names: points, a box, polygons of a file, or US states and counties."""

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import shapely
from pyproj import CRS, Transformer

from mmvsf.datasets.errors import InputError, one_line

from .boundaries import ground_of
from .load import resolve_path
from .place import Area

FOREIGN_DEGREES = 6.0
"""An area may reach this far beyond a CRS's area of use: a UTM zone's width, for regions across a border."""

EDGE_DEGREES, EDGE_METRES = 0.01, 1000.0
"""Edges are cut into pieces this long before they are projected, since a straight one becomes a curve."""


def area_shape(area: Area, crs: str, recipe: Path, data_dir: Path) -> Any:
    """The area as a shapely geometry in a projected CRS, metres. Raises InputError if its file cannot be read, if there
    is no such state or county, or if it lies far from the ground of the CRS."""
    if area.sites is not None:
        lons, lats = [s.lon for s in area.sites], [s.lat for s in area.sites]
        _refuse_foreign_ground((min(lons), min(lats), max(lons), max(lats)), crs, recipe)
        xs, ys = from_lonlat(crs).transform(lons, lats)
        return shapely.multipoints(np.column_stack([xs, ys]))
    if area.bbox is not None:
        _refuse_foreign_ground(area.bbox, crs, recipe)
        ring = shapely.segmentize(shapely.box(*area.bbox), EDGE_DEGREES)
        return shapely.transform(ring, from_lonlat(crs).transform, interleaved=False)
    if area.fips is not None:
        ground = shapely.segmentize(ground_of(area.fips), EDGE_DEGREES)
        _refuse_foreign_ground(ground.bounds, crs, recipe)
        return shapely.transform(ground, from_lonlat(crs).transform, interleaved=False)
    path = resolve_path(cast(str, area.file), recipe, data_dir)
    polygons = _polygons(path, f"{recipe}: area.file {path}")
    west, south, east, north = polygons.to_crs("EPSG:4326").total_bounds
    _refuse_foreign_ground((west, south, east, north), crs, recipe)
    return polygons.to_crs(crs).make_valid().union_all()


def _polygons(path: Path, what: str) -> Any:
    """The polygons of a vector file as a geopandas series in the file's CRS, mended where their rings cross. Raises
    InputError that begins with `what`."""
    import geopandas
    from pyogrio import list_layers
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        layers = [name for name, _ in list_layers(path)]
        if len(layers) > 1:
            raise InputError(f"{what} has the layers {', '.join(layers)}; give the one that is meant a file of its own")
        frame = geopandas.read_file(path)
    except (DataSourceError, DataLayerError, OSError) as error:
        raise InputError(f"{what} cannot be read as a vector file: {one_line(error)}") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise InputError(f"{what} holds no polygon, only a table")
    if frame.crs is None:
        raise InputError(f"{what} names no CRS; write it with one (GeoJSON: EPSG:4326)")
    parts = frame.geometry.dropna().make_valid().explode().explode()
    polygons = parts[parts.geom_type == "Polygon"]
    if polygons.is_empty.all():
        found = ", ".join(sorted(set(parts.geom_type[~parts.is_empty]))) or "nothing"
        raise InputError(f"{what} holds no polygon (found: {found}); single places are named as area.sites")
    return polygons.segmentize(EDGE_DEGREES if frame.crs.is_geographic else EDGE_METRES)


@lru_cache(maxsize=200)
def from_lonlat(crs: str) -> Transformer:
    """From (longitude, latitude) in degrees to (x, y) of a CRS."""
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _refuse_foreign_ground(bounds: tuple[float, float, float, float], crs: str, recipe: Path) -> None:
    """Raise InputError if an area (west, south, east, north in degrees) lies far outside a CRS's area of use: there
    its metres mean nothing."""
    use = CRS(crs).area_of_use
    if use is None or use.west > use.east:
        return
    west, south, east, north = bounds
    if not (-90 <= south <= north <= 90 and -360 <= west <= east <= 360):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g}, {south:.4g} to {north:.4g}) is not in degrees, though its"
            " CRS says so; write the file with the CRS that its coordinates are in"
        )
    if east - west > 180:
        raise InputError(
            f"{recipe}: the area lies on both sides of the antimeridian (180 degrees); make one region of each side"
        )
    if (
        west < use.west - FOREIGN_DEGREES
        or east > use.east + FOREIGN_DEGREES
        or south < use.south - FOREIGN_DEGREES
        or north > use.north + FOREIGN_DEGREES
    ):
        raise InputError(
            f"{recipe}: the area ({west:.4g} to {east:.4g} east, {south:.4g} to {north:.4g} north) lies far from the"
            f" ground of {crs}; choose the UTM zone it lies in, and mind the signs of the degrees"
        )
