"""Imagery of Earth Engine: HLS and harmonised Sentinel-2, as the native pixels of the collections' own grids.

A scene gets the identity, time and version that it has in every other catalogue, so that a cube does not show where
its pixels came from: HLS granules to the byte. Sentinel-2 in Earth Engine has the offset of baseline 04.00 taken off
already, and what fell below zero by that became zero; such pixels are stored as 1e-4 and differ from other archives.

Bands that share a grid come in one request, though the reader takes one at a time: what came with the first is kept
for the others.
"""

import re
from collections import abc
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.datasets.variables import DEFAULT_BANDS, REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.convert import REFLECTANCE_MAX
from mmvsf.pipeline.layers.imagery.missing import NoSceneError
from mmvsf.pipeline.layers.imagery.products import product_named
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import ImagerySource, Origin, Requirement, SourceSite
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from mmvsf.pipeline.sources.stac.boxes import search_polygons
from mmvsf.pipeline.sources.stac.item import MOST_TEXT, Item
from mmvsf.pipeline.sources.stac.item_time import acquired_at
from mmvsf.pipeline.sources.stac.items import place_of
from mmvsf.pipeline.sources.transport.endpoints import public_address

from .client import QUOTA, requirements
from .imagery_collections import COLLECTIONS, Collection, collection_of
from .pixels import SCHEME, asset_id, fetch_pixels, grid_of_band, kept, list_images

REFLECTANCE_RANGE = (-1.0, REFLECTANCE_MAX * REFLECTANCE_SCALE)
"""What a surface reflectance can be; a collection that holds other numbers has another scale than this one's."""
DARK = 0.01
"""A window whose brightest pixel is below this is dark water, or was scaled down once too often."""

CLOUD_SCORE, SCL_CLOUD = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", 9
"""Its images have the names of Sentinel-2's; where they say cloud, the scene classification becomes `cloud, high
probability`. They have pixels of 10 m: at the 20 m of the classification Earth Engine gives their means."""


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
        return Origin("earthengine", public_address("earthengine"), collection_of(product).id, licence=licence)

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> FoundScenes:
        """See `ImagerySource`. Raises InputError also for credentials that are missing or refused, ReadError if
        Earth Engine does not answer."""
        coverage, region = Coverage(grid), search_polygons(grid)
        scenes: dict[str, Scene] = {}
        undated: dict[str, None] = {}
        for product in products:
            collection = collection_of(product).narrowed(self.bands)
            for first, last in period.runs:
                for image in list_images(collection.id, first, last + timedelta(days=1), region):
                    scene = _sound_or_faulty(image, collection, coverage, self.cloud_score)
                    if isinstance(scene, str):
                        undated[scene] = None
                    elif period.contains(date_of(scene.day)) and coverage.blocks(scene.quality.grid).size:
                        scenes[scene.id] = scenes.get(scene.id, scene) if scene.fault else scene
        return self._found(scenes.values(), tuple(undated), period, products)

    def _found(
        self, scenes: abc.Collection[Scene], undated: tuple[str, ...], period: Period, products: tuple[str, ...]
    ) -> FoundScenes:
        """What a search found. Raises InputError if there is nothing to read."""
        faults = [f"{scene.id}: {scene.fault}" for scene in scenes if scene.fault] + list(undated)
        if len(faults) == len(scenes) + len(undated) and faults:
            raise InputError(f"Earth Engine: no image can be used, {len(faults)} are faulty, for example {faults[0]}")
        if not scenes:
            raise NoSceneError(
                f"Earth Engine has no scene of {', '.join(products)} between {period.start} and {period.end} over this"
                " region; check period, products and area of the recipe"
            )
        ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.id))
        return FoundScenes(tuple(ordered), len(scenes) + len(undated), undated=undated)

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


def _sound_or_faulty(image: Any, collection: Collection, coverage: Coverage, cloud_score: float | None) -> Scene | str:
    """The scene of a record of a listing, whatever that is. One that cannot be read fails its day in the blocks that it
    may concern; where its day is not known either, what is wrong."""
    try:
        return _scene(image, collection, coverage, cloud_score)
    except InputError as error:
        fault = one_line(error)
    record = image if isinstance(image, dict) else {}
    name = ""
    with suppress(InputError):
        name = asset_id(record)[:MOST_TEXT]
    name = name if name.isprintable() and name else f"an image of {collection.id}"
    identity = _identity(name, {})[0]
    acquired = _acquired(identity, record)
    if acquired is None:
        return f"{name}: {fault}"
    cube = RasterGrid.of(coverage.grid.geobox)
    place = place_of({"geometry": record.get("geometry")}, ()) or cube
    day = coverage.day(acquired, cube)
    return Scene(identity, collection.product, acquired, "", (), Asset("", place), 0, day, fault)


def _scene(image: Any, collection: Collection, coverage: Coverage, cloud_score: float | None = None) -> Scene:
    """The scene of a record of a listing. Raises InputError for one that lacks something."""
    name = asset_id(image)
    assets: dict[str, Asset] = {}
    for group in collection.together:
        grids = {band: grid_of_band(image, band) for band in group}
        if len(set(grids.values())) > 1:
            raise InputError(f"{name}: the bands {', '.join(group)} are not on one grid, as this reader expects")
        assets |= {band: Asset(f"{SCHEME}{name}#{band}", grid) for band, grid in grids.items()}
    item = Item.check({"id": name, "properties": image.get("properties")})
    identity, version = _identity(name, item.properties)
    if cloud_score is not None:
        # Part of what the pixels depend on, so that a build notices another threshold.
        version = f"{version} with Cloud Score+ {cloud_score:g}"
    acquired = _acquired(identity, image)
    if acquired is None:
        raise InputError("it has no startTime that can be read")
    return Scene(
        id=Item.check({"id": identity}).id,
        product=collection.product,
        acquired=acquired,
        version=version,
        bands=tuple(assets[band] for band in collection.bands.values()),
        quality=assets[collection.quality],
        offset=0,
        day=coverage.day(acquired, assets[collection.quality].grid),
        state=str(image.get("updateTime", "")),
    )


def _acquired(identity: str, image: dict[str, Any]) -> datetime | None:
    """When an image was taken (UTC), None where that is no time."""
    return acquired_at({"id": identity, "properties": {"datetime": image.get("startTime")}})


def _identity(name: str, properties: dict[str, Any]) -> tuple[str, str]:
    """(id, version) of an image: those of the granule in every other catalogue, where they can be derived."""
    if granule := re.fullmatch(r"NASA/HLS/HLS([LS]30)/v002/(T\w{5})_(\d{8}T\d{6})", name):
        sensor, tile, moment = granule.groups()
        with suppress(ValueError):  # digits that are no moment
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
            raise ReadError(f"{image}: the mask {band} runs from {values.min()} to {values.max()}, which is not uint8")
        return values.astype(np.uint8)
    missing = values == REFLECTANCE_FILL
    known = values[~missing].astype(np.float64)
    if known.size and not (_is_fraction if collection.fraction else _is_whole)(known, values.dtype):
        expected = f"fractions from {REFLECTANCE_RANGE[0]:g} to {REFLECTANCE_RANGE[1]:.2f}"
        raise ReadError(
            f"{image}: {band} runs from {known.min():.6g} to {known.max():.6g} ({values.dtype}), but reflectance was"
            f" expected in {expected if collection.fraction else 'whole numbers of 1e-4'}; the scale of the collection"
            " has changed. Use another source"
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
