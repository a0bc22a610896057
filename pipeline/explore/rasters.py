"""The GeoTIFFs of a run on the grid of a cube, cut into squares that the page loads one by one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol, Self

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
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.sidecars.forecasts import FOLDER as FORECASTS
from mmvsf.datasets.storage.location import DRAFT

SQUARE = 256
"""Pixels per side of a square, at each level, unless a raster has others."""
LEVELS = (1, 8, 32)
"""Pixels of the cube on the side of a pixel of each level: those of the cube itself and of its overviews."""
MAP_RECORD = "map.json"
"""What `mmvsf map` writes beside a map."""
READ_ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError)
"""What a GeoTIFF raises that cannot be read or is damaged."""


class Raster(Protocol):
    """Something that the page draws or reads square by square."""

    @property
    def name(self) -> str:
        """In addresses: letters, digits, `-` and `_`."""

    def facts(self) -> dict[str, Any]:
        """What the page is told: `name`, `title`, `kind`, `dtype`, `bands`, `side`, `levels`, `steps`, `box`, and more
        by kind. `side` is that of a square in pixels of a level; `steps` are {key, first, last}, first and last day
        since 1970-01-01, and `until`, the last day of the images of a map, where it is known; `box` is [left, top,
        right, bottom] in pixels of the cube."""

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        """(bands, side, side): a square of a level, counted from the upper left corner of the grid. Raises one of
        `READ_ERRORS`."""


def packed(square: NDArray[Any]) -> bytes:
    """A square as it is sent: little-endian numbers, band by band, compressed by zlib."""
    return zlib.compress(square.astype(square.dtype.newbyteorder("<")).tobytes(), 6)


@dataclass(frozen=True)
class Placed:
    """Where the pixels of a file lie on a cube."""

    row: int
    """of the upper left corner in pixels of the cube"""
    column: int
    shape: tuple[int, int]

    @classmethod
    def of(cls, grid: Grid, file: Any) -> Self:
        """Of an opened file. Raises InputError where its pixels are not the cube's, or it ends too early."""
        place = ~grid.geobox.affine * file.transform
        row, column = round(place.f), round(place.c)
        shifted = grid.geobox.affine * file.transform.translation(column, row)
        inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
        same = file.crs is not None and file.crs == rasterio.crs.CRS.from_user_input(grid.crs)
        if not (same and inside and shifted.almost_equals(file.transform, 1e-6)):
            raise InputError("its pixels are not those of the cube")
        if _last_byte(file) > Path(file.name).stat().st_size:
            raise InputError("it is shorter than it was written")
        return cls(row, column, file.shape)

    @property
    def box(self) -> list[int]:
        """As in the facts of a raster."""
        return [self.column, self.row, self.column + self.shape[1], self.row + self.shape[0]]

    def read(
        self, path: Path, bands: Sequence[int], at: tuple[int, int, int], side: int, fill: int, resampling: Resampling
    ) -> NDArray[Any]:
        """(bands, side, side) of the square `at` (level, row, column), of the file's bands counted from 1, `fill` where
        the file has no pixel. Raises one of `READ_ERRORS`."""
        level, row, column = at
        size = side * level
        left, top, right, bottom = self.box
        left, top = max(column * size, left), max(row * size, top)
        right, bottom = min((column + 1) * size, right), min((row + 1) * size, bottom)
        with rasterio.open(path, driver="GTiff") as file:
            square = np.full((len(bands), side, side), fill, file.dtypes[0])
            if top >= bottom or left >= right:
                return square
            height, width = max(1, (bottom - top) // level), max(1, (right - left) // level)
            window = Window(left - self.column, top - self.row, width * level, height * level)
            shape = (len(bands), height, width)
            stored = file.read(list(bands), window=window, out_shape=shape, resampling=resampling)
        y, x = (top - row * size) // level, (left - column * size) // level
        square[:, y : y + height, x : x + width] = stored
        return square


@dataclass(frozen=True)
class MapRaster:
    """A map of classes or of percent."""

    name: str
    title: str
    path: Path
    place: Placed
    fill: int
    step: dict[str, Any]
    classes: tuple[dict[str, Any], ...] = ()
    """{value, name, color} of each class of a map of classes; empty for one of percent"""

    def facts(self) -> dict[str, Any]:
        kind = "classes" if self.classes else "percent"
        facts: dict[str, Any] = {
            "name": self.name, "title": self.title, "kind": kind, "dtype": "uint8", "fill": self.fill,
            "bands": [kind], "side": SQUARE, "levels": list(LEVELS), "steps": [self.step], "box": self.place.box,
        }  # fmt: skip
        return {**facts, "classes": list(self.classes)} if self.classes else facts

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[Any]:
        resampling = Resampling.mode if self.classes else Resampling.average
        return self.place.read(self.path, (1,), (level, row, column), SQUARE, self.fill, resampling)


def find_maps(cube: Cube, folder: Path) -> tuple[list[MapRaster], list[str]]:
    """The maps below a run's folder that lie on the cube's pixels, those of classes first, and why files of rasters are
    left out, a line each. Files of another kind are none of its business."""
    maps, notes = [], []
    for path in sorted(folder.rglob("*.tif")):
        parts = path.relative_to(folder).parts
        if parts[0] == FORECASTS or any(part.endswith(DRAFT) for part in parts):
            continue
        try:
            with rasterio.open(path, driver="GTiff") as file:
                described = _described(cube, folder, path, file)
        except (*READ_ERRORS, InputError) as error:
            notes.append(f"{'/'.join(parts)} is left out: {one_line(error, 160)}")
            continue
        maps += [described] if described else []
    return sorted(maps, key=lambda raster: not raster.classes), notes


def _described(cube: Cube, folder: Path, path: Path, file: Any) -> MapRaster | None:
    if file.dtypes[0] != "uint8" or file.count != 1:
        return None
    place, tags = Placed.of(cube.grid, file), file.tags()
    stem = path.relative_to(folder).with_suffix("").as_posix()
    name, step = address_name(stem), _with_until(_year(cube, tags.get("year", "")), path.parent / MAP_RECORD)
    parent = Path(stem).parent.as_posix()
    where = "" if parent in (".", "cropmap") else f"({parent})"
    title = " ".join(filter(None, (path.stem.replace("_", " ").capitalize(), tags.get("year"), where)))
    values = sorted(int(key[6:]) for key in tags if key.startswith("class_") and key[6:].isdigit())
    if not values:
        fill = 255 if file.nodata is None else int(file.nodata)
        return MapRaster(name, title, path, place, fill, step)
    colours = file.colormap(1) if file.colorinterp[0].name == "palette" else {}
    classes = tuple(
        {"value": value, "name": tags[f"class_{value}"], "color": _hex(colours.get(value, (128, 128, 128, 255)))}
        for value in values
        if value != 0
    )
    return MapRaster(name, title, path, place, 0, step, classes)


def _last_byte(file: Any) -> int:
    """Where the last block of an opened Cloud-Optimized GeoTIFF ends, which is the end of the file."""
    rows, columns = file.block_shapes[0]
    block = f"{(file.width - 1) // columns}_{(file.height - 1) // rows}"
    return sum(int(file.get_tag_item(f"BLOCK_{part}_{block}", "TIFF", 1) or 0) for part in ("OFFSET", "SIZE"))


def address_name(text: str) -> str:
    """A name in addresses: lower-case letters, digits and `-`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _year(cube: Cube, text: str) -> dict[str, Any]:
    """The step of a map of one season; of the whole calendar where its year is not given."""
    days = cube.calendar.days
    if text.isdigit() and int(text) in cube.years:
        days = days[cube.season_of_day == int(text)]
    return {"key": text or "all", "first": int(days[0]), "last": int(days[-1])}


def _with_until(step: dict[str, Any], record: Path) -> dict[str, Any]:
    """The step of a map with the day until which it took images, where its record names one of the step."""
    try:
        until = day_number(date.fromisoformat(parse_json(record.read_bytes())["until"]))
    except (OSError, ValueError, TypeError, KeyError):
        return step
    return {**step, "until": until} if step["first"] <= until <= step["last"] else step


def _hex(colour: tuple[int, ...]) -> str:
    return "#" + bytes(colour[:3]).hex()
