"""The backscatter of one scene, on the pixels of a cube."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.variables import BACKSCATTER_FILL, BACKSCATTER_SCALE
from mmvsf.pipeline.layers.imagery.table import SceneReader
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.parts import parts_of
from mmvsf.pipeline.raster.resample import pixel_positions, relate
from mmvsf.pipeline.raster.scene import RasterGrid, Scene

MOST_POINTS = 10
"""Points on the side of a pixel at which finer pixels are looked up, at most."""

MOST_AT_ONCE = 4_000_000
"""Points that are looked up, or scene pixels that are read, at a time: 400 MB, most of it for the points' places in
another projection."""

NOISE = {"vv": -30.0, "hh": -30.0, "vh": -35.0, "hv": -35.0}
"""dB below which there is nothing but noise: the sensor's own is -22 dB or less (Sentinel-1 User Handbook, ESA), and
the borders of scenes before March 2018 hold what processing left of it (Ali et al. 2018,
doi:10.1109/JSTARS.2017.2787650)."""

DARKEST, BRIGHTEST = BACKSCATTER_FILL + 1, np.iinfo(np.int16).max
"""Stored numbers that are no fill"""


def read_backscatter(scene: Scene, grid: Grid, target: RasterGrid, reader: SceneReader) -> NDArray[np.int16]:
    """(polarisation, *shape of the target) gamma0 in steps of 0.01 dB, BACKSCATTER_FILL where there is none.

    A pixel is the mean power at points spread over it, as many as scene pixels fit in it; it has a number only where
    all of its points have one in every polarisation. Raises ReadError.
    """
    fitting = [_pixels_across(asset.grid, RasterGrid.of(grid.geobox)) for asset in scene.bands]
    points = [min(count, MOST_POINTS) for count in fitting]
    backscatter = np.empty((len(scene.bands), *target.shape), np.int16)
    for (rows, columns), part in parts_of(target, max(fitting), MOST_AT_ONCE):
        backscatter[:, rows, columns] = _read_part(scene, points, part, reader)
    return backscatter


def _read_part(scene: Scene, points: list[int], target: RasterGrid, reader: SceneReader) -> NDArray[np.int16]:
    powers: list[NDArray[np.float64]] = []
    for asset, side in zip(scene.bands, points, strict=True):
        place = relate(asset.grid, target.refined(side), weighted=False)
        if place.empty:
            return np.full((len(scene.bands), *target.shape), BACKSCATTER_FILL, np.int16)

        def check(values: NDArray[Any], name: str = asset.name) -> None:
            if values.dtype.kind != "f":
                raise ReadError(f"{name}: backscatter must be stored in floating point; found {values.dtype}")

        stored = np.ma.filled(np.ma.asarray(reader.read(asset, place.window, check)), np.nan)
        powers.append(_means(place.codes(stored, np.nan), side))
    return to_decibels(np.stack(powers), reader.products.bands)


def to_decibels(powers: NDArray[np.float64], polarisations: tuple[str, ...]) -> NDArray[np.int16]:
    """(polarisation, y, x) of linear power as stored numbers. There are none where a polarisation has none, or one that
    is not positive or finite, and where all are below the noise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = 10 * np.log10(powers)
    known = np.isfinite(decibels).all(axis=0)
    floor = np.array([NOISE[name] for name in polarisations])[:, None, None]
    known &= (decibels >= floor).any(axis=0)
    steps = np.clip(np.rint(np.where(known, decibels, 0) / BACKSCATTER_SCALE), DARKEST, BRIGHTEST)
    return np.where(known, steps, BACKSCATTER_FILL).astype(np.int16)


def _means(fine: NDArray[Any], points: int) -> NDArray[np.float64]:
    """The mean over points x points numbers, NaN where one is missing or is no power."""
    power = np.where(np.isfinite(fine) & (fine > 0), fine, np.nan).astype(np.float64)
    # In a fixed order, so that a pixel does not depend on the shape of what is read with it.
    parts = (power[row::points, column::points] for row in range(points) for column in range(points))
    total: NDArray[np.float64] = sum(parts, np.zeros(1))
    return total / points**2


def points_of(source: RasterGrid, cube: RasterGrid) -> int:
    """Points on the side of a pixel of the cube at which a raster is looked up."""
    return min(_pixels_across(source, cube), MOST_POINTS)


def _pixels_across(source: RasterGrid, cube: RasterGrid) -> int:
    """How many pixels of a raster fit the side of a pixel in the middle of the cube: 1 for a coarser raster."""
    a, _, c, _, e, f = cube.transform
    rows, columns = cube.shape
    x, y = c + a * columns / 2, f + e * rows / 2
    column, row = pixel_positions(source, np.array([x, x + a]), np.array([y, y + e]), cube.crs)
    step = min(abs(float(np.diff(column)[0])), abs(float(np.diff(row)[0])))
    return max(round(step), 1) if np.isfinite(step) else 1
