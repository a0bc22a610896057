"""The image collections of Earth Engine that scenes are taken from."""

from dataclasses import dataclass, replace

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL


@dataclass(frozen=True)
class Collection:
    """An image collection and what of it a scene takes."""

    id: str
    product: str
    bands: dict[str, str]
    """band of a cube -> its name here"""
    quality: str
    together: tuple[tuple[str, ...], ...]
    """bands that share a grid, and so a request"""
    fraction: bool
    """True where reflectance is stored as the fraction itself (floating point), False for integers of 1e-4"""
    mask_fill: int
    """number of the mask where there is no data"""

    def group(self, band: str) -> tuple[str, ...]:
        return next(group for group in self.together if band in group)

    def narrowed(self, bands: tuple[str, ...]) -> "Collection":
        """The collection with these bands of a cube only, in this order. Raises InputError for one that it lacks."""
        if missing := [name for name in bands if name not in self.bands]:
            raise InputError(
                f"imagery.bands: {', '.join(missing)} of {self.product} cannot be read from Earth Engine; these bands"
                f" can: {', '.join(self.bands)}"
            )
        chosen = {name: self.bands[name] for name in bands}
        kept = {*chosen.values(), self.quality}
        groups = (tuple(band for band in group if band in kept) for group in self.together)
        return replace(self, bands=chosen, together=tuple(group for group in groups if group))

    def fill(self, band: str) -> int:
        """The number that is requested in place of a masked pixel."""
        return self.mask_fill if band == self.quality else REFLECTANCE_FILL


_L30 = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B5", "swir1": "B6", "swir2": "B7", "coastal": "B1"}
_S30 = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B8A",
    "swir1": "B11",
    "swir2": "B12",
    "coastal": "B1",
    "rededge1": "B5",
    "rededge2": "B6",
    "rededge3": "B7",
    "nir_broad": "B8",
}

COLLECTIONS: dict[str, Collection] = {
    collection.product: collection
    for collection in (
        Collection("NASA/HLS/HLSL30/v002", "hls-l30", _L30, "Fmask", ((*_L30.values(), "Fmask"),), True, QUALITY_FILL),
        Collection("NASA/HLS/HLSS30/v002", "hls-s30", _S30, "Fmask", ((*_S30.values(), "Fmask"),), True, QUALITY_FILL),
        Collection(
            "COPERNICUS/S2_SR_HARMONIZED", "sentinel-2-l2a", _S30, "SCL",
            (("B2", "B3", "B4", "B8"), ("B8A", "B11", "B12", "B5", "B6", "B7", "SCL"), ("B1",)), False, 0,
        ),
    )
}  # fmt: skip


def collection_of(product: str) -> Collection:
    """The collection of a product. Raises InputError for one that Earth Engine is not read for."""
    if product not in COLLECTIONS:
        raise InputError(f"{product} cannot be read from Earth Engine; these products can: {', '.join(COLLECTIONS)}")
    return COLLECTIONS[product]
