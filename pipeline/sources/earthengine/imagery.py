"""Imagery of Earth Engine: HLS and harmonised Sentinel-2, as the native pixels of the collections' own grids.

A scene gets the identity, time and version that it has in every other catalogue, so that a cube does not show where
its pixels came from: HLS granules to the byte. Sentinel-2 in Earth Engine has the offset of baseline 04.00 taken off
already, and what fell below zero by that became zero; such pixels are stored as 1e-4 and differ from other archives.

Bands that share a grid come in one request, though the reader takes one at a time: what came with the first is kept
for the others.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.datasets.variables import DEFAULT_BANDS, QUALITY_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.convert import REFLECTANCE_MAX
from mmvsf.pipeline.layers.imagery.missing import NoSceneError
from mmvsf.pipeline.layers.imagery.products import product_named
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene, granule_time
from mmvsf.pipeline.sources.stac.boxes import search_polygons
from mmvsf.pipeline.sources.transport.endpoints import public_address

from .client import QUOTA, requirements
from .pixels import SCHEME, asset_id, fetch_pixels, grid_of_band, kept, list_images

REFLECTANCE_RANGE = (-1.0, REFLECTANCE_MAX * REFLECTANCE_SCALE)
"""What a surface reflectance can be; a collection that holds other numbers has another scale than this one's."""
DARK = 0.01
"""A window whose brightest pixel is below this is dark water, or was scaled down once too often."""

CLOUD_SCORE, SCL_CLOUD = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", 9
"""Its images have the names of Sentinel-2's; where they say cloud, the scene classification becomes `cloud, high
probability`. They have pixels of 10 m: at the 20 m of the classification Earth Engine gives their means."""


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
                f"imagery.bands: Earth Engine is not read for {', '.join(missing)} of {self.product}; it is for"
                f" {', '.join(self.bands)}"
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


