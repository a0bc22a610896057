"""Vector files: which are opened, and how their columns and features are read.

The first bytes of a file choose its driver, from a fixed list. Left alone, GDAL chooses among some fifty by content: a
VRT or a pipeline in the place of a GeoJSON file reads any file and address that it names.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.recipe.vector_file import refuse_computed_tables

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import Series

Bounds = tuple[float, float, float, float]
"""left, bottom, right, top"""

PARQUET = "Parquet"

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"SQLite format 3\0", "GPKG"),
    (b"fgb", "FlatGeobuf"),
    (b"\x00\x00\x27\x0a", "ESRI Shapefile"),
    (b"PAR1", PARQUET),
    (b"{", "GeoJSON"),
)
"""First bytes of a file -> its driver"""

SIDECARS = {"ESRI Shapefile": (".dbf", ".shx", ".prj", ".cpg")}
"""Suffixes, also in upper case, of files beside a file that are part of it."""


@dataclass(frozen=True)
class VectorFile:
    """One layer of a vector file that could be opened."""

    path: Path
    driver: str
    layer: str | None
    columns: tuple[str, ...]
    crs: str
    features: int

    @property
    def parts(self) -> tuple[Path, ...]:
        """The file and those beside it that belong to it."""
        suffixes = SIDECARS.get(self.driver, ())
        beside = [path for path in self.path.parent.iterdir() if path.suffix.lower() in suffixes] if suffixes else []
        own = (path for path in beside if path.stem == self.path.stem and path.is_file())
        return (self.path, *sorted(own, key=lambda path: (suffixes.index(path.suffix.lower()), path.name)))

    def column(self, name: str) -> "Series[Any]":
        """All values of a column. Raises InputError."""
        self.require(name)
        parquet = self.driver == PARQUET
        frame = _read_parquet(self.path, [name]) if parquet else _pyogrio(self, read_geometry=False, columns=[name])
        values: Series[Any] = frame[name]
        return values

    def read(self, names: list[str], boxes: list[Bounds]) -> "GeoDataFrame":
        """The features that meet one of the boxes (in the file's CRS), with these columns; what GDAL warned of is in
        its `attrs["warnings"]`. Raises InputError."""
        import geopandas
        import pandas as pd

        for name in names:
            self.require(name)
        if self.driver == PARQUET:
            frame = _read_parquet(self.path, names)
            kept = [frame.cx[left:right, bottom:top] for left, bottom, right, top in boxes]
        else:
            kept = [_pyogrio(self, columns=names, bbox=box) for box in boxes]
        whole = geopandas.GeoDataFrame(kept[0] if len(kept) == 1 else pd.concat(kept, ignore_index=True))
        whole.attrs["warnings"] = [text for part in kept for text in part.attrs.get("warnings", ())]
        return whole

    def require(self, column: str) -> None:
        """Raise InputError for a column that the file lacks."""
        if column not in self.columns:
            raise InputError(f"{self.path} has no column '{column}'; its columns are {', '.join(self.columns)}")


def open_vector(path: Path, layer: str | None = None) -> VectorFile:
    """A layer of a GeoPackage, GeoParquet, GeoJSON, Shapefile or FlatGeobuf.

    Raises InputError for a file that is missing, damaged or of another kind, for one of several layers without
    `layer`, and for one without CRS or without features.
    """
    driver = _driver(path)
    file = _open_parquet(path) if driver == PARQUET else _open_layer(path, driver, layer)
    if not file.crs:
        raise InputError(f"{path} has no CRS; assign one, for example with `ogr2ogr -a_srs EPSG:...`")
    if not file.features:
        raise InputError(f"{path} holds no features")
    return file


def _driver(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or one_line(error)}") from error
    driver = next((name for signature, name in SIGNATURES if start.startswith(signature)), None)
    if driver is None:
        raise InputError(
            f"{path} is not a supported vector file: use a GeoPackage, GeoParquet, GeoJSON, Shapefile (the .shp,"
            " unpacked) or FlatGeobuf, or convert it with `ogr2ogr`"
        )
    return driver


def _address(path: Path, driver: str) -> str:
    """What GDAL opens. Several of its drivers read JSON, so that GeoJSON needs the name of its own."""
    return f"GeoJSON:{path}" if driver == "GeoJSON" else str(path)


def _open_layer(path: Path, driver: str, layer: str | None) -> VectorFile:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    if driver == "GPKG":
        refuse_computed_tables(path, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # reading the features warns again
            layers = [str(name) for name, _ in pyogrio.list_layers(_address(path, driver))]
            if layer is None and len(layers) > 1:
                raise InputError(f"{path} has the layers {', '.join(layers)}; name one of them in labels.layer")
            if layer is not None and layer not in layers:
                raise InputError(f"{path} has no layer '{layer}'; it has {', '.join(layers)}")
            info = pyogrio.read_info(_address(path, driver), layer=layer, force_feature_count=True)
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as {driver}: {one_line(error)}") from error
    if info["driver"] != driver:
        raise InputError(f"{path} is {info['driver']}, not {driver}; convert it with `ogr2ogr`")
    return VectorFile(
        path, driver, layer, tuple(map(str, info["fields"])), str(info["crs"] or ""), int(info["features"])
    )


def _pyogrio(file: VectorFile, **options: Any) -> Any:
    import pyogrio
    from pyogrio import errors

    faults = (errors.DataSourceError, errors.DataLayerError, errors.FeatureError, errors.GeometryError, OSError)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            frame = pyogrio.read_dataframe(_address(file.path, file.driver), layer=file.layer, **options)
    except (*faults, ValueError) as error:
        raise InputError(f"{file.path} cannot be read as {file.driver}: {one_line(error)}") from error
    frame.attrs["warnings"] = list(dict.fromkeys(str(warning.message)[:200] for warning in caught))
    return frame


def _open_parquet(path: Path) -> VectorFile:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise InputError(f"{path} is a Parquet file: {install_hint(error)}, or convert it with `ogr2ogr`") from error
    try:
        metadata = parquet.read_metadata(path)
        described = json.loads((metadata.metadata or {}).get(b"geo", b"{}"))
        geometry = described["primary_column"]
        about = described["columns"][geometry]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as GeoParquet: {one_line(error)}") from error
    names = tuple(name for name in metadata.schema.to_arrow_schema().names if name != geometry)
    crs = "OGC:CRS84" if "crs" not in about else json.dumps(about["crs"]) if about["crs"] else ""
    return VectorFile(path, PARQUET, None, names, crs, metadata.num_rows)


def _read_parquet(path: Path, names: list[str]) -> "GeoDataFrame":
    import geopandas
    import pyarrow.parquet as parquet

    geometry = json.loads(parquet.read_metadata(path).metadata[b"geo"])["primary_column"]
    try:
        return geopandas.read_parquet(path, columns=[*names, geometry])
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as GeoParquet: {one_line(error)}") from error
