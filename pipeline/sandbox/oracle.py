"""Forecasts by the true model of a simulated region; see `mmvsf.datasets.sidecars.oracle`.

Nothing is fitted: the fields of the simulation grow once more under the weather that is known. What remains of the
error of the oracle that knows the hidden state is the sensors' noise and calibration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    read_values,
    write_values,
)
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE, is_clear

from .inference import UnitImages
from .make import world_sites, world_spec
from .oracle_forecast import DRAWS, forecast_windows
from .spec import GENERATOR_VERSION, Site, WorldSpec
from .window_view import WindowView, WindowViews
from .world import SiteWorld, truth

Progress = Callable[[int, int], None]

WINDOW = 32
"""Pixels per side of the windows that are scored; smaller where chunks are."""
MIN_IMAGES = 3
DIAGNOSTICS = ("effective", "sampling_error")
"""Of the inferring oracle, as in `Forecasts`."""
MOST_ERROR = 0.02
"""Largest error, as a reflectance, that noise, calibration and angles of a simulated scene explain."""


@dataclass(frozen=True)
class SiteYear:
    """One unit of work: the windows of a site in a season, which are consecutive in the oracle."""

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
    """Write the forecasts of the given years and sites (all by default) beside the cube. Forecasts that exist are
    kept, as long as they belong to this cube.

    Raises InputError for a region that is not simulated, or is southern, for a year or site that it lacks, and for a
    cube that has no weather or was simulated differently; OSError where the disk refuses.
    """
    spec = world_spec(cube.region)
    refuse_unfit(cube, spec)
    all_sites = world_sites(cube.region, spec, cube.grid, str(cube.path))
    sites_of_cube = [site for site in all_sites if _block(cube, site) in cube.grid.blocks]
    _refuse_unknown("years", years, cube.years)
    _refuse_unknown("sites", sites, [site.name for site in sites_of_cube])
    windows, units = _plan(cube, sites_of_cube)
    path = _open_or_create(cube, spec, windows, limit, seed)
    done = read_values(path, "done")
    missing = [
        unit
        for unit in units
        if (years is None or unit.year in years)
        and (sites is None or unit.site.name in sites)
        and not done[unit.windows].all()
    ]
    worlds = truth(spec, sites_of_cube) if missing else {}
    writer = _Writer(cube, windows, path)
    for number, unit in enumerate(missing):
        progress(number, len(missing))
        writer.write(unit, worlds[unit.site.name])
    progress(len(missing), len(missing))
    return path


def refuse_unfit(cube: Cube, spec: WorldSpec) -> None:
    """Raise InputError for a cube that has no weather, or is southern."""
    if not cube.weather:
        raise InputError(f"{cube.path} has no weather; the oracle shows what knowing the weather is worth")
    if spec.southern:
        raise InputError(f"{cube.path}: there is no oracle of a southern sandbox; take one without simulate.southern")


def _open_or_create(cube: Cube, spec: WorldSpec, windows: list[Window], limit: int, seed: int) -> Location:
    """Path of the oracle, which is created if there is none of this cube and these options."""
    path = oracle_path(cube)
    identity = {
        "cube": cube.digest,
        "generator_version": GENERATOR_VERSION,
        "spec": asdict(spec),
        "size": windows[0].size,
        "limit": limit,
        "seed": seed,
        "draws": DRAWS,
    }
    if not _has_identity(path, identity):
        create_group(path.parent, oracle_layout(path.name, windows, cube.bands, limit, seed, identity))
    return path


class _Writer:
    """Writes the forecasts of one unit after the other."""

    def __init__(self, cube: Cube, windows: Sequence[Window], path: Location) -> None:
        self.cube, self.windows, self.path = cube, windows, path
        self.stores = {name: open_pixels(path, name, write=True) for name in FORECASTS}
        self.origin, self.target, self.done = (read_values(path, name) for name in ("origin", "target", "done"))
        self.diagnostics = {name: read_values(path, name) for name in DIAGNOSTICS}
        self.views = WindowViews(cube.grid)

    def write(self, unit: SiteYear, world: SiteWorld) -> None:
        """Raises InputError where the cube shows another world, OSError where the disk refuses."""
        windows, target = self.windows[unit.windows], self.target[unit.windows]
        views = [self.views.of(world, window) for window in windows]
        images = images_of_units(self.cube, world, windows, views)
        origin = self.origin[unit.windows]
        forecasts = forecast_windows(world, unit.year, self.cube.years, views, images, origin, target)
        _check_against(self.cube, windows, target, forecasts.images[0])
        writes = zip(FORECASTS, forecasts.images, strict=True)
        finish_writes([self.stores[name][unit.windows].write(images) for name, images in writes], self.path)
        for name in DIAGNOSTICS:
            self.diagnostics[name][unit.windows] = getattr(forecasts, name)
            write_values(self.path, name, self.diagnostics[name])
        self.done[unit.windows] = 1
        write_values(self.path, "done", self.done)


def images_of_units(cube: Cube, world: SiteWorld, windows: Sequence[Window], views: Sequence[WindowView]) -> UnitImages:
    """Of the units of a site, in all clear pixels of windows of one season."""
    reflectance, quality = (cube.pixels(f"imagery/{name}") for name in ("reflectance", "quality"))
    days = np.unique(np.concatenate([window.days for window in windows])).astype(np.int64)
    at = days - cube.calendar.first_day
    images, clear = [], []
    for window in windows:
        rows, columns = window.slices
        stored = reflectance.read(np.s_[at, :, rows, columns])
        clear.append(is_clear(quality.read(np.s_[at, rows, columns])) & (stored != REFLECTANCE_FILL).all(1))
        images.append(stored.astype(np.float32) * np.float32(REFLECTANCE_SCALE))
    return UnitImages.of(world.spec, views, days, images, clear)


def _block(cube: Cube, site: Site) -> tuple[int, int]:
    return cube.grid.block_of_point(*site.geobox.geographic_extent.centroid.coords[0])


def _refuse_unknown(option: str, given: Collection[Any] | None, available: Sequence[Any]) -> None:
    unknown = [str(entry) for entry in given or () if entry not in available]
    if unknown:
        raise InputError(f"--{option} {','.join(unknown)}: not in this cube; it has {', '.join(map(str, available))}")


def _plan(cube: Cube, sites: Sequence[Site]) -> tuple[list[Window], list[SiteYear]]:
    """Every window of the cube with enough images, by year and site, whatever part it belongs to."""
    size, n = min(WINDOW, cube.grid.chunk), cube.grid.chunks_per_block
    if cube.grid.chunk % size:
        raise InputError(f"{cube.path}: chunks of {cube.grid.chunk} pixels cannot be cut into windows of {size}")
    clear = clear_days(cube)
    windows: list[Window] = []
    units = []
    for year in cube.years:
        for site in sites:
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


def _has_identity(path: Location, identity: dict[str, Any]) -> bool:
    """Whether there is an oracle of that identity."""
    if not (path / "zarr.json").is_file():
        return False
    attributes = root_attributes(path)
    return all(attributes.get(key) == value for key, value in json.loads(json.dumps(identity)).items())


def _check_against(cube: Cube, windows: Sequence[Window], target: NDArray[np.int32], images: NDArray[np.int16]) -> None:
    """Raises InputError where the cube shows another world: built from other code, or changed since."""
    reflectance, quality = (cube.pixels(f"imagery/{name}") for name in ("reflectance", "quality"))
    errors: list[NDArray[np.float64]] = []
    for window, days, forecasts in zip(windows, target, images, strict=True):
        rows, columns = window.slices
        at = days[days > 0] - cube.calendar.first_day
        observed = reflectance.read(np.s_[at, :, rows, columns])
        clear = is_clear(quality.read(np.s_[at, rows, columns])) & (observed != REFLECTANCE_FILL).all(1)
        wrong = (observed - forecasts[days > 0].astype(np.float64)).swapaxes(0, 1)[:, clear] * REFLECTANCE_SCALE
        errors.append(np.abs(wrong).ravel())
    pixels = np.concatenate(errors)
    # By the median, which thin cloud that the mask misses hardly moves; for normal errors, the root mean square.
    error = 1.4826 * float(np.median(pixels)) if pixels.size else 0.0
    if error > MOST_ERROR:
        raise InputError(
            f"{cube.path} shows another world than its recipe simulates now (error {error:.3f} where noise explains"
            f" {MOST_ERROR}); rebuild archive and cube with `mmvsf dataset --overwrite`"
        )
