"""A tiny archive written by hand with rasterio: six blocks where two MGRS-like tiles of two UTM zones overlap.

Nothing here comes from `mmvsf.pipeline`, so that what the pipeline makes of it can be compared with it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
import yaml
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

LEFT, TOP, PIXEL, BLOCK, ROWS, COLUMNS = 250560.0, 4650240.0, 30.0, 32, 64, 96
"""The grid that the recipe must come to, in EPSG:32615: 2 x 3 blocks, counted from the origin (0, 0)."""

BANDS = {
    "hls2-l30": ("B02", "B03", "B04", "B05", "B06", "B07"),
    "hls2-s30": ("B02", "B03", "B04", "B8A", "B11", "B12"),
    "sentinel-2-l2a": ("B02", "B03", "B04", "B8A", "B11", "B12"),
}
MASK = {"hls2-l30": "Fmask", "hls2-s30": "Fmask", "sentinel-2-l2a": "SCL"}


@dataclass(frozen=True)
class Granule:
    """The ground of one tile: north-up pixels in one UTM zone."""

    tile: str
    epsg: int
    left: float
    top: float
    rows: int = 128
    columns: int = 128
    pixel: float = PIXEL

    @property
    def transform(self) -> Affine:
        return Affine(self.pixel, 0, self.left, 0, -self.pixel, self.top)

    def coarser(self, times: int) -> Granule:
        return replace(self, rows=self.rows // times, columns=self.columns // times, pixel=self.pixel * times)

    def outline(self) -> list[list[float]]:
        """The ring of its corners in degrees."""
        right, bottom = self.left + self.columns * self.pixel, self.top - self.rows * self.pixel
        to_degrees = Transformer.from_crs(self.epsg, 4326, always_xy=True)
        corners = ((self.left, self.top), (self.left, bottom), (right, bottom), (right, self.top))
        ring = [list(to_degrees.transform(x, y)) for x, y in corners]
        return [*ring, ring[0]]


EAST = Granule("T15TTG", 32615, LEFT + 15 * PIXEL, TOP + 12 * PIXEL)
"""On the cube's own grid; its first column is the region's sixteenth."""
WEST = Granule("T14TPM", 32614, 747150.0, 4650780.0)
"""In the other zone, four degrees askew; covers all of the region, but its eastern part is fill."""


@dataclass(frozen=True)
class Scene:
    """One acquisition. `mask` says how its mask is drawn: clear, cloudy, patches or every code."""

    granule: Granule
    collection: str
    when: str
    mask: str = "patches"
    version: str = "2.0"
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        sensor = self.collection[-3:].upper()
        moment = datetime.fromisoformat(self.when)
        return f"HLS.{sensor}.{self.granule.tile}.{moment:%Y%jT%H%M%S}.v{self.version}"

    @property
    def day(self) -> date:
        return datetime.fromisoformat(self.when).date()

    @property
    def seed(self) -> int:
        return zlib.crc32(self.id.encode())


SCENES = (
    Scene(EAST, "hls2-s30", "2020-06-10T17:01:00", "clear"),
    Scene(EAST, "hls2-l30", "2020-06-20T16:50:00"),
    Scene(EAST, "hls2-l30", "2021-05-04T16:50:00", "every code"),  # the last day of a 32-day shard
    Scene(EAST, "hls2-s30", "2021-05-05T17:01:00"),  # the first day of the next one, seen three times
    Scene(EAST, "hls2-l30", "2021-05-05T16:50:00"),
    Scene(WEST, "hls2-s30", "2021-05-05T17:11:00"),
    Scene(WEST, "hls2-s30", "2021-05-13T17:11:00"),
    Scene(EAST, "hls2-s30", "2021-05-21T17:01:00", "cloudy"),
    Scene(EAST, "hls2-s30", "2021-06-02T17:01:00", version="2.9"),  # one acquisition in two versions
    Scene(EAST, "hls2-s30", "2021-06-02T17:01:00", version="2.10"),
    Scene(WEST, "hls2-l30", "2021-06-02T16:50:00", "clear"),
    Scene(EAST, "hls2-l30", "2021-06-15T16:50:00", "clear"),
)

NEWEST = tuple(scene for scene in SCENES if scene.version != "2.9")
"""Those that a cube is built from"""
OUT_OF_SEASON = Scene(EAST, "hls2-s30", "2020-09-10T17:01:00", "clear")
OTHER_PRODUCT = Scene(EAST, "landsat-c2-l2", "2021-06-16T17:01:00", "clear")


def patches(rng: np.random.Generator, shape: tuple[int, int], codes: Iterable[int], side: int) -> NDArray[np.uint8]:
    """Squares of random codes."""
    rows, columns = shape
    coarse = rng.choice(np.array(list(codes), np.uint8), (-(-rows // side), -(-columns // side)))
    return coarse.repeat(side, 0).repeat(side, 1)[:rows, :columns]


def draw_mask(scene: Scene) -> NDArray[np.uint8]:
    """The Fmask of a scene: fill along its edges, and beyond its swath in the tile of the other zone."""
    rng, shape = np.random.default_rng(scene.seed), (scene.granule.rows, scene.granule.columns)
    if scene.mask == "clear":
        mask = np.full(shape, 64, np.uint8)
    elif scene.mask == "cloudy":
        mask = patches(rng, shape, [2] * 8 + [6, 12], 4)
        mask[:20, 16:24] = 64  # a hole in the cloud over one of the blocks
    elif scene.mask == "every code":
        mask = patches(rng, shape, range(256), 2)
    else:
        mask = patches(rng, shape, [64, 64, 64, 192, 32, 2, 4, 8, 12, 16, 20, 34, 255], 5)
    mask[-3:] = 255
    if scene.granule.epsg == WEST.epsg:
        row, column = np.indices(shape)
        mask[column + row // 4 > 85] = 255
    return mask


def draw_bands(scene: Scene, mask: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(band, row, column): any number a product may hold; fill where the mask is, and a few specks of it."""
    rng = np.random.default_rng(scene.seed + 1)
    bands = rng.integers(-150, 6000, (6, *mask.shape)).astype(np.int16)
    bands[rng.random(bands.shape) < 0.004] = -9999
    bands[:, mask == 255] = -9999
    return bands


