"""The products of radar: one for each direction of the passes."""

import json
from dataclasses import dataclass, replace
from typing import Self

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.radar import Radar
from mmvsf.datasets.variables import ORBITS, POLARISATIONS
from mmvsf.pipeline.layers.imagery.masks import FillMask
from mmvsf.pipeline.layers.imagery.products import BandAsset, Product
from mmvsf.pipeline.layers.imagery.satellites import Constellation, Tiling
from mmvsf.pipeline.layers.imagery.table import ProductTable

READER_VERSION = 1
"""Raised when the reader gives other pixels for the same scenes: shards of an older reader are then redone."""

SENTINEL_1 = Constellation(6, 175, 250)
"""Two satellites, each 12 days, 6 days apart; 175 orbits in a cycle and a swath of 250 km in the mode IW (Sentinel-1
User Handbook, ESA). Each orbit is flown northwards on one side of the earth and southwards on the other, so a place is
seen as often in each direction. One satellite flew from December 2021, when 1B failed, to 2025."""

SLICES = Tiling(250.0, 220.0, 512)
"""A pass is cut into slices of 25 seconds, some 170 km by 250 km; as a square, with the margin of its raster."""

SENTINEL_1_RTC = Product(
    name="sentinel-1-rtc",
    family="sentinel-1-rtc",
    collections=("sentinel-1-rtc",),
    bands={name: BandAsset((name, name.upper()), number=0) for name in POLARISATIONS},
    quality=("vv",),
    quality_number=0,
    nodata=None,
    scale=1.0,
    any_numbers=True,
    decode_quality=FillMask(None),
    radar=True,
    constellation=SENTINEL_1,
    tiling=SLICES,
    processing="gamma0, radiometrically terrain-corrected; mean power of a pixel in dB",
    licence="CC-BY-4.0; contains modified Copernicus Sentinel data",
)
"""Power (linear), floating point, in pixels of 10 m (planetarycomputer.microsoft.com/dataset/sentinel-1-rtc)"""


@dataclass(frozen=True)
class RadarTable(ProductTable):
    """The radar products of one cube, such as `sentinel-1-rtc-ascending`."""

    base: Product = SENTINEL_1_RTC

    @classmethod
    def of_radar(cls, section: Radar) -> Self:
        """The table of a recipe."""
        return cls(section.polarisations)

    def name_of(self, orbit: str) -> str:
        """The name of the product of a direction."""
        return f"{self.base.name}-{orbit}"

    def orbit_of(self, name: str) -> str:
        """The direction of a product."""
        return name.rpartition("-")[2]

    def named(self, name: str) -> Product:
        """See `ProductTable`: the scenes of one direction, on the grid of their first polarisation."""
        orbit = self.orbit_of(name)
        if orbit not in ORBITS or name != self.name_of(orbit):
            raise InputError(f"there is no radar product {name}; choose one of {', '.join(map(self.name_of, ORBITS))}")
        product = self.base.narrowed(self.bands)
        first = product.bands[self.bands[0]]
        return replace(product, name=name, quality=first.keys, only={"sat:orbit_state": (orbit,)})

    def reading(self, name: str) -> str:
        """See `ProductTable`."""
        return json.dumps([READER_VERSION, self.bands])
