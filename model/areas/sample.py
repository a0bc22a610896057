"""The reference sample of a crop map: pixels drawn at random from each mapped class, as a table that people fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window

from mmvsf.datasets.cube.legend import LegendClass
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.storage.outputs import write_verified

COLUMNS = ("id", "longitude", "latitude", "row", "column", "mapped", "reference")
"""`mapped` and `reference` are names of classes; `row` and `column` count pixels of the map from its upper left."""


@dataclass(frozen=True, slots=True)
class MapLegend:
    """The values of a crop map and what they mean."""

    values: tuple[int, ...]
    names: tuple[str, ...]
    """by class, in the order of the cube's legend"""

    @classmethod
    def of(cls, values: tuple[int, ...], classes: tuple[LegendClass, ...]) -> MapLegend:
        return cls(values, tuple(entry.name for entry in classes))

    def classes(self, stored: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class of each pixel, -1 for unknown; same shape."""
        table = np.full(256, -1)
        table[list(self.values)] = np.arange(len(self.values))
        return np.asarray(table[stored])


@dataclass(frozen=True, slots=True)
class ReferencePixel:
    """A pixel of the sample."""

    row: int
    column: int
    mapped: int
    """class in the map"""
    reference: int
    """class on the ground; -1 where nobody has said it yet"""


def count_pixels(path: Path, legend: MapLegend) -> NDArray[np.int64]:
    """The pixels (K,) of each class in a map. Raises InputError where the map cannot be read."""
    total = np.zeros(len(legend.values), np.int64)
    for _, classes in _windows(path, legend):
        total += _counts(classes, len(total))
    return total


def draw_sample(path: Path, legend: MapLegend, per_class: int, seed: int) -> list[ReferencePixel]:
    """So many pixels of each mapped class, each pixel as likely as any other of its class, or all of a class that has
    fewer; their reference is unknown. Raises InputError where the map cannot be read."""
    random = np.random.default_rng(seed)
    numbers = [
        np.sort(random.choice(count, min(per_class, count), replace=False, shuffle=False))
        for count in count_pixels(path, legend)
    ]
    passed = np.zeros(len(numbers), np.int64)
    pixels = []
    for (top, left), classes in _windows(path, legend):
        counts = _counts(classes, len(passed))
        for k in np.flatnonzero(counts):
            here = numbers[k][(numbers[k] >= passed[k]) & (numbers[k] < passed[k] + counts[k])] - passed[k]
            if len(here):
                rows, columns = np.nonzero(classes == k)
                pixels += [
                    ReferencePixel(top + int(row), left + int(column), int(k), -1)
                    for row, column in zip(rows[here], columns[here], strict=True)
                ]
        passed += counts
    # In the order of the map, a reader could tell classes by their place in the table.
    return [pixels[i] for i in random.permutation(len(pixels))]


def write_sample(table: Path, path: Path, pixels: list[ReferencePixel], legend: MapLegend) -> None:
    """Write a sample as CSV, its pixels' centres in longitude and latitude. Raises OSError."""
    with _opened(path) as source:
        to_degrees = Transformer.from_crs(source.crs, "EPSG:4326", always_xy=True)
        centres = [source.xy(pixel.row, pixel.column) for pixel in pixels]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, (pixel, (x, y)) in enumerate(zip(pixels, centres, strict=True), 1):
        longitude, latitude = to_degrees.transform(x, y)
        classes = (legend.names[k] if k >= 0 else "" for k in (pixel.mapped, pixel.reference))
        writer.writerow([number, f"{longitude:.6f}", f"{latitude:.6f}", pixel.row, pixel.column, *classes])
    write_verified(table, text.getvalue().encode())


def read_sample(table: Path, path: Path, legend: MapLegend) -> list[ReferencePixel]:
    """Read a sample that `write_sample` wrote and somebody filled in.

    Raises InputError where it is no such table, names a class that the legend lacks, lists a pixel twice, or was drawn
    from another map: its strata would be others.
    """
    columns, rows = _table(table)
    if missing := [column for column in ("row", "column", "mapped", "reference") if column not in columns]:
        raise InputError(f"{table} lacks the columns {', '.join(missing)}; draw a sample with `mmvsf areas`")
    pixels = [_pixel(row, legend, f"{table}, line {line}") for line, row in enumerate(rows, 2)]
    places = [(pixel.row, pixel.column) for pixel in pixels]
    if len(set(places)) < len(places):
        raise InputError(f"{table} lists a pixel twice; each counts once")
    _check_mapped(pixels, path, legend, table)
    return pixels


def read_filled(table: Path) -> dict[tuple[int, int], str] | None:
    """The references of a table, by row and column, as far as they were filled in; None where the table is not as
    `write_sample` writes it, for example since it was saved in another form or has a column of notes."""
    try:
        columns, rows = _table(table)
        if tuple(columns) != COLUMNS:
            return None
        return {
            (int(row["row"] or ""), int(row["column"] or "")): reference
            for row in rows
            if (reference := (row["reference"] or "").strip())
        }
    except (ValueError, InputError):
        return None


def _table(table: Path) -> tuple[Sequence[str], list[Mapping[str, str | None]]]:
    """The names of the columns, and the rows. Raises InputError where it cannot be read."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows: list[Mapping[str, str | None]] = list(reader)
            return reader.fieldnames or (), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the reference sample {table} cannot be read: {one_line(error)}") from error


def _pixel(row: Mapping[str, str | None], legend: MapLegend, where: str) -> ReferencePixel:
    classes = {name: k for k, name in enumerate(legend.names)}
    texts = {column: (row.get(column) or "").strip() for column in ("row", "column", "mapped", "reference")}
    for column in ("row", "column"):
        if not (texts[column].isascii() and texts[column].isdigit() and len(texts[column]) < 10):
            raise InputError(f"{where}: {column} is '{texts[column][:40]}'; it is a pixel of the map, counted from 0")
    for column in ("mapped", "reference"):
        if texts[column] not in classes and (column == "mapped" or texts[column]):
            known = ", ".join(legend.names[:20])
            raise InputError(f"{where}: the class '{texts[column][:40]}' is not in the legend: {known}")
    reference = classes.get(texts["reference"], -1)
    return ReferencePixel(int(texts["row"]), int(texts["column"]), classes[texts["mapped"]], reference)


def _check_mapped(pixels: list[ReferencePixel], path: Path, legend: MapLegend, table: Path) -> None:
    """Raises InputError unless the map has the classes that the sample was drawn from."""
    with _opened(path) as source:
        rows, columns = source.shape
        found = sum(
            pixel.row < rows
            and pixel.column < columns
            and legend.classes(source.read(1, window=Window(pixel.column, pixel.row, 1, 1)))[0, 0] == pixel.mapped
            for pixel in pixels
        )
    if found < len(pixels):
        raise InputError(
            f"{len(pixels) - found} of the {len(pixels)} pixels of {table} have another class in {path}; a sample is"
            " valid only for the map that it was drawn from: draw a new one"
        )


def _windows(path: Path, legend: MapLegend) -> Iterator[tuple[tuple[int, int], NDArray[np.int64]]]:
    """((first row, first column), classes) of all windows of a map. Raises InputError where it cannot be read."""
    with _opened(path) as source:
        for _, window in source.block_windows(1):
            yield (window.row_off, window.col_off), legend.classes(source.read(1, window=window))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A map, open in rasterio. Raises InputError where it cannot be read."""
    try:
        with rasterio.open(path, driver="GTiff") as source:
            yield source
    except RasterioError as error:
        raise InputError(f"{path} cannot be read ({one_line(error)}); draw it again with `mmvsf cropmap`") from error


def _counts(classes: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    return np.bincount(classes[classes >= 0], minlength=number)
