"""The features of a year over a region: read, repaired, given their codes or numbers and brought to the cube's CRS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.area import EDGE_DEGREES, EDGE_METRES
from mmvsf.pipeline.raster.crs import in_degrees
from mmvsf.pipeline.raster.extent import bounds_in
from mmvsf.pipeline.raster.scene import RasterGrid

from .choice import Choice
from .columns import as_texts, as_years, most_common
from .files import Bounds, VectorFile

if TYPE_CHECKING:
    from pandas import Series

MOST_NAMED = 12
"""Values outside the legend that an error names."""

LINES = ("LineString", "LinearRing")


@dataclass(frozen=True)
class Features:
    """Polygons and points in the CRS of a grid."""

    shapes: NDArray[Any]
    """(feature,) shapely polygons and points"""
    values: NDArray[np.float64]
    """(feature,) codes or numbers"""
    notes: tuple[str, ...]
    """what was left out or repaired, one line each"""


def read_features(file: VectorFile, choice: Choice, grid: Grid) -> Features:
    """The features of a year that meet the grid's blocks.

    Features without a geometry, class or year are left out, invalid polygons are repaired. Raises InputError for
    lines, for values that the codes lack, and where nothing is left.
    """
    columns = list(dict.fromkeys(filter(None, (choice.column, choice.year_column))))
    frame = file.read(columns, _boxes(file, grid))
    warned = [f"GDAL warns: {text}" for text in frame.attrs.get("warnings", ())]
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    if choice.year_column is not None:
        frame = frame[as_years(frame[choice.year_column], f"{file.path}: {choice.year_column}") == choice.year]
    frame = _parts(frame, file)
    invalid = ~frame.geometry.is_valid
    frame = _repaired(frame, invalid)
    frame = _in_grid(frame, file, grid)
    values = _values(frame[choice.column], choice, file)
    nameless = np.isnan(values)
    shapes = np.asarray(frame.geometry.array)[~nameless]
    shapes, values, narrow = _without_edges(shapes, values[~nameless], choice.edge)
    thing = "number" if choice.codes is None else "class"
    counts = {
        f"without a {thing} are left out": int(nameless.sum()),
        "with an invalid outline are repaired": int(invalid.sum()),
        f"narrower than twice the edge of {choice.edge:g} m are left out": narrow,
    }
    if not shapes.size:
        of_year = f" of {choice.year}" if choice.year_column else ""
        raise InputError(
            f"{file.path}: none of its {file.features} features{of_year} has a {thing} and meets a block of the"
            " region; check the path, column and years"
        )
    notes = [f"{count} features {what}" for what, count in counts.items() if count]
    return Features(shapes, values, (*warned, *notes))


def _boxes(file: VectorFile, grid: Grid) -> list[Bounds]:
    """The rectangles around the blocks in the file's CRS: two across the antimeridian."""
    sides = np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks])
    (left, bottom), (right, top) = sides[:, :2].min(axis=0).tolist(), sides[:, 2:].max(axis=0).tolist()
    size = grid.resolution
    rows, columns = round((top - bottom) / size), round((right - left) / size)
    around = RasterGrid(grid.crs, (size, 0.0, left, 0.0, -size, top), (rows, columns))
    try:
        west, south, east, north = bounds_in(around, file.crs)
    except ProjError as error:
        raise InputError(f"{file.path}: its CRS cannot be brought to {grid.crs}: {one_line(error)}") from error
    if not np.isfinite([west, south, east, north]).all():
        raise InputError(f"{file.path}: the region cannot be projected to its CRS; is it the right one?")
    if in_degrees(file.crs) and east > 180:
        return [(west, south, east, north), (west - 360, south, east - 360, north)]
    return [(west, south, east, north)]


def _parts(frame: geopandas.GeoDataFrame, file: VectorFile) -> geopandas.GeoDataFrame:
    """Single polygons and points, without a third dimension. Raises InputError for lines."""
    for _ in range(2):  # of collections the members, of these the parts
        frame = frame.explode(ignore_index=True)
    if lines := int(frame.geom_type.isin(LINES).sum()):
        raise InputError(
            f"{file.path}: {lines} features are lines, which cover no ground; give them a width, for example with"
            ' `ogr2ogr -dialect SQLite -sql "SELECT ST_Buffer(...)"`'
        )
    return frame.set_geometry(shapely.force_2d(frame.geometry.array), crs=frame.crs)


def _repaired(frame: geopandas.GeoDataFrame, invalid: Any) -> geopandas.GeoDataFrame:
    """The polygons that the rings of invalid ones enclose."""
    if not invalid.any():
        return frame
    frame = frame.set_geometry(frame.geometry.make_valid())
    for _ in range(2):
        frame = frame.explode(ignore_index=True)
    return frame[frame.geom_type.isin(("Polygon", "Point")) & ~frame.geometry.is_empty]


def _in_grid(frame: geopandas.GeoDataFrame, file: VectorFile, grid: Grid) -> geopandas.GeoDataFrame:
    """The features that meet a block, in the CRS of the grid. Long edges are cut first, since they become curves."""
    longest = EDGE_DEGREES if in_degrees(file.crs) else EDGE_METRES
    frame = frame.set_geometry(shapely.segmentize(frame.geometry.array, longest), crs=file.crs).to_crs(grid.crs)
    frame = frame[np.isfinite(frame.bounds.to_numpy()).all(axis=1)]
    boxes = shapely.box(*np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks]).T)
    meeting = shapely.STRtree(boxes).query(frame.geometry.array, predicate="intersects")[0]
    return frame.iloc[np.unique(meeting)]


def _values(column: "Series[Any]", choice: Choice, file: VectorFile) -> NDArray[np.float64]:
    """The codes or numbers of features, NaN for those without. Raises InputError for values that the legend lacks, and
    for texts in a column of numbers."""
    texts = as_texts(column)
    codes: Mapping[str, float] = choice.codes if choice.codes is not None else _numbers(texts, choice, file)
    if unlisted := [text for text in texts if text is not None and text not in codes]:
        raise InputError(
            f"{file.path}: the column {choice.column} holds {most_common(unlisted, MOST_NAMED)}, which the legend"
            " does not list; add them to it, with code 0 where they are unknown"
        )
    values = np.array([np.nan if text is None else codes[text] for text in texts], np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _numbers(texts: list[str | None], choice: Choice, file: VectorFile) -> dict[str, float]:
    try:
        return {text: float(text) for text in set(texts) if text is not None}
    except ValueError as error:
        raise InputError(f"{file.path}: the column {choice.column} holds more than numbers: {error}") from None


def _without_edges(
    shapes: NDArray[Any], values: NDArray[np.float64], edge: float
) -> tuple[NDArray[Any], NDArray[np.float64], int]:
    """(features without a band of `edge` metres inside their outlines, their values, number that vanished)."""
    if not edge or not shapes.size:
        return shapes, values, 0
    polygons = shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON
    shrunk = shapes.copy()
    shrunk[polygons] = shapely.buffer(shapes[polygons], -edge)
    kept = ~shapely.is_empty(shrunk)
    parts, index = shapely.get_parts(shrunk[kept], return_index=True)
    return parts, values[kept][index], int((~kept).sum())
