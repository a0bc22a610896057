"""Made-up HLS granules over the blocks of a recipe: real tiles, names, sizes and dates, pixels where blocks lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.windows import Window

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Region

from .cropscape import codes_at

SIDE, PIXEL = 3660, 30
ASSETS = {
    "L30": ("B02", "B03", "B04", "B05", "B06", "B07"),
    "S30": ("B02", "B03", "B04", "B8A", "B11", "B12"),
}
REPEAT_DAYS = {"L30": 8, "S30": 5}
"""Two satellites each."""

SOIL = np.array([0.06, 0.09, 0.12, 0.20, 0.28, 0.24])
LEAVES = np.array([0.03, 0.07, 0.04, 0.45, 0.20, 0.09])
FILES: dict[str, Any] = {
    "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "tiled": True, "blockxsize": 256, "blockysize": 256,
    "compress": "deflate", "zlevel": 1, "sparse_ok": True,
}  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A tile of the Sentinel-2 tiling grid in a northern UTM zone."""

    name: str
    zone: int
    left: int
    top: int

    @property
    def transform(self) -> Affine:
        return Affine(PIXEL, 0, self.left, 0, -PIXEL, self.top)

    @property
    def crs(self) -> str:
        return f"EPSG:{32600 + self.zone}"

    @property
    def box(self) -> Any:
        return shapely.box(self.left, self.top - SIDE * PIXEL, self.left + SIDE * PIXEL, self.top)


