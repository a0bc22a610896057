"""The place and time of the simulated world: in Iowa, as it is simulated, or moved to New South Wales and by half a
year.

Fields, crops, weather and clouds are always simulated in Iowa. Only what is written is moved: coordinates, dates and
the names of tiles and labels. So a southern archive has summer crops from October to April, and passes on both sides
of midnight UTC.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from .tiles import TILES, Tile

Array = NDArray[np.float64]

REGION_EPSG = 32615
"""The coordinate system of every site, of the swath edges and of the fields."""


@dataclass(frozen=True)
class Placement:
    """What is added to places and days of the simulation to give those of the archive."""

    tiles: tuple[tuple[Tile, str, int], ...]
    """(tile of the simulation, its name and EPSG code in the archive)"""
    epsg: int
    """of the sites in the archive, as HLS has it: the northern form of a UTM zone"""
    grid_epsg: int
    """of the sites in a recipe"""
    grid_northing: float
    """northing of the equator in `grid_epsg`, metres"""
    label_epsg: int
    """of rasters of labels and soil"""
    north: float
    """metres"""
    longitude: float
    latitude: float
    """degrees, of the weather"""
    days: int
    hours: int
    """of a pass, beyond the days"""
    label_years: int
    """years from a season's first simulated year to its name"""
    day_ends_utc_hour: int
    """of the weather"""

    def tile(self, tile: Tile) -> Tile:
        """A tile as it is in the archive."""
        name, epsg = next((name, epsg) for other, name, epsg in self.tiles if other == tile)
        return replace(tile, name=name, epsg=epsg, top=round(tile.top + self.north))

    @property
    def where(self) -> str:
        """Where the tiles of the archive lie, in degrees, for people."""
        boxes = ((name, self.tile(tile).geobox.geographic_extent.boundingbox) for tile, name, _ in self.tiles)
        return "; ".join(
            f"{name} at longitudes {box.left:.2f} to {box.right:.2f} and latitudes {box.bottom:.2f} to {box.top:.2f}"
            for name, box in boxes
        )

    def moved(self, box: GeoBox) -> GeoBox:
        """A grid in REGION_EPSG as it is in the archive."""
        return GeoBox(box.shape, Affine.translation(0, self.north) * box.affine, f"EPSG:{self.epsg}")

    def site(self, box: GeoBox) -> GeoBox:
        """The grid in REGION_EPSG of a recipe's block. Raises ValueError for a block in another system."""
        if box.crs is None or box.crs.epsg != self.grid_epsg:
            raise ValueError(f"the grid must be in EPSG:{self.grid_epsg}, not {box.crs}")
        north = -self.grid_northing - self.north
        return GeoBox(box.shape, Affine.translation(0, north) * box.affine, f"EPSG:{REGION_EPSG}")

    def simulated(self, east: Array, north: Array) -> tuple[Array, Array]:
        """Points of the archive, in `epsg`, as points in REGION_EPSG."""
        return east, north - self.north

    def point(self, box: GeoBox) -> tuple[float, float]:
        """(longitude, latitude), in the simulation, of the weather of a grid in REGION_EPSG."""
        lon, lat = self.moved(box).geographic_extent.centroid.coords[0]
        return lon - self.longitude, lat - self.latitude

    def time(self, time: np.datetime64) -> np.datetime64:
        """The moment of a pass in the archive, UTC."""
        return time + np.timedelta64(timedelta(days=self.days, hours=self.hours))

    def weather(self, weather: xr.Dataset) -> xr.Dataset:
        """The weather as the archive has it."""
        added = {"lat": self.latitude, "lon": self.longitude, "time": np.timedelta64(self.days, "D")}
        moved = {name: weather[name].copy(data=weather[name].values + value) for name, value in added.items()}
        return weather.assign_coords(moved).assign_attrs(day_ends_utc_hour=self.day_ends_utc_hour)


NORTHERN = Placement(
    tiles=tuple((tile, tile.name, tile.epsg) for tile in TILES),
    epsg=REGION_EPSG,
    grid_epsg=REGION_EPSG,
    grid_northing=0.0,
    label_epsg=5070,
    north=0.0,
    longitude=0.0,
    latitude=0.0,
    days=0,
    hours=0,
    label_years=0,
    day_ends_utc_hour=6,
)

SOUTHERN = Placement(
    tiles=((TILES[1], "55HBC", 32655),),
    epsg=32655,
    grid_epsg=32755,
    grid_northing=10_000_000.0,
    label_epsg=3577,
    north=-8_400_000.0,
    longitude=240.0,
    latitude=-75.75,
    days=183,  # from 1 April to 1 October
    hours=-17,  # by the sun it were 16; an hour earlier, some passes are before midnight UTC and some after
    label_years=1,
    day_ends_utc_hour=14,
)
