"""Untrusted vector files: their content, not the choice of a driver, decides how they are read.

GDAL chooses a driver by content: a VRT, a pipeline or an address of a service in the place of a GeoJSON file reads any
file and address that it names. So only four formats are read, each after a look at its first bytes.
"""

import sqlite3
import warnings
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

FORMATS = "GeoJSON, GeoPackage, Shapefile (also in a zip) or FlatGeobuf; convert others with `ogr2ogr`"
MOST_BYTES = 500_000_000
MOST_VERTICES = 500_000
SHAPEFILE, FLATGEOBUF = b"\x00\x00\x27\x0a", b"fgb\x03fgb"
GEOPACKAGE = b"SQLite format 3\x00"
APPLICATION_IDS = (b"GPKG", b"GP10", b"GP11")
"""At byte 68 of a GeoPackage (OGC 12-128, requirement 2)."""
GEOJSON_TYPES = ("FeatureCollection", "Feature", "GeometryCollection", "Polygon", "MultiPolygon", "Point", "MultiPoint")


def read_vector(path: Path, what: str) -> "GeoDataFrame":
    """The features of a vector file of one layer, in its CRS. Raises InputError that begins with `what`."""
    if not path.is_file():
        raise InputError(f"{what} does not exist")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{what} has {size / 1e6:,.0f} MB, at most {MOST_BYTES / 1e6:,.0f} are read; simplify it")
    with path.open("rb") as file:
        head = file.read(100)
    if head.startswith(b"PK\x03\x04"):
        frame = _read(f"/vsizip/{path}/{_shapefile_in(path, what)}", what)
    elif head.startswith(GEOPACKAGE) and head[68:72] in APPLICATION_IDS:
        refuse_computed_tables(path, what)
        frame = _read(str(path), what)
    elif head.startswith((SHAPEFILE, FLATGEOBUF)):
        frame = _read(str(path), what)
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        frame = _geojson(path, what)
    else:
        raise InputError(f"{what} cannot be read as a vector file: it is not {FORMATS}")
    corners = shapely.get_coordinates(frame.geometry.values)
    _refuse_fine(len(corners), what)
    if not np.isfinite(corners).all():
        raise InputError(f"{what} has vertices whose coordinates are not numbers; correct them")
    return frame


def _refuse_fine(vertices: int, what: str) -> None:
    """Raise InputError for outlines so fine that work with them has no end."""
    if vertices > MOST_VERTICES:
        raise InputError(
            f"{what} has {vertices:,} vertices, at most {MOST_VERTICES:,} are accepted; simplify it, for example with"
            " `ogr2ogr -simplify`"
        )


def _read(path: str, what: str) -> "GeoDataFrame":
    import geopandas
    from pyogrio import list_layers
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        layers = [name for name, _ in list_layers(path)]
        if len(layers) > 1:
            raise InputError(f"{what} has the layers {', '.join(layers)}; write the one you need to its own file")
        frame = geopandas.read_file(path)
    except (DataSourceError, DataLayerError, OSError, ValueError, shapely.errors.GEOSException) as error:
        raise InputError(f"{what} cannot be read as a vector file: {one_line(error)}") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise InputError(f"{what} contains a table without polygons")
    if frame.crs is None:
        raise InputError(f"{what} has no CRS; write the file with its CRS (GeoJSON: EPSG:4326)")
    return frame


def _geojson(path: Path, what: str) -> "GeoDataFrame":
    """GeoJSON (RFC 7946), in degrees unless it has the `crs` of the older specification."""
    import geopandas

    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    _refuse_fine(text.count(b"[") // 2, what)  # each vertex is a list; reading them all takes long
    try:
        content = parse_json(text)
        kind = content.get("type")
        if kind not in GEOJSON_TYPES:
            raise ValueError(f"it is not GeoJSON, whose type is {' or '.join(GEOJSON_TYPES)}")
        features: list[Any] = content["features"] if kind == "FeatureCollection" else [content]
        if kind not in ("FeatureCollection", "Feature"):
            features = [{"type": "Feature", "properties": {}, "geometry": content}]
        given = content.get("crs")
        crs = CRS.from_user_input(given["properties"]["name"] if given else "OGC:CRS84")
        if not features:
            return geopandas.GeoDataFrame(geometry=[], crs=crs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coordinates that are no numbers, refused later
            frame = geopandas.GeoDataFrame.from_features(features, crs=crs)
        return frame if "geometry" in frame else geopandas.GeoDataFrame(frame, geometry=[None] * len(frame), crs=crs)
    except (ValueError, TypeError, LookupError, AttributeError, CRSError, shapely.errors.ShapelyError) as error:
        raise InputError(f"{what} cannot be read as a vector file: {one_line(error)}") from error


def _shapefile_in(path: Path, what: str) -> str:
    """The name of the only Shapefile in a zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if entry.filename.lower().endswith(".shp")]
            if len(names) != 1:
                raise InputError(f"{what} is a zip with {len(names)} Shapefiles; write one with a single .shp in it")
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise InputError(f"{what} is a zip of more than {MOST_BYTES / 1e6:,.0f} MB; simplify it")
            if archive.open(names[0]).read(4) != SHAPEFILE:
                raise InputError(f"{what} is a zip whose {names[0]} is not a Shapefile")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InputError(f"{what} cannot be read as a zip: {one_line(error)}") from error
    if ".." in Path(names[0]).parts or names[0].startswith("/"):
        raise InputError(f"{what} is a zip with the path {names[0]}")
    return names[0]


def refuse_computed_tables(path: Path, what: str) -> None:
    """Raise InputError for a GeoPackage with views or virtual tables, which compute their rows: perhaps for ever, or
    from other files. Raise it also for one with changes that are still in another file: they are neither examined here
    nor part of the file's content."""
    log = path.resolve().with_name(f"{path.resolve().name}-wal")
    if log.is_file() and log.stat().st_size:
        raise InputError(
            f"{what} is being edited: changes are still in {log.name}; save and close it in the program that has it"
            " open, such as QGIS, or write them into it with `sqlite3 FILE 'pragma wal_checkpoint(truncate)'`"
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            rows = database.execute("select type, name, sql from sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise InputError(f"{what} cannot be read as a GeoPackage: {one_line(error)}") from error
    for kind, name, sql in rows:
        virtual = str(sql).upper().replace("\n", " ").lstrip().startswith("CREATE VIRTUAL")
        if kind == "view" or (virtual and " USING RTREE" not in str(sql).upper()):
            raise InputError(f"{what} computes '{name}' from other tables; write its rows to a file of their own")
