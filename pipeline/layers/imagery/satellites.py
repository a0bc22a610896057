"""How often satellites pass and how their scenes are cut: what an estimate needs to know of a product."""

from math import cos, radians
from typing import NamedTuple

EQUATOR_KM = 40_075.0


class Constellation(NamedTuple):
    """Sun-synchronous satellites of one swath."""

    repeat_days: float
    """days in which all of them together fly every track once"""
    tracks: int
    swath_km: float

    def passes_a_day(self, latitude: float) -> float:
        """How often a point is seen: neighbouring swaths overlap the more, the further from the equator."""
        return self.swath_km * self.tracks / (EQUATOR_KM * cos(radians(latitude))) / self.repeat_days


class Tiling(NamedTuple):
    """How one pass is cut into scenes, and a scene's file into internal tiles."""

    side_km: float
    pitch_km: float
    """from one scene to the next"""
    internal_tile: int
    """side of the tiles inside the files in pixels: a remote raster is read in whole tiles"""
    band_pixels: float = 1.0
    """pixels of the band files as a share of what they would have at the finest resolution"""


LANDSAT = Constellation(8, 233, 185)
"""Landsat 8 and 9, each 16 days (Landsat 9 Data Users Handbook, USGS)."""
SENTINEL_2 = Constellation(5, 143, 290)
"""Two satellites, each 10 days (Sentinel-2 User Handbook, ESA)."""

HLS_TILES = Tiling(109.8, 100.0, 256)
"""The Sentinel-2 tiling grid (ESA) in files with tiles of 256 pixels."""
SENTINEL_2_TILES = Tiling(109.8, 100.0, 1024, 0.625)
"""The same grid; three of the six bands have pixels of 20 m, a quarter of those at 10 m."""
LANDSAT_SCENES = Tiling(180.0, 170.0, 256)
"""Scenes of a pass overlap along the track only: 180 km every 162 km (248 rows an orbit, WRS-2, USGS). As a square of
equal overlap in both directions, as the model of the cost has it, that is 180 km every 170 km."""
