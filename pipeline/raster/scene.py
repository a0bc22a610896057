"""A scene: one acquisition on its own grid, as every source describes it to the planner and the reader."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import NamedTuple

from affine import Affine
from odc.geo.geobox import GeoBox


class RasterGrid(NamedTuple):
    """The grid of one raster: CRS, the six numbers of its affine transform (a b c d e f), (rows, columns)."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]

    @property
    def geobox(self) -> GeoBox:
        return GeoBox(self.shape, Affine(*self.transform), self.crs)

    @property
    def resolution(self) -> float:
        """Pixel width in the CRS's unit."""
        return self.transform[0]

    def refined(self, points: int) -> "RasterGrid":
        """The grid with points x points cells in each pixel."""
        a, b, c, d, e, f = self.transform
        rows, columns = self.shape
        return RasterGrid(self.crs, (a / points, b, c, d, e / points, f), (rows * points, columns * points))

    @classmethod
    def of(cls, geobox: GeoBox) -> "RasterGrid":
        """The grid of a GeoBox."""
        a, b, c, d, e, f = list(geobox.transform)[:6]
        rows, columns = geobox.shape
        return cls(str(geobox.crs), (a, b, c, d, e, f), (int(rows), int(columns)))


def unsigned(href: str) -> str:
    """An address without the user, the password and the query that may sign it; a path as it is."""
    return re.sub(r"(?<=://)[^/?#]*@", "", href).partition("?")[0] if "://" in href else href


@dataclass(frozen=True, slots=True)
class Asset:
    """One raster file of a scene."""

    href: str
    grid: RasterGrid
    band: int = 1
    """of the file, counted from 1; 0 for the only one of a file that must not have several"""
    service: str = ""
    """which of several services has it; empty where a source has one only"""
    elsewhere: tuple["Asset", ...] = ()
    """the same file in further services, in the order in which they are tried"""

    @property
    def name(self) -> str:
        """Its `href` for messages, see `unsigned`."""
        return unsigned(self.href)


SceneKey = tuple[str, str, datetime, str, RasterGrid]
"""product, id, time, version, grid of the mask"""

Acquisition = tuple[str, datetime, RasterGrid, str]
"""product, time, grid of the mask, by what it was taken"""


@dataclass(frozen=True)
class Scene:
    """What the reader needs of one acquisition; small enough to be sent to a worker."""

    id: str
    product: str
    """name of a `Product`"""
    acquired: datetime
    """UTC"""
    version: str
    """processing version or baseline; of two versions of one acquisition the greater is newer"""
    bands: tuple[Asset, ...]
    """in the order of the cube's bands"""
    quality: Asset
    """the mask, in the product's own codes"""
    offset: int
    """added to the stored numbers before the product's own scale and offset, 0 where all scenes of the product have
    the same (Sentinel-2 processing baseline 04.00 and later: -1000)"""
    day: int
    """number of its solar day since 1970-01-01, see `Coverage.day`"""
    fault: str = ""
    """why it cannot be read, empty for a sound one: a faulty scene may lack files, `quality.grid` is where it may lie,
    and its day is recorded as failed in the blocks there"""
    state: str = ""
    """a text that changes when its files are replaced, see `ImagerySource.state`; empty where it is not known"""
    orbit: int = 0
    """relative orbit of a radar scene, counted from 1; 0 for others"""
    taken_by: str = ""
    """what tells it from others of its product, time and place that are no versions of it; empty where none are"""
    generation: str = ""
    """empty for the files that the cube was first built from, another text for each that took their place"""

    @property
    def hrefs(self) -> list[str]:
        """Where its files lie: bands, then the mask."""
        return [asset.href for asset in (*self.bands, self.quality)]

    @cached_property
    def key(self) -> SceneKey:
        """What tells the scene from all others: catalogues give one id to several, and list one several times."""
        return self.product, self.id, self.acquired, self.version, self.quality.grid

    @property
    def acquisition(self) -> Acquisition:
        """What its processing versions have in common."""
        return self.product, self.acquired, self.quality.grid, self.taken_by


@lru_cache(maxsize=1024)  # asked several times of each item
def granule_time(identity: str) -> datetime | None:
    """The moment in the name of an HLS granule, `HLS.S30.T15TVG.2022152T170100.v2.0`; None for any other name.

    Catalogues differ by seconds to minutes in what they call the time of one granule (the first of its scenes, the
    middle of the tile, the take of the whole orbit); its name is the same in all of them.
    """
    match = re.fullmatch(r"HLS\.[LS]30\.T\w{5}\.(\d{7}T\d{6})\.v[\d.]+", identity, re.ASCII)
    try:
        return datetime.strptime(match.group(1), "%Y%jT%H%M%S").replace(tzinfo=UTC) if match else None
    except ValueError:  # digits that are no moment
        return None