@register_source("earthengine")
@dataclass(frozen=True)
class EarthEngineImagery(ImagerySource):
    """Scenes of Earth Engine's collections; credentials and project come from the environment."""

    recipe_lines: ClassVar[dict[str, bool]] = {"cloud_score": False}
    quota: ClassVar[str] = QUOTA
    cloud_score: float | None = None
    """Sentinel-2 pixels with a smaller Cloud Score+ (`cs_cdf`, 0 cloudy to 1 clear) count as cloud too"""
    bands: tuple[str, ...] = DEFAULT_BANDS
    """of the cube"""

    @classmethod
    def from_recipe(cls, section: Imagery, site: SourceSite) -> Self:
        """See `ImagerySource`. Raises InputError for a cloud score of other products than Sentinel-2's."""
        if section.cloud_score is not None and section.products != ("sentinel-2-l2a",):
            raise InputError("imagery.cloud_score is an option of sentinel-2-l2a; remove the line")
        return cls(section.cloud_score, section.bands)

    def requirements(self) -> tuple[Requirement, ...]:
        """See `Source`."""
        return requirements()

    def origin(self, product: str) -> Origin:
        """See `ImagerySource`."""
        licence = product_named(product).licence
        return Origin("earthengine", public_address("earthengine"), _collection(product).id, licence=licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Raises InputError also for credentials that are missing or refused, ReadError if
        Earth Engine does not answer."""
        coverage, region = Coverage(grid), search_polygons(grid)
        scenes = {}
        for product in products:
            collection = _collection(product).narrowed(self.bands)
            for first, last in period.runs:
                for image in list_images(collection.id, first, last + timedelta(days=1), region):
                    scene = _scene(image, collection, coverage, self.cloud_score)
                    if period.contains(date_of(scene.day)) and coverage.blocks(scene.quality.grid).size:
                        scenes[scene.id] = scene
        if not scenes:
            raise NoSceneError(
                f"Earth Engine has no scene of {', '.join(products)} between {period.start} and {period.end} over this"
                " region; check period, products and area of the recipe"
            )
        return FoundScenes(tuple(sorted(scenes.values(), key=lambda scene: (scene.acquired, scene.id))))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `ImagerySource`. Reflectance as int16 or uint16 of 1e-4, masks as uint8.

        Raises ReadError also for credentials that were good for the search and are refused now: the day is recorded
        as failed, and the rest is tried."""
        image, _, band = asset.href.removeprefix(SCHEME).partition("#")
        collection = next(c for c in COLLECTIONS.values() if image.startswith(f"{c.id}/")).narrowed(self.bands)
        bands = collection.group(band)
        key = (image, bands, self.cloud_score, *((part.start, part.stop) for part in window))
        values = kept.get(key)
        if values is None:
            try:
                values = _fetch(image, collection, bands, asset.grid, window, self.cloud_score)
            except InputError as error:
                raise ReadError(f"{image}: {one_line(error)}") from error
            kept.put(key, values)
        return values[band]


def _scene(
    image: dict[str, Any], collection: Collection, coverage: Coverage, cloud_score: float | None = None
) -> Scene:
    name = asset_id(image)
    assets: dict[str, Asset] = {}
    for group in collection.together:
        grids = {band: grid_of_band(image, band) for band in group}
        if len(set(grids.values())) > 1:
            raise InputError(f"{name}: the bands {', '.join(group)} are not on one grid, as this reader expects")
        assets |= {band: Asset(f"{SCHEME}{name}#{band}", grid) for band, grid in grids.items()}
    identity, version = _identity(name, image.get("properties", {}))
    if cloud_score is not None:
        # Part of what the pixels depend on, so that a build notices another threshold.
        version = f"{version} with Cloud Score+ {cloud_score:g}"
    acquired = granule_time(identity) or datetime.fromisoformat(image["startTime"]).astimezone(UTC)
    return Scene(
        id=identity,
        product=collection.product,
        acquired=acquired,
        version=version,
        bands=tuple(assets[band] for band in collection.bands.values()),
        quality=assets[collection.quality],
        offset=0,
        day=coverage.day(acquired, assets[collection.quality].grid),
        state=str(image.get("updateTime", "")),
    )


def _identity(name: str, properties: dict[str, Any]) -> tuple[str, str]:
    """(id, version) of an image: those of the granule in every other catalogue, where they can be derived."""
    if granule := re.fullmatch(r"NASA/HLS/HLS([LS]30)/v002/(T\w{5})_(\d{8}T\d{6})", name):
        sensor, tile, moment = granule.groups()
        return f"HLS.{sensor}.{tile}.{datetime.strptime(moment, '%Y%m%dT%H%M%S'):%Y%jT%H%M%S}.v2.0", "v2.0"
    return str(properties.get("PRODUCT_ID", name.rpartition("/")[2])), str(properties.get("PROCESSING_BASELINE", ""))


def _fetch(
    image: str,
    collection: Collection,
    bands: tuple[str, ...],
    grid: RasterGrid,
    window: tuple[slice, slice],
    cloud_score: float | None,
) -> dict[str, NDArray[Any]]:
    """The stored numbers of bands that share a grid. Raises ReadError, also for numbers of another scale."""

    def build(ee: Any) -> Any:
        parts = {band: ee.Image(image).select([band]) for band in bands}
        if cloud_score is not None and collection.quality in parts:
            score = ee.Image(f"{CLOUD_SCORE}/{image.rpartition('/')[2]}").select(["cs_cdf"])
            parts[collection.quality] = parts[collection.quality].where(score.lt(cloud_score), SCL_CLOUD)
        filled = [part.unmask(collection.fill(band), False) for band, part in parts.items()]
        return ee.Image(filled[0]).addBands(filled[1:]) if len(filled) > 1 else filled[0]

    answer = fetch_pixels(image, build, len(bands), grid, window)
    if tuple(answer) != bands:
        raise ReadError(f"{image}: requested {', '.join(bands)}, the answer has {', '.join(answer)}")
    return {band: _stored(values, band, collection, image) for band, values in answer.items()}


def _stored(values: NDArray[Any], band: str, collection: Collection, image: str) -> NDArray[Any]:
    """A band as its product stores it: uint8 masks, reflectance in integers of 1e-4. Raises ReadError."""
    if band == collection.quality:
        if values.min() < 0 or values.max() > 255 or np.any(values != np.rint(values)):
            raise ReadError(f"{image}: the mask {band} runs from {values.min()} to {values.max()}, no uint8")
        return values.astype(np.uint8)
    missing = values == REFLECTANCE_FILL
    known = values[~missing].astype(np.float64)
    if known.size and not (_is_fraction if collection.fraction else _is_whole)(known, values.dtype):
        expected = f"fractions from {REFLECTANCE_RANGE[0]:g} to {REFLECTANCE_RANGE[1]:.2f}"
        raise ReadError(
            f"{image}: {band} runs from {known.min():.6g} to {known.max():.6g} ({values.dtype}), where reflectance was"
            f" expected in {expected if collection.fraction else 'whole numbers of 1e-4'}; the collection has another"
            " scale than this reader knows. Take another source"
        )
    if collection.fraction:
        numbers = np.rint(values.astype(np.float64) / REFLECTANCE_SCALE)
        return np.where(missing, REFLECTANCE_FILL, numbers).astype(np.int16)
    # 0 is the product's no data, so a pixel that is darker than the offset becomes the smallest number above it.
    return np.where(missing, 0, np.maximum(values, 1)).astype(np.uint16)


def _is_fraction(known: NDArray[np.float64], stored: np.dtype[Any]) -> bool:
    """Whether numbers are reflectance itself: floating point, in range, and not scaled down once more, which leaves
    next to nothing, and that in parts of 1e-4."""
    in_range = bool(known.min() >= REFLECTANCE_RANGE[0] and known.max() <= REFLECTANCE_RANGE[1] + 1e-6)
    parts = known / REFLECTANCE_SCALE
    too_small = known.max() < DARK and bool(np.any(np.abs(parts - np.rint(parts)) > 0.05))
    return stored.kind == "f" and in_range and not too_small


def _is_whole(known: NDArray[np.float64], stored: np.dtype[Any]) -> bool:
    """Whether numbers are whole numbers of 1e-4, in whatever type they come."""
    return bool(np.all(known == np.rint(known)) and known.min() >= 0 and known.max() <= np.iinfo(np.uint16).max)


def _collection(product: str) -> Collection:
    """The collection of a product. Raises InputError for one that Earth Engine is not read for."""
    if product not in COLLECTIONS:
        raise InputError(f"Earth Engine is not read for {product}; it is for {', '.join(COLLECTIONS)}")
    return COLLECTIONS[product]
