"""A made-up ground: elevation and land cover of the earth, soil water of the United States, and the Cropland Data Layer
with its confidence, in tiles of the form of the Planetary Computer's collections, each made when it is asked for.

The codes are those of the stand-in of CropScape, so that labels are the same whoever is asked for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile

from .cropscape import BOTTOM, FIRST_YEAR, LEFT, RIGHT, TOP, codes_of

DEM, SOIL, CDL, COVER = "cop-dem-glo-30", "gnatsgo-rasters", "usda-cdl", "esa-worldcover"
COLLECTIONS = (DEM, SOIL, CDL, COVER)
LAST_CDL_YEAR = 2021
NO_SOIL = 2147483648.0
NO_CONFIDENCE = 0
"""As the real items declare."""

DEM_PIXELS = 360
"""A side of a tile of the DEM; the real ones have 3600."""
DEM_STEP = 1 / 3600
SOIL_PIXEL, SOIL_PIXELS, SOIL_CORNER = 10, 1024, 5
"""Metres, pixels a side of a tile, and the phase of the lattice in metres."""
SOIL_CRS = (
    'PROJCS["USA_Contiguous_Albers_Equal_Area_Conic_USGS_version",GEOGCS["NAD83",DATUM["North_American_Datum_1983",'
    'SPHEROID["GRS 1980",6378137,298.257222101004,AUTHORITY["EPSG","7019"]],AUTHORITY["EPSG","6269"]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4269"]],'
    'PROJECTION["Albers_Conic_Equal_Area"],PARAMETER["latitude_of_center",23],PARAMETER["longitude_of_center",-96],'
    'PARAMETER["standard_parallel_1",29.5],PARAMETER["standard_parallel_2",45.5],PARAMETER["false_easting",0],'
    'PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],'
    'AXIS["Northing",NORTH]]'
)
"""The real items have this text and no EPSG code."""
CDL_PIXEL, CDL_PIXELS = 30, 500

COVER_STEP, COVER_PIXELS, COVER_YEARS = 8.333333333333333e-05, 600, (2020, 2021)
"""Degrees, and pixels a side of a tile; the real ones have 36,000."""
COVER_CODES = (10, 20, 30, 40, 50, 60, 80, 90, 0)

Box = tuple[float, float, float, float]


def elevation_at(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres: hills of 25 m, 2.6 km apart from west to east, on land that rises to the west of Iowa. Nothing jumps at
    180 degrees."""
    turned = np.radians(lon + 93)
    return 1300 - 1146 * np.sin(turned) + 12 * np.sin(11_459 * turned) + 13 * np.cos(lat * 150)


