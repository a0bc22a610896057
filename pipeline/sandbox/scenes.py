"""Scenes as HLS delivers them: one GeoTIFF per band and tile, with a STAC item."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.env import Env
from rasterio.io import MemoryFile
from rasterio.windows import Window
from shapely.affinity import translate
from shapely.geometry import Polygon, box, mapping

from .clouds import CLOUD, FILL, sky
from .placement import REGION_EPSG, Placement
from .reflectance import BANDS
from .sensor import gains
from .spec import WorldSpec
from .tiles import TILE_SIDE, Pass, Tile, passes, reproject
from .world import SimulatedSeason, SiteWorld, View

NODATA = -9999
SCALE = 1e-4
ASSETS = {
    "L30": ("B02", "B03", "B04", "B05", "B06", "B07"),
    "S30": ("B02", "B03", "B04", "B8A", "B11", "B12"),
}
"""Asset keys in the order of `BANDS`."""

_RELATIVE_NOISE = 0.008
_ABSOLUTE_NOISE = 0.001

_CREATION = {
    "driver": "GTiff", "width": TILE_SIDE, "height": TILE_SIDE, "count": 1, "tiled": True, "blockxsize": 256,
    "blockysize": 256, "compress": "zstd", "zstd_level": 1, "sparse_ok": True,
}  # fmt: skip
_STAC_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]


@dataclass(frozen=True)
class TileYear:
    """One unit of work: the scenes of a tile in a season."""

    spec: WorldSpec
    tile: Tile
    year: int
    worlds: tuple[SiteWorld, ...]
    root: Path


@dataclass(frozen=True)
class _Chip:
    """The pixels of one site in one scene."""

    view: View
    bands: NDArray[np.int16]
    """(6, height, width) of the view's window."""
    fmask: NDArray[np.uint8]


def write_tile_year(task: TileYear) -> list[dict[str, Any]]:
    """Write the scenes below `root/scenes` and return their STAC items. Raises OSError if the disk refuses."""
    grid = task.tile.geobox
    seen = [(world, view) for world in task.worlds if (view := world.view(grid)) is not None]
    seasons = [world.season(task.year) for world, _ in seen]
    items, place = [], task.spec.placement
    for overflight in passes(task.spec, task.year):
        name = scene_id(place, task.tile, overflight)
        chips = [
            chip
            for (world, view), season in zip(seen, seasons, strict=True)
            if (chip := _observe(name, world, view, season, overflight)) is not None
        ]
        if chips:
            with Env():  # once a scene rather than once a file
                _write_scene(task.root / "scenes" / name, name, place.tile(task.tile), overflight, chips)
            items.append(_item(name, place, task.tile, overflight, chips))
    return items


def scene_id(place: Placement, tile: Tile, overflight: Pass) -> str:
    """In the form of HLS, `HLS.S30.T15TTG.2022152T170100.v2.0`."""
    time = place.time(overflight.time).item()
    return f"HLS.{overflight.orbit.sensor}.T{place.tile(tile).name}.{time:%Y%jT%H%M%S}.v2.0"


def _observe(name: str, world: SiteWorld, view: View, season: SimulatedSeason, overflight: Pass) -> _Chip | None:
    """Fields, sky and sensor together; None where the swath misses the site."""
    in_swath = overflight.sees(view.x, view.y)
    if not in_swath.any():
        return None
    spec = world.spec
    above = sky(spec, world.site, world.weather, overflight).over(view.x, view.y)
    flags = above.flags()
    ground = view.mix(season.on(overflight.day))
    seen = above.cover(ground * gains(spec, overflight, ground))
    noise = spec.generator(name, world.site.name, "noise").standard_normal(seen.shape, dtype=np.float32)
    sd = np.hypot(_RELATIVE_NOISE * seen, _ABSOLUTE_NOISE)
    numbers = np.rint((seen + noise * sd) / SCALE)
    # No detail is needed in clouds: rounded to 0.01 they take little space.
    clouded = (flags & CLOUD > 0)[:, None]
    numbers = np.where(clouded, np.rint(seen / 0.01) * (0.01 / SCALE), numbers)
    numbers = np.clip(numbers, -500, 16000)

    bands = np.full((len(BANDS), *view.inside.shape), NODATA, dtype=np.int16)
    fmask = np.full(view.inside.shape, FILL, dtype=np.uint8)
    bands[:, view.inside] = np.where(in_swath, numbers.T, NODATA).astype(np.int16)
    fmask[view.inside] = np.where(in_swath, flags, FILL)
    return _Chip(view, bands, fmask)


