"""How often satellites pass and how their scenes are cut: what an estimate, and a check of a catalogue, needs to know
of a product."""

from datetime import date
from math import cos, radians
from typing import NamedTuple

EQUATOR_KM = 40_075.0


class Service(NamedTuple):
    """Since when satellites acquire all land on schedule."""

    first: date
    """from here on one satellite does"""
    pair: date
    """from here on two satellites fly every track half a cycle apart"""
    visitor: date | None = None
    """from here on a third one, in another place of the same orbit, acquires by a plan of its own"""


class Constellation(NamedTuple):
    """Sun-synchronous satellites of one swath."""

    repeat_days: int
    """days in which all of them together fly every track once: half the cycle of each"""
    tracks: int
    swath_km: float
    service: Service | None = None
    """None where nothing is known; nothing is then expected of a catalogue"""

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


LANDSAT = Constellation(8, 233, 185, Service(date(2013, 4, 11), date(2021, 12, 1)))
"""Landsat 8 and 9, each 16 days, 8 days apart (Landsat 9 Data Users Handbook, USGS; "What are the acquisition schedules
for the Landsat satellites?", usgs.gov). HLS has Landsat 8 since 11 April 2013. Landsat 9 was launched on 27 September
2021 and acquires since 31 October; lists of HLS scenes of four US places have it on schedule from December on."""
SENTINEL_2 = Constellation(5, 143, 290, Service(date(2018, 4, 1), date(2018, 4, 1), date(2025, 1, 21)))
"""Two satellites, each 10 days, 5 days apart (Sentinel-2 User Handbook, ESA). 2A was launched on 23 June 2015 and 2B on
7 March 2017. Outside Europe and Africa the two together came every 10 days until relay satellites took over their
downlink, foreseen for December 2017 (O. Hagolle, labo.obs-mip.fr/multitemp, November 2017, on ESA's mission status);
lists of HLS scenes of five places in the US are on schedule from April 2018 on. On 21 January 2025 2C took the place of
2A (dataspace.copernicus.eu/node/2039). Since March 2025 2A flies 36 degrees from 2B: every 10 days over Europe, every
20 elsewhere (Copernicus Observer, 5 February 2025), until the end of 2026 (github.com/nasa-gibs/worldview, pull request
6654)."""

HLS_TILES = Tiling(109.8, 100.0, 256)
"""The Sentinel-2 tiling grid (ESA) in files with tiles of 256 pixels."""
SENTINEL_2_TILES = Tiling(109.8, 100.0, 1024, 0.625)
"""The same grid; three of the six bands have pixels of 20 m, a quarter of those at 10 m."""
LANDSAT_SCENES = Tiling(180.0, 170.0, 256)
"""Scenes of a pass overlap along the track only: 180 km every 162 km (248 rows an orbit, WRS-2, USGS). As a square of
equal overlap in both directions, as the model of the cost has it, that is 180 km every 170 km."""
