"""What someone who knows the true model of a simulated region would forecast; see `mmvsf.datasets.oracle`.

Nothing is fitted: the fields of the simulation grow once more under the weather that is known. What is left of the
error against the cube is the sensors' noise and calibration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.pairs import PAIRS
from mmvsf.datasets.samples.windows import Window, chunk_window, clear_days
from mmvsf.datasets.sidecars.oracle import FORECASTS, oracle_layout, oracle_path
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import (
    create_group,
    finish_writes,
    open_pixels,
    read_pixels,
    read_values,
    write_values,
)
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE, is_clear
from mmvsf.pipeline.raster.resample import resampler
from mmvsf.pipeline.raster.scene import RasterGrid

from . import Season, Site, SiteWorld, truth
from .ensure import world_sites, world_spec
from .spec import GENERATOR_VERSION
from .tiles import TILES
from .weather import SiteWeather

Progress = Callable[[int, int], None]

WINDOW = 32
"""Pixels a side of the windows that are scored; smaller where chunks are."""
MIN_IMAGES = 3
MOST_ERROR = 0.02
"""Largest root mean square error, as a reflectance, that noise and calibration of a simulated scene explain."""


@dataclass(frozen=True)
class SiteYear:
    """One unit of work: the windows of a site in a season, which lie together in the oracle."""

    site: Site
    year: int
    windows: slice


def make_oracle(
    cube: Cube,
    *,
    years: Collection[int] | None = None,
    sites: Collection[str] | None = None,
    limit: int = PAIRS,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Location:
    """Write the forecasts of the given years and sites (all by default) beside the cube. What is there already is
    kept, as long as it belongs to this cube.

    Raises InputError for a region that is not simulated, for a year or site that it lacks, and for a cube that was
    simulated differently; OSError where the disk refuses.
    """
    spec = world_spec(cube.region)
    places = [
        site for site in world_sites(cube.region, cube.grid, str(cube.path)) if _block(cube, site) in cube.grid.blocks
    ]
    _refuse_unknown("years", years, cube.years)
    _refuse_unknown("sites", sites, [site.name for site in places])
    windows, units = _plan(cube, places)
    path = oracle_path(cube)
    identity = {
        "cube": cube.digest,
        "generator_version": GENERATOR_VERSION,
        "spec": asdict(spec),
        "size": windows[0].size,
        "limit": limit,
        "seed": seed,
    }
    if not _is_of(path, identity):
        create_group(path.parent, oracle_layout(path.name, windows, cube.bands, limit, seed, identity))

    stores = {name: open_pixels(path, name, write=True) for name in FORECASTS}
    origin, target, done = (read_values(path, name) for name in ("origin", "target", "done"))
    wanted = [
        unit
        for unit in units
        if (years is None or unit.year in years)
        and (sites is None or unit.site.name in sites)
        and not done[unit.windows].all()
    ]
    worlds = truth(spec, places) if wanted else {}
    sights: dict[tuple[int, int], Sight] = {}
    for number, unit in enumerate(wanted):
        progress(number, len(wanted))
        own = windows[unit.windows]
        world = worlds[unit.site.name]
        for window in own:
            if (window.row, window.column) not in sights:
                sights[window.row, window.column] = Sight.of(world, cube.grid.geobox[window.slices])
        through = [sights[window.row, window.column] for window in own]
        made = _forecast(world, unit.year, cube.years, through, origin[unit.windows], target[unit.windows])
        _check_against(cube, own, target[unit.windows], made[0])
        finish_writes(
            [stores[name][unit.windows].write(images) for name, images in zip(FORECASTS, made, strict=True)], path
        )
        done[unit.windows] = 1
        write_values(path, "done", done)
    progress(len(wanted), len(wanted))
    return path


def _block(cube: Cube, site: Site) -> tuple[int, int]:
    return cube.grid.block_of_point(*site.geobox.geographic_extent.centroid.coords[0])


def _refuse_unknown(what: str, given: Collection[Any] | None, known: Sequence[Any]) -> None:
    unknown = [str(entry) for entry in given or () if entry not in known]
    if unknown:
        raise InputError(f"--{what} {','.join(unknown)}: not in this cube; it has {', '.join(map(str, known))}")


def _plan(cube: Cube, places: Sequence[Site]) -> tuple[list[Window], list[SiteYear]]:
    """Every window of the cube with enough images, by year and site, whatever part it belongs to."""
    size, n = min(WINDOW, cube.grid.chunk), cube.grid.chunks_per_block
    if cube.grid.chunk % size:
        raise InputError(f"{cube.path}: chunks of {cube.grid.chunk} pixels cannot be cut into windows of {size}")
    clear = clear_days(cube)
    windows: list[Window] = []
    units = []
    for year in cube.years:
        for site in places:
            by, bx = _block(cube, site)
            first = len(windows)
            for cy in range(by * n, by * n + n):
                for cx in range(bx * n, bx * n + n):
                    window = chunk_window(cube, cy, cx, year, clear)
                    if len(window.days) >= MIN_IMAGES:
                        windows += window.tiles(size)
            if len(windows) > first:
                units.append(SiteYear(site, year, slice(first, len(windows))))
    if not windows:
        raise InputError(f"{cube.path}: no window has {MIN_IMAGES} clear images; there is nothing to forecast")
    return windows, units


def _is_of(path: Location, identity: dict[str, Any]) -> bool:
    """Whether an oracle of that identity stands there."""
    if not (path / "zarr.json").is_file():
        return False
    found = root_attributes(path)
    return all(found.get(key) == value for key, value in json.loads(json.dumps(identity)).items())


def _forecast(
    world: SiteWorld,
    year: int,
    years: Sequence[int],
    sights: Sequence[Sight],
    origin: NDArray[np.int32],
    target: NDArray[np.int32],
) -> NDArray[np.int16]:
    """(2, window, pair, band, y, x): reflectance as it is stored, with and without the weather of the gap between the
    days of origin and target (window, pair); fill where a window, seen through its sight, has no such pair."""
    real = world.season(year)
    instead = _instead(world, year, years)

    def known_until(day: np.datetime64) -> Season:
        """The mean of the seasons as they would have gone on: the best forecast where each is as likely."""
        if world.spec.crop_dose == world.spec.soil_dose == 0:
            return real
        likely = [
            world.season(year, world.crop_weather.until(day, crop), world.soil_weather.until(day, soil))
            for crop, soil in instead
        ]
        mean = np.stack([season.reflectance for season in likely]).mean(axis=0, dtype=np.float32)
        return replace(real, reflectance=mean)

    blind = {int(day): known_until(np.datetime64(int(day), "D")) for day in np.unique(origin[target > 0])}
    size, bands = sights[0].size, real.reflectance.shape[-1]
    images = np.full((2, *target.shape, bands, size, size), REFLECTANCE_FILL, np.int16)
    for number, sight in enumerate(sights):
        for pair in np.flatnonzero(target[number]):
            day = np.datetime64(int(target[number, pair]), "D")
            for which, season in enumerate((real, blind[int(origin[number, pair])])):
                images[which, number, pair] = np.rint(sight.image(season.on(day)) / REFLECTANCE_SCALE)
    return images


def _instead(world: SiteWorld, year: int, years: Sequence[int]) -> list[tuple[SiteWeather, SiteWeather]]:
    """What crops and soil could have felt in a season: what they felt in each of the other years, or, where there is
    none, the mean weather."""
    felt = world.crop_weather, world.soil_weather
    others = [other for other in years if other != year]
    if not others:
        mean = world.weather.climatology()
        return [(mean, mean)]
    return [(felt[0].as_in(year, other), felt[1].as_in(year, other)) for other in others]


@dataclass(frozen=True)
class Sight:
    """How a window of the cube sees the fields of a site, through the tile that its scenes come on."""

    mixing: csr_array
    """(pixels of the tile, fields)"""
    texture: NDArray[np.float32]
    """(pixels of the tile, 6)"""
    resampling: csr_array
    """(pixels of the window, pixels of the tile)"""
    size: int

    @classmethod
    def of(cls, world: SiteWorld, window: GeoBox) -> Sight:
        """Through the tile in the window's own zone, whose pixels are the cube's, or else through another, whose
        scenes are resampled as the build does it. Raises ValueError where no tile shows all of the window."""
        tiles = sorted(TILES, key=lambda tile: window.crs is None or tile.epsg != window.crs.epsg)
        for tile in tiles:
            view = world.view(tile.geobox)
            if view is None:
                continue
            way = resampler(RasterGrid.of(tile.geobox), RasterGrid.of(window))
            pixels = np.full(tile.geobox.shape, -1, np.int32)
            pixels[view.rows, view.columns][view.inside] = np.arange(len(view.x))
            source = pixels[way.window].ravel()
            weights = way.weights
            if way.native:
                ones, count = np.ones(len(way.nearest)), len(way.nearest)
                weights = csr_array((ones, (np.arange(count), way.nearest)), shape=(count, len(source)))
            used = np.unique(weights.indices)
            if way.inside is not None or (source[used] < 0).any():
                continue
            seen = source[used]
            return cls(view.mixing[seen], view.texture[seen], csr_array(weights[:, used]), int(window.shape[0]))
        raise ValueError(f"no tile shows all of the window of site {world.site.name}")

    def image(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        """(6, size, size) from the reflectance of the fields (fields, 6)."""
        pixels = self.resampling @ ((self.mixing @ fields) * self.texture)
        return np.asarray(pixels, np.float64).T.reshape(-1, self.size, self.size)


def _check_against(cube: Cube, windows: Sequence[Window], target: NDArray[np.int32], images: NDArray[np.int16]) -> None:
    """Raises InputError where the cube shows another world: built from other code, or changed since."""
    reflectance, quality = (open_pixels(cube.path, f"imagery/{name}") for name in ("reflectance", "quality"))
    total, count = 0.0, 0
    for window, days, forecasts in zip(windows, target, images, strict=True):
        rows, columns = window.slices
        at = days[days > 0] - cube.calendar.first_day
        observed = read_pixels(reflectance, np.s_[at, :, rows, columns])
        clear = is_clear(read_pixels(quality, np.s_[at, rows, columns])) & (observed != REFLECTANCE_FILL).all(1)
        errors = (observed - forecasts[days > 0].astype(np.float64)).swapaxes(0, 1)[:, clear] * REFLECTANCE_SCALE
        total, count = total + float(np.square(errors).sum()), count + errors.size
    error = (total / max(count, 1)) ** 0.5
    if error > MOST_ERROR:
        raise InputError(
            f"{cube.path} shows another world than its recipe simulates now (error {error:.3f} where noise explains"
            f" {MOST_ERROR}); build archive and cube again with `mmvsf dataset --overwrite`"
        )
