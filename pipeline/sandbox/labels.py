"""Annual crop rasters as the Cropland Data Layer has them: 30 m, EPSG:5070, codes with colours."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from .crop_types import COVERS
from .fields import CELL
from .spec import PIXEL, REGION_EPSG
from .tiles import reproject
from .world import SiteWorld

EPSG = 5070
CDL_CORNER = 15.0
"""CDL's pixel edges lie at odd multiples of 15 m."""


def write_labels(folder: Path, worlds: Sequence[SiteWorld]) -> None:
    """`crop_<year>.tif` (uint8, 0 = background) for every season, and `legend.csv`. Raises OSError where it can't."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = np.array([cover.code for cover in COVERS], dtype=np.uint8)
    located = [(world, *field_of_pixels(world)) for world in worlds]
    left, top = (min(corner[axis] for _, corner, _ in located) for axis in (0, 1))
    right = max(corner[0] + field.shape[1] for _, corner, field in located)
    bottom = max(corner[1] + field.shape[0] for _, corner, field in located)
    affine = Affine(PIXEL, 0, left * PIXEL + CDL_CORNER, 0, -PIXEL, -top * PIXEL + CDL_CORNER)

    creation = {
        "driver": "GTiff", "width": right - left, "height": bottom - top, "count": 1, "dtype": "uint8",
        "crs": f"EPSG:{EPSG}", "transform": affine, "tiled": True, "blockxsize": 256, "blockysize": 256,
        "compress": "deflate", "sparse_ok": True,
    }  # fmt: skip
    colors = {0: (0, 0, 0, 255), **{cover.code: (*_rgb(cover.color), 255) for cover in COVERS}}
    for index, year in enumerate(worlds[0].spec.years):
        label = np.zeros((bottom - top, right - left), dtype=np.uint8)
        for world, (column, row), field in located:
            here = label[row - top :, column - left :][: field.shape[0], : field.shape[1]]
            here[field >= 0] = codes[world.ground.crop[index]][field[field >= 0]]
        # Through memory, so that a full disk raises.
        with MemoryFile() as memory:
            with memory.open(**creation) as file:
                file.write_colormap(1, colors)
                file.write(label, 1)
            (folder / f"crop_{year}.tif").write_bytes(memory.read())

    with (folder / "legend.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "name", "color"])
        writer.writerows([cover.code, cover.name, cover.color] for cover in COVERS)


def field_of_pixels(world: SiteWorld) -> tuple[tuple[int, int], NDArray[np.int64]]:
    """(column, row) of the first pixel, counted from CDL's origin, and the field at each pixel's centre, or -1."""
    left, bottom, right, top = world.ground.geobox.extent.to_crs(f"EPSG:{EPSG}").boundingbox.bbox
    columns = np.arange(int((left - CDL_CORNER) // PIXEL), int((right - CDL_CORNER) // PIXEL) + 1)
    rows = np.arange(int((CDL_CORNER - top) // PIXEL), int((CDL_CORNER - bottom) // PIXEL) + 1)
    x, y = np.meshgrid(CDL_CORNER + (columns + 0.5) * PIXEL, CDL_CORNER - (rows + 0.5) * PIXEL)
    east, north = reproject(EPSG, REGION_EPSG, x, y)
    box = world.ground.geobox
    column = np.floor((east - box.affine.c) / CELL).astype(int)
    row = np.floor((box.affine.f - north) / CELL).astype(int)
    inside = (column >= 0) & (column < box.shape[1]) & (row >= 0) & (row < box.shape[0])
    field = np.full(x.shape, -1, dtype=np.int64)
    field[inside] = world.ground.field[row[inside], column[inside]]
    return (int(columns[0]), int(rows[0])), field


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
