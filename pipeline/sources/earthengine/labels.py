"""The Cropland Data Layer in Earth Engine: all years, at the native pixels of each."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_ATTRIBUTION, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.sources.transport.endpoints import public_address

from .client import QUOTA, requirements
from .pixels import SCHEME, asset_id, fetch_pixels, grid_of_band, list_images

COLLECTION, BAND, CONFIDENCE = "USDA/NASS/CDL", "cropland", "confidence"
MASKED = {BAND: 0, CONFIDENCE: CONFIDENCE_FILL}
"""The number that is stored for a masked pixel of a band."""


@register_source("earthengine")
@dataclass(frozen=True)
class EarthEngineLabels(LabelSource):
    """USDA's Cropland Data Layer, one image a year. Credentials and project come from the environment."""

    has_confidence: ClassVar[bool] = True
    quota: ClassVar[str] = QUOTA
    years: tuple[int, ...]

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        return cls(section.years)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return requirements()

    def origin(self) -> Origin:
        """See `LabelSource`."""
        source = f"{CDL_ATTRIBUTION}, through Google Earth Engine"
        return Origin("earthengine", public_address("earthengine"), COLLECTION, source, CDL_LICENCE)

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
        image = self._image(year)
        return Asset(f"{SCHEME}{asset_id(image)}#{BAND}", grid_of_band(image, BAND))

    def confidence(self, year: int) -> Asset | None:
        """See `LabelSource`; 2024 has none. Raises as `asset`."""
        image = self._image(year)
        if CONFIDENCE not in {band["id"] for band in image["bands"]}:
            return None
        return Asset(f"{SCHEME}{asset_id(image)}#{CONFIDENCE}", grid_of_band(image, CONFIDENCE))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. uint8; where the layer has no data, 0 for codes and 255 for their confidence."""
        name, _, band = asset.href.removeprefix(SCHEME).partition("#")
        fill = MASKED[band]
        image = fetch_pixels(name, lambda ee: ee.Image(name).select([band]).unmask(fill, False), 1, asset.grid, window)
        codes = image[band]
        if codes.min() < 0 or codes.max() > 255 or np.any(codes != np.rint(codes)):
            raise ReadError(f"{name}: {band} runs from {codes.min()} to {codes.max()}, which is not uint8")
        return codes.astype(np.uint8)

    def _image(self, year: int) -> dict[str, Any]:
        images = {asset_id(image): image for image in list_images(COLLECTION, date(year, 1, 1), date(year + 1, 1, 1))}
        if f"{COLLECTION}/{year}" not in images:
            raise InputError(f"Earth Engine has no Cropland Data Layer of {year}; leave the year out of labels.years")
        return images[f"{COLLECTION}/{year}"]


def _classes(image: dict[str, Any]) -> list[LegendClass]:
    """The classes that an image's properties name."""
    properties = image.get("properties", {})
    columns = [properties.get(f"{BAND}_class_{key}", []) for key in ("values", "names", "palette")]
    return [
        LegendClass(int(code), str(name), f"#{str(color).lower()}") for code, name, color in zip(*columns, strict=True)
    ]
