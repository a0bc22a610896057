"""The mask and the bands of one scene, on the pixels of a cube."""

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import BAND_NAMES, QUALITY_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.mappings import resampler
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene

from .products import Product, product_named, to_reflectance

BLUE = BAND_NAMES.index("blue")
DARKEST = -0.03
"""Blue reflectance that no ground has for half of the clear pixels of a block; haze that was corrected too far comes
to -0.02."""


def read_quality(scene: Scene, target: RasterGrid, source: ImagerySource) -> NDArray[np.uint8]:
    """The mask of a scene as bits of `imagery/quality`, shape of the target. Raises ReadError."""
    place = resampler(scene.quality.grid, target)
    stored = np.ma.getdata(source.read(scene.quality, place.window))
    product = product_named(scene.product)
    if stored.dtype != product.mask_dtype:
        wanted = np.dtype(product.mask_dtype)
        raise ReadError(f"{scene.quality.href}: a mask of {product.name} is {wanted}, found {stored.dtype}")
    decoded: NDArray[np.uint8] = place.codes(product.decode_quality(stored), QUALITY_FILL)
    return decoded


def read_bands(scene: Scene, target: RasterGrid, source: ImagerySource) -> NDArray[np.int16]:
    """(band, *shape of the target) reflectance of a scene, REFLECTANCE_FILL where it has none. Raises ReadError."""
    bands = np.empty((len(scene.bands), *target.shape), np.int16)
    product = product_named(scene.product)
    for number, asset in enumerate(scene.bands):
        bands[number] = _read_band(asset, product, scene.offset, target, source)
    return bands


def _read_band(
    asset: Asset, product: Product, offset: int, target: RasterGrid, source: ImagerySource
) -> NDArray[np.int16]:
    place = resampler(asset.grid, target)
    stored = source.read(asset, place.window)
    if stored.dtype.kind not in "iu":
        raise ReadError(f"{asset.href}: reflectance is stored as integers, found {stored.dtype}")
    values = to_reflectance(np.ma.getdata(stored), product, offset)
    if np.ma.is_masked(stored):
        values[np.ma.getmaskarray(stored)] = REFLECTANCE_FILL
    return place.reflectance(values)


def refuse_second_offset(scene: Scene, blue: NDArray[np.int16]) -> None:
    """Raise ReadError where clear pixels are darker than any ground: for some scenes the catalogue says that the offset
    of baseline 04.00 is still in the numbers, and it is not (github.com/Element84/earth-search, issues 66 and 71).

    `blue` is the reflectance of the clear pixels of a block, any shape."""
    if not scene.offset or product_named(scene.product).item_offset is None or not blue.size:
        return
    median = np.median(blue * REFLECTANCE_SCALE)
    if median < DARKEST:
        raise ReadError(
            f"{scene.id}: the clear pixels have a blue reflectance of {median:.2f} with the offset of"
            f" {scene.offset} that its item asks for; the item is wrong. Take the scenes from another imagery.catalog"
        )
