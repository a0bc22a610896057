"""The GeoTIFFs of a run on the grid of a cube, cut into squares that the page loads one by one."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.inspect.days import parse_day

SQUARE = 256
"""Pixels per side of a square, at each level."""
LEVELS = (1, 8, 32)
"""Pixels of the cube on the side of a pixel of each level: those of the cube itself and of its overviews."""
READ_ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError)
"""What a GeoTIFF raises that cannot be read or is damaged."""


class Raster(Protocol):
    """Something that the page draws square by square."""

    @property
    def name(self) -> str:
        """In addresses: letters, digits and `-`."""

    def facts(self) -> dict[str, Any]:
        """What the page is told: `name`, `title`, `kind`, `dtype`, `bands`, `levels`, `steps`, `box`, and more by
        kind. `steps` are {key, first, last}, first and last day since 1970-01-01; `box` is [left, top, right, bottom]
        in pixels of the cube."""

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        """(bands, SQUARE, SQUARE): a square of a level, counted from the upper left corner of the grid. Raises one of
        `READ_ERRORS`."""


def packed(square: NDArray[Any]) -> bytes:
    """A square as it is sent: little-endian numbers, band by band, compressed by zlib."""
    return zlib.compress(square.astype(square.dtype.newbyteorder("<")).tobytes(), 6)


@dataclass(frozen=True)
class TiffRaster:
    """A map of classes, a map of percent, or the reflectance of a forecast."""

    name: str
    title: str
    path: Path
    kind: str
    """classes, percent or reflectance"""
    row: int
    """of the upper left corner in pixels of the cube"""
    column: int
    shape: tuple[int, int]
    dtype: str
    fill: int
    bands: tuple[str, ...]
    step: dict[str, Any]
    classes: tuple[dict[str, Any], ...] = ()
    """{value, name, color} of each class of a map"""
    issued: int | None = None
    """of a forecast: the day after which nothing was known, since 1970-01-01"""

    def facts(self) -> dict[str, Any]:
        box = [self.column, self.row, self.column + self.shape[1], self.row + self.shape[0]]
        facts: dict[str, Any] = {
            "name": self.name, "title": self.title, "kind": self.kind, "dtype": self.dtype, "fill": self.fill,
            "bands": list(self.bands), "levels": list(LEVELS), "steps": [self.step], "box": box,
        }  # fmt: skip
        if self.classes:
            facts["classes"] = list(self.classes)
        return facts if self.issued is None else {**facts, "issued": self.issued}

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        side = SQUARE * level
        square = np.full((len(self.bands), SQUARE, SQUARE), self.fill, self.dtype)
        top, left = max(row * side, self.row), max(column * side, self.column)
        bottom = min((row + 1) * side, self.row + self.shape[0])
        right = min((column + 1) * side, self.column + self.shape[1])
        if step != self.step["key"] or top >= bottom or left >= right:
            return square
        height, width = max(1, (bottom - top) // level), max(1, (right - left) // level)
        window = Window(left - self.column, top - self.row, width * level, height * level)
        nearest = Resampling.mode if self.kind == "classes" else Resampling.average
        with rasterio.open(self.path) as file:
            stored = file.read(window=window, out_shape=(len(self.bands), height, width), resampling=nearest)
        if self.kind == "reflectance":
            known = np.isfinite(stored)
            stored = np.where(known, np.round(np.where(known, stored, 0) / REFLECTANCE_SCALE), REFLECTANCE_FILL)
        at_row, at_column = (top - row * side) // level, (left - column * side) // level
        square[:, at_row : at_row + height, at_column : at_column + width] = stored
        return square


def find_rasters(cube: Cube, folder: Path) -> list[TiffRaster]:
    """The GeoTIFFs below a run's folder that lie on the cube's pixels, maps of classes first; others are left out."""
    found = (_opened(cube, folder, path) for path in sorted(folder.rglob("*.tif")))
    kinds = ("classes", "percent", "reflectance")
    return sorted((raster for raster in found if raster is not None), key=lambda raster: kinds.index(raster.kind))


def _opened(cube: Cube, folder: Path, path: Path) -> TiffRaster | None:
    try:
        with rasterio.open(path) as file:
            corner = _corner(cube.grid, file)
            return None if corner is None else _described(cube, folder, path, file, corner)
    except READ_ERRORS:
        return None


def _corner(grid: Grid, file: Any) -> tuple[int, int] | None:
    """(row, column) of a file's upper left pixel; None where its pixels are not the cube's."""
    place = ~grid.geobox.affine * file.transform
    row, column = round(place.f), round(place.c)
    shifted = grid.geobox.affine * file.transform.translation(column, row)
    inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
    same = file.crs is not None and file.crs == rasterio.crs.CRS.from_user_input(grid.crs)
    return (row, column) if same and inside and shifted.almost_equals(file.transform, 1e-6) else None


def _described(cube: Cube, folder: Path, path: Path, file: Any, corner: tuple[int, int]) -> TiffRaster | None:
    tags, dtype = file.tags(), file.dtypes[0]
    stem = path.relative_to(folder).with_suffix("").as_posix()
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    place = (*corner, file.shape)
    if tags.get("day") and dtype == "float32" and file.count == len(cube.bands):
        day, issued = (day_number(parse_day(tags[key])) for key in ("day", "issued"))
        step = {"key": tags["day"], "first": day, "last": day}
        weather = tags.get("scenario") or tags.get("weather")
        title = f"Forecast of {tags['day']}, issued {tags['issued']}" + (f", weather: {weather}" if weather else "")
        return TiffRaster(
            name, title, path, "reflectance", *place, "int16", REFLECTANCE_FILL, cube.bands, step, issued=issued
        )
    if dtype != "uint8" or file.count != 1:
        return None
    step = _year(cube, tags.get("year", ""))
    parent = Path(stem).parent.as_posix()
    where = "" if parent in (".", "cropmap") else f"({parent})"
    title = " ".join(filter(None, (path.stem.replace("_", " ").capitalize(), tags.get("year"), where)))
    values = sorted(int(key[6:]) for key in tags if key.startswith("class_") and key[6:].isdigit())
    if values:
        colours = file.colormap(1) if file.colorinterp[0].name == "palette" else {}
        classes = tuple(
            {"value": value, "name": tags[f"class_{value}"], "color": _hex(colours.get(value, (128, 128, 128, 255)))}
            for value in values
            if value != 0
        )
        return TiffRaster(name, title, path, "classes", *place, "uint8", 0, ("class",), step, classes)
    fill = 255 if file.nodata is None else int(file.nodata)
    return TiffRaster(name, title, path, "percent", *place, "uint8", fill, ("percent",), step)


def _year(cube: Cube, text: str) -> dict[str, Any]:
    """The step of a map of one season; of the whole calendar where its year is not given."""
    days = cube.calendar.days
    if text.isdigit() and int(text) in cube.years:
        days = days[cube.season_of_day == int(text)]
    return {"key": text or "all", "first": int(days[0]), "last": int(days[-1])}


def _hex(colour: tuple[int, ...]) -> str:
    return "#" + bytes(colour[:3]).hex()
