"""Made-up granules over the blocks of a recipe: real tiles, names, sizes and dates, pixels where blocks lie.

HLS, in the northern form of a UTM zone everywhere, and Sentinel-2 L2A, whose tiles have the southern form south of the
equator, bands of 10 and 20 m, and from processing baseline 04.00 on 1000 added to their numbers. In the contiguous US
the ground is that of the made-up Cropland Data Layer; elsewhere it is that of `tests.servers.sights`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.windows import Window

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.layers.source import lonlat_bounds

from .cropscape import codes_at
from .sights import LEAVES, SOIL, cloudy, reflectance
from .tiles import FALSE_NORTHING, WIDTH, Tile, tiles_over

SENTINEL_2 = "sentinel-2-l2a"
COLLECTIONS = {"hls-l30": "hls2-l30", "hls-s30": "hls2-s30", SENTINEL_2: SENTINEL_2}
"""product -> collection of the Planetary Computer"""
PASSAGE = 60 * 10 + 49
"""Minutes of local solar time when Sentinel-2 passes; Landsat is 19 minutes later."""
CLOUD = 0.6
AROUND = 4
"""Pixels that are filled around a block, for those of another zone to be resampled from."""
NEW_BASELINE = date(2022, 1, 25)
"""The first day of processing baseline 04.00."""
CROPS = (-125.0, 24.0, -66.0, 50.0)
"""Degrees, where the ground is that of the Cropland Data Layer."""
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Sensor:
    """A product, as its files have it."""

    product: str
    repeat_days: int
    """of two satellites"""
    minutes: int
    """of local solar time"""
    bands: dict[str, int]
    """asset of each of the cube's bands -> metres a pixel"""
    mask: tuple[str, int]
    clear_and_cloud: tuple[int, int]
    bands_kind: dict[str, Any]
    mask_kind: dict[str, Any]


_HLS_REST: dict[str, Any] = {
    "mask": ("Fmask", 30), "clear_and_cloud": (64, 2),
    "bands_kind": {"dtype": "int16", "nodata": -9999, "predictor": 2}, "mask_kind": {"dtype": "uint8", "nodata": 255},
}  # fmt: skip
SENSORS = (
    Sensor("hls-l30", 8, PASSAGE + 19, dict.fromkeys(("B02", "B03", "B04", "B05", "B06", "B07"), 30), **_HLS_REST),
    Sensor("hls-s30", 5, PASSAGE, dict.fromkeys(("B02", "B03", "B04", "B8A", "B11", "B12"), 30), **_HLS_REST),
    Sensor(
        SENTINEL_2, 5, PASSAGE,
        {"B02": 10, "B03": 10, "B04": 10, "B8A": 20, "B11": 20, "B12": 20},
        ("SCL", 20), (4, 9), {"dtype": "uint16", "nodata": 0, "predictor": 2}, {"dtype": "uint8", "nodata": 0},
    ),
)  # fmt: skip
FILES: dict[str, Any] = {
    "driver": "GTiff", "count": 1, "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
    "zlevel": 1, "sparse_ok": True,
}  # fmt: skip


@dataclass(frozen=True)
class Overflight:
    """One passage of a sensor over a region."""

    sensor: Sensor
    moment: datetime
    """in UTC"""
    day: date
    """of local solar time, as a cube counts"""

    def name(self, tile: Tile) -> str:
        """The id of its granule of a tile."""
        if self.sensor.product == SENTINEL_2:
            stamp = f"{self.moment:%Y%m%dT%H%M%S}"
            return f"S2A_MSIL2A_{stamp}_R051_T{tile.name}_{stamp}"
        return f"HLS.{self.sensor.product[-3:].upper()}.T{tile.name}.{self.moment:%Y%jT%H%M%S}.v2.0"

    @property
    def baseline(self) -> str:
        """The processing baseline of a Sentinel-2 scene."""
        return "04.00" if self.day >= NEW_BASELINE else "03.01"

    @property
    def added(self) -> int:
        """What is added to the stored numbers."""
        return 1000 if self.sensor.product == SENTINEL_2 and self.day >= NEW_BASELINE else 0


