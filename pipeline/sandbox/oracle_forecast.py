"""The forecast of somebody who knows the true model: the fields of the simulation grow again, under other weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.pipeline.raster.mappings import resampler
from mmvsf.pipeline.raster.scene import RasterGrid

from .tiles import TILES
from .weather import SiteWeather
from .world import SimulatedSeason, SiteWorld


def forecast_windows(
    world: SiteWorld,
    year: int,
    years: Sequence[int],
    views: Sequence[WindowView],
    origin: NDArray[np.int32],
    target: NDArray[np.int32],
) -> NDArray[np.int16]:
    """(2, window, pair, band, y, x): reflectance as it is stored, with and without the weather of the gap between the
    days of origin and target (window, pair); fill where a window, seen through its view, has no such pair."""
    real = world.season(year)
    alternatives = _alternatives(world, year, years)

    def expected_from(day: np.datetime64) -> SimulatedSeason:
        """The mean of the seasons that could follow: the best forecast where all are equally likely."""
        if world.spec.crop_dose == world.spec.soil_dose == 0:
            return real
        seasons = [
            world.season(year, world.crop_weather.until(day, crop), world.soil_weather.until(day, soil))
            for crop, soil in alternatives
        ]
        mean = np.stack([season.reflectance for season in seasons]).mean(axis=0, dtype=np.float32)
        return replace(real, reflectance=mean)

    blind = {int(day): expected_from(np.datetime64(int(day), "D")) for day in np.unique(origin[target > 0])}
    size, bands = views[0].size, real.reflectance.shape[-1]
    images = np.full((2, *target.shape, bands, size, size), REFLECTANCE_FILL, np.int16)
    for number, view in enumerate(views):
        for pair in np.flatnonzero(target[number]):
            day = np.datetime64(int(target[number, pair]), "D")
            for which, season in enumerate((real, blind[int(origin[number, pair])])):
                images[which, number, pair] = np.rint(view.image(season.on(day)) / REFLECTANCE_SCALE)
    return images


def _alternatives(world: SiteWorld, year: int, years: Sequence[int]) -> list[tuple[SiteWeather, SiteWeather]]:
    """(for crops, for soil): the weather of each of the other years on the days of this one; the mean weather where
    there is no other year."""
    others = [other for other in years if other != year]
    if not others:
        mean = world.weather.climatology()
        return [(mean, mean)]
    return [(world.crop_weather.as_in(year, other), world.soil_weather.as_in(year, other)) for other in others]


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

    def image(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        """(6, size, size) from the reflectance of the fields (fields, 6)."""
        pixels = self.resampling @ ((self.mixing @ fields) * self.texture)
        return np.asarray(pixels, np.float64).T.reshape(-1, self.size, self.size)
