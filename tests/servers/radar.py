"""Made-up Sentinel-1 RTC scenes, described as the Planetary Computer describes its own (collection `sentinel-1-rtc`):

    write_passes(root, grid, [Pass("2021-05-05", "ascending", 63), ...])

writes a folder with items.json, which `ArchiveServer(root, access="sas")` serves. A pass is cut into two slices that
overlap by a few rows. Files are gamma0 as linear power, float32 in pixels of 10 m, without data beyond a slanted edge.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.select import box_of

PIXEL = 10
NODATA = -32768.0
MEAN_DECIBELS = {"vv": -11.0, "vh": -17.0, "hh": -12.0, "hv": -19.0}
HOURS = {"ascending": 18, "descending": 6}
"""Hour of a pass by the sun"""

OVERLAP = 6
"""Rows that two slices have in common"""


@dataclass(frozen=True)
class Pass:
    """One overflight of the region."""

    day: str
    """by the sun, YYYY-MM-DD"""
    orbit: str
    track: int
    polarisations: tuple[str, ...] = ("vv", "vh")
    epsg: int | None = None
    """of the files; None: that of the grid"""
    shift: float = 0.0
    """metres by which the files' pixels lie beside multiples of 10"""
    properties: dict[str, Any] = field(default_factory=dict)


def write_passes(root: Path, grid: Grid, passes: Iterable[Pass]) -> list[dict[str, Any]]:
    """Write the scenes of some passes over a grid, and items.json; returns the items."""
    items = [_write_slice(root, grid, flown, number) for flown in passes for number in (0, 1)]
    (root / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return items


def power(name: str, polarisation: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Linear power of a scene, with speckle of four looks and no data beyond an edge that leans to the right."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {polarisation}".encode()))
    mean = 10 ** (MEAN_DECIBELS[polarisation] / 10)
    values = (rng.gamma(4.0, mean / 4, shape)).astype(np.float32)
    row, column = np.indices(shape)
    values[column - row // 4 < 60] = NODATA
    return values


def _write_slice(root: Path, grid: Grid, flown: Pass, number: int) -> dict[str, Any]:
    transform, shape, crs = _frame(grid, flown, number)
    west, south, east, north = _degrees(transform, shape, crs)
    hour = HOURS[flown.orbit] - (west + east) / 30
    moment = datetime.fromisoformat(flown.day).replace(tzinfo=UTC) + timedelta(hours=hour, seconds=25 * number)
    name = f"S1A_IW_GRDH_1SDV_{moment:%Y%m%dT%H%M%S}_{flown.track:03d}_rtc"
    assets = {}
    for polarisation in flown.polarisations:
        path = root / f"scenes/{name}/iw-{polarisation}.rtc.tiff"
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path, "w", driver="GTiff", width=shape[1], height=shape[0], count=1, dtype="float32", crs=crs,
            transform=transform, nodata=NODATA, tiled=True, blockxsize=128, blockysize=128, compress="deflate",
        ) as file:  # fmt: skip
            file.write(power(name, polarisation, shape), 1)
        assets[polarisation] = {"href": str(path.relative_to(root)), "type": "image/tiff; application=geotiff"}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-1-rtc",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "platform": "SENTINEL-1A",
            "sar:instrument_mode": "IW",
            "sar:polarizations": [polarisation.upper() for polarisation in flown.polarisations],
            "sat:orbit_state": flown.orbit,
            "sat:relative_orbit": flown.track,
            "proj:code": crs,
            "proj:transform": list(transform)[:6],
            "proj:shape": list(shape),
            **flown.properties,
        },
        "links": [],
        "assets": assets,
    }


def _frame(grid: Grid, flown: Pass, number: int) -> tuple[Affine, tuple[int, int], str]:
    """Transform, shape and CRS of a slice: the upper or the lower part of the region, and a margin."""
    crs = f"EPSG:{flown.epsg}" if flown.epsg else grid.crs
    box = box_of(grid, grid.blocks)
    left, bottom, right, top = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(*box)
    left, top = (PIXEL * round(edge / PIXEL) + flown.shift for edge in (left - 300, top + 300))
    columns, rows = round((right + 300 - left) / PIXEL), round((top - bottom + 300) / PIXEL)
    middle = 2 * rows // 5
    first, last = (0, middle + OVERLAP // 2) if number == 0 else (middle - OVERLAP // 2, rows)
    return Affine(PIXEL, 0, left, 0, -PIXEL, top - PIXEL * first), (last - first, columns), crs


def _degrees(transform: Affine, shape: tuple[int, int], crs: str) -> tuple[float, float, float, float]:
    box = rasterio.transform.array_bounds(*shape, transform)
    bounds = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform_bounds(*box)
    west, south, east, north = bounds
    return west, south, east, north
