"""The ground of the simulated world: its elevation, and how much water its soil holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from .labels import CDL_CORNER, EPSG, field_of_pixels
from .spec import PIXEL, REGION_EPSG, Site, WorldSpec
from .tiles import reproject
from .world import SiteWorld

Array = NDArray[np.float64]

UNKNOWN = -9999.0
HILLS = ((3000.0, 14.0), (1100.0, 6.0), (450.0, 2.0))
"""(wavelength, amplitude) in metres of the hills of loess along the Missouri."""


def write_ground(folder: Path, worlds: Sequence[SiteWorld]) -> None:
    """`elevation.tif` (m) and `soil_water.tif` (mm) in the form of gNATSGO: 30 m, EPSG:5070, float32, written over the
    sites only. Soil water is what crops of a field can draw in the simulation; the elevation has no part in it. Raises
    OSError where it can't write."""
    folder.mkdir(parents=True, exist_ok=True)
    located = [(world, *field_of_pixels(world)) for world in worlds]
    left, top = (min(corner[axis] for _, corner, _ in located) for axis in (0, 1))
    right = max(corner[0] + field.shape[1] for _, corner, field in located)
    bottom = max(corner[1] + field.shape[0] for _, corner, field in located)
    affine = Affine(PIXEL, 0, left * PIXEL + CDL_CORNER, 0, -PIXEL, -top * PIXEL + CDL_CORNER)
    creation = {
        "driver": "GTiff", "width": right - left, "height": bottom - top, "count": 1, "dtype": "float32",
        "crs": f"EPSG:{EPSG}", "transform": affine, "tiled": True, "blockxsize": 256, "blockysize": 256,
        "compress": "deflate", "sparse_ok": True, "nodata": UNKNOWN,
    }  # fmt: skip
    layers = {name: np.full((bottom - top, right - left), UNKNOWN, np.float32) for name in ("elevation", "soil_water")}
    for world, (column, row), field in located:
        known = field >= 0
        x, y = np.meshgrid(
            CDL_CORNER + (column + np.arange(field.shape[1]) + 0.5) * PIXEL,
            CDL_CORNER - (row + np.arange(field.shape[0]) + 0.5) * PIXEL,
        )
        heights = elevation(world.spec, world.site, *reproject(EPSG, REGION_EPSG, x, y))
        for name, values in (("elevation", heights), ("soil_water", world.ground.water_capacity[field])):
            here = layers[name][row - top :, column - left :][: field.shape[0], : field.shape[1]]
            here[known] = values[known]
    for name, values in layers.items():
        # Through memory, so that a full disk raises.
        with MemoryFile() as memory:
            with memory.open(**creation) as file:
                file.write(values, 1)
            (folder / f"{name}.tif").write_bytes(memory.read())


def elevation(spec: WorldSpec, site: Site, east: Array, north: Array) -> Array:
    """Metres at points of EPSG:32615 (metres): hills on land that rises to the west, by a metre a kilometre."""
    rng = spec.generator(site.name, "terrain")
    height = 330.0 + (260_000.0 - east) / 1000
    for wavelength, amplitude in HILLS:
        heading, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
        along, across = (
            east * np.cos(heading) + north * np.sin(heading),
            north * np.cos(heading) - east * np.sin(heading),
        )
        k = 2 * np.pi / wavelength
        height = height + amplitude * np.sin(k * along + phase[0]) * np.sin(0.7 * k * across + phase[1])
    return np.asarray(height, dtype=np.float64)