def _write_scene(folder: Path, name: str, tile: Tile, overflight: Pass, chips: Sequence[_Chip]) -> None:
    folder.mkdir(parents=True)
    grid = {"crs": CRS.from_epsg(tile.epsg), "transform": tile.geobox.affine}
    windows = [Window.from_slices(chip.view.rows, chip.view.columns) for chip in chips]
    for index, key in enumerate((*ASSETS[overflight.orbit.sensor], "Fmask")):
        is_mask = key == "Fmask"
        sort = {"dtype": "uint8", "nodata": FILL} if is_mask else {"dtype": "int16", "nodata": NODATA, "predictor": 2}
        # Through memory: GDAL only logs a full disk when it closes a file, `write_bytes` raises.
        with MemoryFile() as memory:
            with memory.open(**_CREATION, **grid, **sort) as file:
                if not is_mask:
                    file.scales = (SCALE,)  # before the pixels, or the file's directory is written twice
                for chip, window in zip(chips, windows, strict=True):
                    file.write(chip.fmask if is_mask else chip.bands[index], 1, window=window)
            (folder / f"{name}.{key}.tif").write_bytes(memory.read())


def _item(name: str, place: Placement, tile: Tile, overflight: Pass, chips: Sequence[_Chip]) -> dict[str, Any]:
    """STAC 1.0.0 item; hrefs are relative to the archive's root."""
    sensor = overflight.orbit.sensor
    grid = place.tile(tile).geobox
    footprint = _footprint(place, tile, overflight)
    flags = np.concatenate([chip.fmask[chip.fmask != FILL] for chip in chips])
    assets = {}
    for key in (*ASSETS[sensor], "Fmask"):
        band = {"data_type": "uint8", "nodata": FILL} if key == "Fmask" else {
            "data_type": "int16", "nodata": NODATA, "scale": SCALE, "offset": 0.0}  # fmt: skip
        assets[key] = {
            "href": f"./scenes/{name}/{name}.{key}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.affine)[:6],
            "raster:bands": [band],
        }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": _STAC_EXTENSIONS,
        "id": name,
        "collection": f"hls2-{sensor.lower()}",
        "geometry": mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": {
            "datetime": f"{place.time(overflight.time)}Z",
            "platform": overflight.platform,
            "eo:cloud_cover": round(100 * float((flags & CLOUD > 0).mean()), 1),
            "proj:code": f"EPSG:{place.tile(tile).epsg}",
        },
        "links": [],
        "assets": assets,
    }


def _footprint(place: Placement, tile: Tile, overflight: Pass) -> Polygon:
    """The part of the tile inside the swath, in degrees, its edges bent with the projection."""
    left, bottom, right, top = tile.geobox.extent.boundingbox.bbox
    swath = _reprojected(Polygon(overflight.swath()), REGION_EPSG, tile.epsg)
    part = translate(box(left, bottom, right, top).intersection(swath), yoff=place.north)
    part = _reprojected(part, place.tile(tile).epsg, 4326)
    return Polygon(np.array(part.exterior.coords).round(6))


def _reprojected(polygon: Polygon, source: int, target: int) -> Polygon:
    outline = np.array(polygon.segmentize(5e3).exterior.coords)
    return Polygon(np.stack(reproject(source, target, *outline.T), axis=1))
