"""Static layers of the simulated world: its elevation, and how much water its soil holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cdl_grid import Mosaic
from .spec import Site, WorldSpec
from .tiles import reproject
from .world import SiteWorld

Array = NDArray[np.float64]

NODATA = -9999.0
HILLS = ((3000.0, 14.0), (1100.0, 6.0), (450.0, 2.0))
"""(wavelength, amplitude) in metres of the hills of loess along the Missouri."""


def write_terrain(folder: Path, worlds: Sequence[SiteWorld]) -> None:
    """`elevation.tif` (m) and `soil_water.tif` (mm) in the form of gNATSGO: 30 m, on the grid of the labels, float32,
    written over the sites only. Soil water is what the crops of a field can draw in the simulation; the elevation plays
    no part in it. Raises OSError if the disk refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    mosaic = Mosaic.of(worlds)
    heights, waters = [], []
    for site in mosaic.sites:
        world = site.world
        place = world.spec.placement
        points = place.simulated(*reproject(place.label_epsg, place.epsg, *site.centres()))
        heights.append(elevation(world.spec, world.site, *points).astype(np.float32))
        waters.append(world.field_map.water_capacity[site.field].astype(np.float32))
    mosaic.write(folder / "elevation.tif", heights, nodata=NODATA)
    mosaic.write(folder / "soil_water.tif", waters, nodata=NODATA)


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