def write_granules(root: Path, region: Region, grid: Grid, every: int = 1) -> int:
    """Write `items.json` and the files it names below `root`, of every `every`-th overflight of the period. Returns
    the number of granules."""
    items = []
    for tile in tiles_over(grid):
        chips = [chip for block in grid.blocks if (chip := _Chip(tile, grid, block)).is_seen]
        items += [_write(root, tile, flight, chips) for flight in overflights(region, grid, every)]
    (root / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return len(items)


def overflights(region: Region, grid: Grid, every: int) -> Iterator[Overflight]:
    """Every `every`-th of the period."""
    west, _, east, _ = lonlat_bounds(grid)
    ahead = timedelta(hours=(((west + east) / 2 + 180) % 360 - 180) / 15)
    for sensor in SENSORS:
        day, step = region.period.start, timedelta(sensor.repeat_days * every)
        while sensor.product in region.imagery.products and day <= region.period.end:
            if region.period.contains(day):
                passed = datetime.combine(day, time(), UTC) + timedelta(minutes=sensor.minutes) - ahead
                yield Overflight(sensor, passed.replace(second=0, microsecond=0), day)
            day += step


class _Chip:
    """The ground of one block in one tile."""

    def __init__(self, tile: Tile, grid: Grid, block: tuple[int, int]) -> None:
        self._tile = tile
        to_tile = Transformer.from_crs(grid.crs, tile.crs, always_xy=True)
        self._bounds = to_tile.transform_bounds(*grid.block_geobox(block).boundingbox)
        self._to_degrees = Transformer.from_crs(tile.crs, 4326, always_xy=True)
        self._codes: dict[int, NDArray[np.uint8]] = {}

    def window(self, pixel: int) -> Window:
        """Its pixels of so many metres, with a few around it; of no size where the tile ends before."""
        west, south, east, north = self._bounds
        tile, most = self._tile, WIDTH // pixel
        edges = (
            floor((tile.top - north) / pixel) - AROUND, ceil((tile.top - south) / pixel) + AROUND,
            floor((west - tile.left) / pixel) - AROUND, ceil((east - tile.left) / pixel) + AROUND,
        )  # fmt: skip
        top, bottom, left, right = (min(most, max(0, edge)) for edge in edges)
        return Window(left, top, right - left, bottom - top)

    @property
    def is_seen(self) -> bool:
        window = self.window(20)
        return bool(window.width and window.height)

    def see(self, flight: Overflight, key: str, pixel: int) -> tuple[NDArray[np.int64], Window]:
        """The stored numbers of an asset, and where they are."""
        window = self.window(pixel)
        x = self._tile.left + pixel * (np.arange(window.col_off, window.col_off + window.width) + 0.5)
        y = self._tile.top - pixel * (np.arange(window.row_off, window.row_off + window.height) + 0.5)
        x, y = np.meshgrid(x, y)
        lon, lat = self._to_degrees.transform(x, y)
        days = (flight.day - EPOCH).days
        sensor, clouds = flight.sensor, cloudy(days, lon, lat)
        if key == sensor.mask[0]:
            clear, cloud = sensor.clear_and_cloud
            return np.where(clouds, cloud, clear), window
        band = list(sensor.bands).index(key)
        west, south, east, north = CROPS
        if sensor.product != SENTINEL_2 and west < lon.min() and lon.max() < east and south < lat.min() < north:
            values = self._crops(flight.day, band, x, y)
        else:
            values = reflectance(band, days, lon, lat)
        return np.rint(np.where(clouds, CLOUD, values) * 1e4).astype(np.int64) + flight.added, window

    def _crops(self, day: date, band: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reflectance of the made-up Cropland Data Layer: each crop grows at its own time."""
        if day.year not in self._codes:
            to_albers = Transformer.from_crs(self._tile.crs, 5070, always_xy=True)
            self._codes[day.year] = codes_at(day.year, *to_albers.transform(x, y))
        codes = self._codes[day.year].astype(int)
        peak, width = 170 + codes * 7 % 60, 35 + codes % 5 * 6
        leaves = 0.9 * np.exp(-(((day.timetuple().tm_yday - peak) / width) ** 2))
        seen: NDArray[np.float64] = SOIL[band] * (1 - leaves) + LEAVES[band] * leaves
        rng = np.random.default_rng([day.toordinal(), band, self._tile.left, abs(self._tile.top)])
        return seen * rng.normal(1, 0.01, seen.shape)


def _write(root: Path, tile: Tile, flight: Overflight, chips: list[_Chip]) -> dict[str, Any]:
    """Write the files of a granule; returns its STAC item."""
    sensor, name = flight.sensor, flight.name(tile)
    southern = tile.is_southern and sensor.product == SENTINEL_2
    crs, shift = (tile.southern_crs, FALSE_NORTHING) if southern else (tile.crs, 0)
    (root / name).mkdir(parents=True)
    assets = {}
    for key, pixel in (*sensor.bands.items(), sensor.mask):
        side, transform = WIDTH // pixel, Affine.translation(0, shift) @ tile.transform(pixel)
        kind = sensor.mask_kind if key == sensor.mask[0] else sensor.bands_kind
        with MemoryFile() as memory:
            with memory.open(**FILES, **kind, width=side, height=side, crs=crs, transform=transform) as file:
                for chip in chips:
                    values, window = chip.see(flight, key, pixel)
                    file.write(values.astype(kind["dtype"]), 1, window=window)
            (root / name / f"{name}.{key}.tif").write_bytes(memory.read())
        assets[key] = {
            "href": f"{name}/{name}.{key}.tif", "proj:transform": list(transform)[:6], "proj:shape": [side, side],
        }  # fmt: skip
    geometry, bbox = tile.outline()
    properties = {"datetime": f"{flight.moment:%Y-%m-%dT%H:%M:%SZ}", "proj:code": crs}
    if sensor.product == SENTINEL_2:
        properties |= {"s2:processing_baseline": flight.baseline, "s2:mgrs_tile": tile.name}
    elif tile.is_southern and sensor.product == "hls-l30":
        # As many real items are: the southern form is declared over the northings of the northern one.
        properties["proj:code"] = tile.southern_crs
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": COLLECTIONS[sensor.product],
        "geometry": geometry, "bbox": bbox, "links": [], "assets": assets, "properties": properties,
    }  # fmt: skip
