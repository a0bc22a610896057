"""An archive for the race of builds: granules of true size, name, layout and compression, of made-up fields and clouds.

Tiles of 3660 x 3660 pixels of 30 m (HLS) or 10980 x 10980 of 10 m and 5490 x 5490 of 20 m (Sentinel-2), cloud-optimised
with 256-pixel tiles. A few different ones are drawn, and linked as the granules of many days.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import xarray as xr
import yaml
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

LEFT, TOP, SIDE = 399960, 4700040, 109800
"""Corner and side (m) of tile 15TVG in EPSG:32615"""

CRS = "EPSG:32615"
NAMES = ("blue", "green", "red", "nir", "swir1", "swir2")
DRAWN = 6
"""Granules with pixels of their own"""

SOIL, LEAVES = (0.06, 0.09, 0.12, 0.20, 0.28, 0.24), (0.03, 0.07, 0.04, 0.45, 0.20, 0.09)
CLOUDY = 0.25
"""Share of the pixels under cloud"""


@dataclass(frozen=True)
class Product:
    """How a product is stored."""

    name: str
    collection: str
    keys: tuple[str, ...]
    """assets in the order of `NAMES`"""
    metres: tuple[int, ...]
    """pixel of each of them"""
    mask: str
    mask_metres: int


L30 = Product("hls-l30", "hls2-l30", ("B02", "B03", "B04", "B05", "B06", "B07"), (30,) * 6, "Fmask", 30)
S30 = Product("hls-s30", "hls2-s30", ("B02", "B03", "B04", "B8A", "B11", "B12"), (30,) * 6, "Fmask", 30)
S2 = Product(
    "sentinel-2-l2a",
    "sentinel-2-l2a",
    ("B02", "B03", "B04", "B8A", "B11", "B12"),
    (10, 10, 10, 20, 20, 20),
    "SCL",
    20,
)


@dataclass(frozen=True)
class Race:
    """One region of the race: `blocks` x `blocks` blocks."""

    name: str
    family: str
    """hls or sentinel-2"""
    crs: str
    resolution: int
    blocks: int
    block: int = 256
    """pixels on its side"""
    end: str = "2022-08-31"
    """the last day"""


RACES = {
    "own": Race("own", "hls", CRS, 30, 4),
    "other": Race("other", "hls", "EPSG:32614", 30, 4),
    "sentinel-2": Race("sentinel-2", "sentinel-2", CRS, 10, 4),
}


def ensure_archive(folder: Path, race: Race) -> Path:
    """Draw what is missing; the path of the race's recipe."""
    family = folder / race.family
    if not (family / "items.json").is_file():
        products = (L30, S30) if race.family == "hls" else (S2,)
        drawn = sorted({(p.metres, p.mask, p.mask_metres) for p in products})
        with ProcessPoolExecutor() as pool:
            list(pool.map(_draw, *zip(*product([family / "drawn"], drawn, range(DRAWN)), strict=True)))
        (family / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": _items(family)}))
    if not (folder / "daily.nc").is_file():
        _weather(folder / "daily.nc")
    return _recipe(folder, race)


def _draw(folder: Path, form: tuple[tuple[int, ...], str, int], number: int) -> None:
    """One granule: six bands and a mask."""
    metres, mask, mask_metres = form
    target = folder / f"{mask}-{number}"
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    cover = np.clip(_patches(np.random.default_rng(99), 720) * (0.2 + 0.6 * number / DRAWN) * 1.6, 0, 1)
    cloud = _patches(rng, 1440) < CLOUDY
    for band, size in enumerate(metres):
        greenness, cloudy = _at(cover, size), _at(cloud, size)
        values = np.where(cloudy, np.float32(0.55), SOIL[band] * (1 - greenness) + LEAVES[band] * greenness)
        values *= 1 + rng.standard_normal(values.shape, np.float32) * np.float32(0.012)
        stored = np.rint(values * 1e4).astype(np.int16 if mask == "Fmask" else np.uint16)
        _write(target / f"{NAMES[band]}.tif", stored, size, -9999 if mask == "Fmask" else 0)
    cloudy = _at(cloud, mask_metres)
    codes = np.where(cloudy, 2, 64 * (number % 3)) if mask == "Fmask" else np.where(cloudy, 9, 4)
    _write(target / "mask.tif", codes.astype(np.uint8), mask_metres, 255 if mask == "Fmask" else 0)


def _patches(rng: np.random.Generator, metres: int) -> NDArray[np.float32]:
    """Random numbers in squares of so many metres."""
    count = SIDE // metres + 1
    return (
        rng.random((count, count), np.float32)
        .repeat(metres // 10, 0)
        .repeat(metres // 10, 1)[: SIDE // 10, : SIDE // 10]
    )


def _at(values: NDArray[Any], metres: int) -> NDArray[Any]:
    """Every so manieth of values on pixels of 10 m."""
    return values[:: metres // 10, :: metres // 10]


def _write(path: Path, values: NDArray[Any], metres: int, nodata: int) -> None:
    side = SIDE // metres
    profile = {
        "driver": "COG", "width": side, "height": side, "count": 1, "crs": CRS, "dtype": values.dtype, "nodata": nodata,
        "transform": from_origin(LEFT, TOP, metres, metres), "blocksize": 256, "compress": "deflate", "level": 6,
        "predictor": "yes" if values.dtype.itemsize > 1 else "no",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)


def _items(family: Path) -> list[dict[str, Any]]:
    """HLS: 30 granules of 24 days, six days with both sensors. Sentinel-2: 18 granules of 18 days."""
    box = shapely.box(LEFT, TOP - SIDE, LEFT + SIDE, TOP).segmentize(5000)
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    outline = shapely.transform(box, to_degrees.transform, interleaved=False)
    items: list[dict[str, Any]] = []
    day = date(2022, 6, 1)
    for number in range(24 if family.name == "hls" else 18):
        if family.name == "sentinel-2":
            products: tuple[Product, ...] = (S2,)
        else:
            products = (S30, L30) if number % 4 == 1 else (S30,) if number % 3 else (L30,)
        for scene in products:
            moment = datetime(day.year, day.month, day.day, 17, 20 if scene is L30 else 1, tzinfo=UTC)
            items.append(_item(family, scene, moment, len(items) % DRAWN, outline))
        day += timedelta(3 + (number + 1) % 2 if family.name == "hls" else 5)
    return items


def _item(family: Path, scene: Product, moment: datetime, drawn: int, outline: Any) -> dict[str, Any]:
    if scene is S2:
        name = f"S2A_MSIL2A_{moment:%Y%m%dT%H%M%S}_R112_T15TVG_{moment:%Y%m%dT%H%M%S}"
    else:
        name = f"HLS.{scene.name[-3:].upper()}.T15TVG.{moment:%Y%jT%H%M%S}.v2.0"
    files = (*zip(scene.keys, NAMES, scene.metres, strict=True), (scene.mask, "mask", scene.mask_metres))
    assets = {}
    for key, source, metres in files:
        path = family / name / f"{name}.{key}.tif"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            os.link(family / "drawn" / f"{scene.mask}-{drawn}" / f"{source}.tif", path)
        assets[key] = {
            "href": f"{name}/{path.name}",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "proj:transform": [metres, 0, LEFT, 0, -metres, TOP],
            "proj:shape": [SIDE // metres, SIDE // metres],
        }
    properties: dict[str, Any] = {"datetime": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "proj:code": CRS}
    if scene is S2:
        properties |= {"s2:processing_baseline": "03.01"}
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": name, "collection": scene.collection,
        "geometry": shapely.geometry.mapping(outline), "bbox": list(outline.bounds), "links": [], "assets": assets,
        "properties": properties,
    }  # fmt: skip


def _weather(path: Path) -> None:
    """Daily weather of a few cells, so that a build is whole."""
    days = np.arange("2021-10-01", "2023-01-02", dtype="datetime64[D]").astype("datetime64[ns]")
    lat, lon = np.arange(40.5, 43.6, 0.25), np.arange(-96.5, -91.4, 0.25)
    rng, shape = np.random.default_rng(0), (len(days), len(lat), len(lon))
    tmin = rng.normal(8, 3, shape).astype(np.float32)
    variables = {
        "tmin": (tmin, "degC"),
        "tmax": (tmin + 10, "degC"),
        "precipitation": (rng.exponential(2, shape).astype(np.float32), "mm"),
    }
    xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": unit}) for name, (values, unit) in variables.items()},
        {
            "time": days,
            "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
        {"day_ends_utc_hour": 6.0},
    ).to_netcdf(path)


def _recipe(folder: Path, race: Race) -> Path:
    """The recipe of blocks around the middle of the tile."""
    to_target = Transformer.from_crs(CRS, race.crs, always_xy=True)
    x, y = to_target.transform(LEFT + SIDE / 2, TOP - SIDE / 2)
    step = race.block * race.resolution
    west, south = (round(value / step - race.blocks / 2) * step for value in (x, y))
    margin, width = step / 8, race.blocks * step
    corners = shapely.box(west + margin, south + margin, west + width - margin, south + width - margin)
    back = Transformer.from_crs(race.crs, "EPSG:4326", always_xy=True)
    area = shapely.transform(corners.segmentize(step / 4), back.transform, interleaved=False)
    (folder / f"{race.name}.geojson").write_text(shapely.to_geojson(area))
    content = {
        "name": f"race-{race.name}",
        "title": f"Race of builds, {race.name}",
        "area": {"file": f"{race.name}.geojson"},
        "grid": {"crs": race.crs, "resolution": race.resolution, "block": race.block, "chunk": 64, "weather_cell": 128},
        "period": {"start": "2022-06-01", "end": race.end},
        "imagery": {
            "source": "archive",
            "path": str(folder / race.family),
            "products": ["sentinel-2-l2a"] if race.family == "sentinel-2" else ["hls-l30", "hls-s30"],
        },
        "weather": {
            "source": "archive",
            "path": str(folder / "daily.nc"),
            "variables": ["tmin", "tmax", "precipitation"],
        },
        "split": {
            "places": {"unit": "block", "test_share": 0.12, "validation_share": 0.04, "buffer": 0, "seed": 1},
            "years": {"test": []},
        },
    }
    path = folder / f"{race.name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
