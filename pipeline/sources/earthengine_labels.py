"""The Cropland Data Layer in Earth Engine: all years, at the native pixels of each."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.crops import CDL, CDL_ATTRIBUTION
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.legend import Legend, LegendClass

from ..scene import Asset
from .earthengine_client import requirements
from .earthengine_pixels import SCHEME, asset_id, fetch_pixels, grid_of_band, list_images
from .protocols import ReadError, Requirement

COLLECTION, BAND = "USDA/NASS/CDL", "cropland"


@dataclass(frozen=True)
class EarthEngineLabels:
    """USDA's Cropland Data Layer, one image a year. Credentials and project come from the environment."""

    attribution: ClassVar[str] = f"{CDL_ATTRIBUTION}, through Google Earth Engine"
    years: tuple[int, ...]

    def requirements(self) -> tuple[Requirement, ...]:
        """What it needs of the person who uses it."""
        return requirements()

    def legend(self) -> Legend:
        """The classes of the CDL, with any that the images of these years name beyond them. Raises InputError for
        credentials or a project that Earth Engine does not accept, ReadError if it does not answer."""
        classes = {entry.code: entry for entry in CDL.classes}
        for image in list_images(COLLECTION, date(min(self.years), 1, 1), date(max(self.years) + 1, 1, 1)):
            for entry in _classes(image):
                classes.setdefault(entry.code, entry)
        return Legend(tuple(classes[code] for code in sorted(classes) if code))

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Raises ReadError if Earth Engine does not answer."""
        found = {asset_id(image): image for image in list_images(COLLECTION, date(year, 1, 1), date(year + 1, 1, 1))}
        name = f"{COLLECTION}/{year}"
        if name not in found:
            raise InputError(f"Earth Engine has no Cropland Data Layer of {year}; leave the year out of labels.years")
        return Asset(f"{SCHEME}{name}#{BAND}", grid_of_band(found[name], BAND))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. uint8, 0 where the layer has no data."""
        name, _, band = asset.href.removeprefix(SCHEME).partition("#")
        found = fetch_pixels(name, lambda ee: ee.Image(name).select([band]).unmask(0, False), 1, asset.grid, window)
        codes = found[band]
        if codes.min() < 0 or codes.max() > 255 or np.any(codes != np.rint(codes)):
            raise ReadError(f"{name}: the codes run from {codes.min()} to {codes.max()}, no uint8")
        return codes.astype(np.uint8)


def _classes(image: dict[str, Any]) -> list[LegendClass]:
    """The classes that an image's own properties name."""
    properties = image.get("properties", {})
    columns = [properties.get(f"{BAND}_class_{key}", []) for key in ("values", "names", "palette")]
    return [
        LegendClass(int(code), str(name), f"#{str(color).lower()}") for code, name, color in zip(*columns, strict=True)
    ]