def write_raster(path: Path, values: NDArray[Any], granule: Granule, nodata: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype,
        crs=f"EPSG:{granule.epsg}", transform=granule.transform, nodata=nodata, tiled=True, blockxsize=64,
        blockysize=64, compress="deflate",
    ) as file:  # fmt: skip
        file.write(values, 1)


def stac_item(scene: Scene, identity: str, assets: dict[str, tuple[str, Granule]]) -> dict[str, Any]:
    """A STAC item; `assets` maps a key to its href and grid."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identity,
        "collection": scene.collection,
        "geometry": {"type": "Polygon", "coordinates": [scene.granule.outline()]},
        "properties": {"datetime": f"{scene.when}Z", "proj:code": f"EPSG:{scene.granule.epsg}", **scene.properties},
        "links": [],
        "assets": {
            key: {
                "href": href,
                "proj:transform": list(grid.transform)[:6],
                "proj:shape": [grid.rows, grid.columns],
            }
            for key, (href, grid) in assets.items()
        },
    }


def write_scene(root: Path, scene: Scene) -> dict[str, Any]:
    """Write the files of an HLS scene; returns its item."""
    mask = draw_mask(scene)
    bands = draw_bands(scene, mask)
    keys = BANDS.get(scene.collection, BANDS["hls2-s30"])
    for key, values in zip(keys, bands, strict=True):
        write_raster(root / f"scenes/{scene.id}/{key}.tif", values, scene.granule, -9999)
    write_raster(root / f"scenes/{scene.id}/Fmask.tif", mask, scene.granule, 255)
    assets = {key: (f"scenes/{scene.id}/{key}.tif", scene.granule) for key in (*keys, "Fmask")}
    return stac_item(scene, scene.id, assets)


WEATHER_DAYS = np.arange(np.datetime64("2019-10-01"), np.datetime64("2021-07-01"))
LATITUDES, LONGITUDES = 41.9 + 0.05 * np.arange(4), -96.1 + 0.05 * np.arange(5)


def weather_dataset() -> xr.Dataset:
    """Daily weather that is linear in latitude and longitude, in the units of well-known products."""
    day = np.arange(WEATHER_DAYS.size, dtype=float)[:, None, None]
    north, east = (LATITUDES - 42.0)[None, :, None], (LONGITUDES + 96.0)[None, None, :]
    tilt = 4 * north - 3 * east
    fields = {
        "temperature_min": ("K", 273.15 + 5 + 8 * np.sin(day / 58) + tilt),
        "temperature_max": ("K", 273.15 + 16 + 8 * np.sin(day / 58) + tilt),
        "precipitation_flux": ("mm d-1", 3 + 2 * np.cos(day) + tilt),
        "radiation": ("W m-2", 200 + 100 * np.sin(day / 58) + 20 * tilt),
        "vapour_pressure": ("hPa", 7 + tilt),
        "wind_speed": ("m s-1", 4 + np.cos(day / 3) + tilt),
    }
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            name: (dims, np.broadcast_to(values, (WEATHER_DAYS.size, 4, 5)).astype(np.float64), {"units": units})
            for name, (units, values) in fields.items()
        },
        {"time": WEATHER_DAYS.astype("datetime64[ns]"), "lat": LATITUDES, "lon": LONGITUDES},
        {"day_ends_utc_hour": 6, "source": "made for the tests"},
    )


LEGEND = "code,name,color\n0,unknown,\n1,Corn,#ffd300\n5,Soybeans,#267000\n36,Alfalfa,\n111,Open Water,#4b70a3\n"
CODES = (0, 1, 5, 36, 111)
CDL = Granule("CDL", 5070, 0, 0)


def label_rasters() -> dict[int, tuple[NDArray[np.uint8], Granule]]:
    """Labels of 2020 in EPSG:5070 on CDL's grid, those of 2021 on the cube's own."""
    rng = np.random.default_rng(5)
    to_albers = Transformer.from_crs(32615, 5070, always_xy=True)
    x, y = to_albers.transform([LEFT, LEFT + 2880], [TOP, TOP - 1920])
    albers = replace(CDL, left=15 + 30 * (min(x) // 30 - 15), top=15 + 30 * (max(y) // 30 + 15), rows=120, columns=140)
    own = Granule("own", 32615, LEFT - 300, TOP + 600, 128, 110)
    return {
        year: (patches(rng, (grid.rows, grid.columns), CODES, 7), grid) for year, grid in ((2020, albers), (2021, own))
    }


@dataclass
class TinyArchive:
    """The archive and its recipe in one folder. Change the files as you like and `write_items` or `write_recipe`."""

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "archive"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def recipe(self) -> Path:
        return self.folder / "tiny.yaml"

    @property
    def cube(self) -> Path:
        return self.data / "tiny.zarr"

    def write(self) -> TinyArchive:
        for scene in (*SCENES, OUT_OF_SEASON, OTHER_PRODUCT):
            self.items.append(write_scene(self.root, scene))
        self.write_items()
        self.write_weather(weather_dataset())
        for year, (codes, grid) in label_rasters().items():
            write_raster(self.root / f"labels/crop_{year}.tif", codes, grid)
        (self.root / "labels/legend.csv").write_text(LEGEND)
        self.write_recipe()
        return self

    def write_items(self) -> None:
        content = {"type": "FeatureCollection", "features": self.items}
        (self.root / "items.json").write_text(json.dumps(content))

    def item(self, scene: Scene) -> dict[str, Any]:
        return next(item for item in self.items if item["id"] == scene.id)

    def file(self, scene: Scene, asset: str) -> Path:
        return self.root / f"scenes/{scene.id}/{asset}.tif"

    def write_weather(self, weather: xr.Dataset) -> None:
        path = self.root / "weather/daily.nc"
        path.parent.mkdir(parents=True, exist_ok=True)
        weather.to_netcdf(path, engine="h5netcdf")

    def write_recipe(self, **changes: Any) -> Path:
        """Write the recipe; `changes` maps dotted keys, with __ for the dot, to values (None removes the key)."""
        content = recipe()
        for key, value in changes.items():
            *parents, last = key.split("__")
            section = content
            for parent in parents:
                section = section[parent]
            if value is None:
                del section[last]
            else:
                section[last] = value
        self.recipe.write_text(yaml.safe_dump(content))
        return self.recipe


def recipe() -> dict[str, Any]:
    """The recipe of the six blocks."""
    to_degrees = Transformer.from_crs(32615, 4326, always_xy=True)
    lon, lat = to_degrees.transform([LEFT + 300, LEFT + 2580], [TOP - 1620, TOP - 300])
    return {
        "name": "tiny",
        "title": "Six blocks between two zones",
        "area": {"bbox": [lon[0], lat[0], lon[1], lat[1]]},
        "grid": {"crs": "EPSG:32615", "resolution": 30, "block": 32, "chunk": 16, "weather_cell": 48},
        "period": {"start": "2020-06-01", "end": "2021-06-30", "months": [5, 6]},
        "imagery": {
            "source": "archive",
            "path": "archive",
            "products": ["hls-l30", "hls-s30"],
            "skip_below_clear": 0.05,
        },
        "weather": {"source": "archive", "path": "archive/weather/daily.nc"},
        "labels": {
            "source": "archive",
            "path": "archive/labels/crop_{year}.tif",
            "legend": "archive/labels/legend.csv",
            "years": [2020, 2021],
        },
        "split": {
            "places": {"unit": "block", "test_share": 0.17, "validation_share": 0.17, "seed": 3},
            "years": {"test": [2021]},
        },
        "attribution": "made for the tests",
    }
