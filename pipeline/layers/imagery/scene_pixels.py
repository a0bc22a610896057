"""The mask and the bands of one scene, on the pixels of a cube."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import QUALITY_FILL, REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.mappings import resampler
from mmvsf.pipeline.raster.scene import RasterGrid, Scene

from .convert import to_band
from .table import SceneReader

DARKEST = -0.03
"""Blue reflectance that no ground has for half of the clear pixels of a block; haze that was corrected too far comes
to -0.02."""


def read_quality(scene: Scene, target: RasterGrid, source: SceneReader) -> NDArray[np.uint8]:
    """The mask of a scene as bits of `imagery/quality`, shape of the target. Raises ReadError."""
    place = resampler(scene.quality.grid, target)
    product = source.product(scene)

    def check(values: NDArray[Any]) -> None:
        if product.mask_dtype is not None and values.dtype != product.mask_dtype:
            wanted = np.dtype(product.mask_dtype)
            raise ReadError(f"{scene.quality.name}: a mask of {product.name} is {wanted}, found {values.dtype}")

    stored = np.ma.getdata(source.read(scene.quality, place.window, check))
    decoded: NDArray[np.uint8] = place.codes(product.decode_quality(stored), QUALITY_FILL)
    return decoded


def read_bands(scene: Scene, target: RasterGrid, source: SceneReader, out: NDArray[np.int16]) -> None:
    """Read the reflectance of a scene into `out` (band, *shape of the target), REFLECTANCE_FILL where it has none.
    Raises ReadError."""
    windows: dict[RasterGrid, dict[int, NDArray[np.int16]]] = {asset.grid: {} for asset in scene.bands}

    def read(number: int) -> None:
        place = resampler(scene.bands[number].grid, target)
        values = _read_band(scene, number, place.window, source)
        if place.native:
            out[number] = place.reflectance(values)[0]
        else:
            windows[scene.bands[number].grid][number] = values

    source.each(read, range(len(scene.bands)))
    for grid, by_band in windows.items():
        if not by_band:
            continue
        # Together, so that the weights of a strip are used while they are in the processor's cache.
        for number, values in zip(by_band, resampler(grid, target).reflectance(*by_band.values()), strict=True):
            out[number] = values


def _read_band(scene: Scene, number: int, window: tuple[slice, slice], source: SceneReader) -> NDArray[np.int16]:
    """A window of a band in the cube's numbers. Raises ReadError."""
    asset, product = scene.bands[number], source.product(scene)

    def check(values: NDArray[Any]) -> None:
        if values.dtype.kind not in ("iuf" if product.any_numbers else "iu"):
            raise ReadError(f"{asset.name}: reflectance must be stored as integers; found {values.dtype}")

    stored = source.read(asset, window, check)
    values = to_band(np.ma.getdata(stored), product, source.products.bands[number], scene.offset)
    if np.ma.is_masked(stored):
        return np.where(np.ma.getmaskarray(stored), np.int16(REFLECTANCE_FILL), values)
    return values


def refuse_second_offset(
    scene: Scene, reflectance: NDArray[np.int16], clear: NDArray[np.bool_], source: SceneReader
) -> None:
    """Raise ReadError where clear pixels are darker than any ground: for some scenes the catalogue says that the offset
    of baseline 04.00 is still in the numbers, and it is not (github.com/Element84/earth-search, issues 66 and 71).

    `reflectance` is (band, block, block), `clear` (block, block) the scene's clear pixels in it."""
    bands = source.products.bands
    if not scene.offset or source.product(scene).item_offset is None or "blue" not in bands or not clear.any():
        return
    median = np.median(reflectance[bands.index("blue")][clear] * REFLECTANCE_SCALE)
    if median < DARKEST:
        raise ReadError(
            f"{scene.id}: the clear pixels have a blue reflectance of {median:.2f} with the offset of"
            f" {scene.offset} that its item asks for; the item is wrong. Take the scenes from another imagery.catalog"
        )
