"""How a window of a cube sees the fields of a simulated site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.samples.windows import Window
from mmvsf.pipeline.raster.mappings import resampler
from mmvsf.pipeline.raster.scene import RasterGrid

from .tiles import TILES
from .world import SiteWorld


@dataclass(frozen=True)
class WindowView:
    """How a window of the cube sees the fields of a site, through the tile of its scenes."""

    mixing: csr_array
    """(pixels of the tile, fields)"""
    texture: NDArray[np.float32]
    """(pixels of the tile, 6)"""
    resampling: csr_array
    """(pixels of the window, pixels of the tile)"""
    size: int

    @classmethod
    def of(cls, world: SiteWorld, window: GeoBox) -> WindowView:
        """Through the tile in the window's own zone, whose pixels are the cube's, or else through another, whose
        scenes are resampled as the build does it. Raises ValueError where no tile shows all of the window."""
        tiles = sorted(TILES, key=lambda tile: window.crs is None or tile.epsg != window.crs.epsg)
        for tile in tiles:
            view = world.view(tile.geobox)
            if view is None:
                continue
            resampling = resampler(RasterGrid.of(tile.geobox), RasterGrid.of(window))
            pixels = np.full(tile.geobox.shape, -1, np.int32)
            pixels[view.rows, view.columns][view.inside] = np.arange(len(view.x))
            source = pixels[resampling.window].ravel()
            if resampling.native:
                ones, count = np.ones(len(resampling.nearest)), len(resampling.nearest)
                weights = csr_array((ones, (np.arange(count), resampling.nearest)), shape=(count, len(source)))
            else:
                weights = resampling.weights
            used = np.unique(weights.indices)
            if resampling.inside is not None or (source[used] < 0).any():
                continue
            seen = source[used]
            return cls(view.mixing[seen], view.texture[seen], csr_array(weights[:, used]), int(window.shape[0]))
        raise ValueError(f"no tile shows all of the window of site {world.site.name}")

    @property
    def shares(self) -> csr_array:
        """(pixels of the window, fields): share of each field in each pixel; rows sum to 1."""
        return csr_array(self.resampling @ self.mixing)

    @property
    def textures(self) -> NDArray[np.float32]:
        """(pixels of the window, 6)"""
        return np.asarray(self.resampling @ self.texture, np.float32)

    def image(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        """(6, size, size) from the reflectance of the fields (fields, 6)."""
        pixels = self.resampling @ ((self.mixing @ fields) * self.texture)
        return np.asarray(pixels, np.float64).T.reshape(-1, self.size, self.size)


class WindowViews:
    """The views of a cube's windows, each made once: they are the same in every season."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._views: dict[tuple[int, int, int], WindowView] = {}
        """by row, column and size of the window"""

    def of(self, world: SiteWorld, window: Window) -> WindowView:
        """That of a window on a site. Raises ValueError as `WindowView.of` does."""
        key = window.row, window.column, window.size
        if key not in self._views:
            self._views[key] = WindowView.of(world, self.grid.geobox[window.slices])
        return self._views[key]