def soil_water_at(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """mm in map units of 700 x 500 m of EPSG:5070; some of them unknown (NaN)."""
    unit = np.floor(xs / 700).astype(np.int64) * 31 + np.floor(ys / 500).astype(np.int64) * 17
    values = 60.0 + (unit * 7919) % 200
    return np.where(unit % 11 == 0, np.nan, values)


def confidence_of(year: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Percent on whole rows and columns of the country's pixels of 30 m; some of it unknown."""
    row, column = rows[:, None], columns[None]
    percent = 1 + (row * 7 + column * 13 + year) % 100
    return np.where((row // 4 + column // 5) % 9 == 0, NO_CONFIDENCE, percent).astype(np.uint8)


def cover_of(year: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
    """WorldCover on whole rows (northwards from 0 degrees) and columns (eastwards) of pixels: squares of 200 m."""
    squares = (rows[:, None] // 20) * 5 + (columns[None] // 20) * 3 + year
    return np.array(COVER_CODES, np.uint8)[squares % len(COVER_CODES)]


class Ground:
    """Items and files of the three collections."""

    def items(self, collection: str, box: Box, years: range, base: str) -> Iterator[dict[str, Any]]:
        """Items whose tiles meet a box of degrees; hrefs begin with `base`."""
        if collection == DEM:
            yield from self._dem(box, base)
        elif collection == SOIL:
            yield from self._soil(box, base)
        elif collection == COVER:
            yield from self._cover(box, years, base)
        else:
            yield from self._cdl(box, years, base)

    def file(self, name: str) -> bytes | None:
        """A GeoTIFF such as `dem_420_-930.tif`; None for any other name."""
        kind, *numbers = name.removesuffix(".tif").split("_")
        makers: dict[str, Callable[..., bytes]] = {
            "dem": _dem_file, "aws0-100": _soil_file, "cropland": _codes_file, "confidence": _confidence_file,
            "cover": _cover_file,
        }  # fmt: skip
        try:
            return makers[kind](*map(int, numbers))
        except (KeyError, ValueError, TypeError):
            return None

    def _dem(self, box: Box, base: str) -> Iterator[dict[str, Any]]:
        side = DEM_PIXELS * DEM_STEP
        west, south, east, north = (math.floor(value / side) for value in box)
        for row in range(south - 1, north + 2):
            for column in range(max(west - 1, -1800), min(east + 2, 1800)):
                corners = [(column * side, row * side), ((column + 1) * side, (row + 1) * side)]
                yield _item(
                    f"Copernicus_DSM_COG_10_{row}_{column}_DEM", DEM, _ring(*corners[0], *corners[1]),
                    {"datetime": "2021-04-22T00:00:00Z", "proj:epsg": 4326},
                    {"data": f"{base}dem_{row}_{column}.tif"}, _dem_grid(row, column),
                )  # fmt: skip

    def _soil(self, box: Box, base: str) -> Iterator[dict[str, Any]]:
        soil = {"datetime": "2020-07-01T00:00:00Z", "proj:epsg": None, "proj:wkt2": SOIL_CRS}
        for row, column, ring in _albers_tiles(box, SOIL_PIXEL * SOIL_PIXELS, SOIL_CORNER, SOIL_CORNER):
            yield _item(
                f"conus_{column}_{row}", SOIL, ring, soil,
                {"aws0_100": f"{base}aws0-100_{row}_{column}.tif"}, _soil_grid(row, column),
            )  # fmt: skip

    def _cover(self, box: Box, years: range, base: str) -> Iterator[dict[str, Any]]:
        west, south, east, north = (math.floor(value / (COVER_STEP * COVER_PIXELS)) for value in box)
        for year in sorted({*years} & {*COVER_YEARS}):
            times = {"start_datetime": f"{year}-01-01T00:00:00Z", "end_datetime": f"{year}-12-31T23:59:59Z"}
            own = {"datetime": None, **times, "proj:epsg": 4326, "esa_worldcover:product_version": "2.0.0"}
            for row in range(south, north + 1):
                for column in range(west, east + 1):
                    (_, _, left, _, _, top), _ = grid = _cover_grid(row, column)
                    side = COVER_STEP * COVER_PIXELS
                    yield _item(
                        f"ESA_WorldCover_10m_{year}_v200_{row}_{column}", COVER,
                        _ring(left, top - side, left + side, top),
                        own, {"map": f"{base}cover_{year}_{row}_{column}.tif"}, grid,
                    )  # fmt: skip

    def _cdl(self, box: Box, years: range, base: str) -> Iterator[dict[str, Any]]:
        tiles = list(_albers_tiles(box, CDL_PIXEL * CDL_PIXELS, LEFT, TOP))
        for year in years:
            if FIRST_YEAR <= year <= LAST_CDL_YEAR:
                for row, column, ring in tiles:
                    times = {"start_datetime": f"{year}-01-01T00:00:00Z", "end_datetime": f"{year}-12-31T23:59:59Z"}
                    own = {"datetime": None, **times, "proj:epsg": 5070, "usda_cdl:type": "cropland"}
                    files = {key: f"{base}{key}_{year}_{row}_{column}.tif" for key in ("cropland", "confidence")}
                    grid = _cdl_grid(row, column)
                    yield _item(f"cropland_{year}_{column}_{row}", CDL, ring, own, files, grid)
                    # The same collection holds other products over the same ground.
                    frequency = {**own, "usda_cdl:type": "frequency"}
                    yield _item(
                        f"frequency_{year}_{column}_{row}", CDL, ring, frequency, {"corn": files["cropland"]}, grid
                    )


Lattice = tuple[tuple[float, ...], tuple[int, int]]
"""(transform, shape) of a tile"""


def _dem_grid(row: int, column: int) -> Lattice:
    """The first pixel's centre is on the tile's corner, as with the real tiles."""
    left, top = column * DEM_PIXELS * DEM_STEP, (row + 1) * DEM_PIXELS * DEM_STEP
    transform = (DEM_STEP, 0.0, left - DEM_STEP / 2, 0.0, -DEM_STEP, top + DEM_STEP / 2)
    return transform, (DEM_PIXELS, DEM_PIXELS)


def _soil_grid(row: int, column: int) -> Lattice:
    side = SOIL_PIXEL * SOIL_PIXELS
    transform = (SOIL_PIXEL, 0, SOIL_CORNER + column * side, 0, -SOIL_PIXEL, SOIL_CORNER - row * side)
    return transform, (SOIL_PIXELS, SOIL_PIXELS)


def _cdl_grid(row: int, column: int) -> Lattice:
    side = CDL_PIXEL * CDL_PIXELS
    return (CDL_PIXEL, 0, LEFT + column * side, 0, -CDL_PIXEL, TOP - row * side), (CDL_PIXELS, CDL_PIXELS)


def _cover_grid(row: int, column: int) -> Lattice:
    side = COVER_STEP * COVER_PIXELS
    return (COVER_STEP, 0.0, column * side, 0.0, -COVER_STEP, (row + 1) * side), (COVER_PIXELS, COVER_PIXELS)


@lru_cache(maxsize=64)
def _cover_file(year: int, row: int, column: int) -> bytes:
    rows = (row + 1) * COVER_PIXELS - 1 - np.arange(COVER_PIXELS)
    values = cover_of(year, rows, column * COVER_PIXELS + np.arange(COVER_PIXELS))
    return geotiff(values, _cover_grid(row, column)[0], "EPSG:4326", 0)


@lru_cache(maxsize=256)
def _dem_file(row: int, column: int) -> bytes:
    (a, _, c, _, e, f), (rows, columns) = _dem_grid(row, column)
    lon, lat = c + a * (np.arange(columns) + 0.5), f + e * (np.arange(rows) + 0.5)
    return geotiff(elevation_at(lon[None], lat[:, None]).astype(np.float32), (a, 0, c, 0, e, f), "EPSG:4326")


@lru_cache(maxsize=256)
def _soil_file(row: int, column: int) -> bytes:
    transform, _ = _soil_grid(row, column)
    xs = transform[2] + SOIL_PIXEL * (np.arange(SOIL_PIXELS) + 0.5)
    ys = transform[5] - SOIL_PIXEL * (np.arange(SOIL_PIXELS) + 0.5)
    values = soil_water_at(xs[None], ys[:, None])
    filled = np.where(np.isnan(values), NO_SOIL, values).astype(np.float32)
    return geotiff(filled, transform, SOIL_CRS, NO_SOIL)


@lru_cache(maxsize=256)
def _codes_file(year: int, row: int, column: int) -> bytes:
    return geotiff(codes_of(year, *_cdl_pixels(row, column)), _cdl_grid(row, column)[0], "EPSG:5070")


@lru_cache(maxsize=256)
def _confidence_file(year: int, row: int, column: int) -> bytes:
    return geotiff(confidence_of(year, *_cdl_pixels(row, column)), _cdl_grid(row, column)[0], "EPSG:5070")


def _cdl_pixels(row: int, column: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return row * CDL_PIXELS + np.arange(CDL_PIXELS), column * CDL_PIXELS + np.arange(CDL_PIXELS)


def geotiff(values: NDArray[Any], transform: tuple[float, ...], crs: str, nodata: float | None = None) -> bytes:
    """A tiled, compressed GeoTIFF of one band."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype, crs=crs,
            transform=Affine(*transform), nodata=nodata, compress="deflate", zlevel=1, tiled=True,
        ) as file:  # fmt: skip
            file.write(values, 1)
        return bytes(memory.read())


def _albers_tiles(box: Box, side: int, left: int, top: int) -> Iterator[tuple[int, int, list[list[float]]]]:
    """(row, column, ring in degrees) of the tiles of EPSG:5070 that meet a box of degrees and lie in the country."""
    to_albers = Transformer.from_crs(4326, 5070, always_xy=True)
    to_degrees = Transformer.from_crs(5070, 4326, always_xy=True)
    west, south, east, north = to_albers.transform_bounds(*box)
    for row in range(math.floor((top - north) / side), math.floor((top - south) / side) + 1):
        for column in range(math.floor((west - left) / side), math.floor((east - left) / side) + 1):
            x, y = left + column * side, top - row * side
            if LEFT <= x < RIGHT and BOTTOM < y <= TOP:
                xs, ys = [x, x + side, x + side, x, x], [y - side, y - side, y, y, y - side]
                yield row, column, [list(point) for point in zip(*to_degrees.transform(xs, ys), strict=True)]


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _item(
    identity: str,
    collection: str,
    ring: list[list[float]],
    properties: dict[str, Any],
    files: dict[str, str],
    grid: Lattice,
) -> dict[str, Any]:
    transform, shape = grid
    xs, ys = zip(*ring, strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identity,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "properties": {**properties, "proj:transform": list(transform), "proj:shape": list(shape)},
        "links": [],
        "assets": {key: {"href": href, "type": "image/tiff"} for key, href in files.items()},
    }
