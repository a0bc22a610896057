"""Features prepared for a region: read once while a build is planned, kept as FlatGeobuf in the data folder, whose
index gives each block its own, and drawn on a fine grid by the workers."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import atomic_file
from mmvsf.pipeline.layers.labels.resample import POINTS
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .burn import burn
from .choice import Choice
from .files import VectorFile, open_vector

if TYPE_CHECKING:
    from .features import Features

VECTOR_VERSION = 1
"""Raised when the same features give other pixels."""

REACH = 20_000_000.0
"""Metres from the corner of the lattice to the edges of the fine grid, more than any projection reaches."""


def prepare(file: VectorFile, choice: Choice, place: Grid, cache: Path) -> tuple[Path, tuple[str, ...]]:
    """(file with the features of a year that meet a grid's blocks, what was left out or repaired), made unless it is
    there. Raises InputError, see `features.read_features`, and OSError."""
    prepared = cache / f"{_identity(file, choice)}-{_region(place)}.fgb"
    notes = prepared.with_suffix(".json")
    if not (prepared.is_file() and notes.is_file()):
        from .features import read_features  # geopandas takes long to import

        features = read_features(file, choice, place)
        _write(features, place.crs, prepared)
        with atomic_file(notes) as draft:
            draft.write_text(json.dumps(features.notes), encoding="utf-8")
    return prepared, tuple(json.loads(notes.read_text(encoding="utf-8")))


def fingerprint(asset: Asset) -> str:
    """What the pixels of a prepared file depend on: the files and how they are read, not the region."""
    return Path(asset.href).name.partition("-")[0]


def draw(asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
    """The numbers of a window of the fine grid, NaN where there is no feature. Raises ReadError."""
    (a, _, left, _, e, top), (rows, columns) = asset.grid.transform, window
    box = (left + a * columns.start, top + e * rows.stop, left + a * columns.stop, top + e * rows.start)
    try:
        frame = open_vector(Path(asset.href)).read(["value"], [box])
    except InputError as error:
        raise ReadError(f"{error}; delete it, and the next run creates it again") from error
    return burn(np.asarray(frame.geometry.array), frame["value"].to_numpy(np.float64), asset.grid, window, POINTS)


def fine_grid(grid: Grid) -> RasterGrid:
    """The lattice of a cube with POINTS x POINTS cells in each pixel, the same however far the cube reaches."""
    x, y = grid.origin or (grid.left, grid.top)
    pixels = int(REACH / grid.resolution)
    cell, side = grid.resolution / POINTS, 2 * pixels * POINTS
    transform = (cell, 0.0, x - pixels * grid.resolution, 0.0, -cell, y + pixels * grid.resolution)
    return RasterGrid(grid.crs, transform, (side, side))


def _identity(file: VectorFile, choice: Choice) -> str:
    """A text that changes with what the pixels of a year depend on, beside the region."""
    codes = None if choice.codes is None else sorted(choice.codes.items())
    year = choice.year if choice.year_column else None
    text = repr((VECTOR_VERSION, file.layer, choice.column, choice.year_column, choice.edge, year, codes))
    digest = hashlib.sha256(text.encode())
    for part in file.parts:
        with part.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _region(place: Grid) -> str:
    boxes = [list(place.block_geobox(block).boundingbox) for block in place.blocks]
    return hashlib.sha256(repr((place.crs, boxes)).encode()).hexdigest()[:16]


def _write(features: "Features", crs: str, path: Path) -> None:
    import geopandas

    frame = geopandas.GeoDataFrame({"value": features.values}, geometry=features.shapes, crs=crs)
    with atomic_file(path) as draft:
        written = draft.with_suffix(".fgb")  # GDAL makes a folder of a name that ends otherwise
        frame.to_file(written, driver="FlatGeobuf", engine="pyogrio", geometry_type="Unknown", index=False)
        if open_vector(written).features != len(frame):  # GDAL does not raise what fails while it closes a file
            raise OSError(f"{written} was not written completely")
        written.replace(draft)