def tile_of(zone: int, column: int, row: int) -> Tile:
    """The tile of the MGRS square at `column`, `row` (hundreds of kilometres east and north)."""
    left, top = 60 * floor(column * 1e5 / 60), 60 * ceil((row + 1) * 1e5 / 60)
    to_degrees = Transformer.from_crs(32600 + zone, 4326, always_xy=True)
    _, latitude = to_degrees.transform(column * 1e5 + 5e4, row * 1e5 + 5e4)
    band = "CDEFGHJKLMNPQRSTUVWX"[int((latitude + 80) // 8)]
    columns = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[zone % 3]
    rows = "ABCDEFGHJKLMNPQRSTUV"
    return Tile(f"{zone:02d}{band}{columns[column - 1]}{rows[(row + 5 * (zone % 2 == 0)) % 20]}", zone, left, top)


def tiles_over(grid: Grid) -> list[Tile]:
    """The tiles of the grid's own zone that hold a part of its blocks."""
    zone = int(grid.crs.removeprefix("EPSG:326"))
    blocks = shapely.union_all([shapely.box(*grid.block_geobox(block).boundingbox) for block in grid.blocks])
    west, south, east, north = blocks.bounds
    columns = range(max(1, floor(west / 1e5) - 1), min(8, floor(east / 1e5)) + 1)
    rows = range(floor(south / 1e5) - 1, floor(north / 1e5) + 2)
    tiles = (tile_of(zone, column, row) for column in columns for row in rows)
    return [tile for tile in tiles if tile.box.intersection(blocks).area > 0]


def write_granules(root: Path, region: Region, grid: Grid, every: int = 1) -> int:
    """Write `items.json` and the files it names below `root`, of every `every`-th overflight of the period. Returns
    the number of granules."""
    windows = {tile: [_window(tile, grid, block) for block in grid.blocks] for tile in tiles_over(grid)}
    items = []
    for tile, found in windows.items():
        chips = [
            _Chip(tile, rows, columns)
            for rows, columns in found
            if rows.stop > rows.start and columns.stop > columns.start
        ]
        for sensor, moment in overflights(region, every):
            items.append(_write(root, tile, sensor, moment, chips))
    (root / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return len(items)


def overflights(region: Region, every: int) -> Iterator[tuple[str, datetime]]:
    """(sensor, moment) of the period's overflights."""
    for sensor, repeat in REPEAT_DAYS.items():
        day, step = region.period.start, timedelta(repeat * every)
        while day <= region.period.end:
            if region.period.contains(day):
                yield sensor, datetime.combine(day, time(17, 1 if sensor == "S30" else 20), UTC)
            day += step


class _Chip:
    """The ground of one block in one tile, as the made-up Cropland Data Layer has it."""

    def __init__(self, tile: Tile, rows: slice, columns: slice) -> None:
        self.rows, self.columns = rows, columns
        x = tile.left + PIXEL * (np.arange(columns.start, columns.stop) + 0.5)
        y = tile.top - PIXEL * (np.arange(rows.start, rows.stop) + 0.5)
        to_albers = Transformer.from_crs(tile.crs, 5070, always_xy=True)
        self._albers = to_albers.transform(*np.meshgrid(x, y))
        self._codes: dict[int, NDArray[np.uint8]] = {}

    def see(self, day: date, rng: np.random.Generator) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """(band, row, column) reflectance and (row, column) Fmask of a day: crops grow each at its own time, clouds
        come in patches, and some days are overcast."""
        codes = self._codes.setdefault(day.year, codes_at(day.year, *self._albers)).astype(int)
        peak, width = 170 + codes * 7 % 60, 35 + codes % 5 * 6
        cover = 0.9 * np.exp(-(((day.timetuple().tm_yday - peak) / width) ** 2))
        bands = SOIL[:, None, None] * (1 - cover) + LEAVES[:, None, None] * cover
        shape = codes.shape
        patches = rng.random((-(-shape[0] // 32), -(-shape[1] // 32))) < rng.choice([0.05, 0.3, 1.0], p=[0.5, 0.3, 0.2])
        cloud = patches.repeat(32, 0).repeat(32, 1)[: shape[0], : shape[1]]
        bands = np.where(cloud, 0.6, bands) * rng.normal(1, 0.01, bands.shape)
        return np.rint(bands * 1e4).astype(np.int16), np.where(cloud, 2, 64).astype(np.uint8)


def _window(tile: Tile, grid: Grid, block: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a tile that lie in a block; of no length where they do not meet."""
    west, south, east, north = grid.block_geobox(block).boundingbox
    rows, columns = (tile.top - north, tile.top - south), (west - tile.left, east - tile.left)
    first, after, left, right = (min(SIDE, max(0, round(edge / PIXEL))) for edge in (*rows, *columns))
    return slice(first, after), slice(left, right)


def _write(root: Path, tile: Tile, sensor: str, moment: datetime, chips: list[_Chip]) -> dict[str, Any]:
    """Write the files of a granule; returns its STAC item."""
    name = f"HLS.{sensor}.T{tile.name}.{moment:%Y%jT%H%M%S}.v2.0"
    (root / name).mkdir(parents=True)
    seed = [int(moment.timestamp()), tile.left, tile.top]
    seen = [chip.see(moment.date(), np.random.default_rng(seed)) for chip in chips]
    assets = {}
    for number, key in enumerate((*ASSETS[sensor], "Fmask")):
        kind: dict[str, Any] = (
            {"dtype": "uint8", "nodata": 255} if key == "Fmask" else {"dtype": "int16", "nodata": -9999, "predictor": 2}
        )
        with MemoryFile() as memory:
            with memory.open(**FILES, **kind, crs=tile.crs, transform=tile.transform) as file:
                for chip, (bands, mask) in zip(chips, seen, strict=True):
                    values = mask if key == "Fmask" else bands[number]
                    file.write(values, 1, window=Window.from_slices(chip.rows, chip.columns))
            (root / name / f"{name}.{key}.tif").write_bytes(memory.read())
        assets[key] = {
            "href": f"{name}/{name}.{key}.tif", "proj:transform": list(tile.transform)[:6], "proj:shape": [SIDE, SIDE],
        }  # fmt: skip
    outline = shapely.transform(
        tile.box, Transformer.from_crs(tile.crs, 4326, always_xy=True).transform, interleaved=False
    )
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": f"hls2-{sensor.lower()}",
        "geometry": shapely.geometry.mapping(outline), "bbox": list(outline.bounds), "links": [], "assets": assets,
        "properties": {"datetime": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "proj:code": tile.crs},
    }  # fmt: skip
