"""A small archive of Landsat Collection 2 Level 2 scenes, in the form of the Planetary Computer and in that of USGS.

Nothing here comes from `mmvsf.pipeline`, so that what the pipeline makes of it can be compared with it.
"""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml
from numpy.typing import NDArray
from pyproj import Transformer

from .tiny_archive import WEATHER_DAYS, Granule, TinyArchive, write_raster

LEFT, TOP, ROWS, COLUMNS = 250575.0, 4650255.0, 64, 96
"""2 x 3 blocks of 32 pixels of 30 m in EPSG:32615. Landsat's grid begins half a pixel off the multiples of 30 m."""

NORTH = Granule("028030", 32615, LEFT - 30 * 4, TOP + 30 * 5, 48, 110)
SOUTH = Granule("028031", 32615, LEFT + 30 * 9, TOP - 30 * 20, 70, 84)
"""Two rows of one path, which overlap."""

KEYS = ("blue", "green", "red", "nir08", "swir16", "swir22")
USUAL = [21824, 21824, 21824, 21888, 21826, 22080, 22280, 23888, 24344, 30048, 54596, 1]
"""Clear, water, dilated cloud, cloud of medium and high confidence, shadow, shadow under cloud, snow, cirrus, fill."""


@dataclass(frozen=True)
class LandsatScene:
    """One acquisition. `every_code` draws its mask from all 65,536 values of QA_PIXEL."""

    granule: Granule
    when: str
    platform: str = "landsat-8"
    category: str = "T1"
    correction: str = "L2SP"
    every_code: bool = False

    @property
    def id(self) -> str:
        sensor = {"landsat-7": "LE07", "landsat-8": "LC08", "landsat-9": "LC09"}[self.platform]
        return f"{sensor}_{self.correction}_{self.granule.tile}_{self.day:%Y%m%d}_02_{self.category}"

    @property
    def day(self) -> date:
        return datetime.fromisoformat(self.when).date()

    def files(self) -> dict[str, NDArray[np.uint16]]:
        """Asset key -> numbers: of common ground, among them some of all that uint16 can hold and specks of no data
        (0); no data where the mask has fill."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        shape = (self.granule.rows, self.granule.columns)
        codes = rng.integers(0, 1 << 16, 1 << 12) if self.every_code else np.array(USUAL)
        coarse = rng.choice(codes, (-(-shape[0] // 4), -(-shape[1] // 4)))
        mask = coarse.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]].astype(np.uint16)
        bands = {key: rng.integers(6500, 22000, shape).astype(np.uint16) for key in KEYS}
        for values in bands.values():
            rare = rng.random(shape) < 0.05
            values[rare] = rng.integers(0, 1 << 16, rare.sum())
            values[rng.random(shape) < 0.01] = 0
            values[mask & 1 == 1] = 0
        return {**bands, "qa_pixel": mask}


SCENES = (
    LandsatScene(NORTH, "2021-05-04T17:05:46"),
    LandsatScene(SOUTH, "2021-05-04T17:06:10"),  # the same pass
    LandsatScene(NORTH, "2021-05-12T17:05:50", "landsat-9", correction="L2SR"),
    LandsatScene(SOUTH, "2021-05-20T17:06:12", every_code=True),
)
NOT_TAKEN = (
    LandsatScene(NORTH, "2021-05-12T17:20:00", "landsat-7"),
    LandsatScene(NORTH, "2021-05-13T17:20:00", "landsat-7"),
    LandsatScene(NORTH, "2021-05-21T17:05:50", category="T2"),
    LandsatScene(NORTH, "2021-05-22T17:05:50", correction="L1TP"),
)


def item(scene: LandsatScene) -> dict[str, Any]:
    """The item of a scene as the Planetary Computer has it."""
    granule, folder = scene.granule, f"scenes/{scene.id}"
    band = {"nodata": 0, "data_type": "uint16", "scale": 2.75e-05, "offset": -0.2}
    bands = {key: {"href": f"{folder}/{key}.tif", "raster:bands": [dict(band)]} for key in KEYS}
    mask = {"href": f"{folder}/qa_pixel.tif", "raster:bands": [{"data_type": "uint16", "unit": "bit index"}]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.id,
        "collection": "landsat-c2-l2",
        "geometry": {"type": "Polygon", "coordinates": [granule.outline()]},
        "properties": {
            "datetime": f"{scene.when}.123456Z",
            "created": "2022-05-06T17:22:47.000000Z",
            "platform": scene.platform,
            "instruments": ["oli", "tirs"],
            "landsat:collection_category": scene.category,
            "landsat:collection_number": "02",
            "landsat:correction": scene.correction,
            "proj:epsg": granule.epsg,
            "proj:shape": [granule.rows, granule.columns],
            "proj:transform": list(granule.transform)[:6],
        },
        "links": [],
        "assets": {**bands, "qa_pixel": mask},
    }


def as_usgs(described: dict[str, Any]) -> dict[str, Any]:
    """The same item as USGS has it: another collection, capitals, and nothing of scale and offset."""
    changed = copy.deepcopy(described)
    changed |= {"id": f"{described['id']}_SR", "collection": "landsat-c2l2-sr"}
    changed["properties"]["platform"] = changed["properties"]["platform"].upper().replace("-", "_")
    for asset in changed["assets"].values():
        del asset["raster:bands"]
    return changed


def write_landsat(folder: Path) -> TinyArchive:
    """Write the files, the items, weather and a recipe."""
    archive = TinyArchive(folder)
    for scene in (*SCENES, *NOT_TAKEN):
        for key, values in scene.files().items():
            write_raster(archive.root / f"scenes/{scene.id}/{key}.tif", values, scene.granule, 1 if "qa" in key else 0)
        archive.items.append(item(scene))
    archive.write_items()
    weather = np.full((WEATHER_DAYS.size, 1, 1), 8.0)
    archive.write_weather(
        xr.Dataset(
            {"tmin": (("time", "lat", "lon"), weather, {"units": "degC"})},
            {"time": WEATHER_DAYS.astype("datetime64[ns]"), "lat": [41.97], "lon": [-96.0]},
        )
    )
    archive.recipe.write_text(yaml.safe_dump(recipe()))
    return archive


def recipe() -> dict[str, Any]:
    """The recipe of the six blocks, in line with the pixels of the scenes."""
    to_degrees = Transformer.from_crs(32615, 4326, always_xy=True)
    lon, lat = to_degrees.transform([LEFT + 300, LEFT + 2580], [TOP - 1620, TOP - 300])
    return {
        "name": "tiny",
        "title": "Six blocks of Landsat",
        "area": {"bbox": [lon[0], lat[0], lon[1], lat[1]]},
        "grid": {
            "crs": "EPSG:32615", "resolution": 30, "block": 32, "chunk": 16, "weather_cell": 48, "origin": [15, 15],
        },
        "period": {"start": "2021-05-01", "end": "2021-05-31"},
        "imagery": {"source": "archive", "path": "archive", "products": ["landsat-c2-l2"], "skip_below_clear": 0},
        "weather": {"source": "archive", "path": "archive/weather/daily.nc", "variables": ["tmin"]},
        "split": {"places": {"unit": "block", "test_share": 0.17, "validation_share": 0.17, "seed": 3}},
        "attribution": "made for the tests",
    }  # fmt: skip
