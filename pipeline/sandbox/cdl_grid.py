"""The grid of the Cropland Data Layer, 30 m in EPSG:5070, or one like it in the south, and the fields of the sites on
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.windows import Window

from .parcels import CELL
from .tiles import PIXEL, reproject
from .world import SiteWorld

CDL_CORNER = 15.0
"""CDL's pixel edges lie at odd multiples of 15 m."""
CREATION = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "sparse_ok": True}


@dataclass(frozen=True)
class SitePixels:
    """The pixels of one site."""

    world: SiteWorld
    column: int
    row: int
    """of the first pixel, counted from CDL's origin"""
    field: NDArray[np.int64]
    """(rows, columns): the field at each pixel's centre, -1 outside the site"""

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(x, y) of the pixel centres, metres, shape of `field`."""
        rows, columns = self.field.shape
        x, y = np.meshgrid(
            CDL_CORNER + (self.column + np.arange(columns) + 0.5) * PIXEL,
            CDL_CORNER - (self.row + np.arange(rows) + 0.5) * PIXEL,
        )
        return x, y


@dataclass(frozen=True)
class Mosaic:
    """A raster over all sites."""

    sites: tuple[SitePixels, ...]

    @property
    def epsg(self) -> int:
        return self.sites[0].world.spec.placement.label_epsg

    @classmethod
    def of(cls, worlds: Sequence[SiteWorld]) -> Mosaic:
        return cls(tuple(pixels_of_site(world) for world in worlds))

    @property
    def left(self) -> int:
        """First column, counted from CDL's origin."""
        return min(site.column for site in self.sites)

    @property
    def top(self) -> int:
        """First row, counted from CDL's origin."""
        return min(site.row for site in self.sites)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)"""
        bottom = max(site.row + site.field.shape[0] for site in self.sites)
        right = max(site.column + site.field.shape[1] for site in self.sites)
        return bottom - self.top, right - self.left

    def write(
        self,
        path: Path,
        values: Sequence[NDArray[Any]],
        colours: dict[int, tuple[int, int, int, int]] | None = None,
        nodata: float | None = None,
    ) -> None:
        """Write values of the pixels of each site, where it has fields, as a sparse GeoTIFF of `shape`. The land
        between the sites is never held in memory. Raises OSError if the disk refuses."""
        transform = Affine(PIXEL, 0, self.left * PIXEL + CDL_CORNER, 0, -PIXEL, -self.top * PIXEL + CDL_CORNER)
        creation = {
            "driver": "GTiff",
            "width": self.shape[1],
            "height": self.shape[0],
            "count": 1,
            "dtype": values[0].dtype.name,
            "crs": f"EPSG:{self.epsg}",
            "transform": transform,
            "nodata": nodata,
            **CREATION,
        }
        # Through memory, so that a full disk raises.
        with MemoryFile() as memory:
            with memory.open(**creation) as file:
                if colours is not None:
                    file.write_colormap(1, colours)
                for site, pixels in zip(self.sites, values, strict=True):
                    height, width = site.field.shape
                    window = Window(site.column - self.left, site.row - self.top, width, height)
                    off = 0 if nodata is None else nodata
                    file.write(np.where(site.field >= 0, pixels, np.asarray(off, pixels.dtype)), 1, window=window)
            path.write_bytes(memory.read())


def pixels_of_site(world: SiteWorld) -> SitePixels:
    """Every pixel of CDL's grid over a site."""
    place, box = world.spec.placement, world.field_map.geobox
    left, bottom, right, top = place.moved(box).extent.to_crs(f"EPSG:{place.label_epsg}").boundingbox.bbox
    columns = np.arange(int((left - CDL_CORNER) // PIXEL), int((right - CDL_CORNER) // PIXEL) + 1)
    rows = np.arange(int((CDL_CORNER - top) // PIXEL), int((CDL_CORNER - bottom) // PIXEL) + 1)
    x, y = np.meshgrid(CDL_CORNER + (columns + 0.5) * PIXEL, CDL_CORNER - (rows + 0.5) * PIXEL)
    east, north = place.simulated(*reproject(place.label_epsg, place.epsg, x, y))
    column = np.floor((east - box.affine.c) / CELL).astype(int)
    row = np.floor((box.affine.f - north) / CELL).astype(int)
    inside = (column >= 0) & (column < box.shape[1]) & (row >= 0) & (row < box.shape[0])
    field = np.full(x.shape, -1, dtype=np.int64)
    field[inside] = world.field_map.field[row[inside], column[inside]]
    return SitePixels(world, int(columns[0]), int(rows[0]), field)
