"""Writes the weather experiments of a simulated region; see `mmvsf.datasets.sidecars.experiments`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.windows import HELD_OUT, Window, chunk_window, clear_days, split_name, spread
from mmvsf.datasets.sidecars.experiments import AS_IT_CAME, IMAGES, experiments_layout, experiments_path
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import create_group, finish_writes, open_pixels, set_root_attributes, write_values
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE, Split

from .branches import BranchingSeason
from .inference import Float, expected
from .make import world_sites, world_spec
from .oracle import images_of_units, refuse_unfit
from .oracle_forecast import Inference, infer
from .scenarios import SCENARIOS, applies, other_weather
from .spec import GENERATOR_VERSION, Site
from .weather import VARIABLES, SiteWeather
from .window_view import WindowViews
from .world import SiteWorld, truth

LEADS = (12, 24, 36, 48, 60)
ORIGINS = ("05-10", "06-12", "07-15")
"""Month and day at whose end the images of a case end."""
WINDOWS = 2
"""Of each site and year."""
SIZE = 32
LEAST_IMAGES = 2
VERSION = 2
"""Raised whenever the same cube would get other experiments."""

_NOT_NEGATIVE = ("precipitation", "vpd", "radiation")

Case = tuple[Window, int]
Applies = NDArray[np.uint8]
Weather = NDArray[np.float32]
Images = NDArray[np.int16]
Progress = Callable[[int, int], None]


def make_experiments(cube: Cube, progress: Progress = lambda done, total: None) -> Location:
    """Write the experiments of the held-out places and years beside the cube, of all where it holds out none. Those of
    this cube that exist are kept.

    Raises InputError for a region that is not simulated, or is southern, for a cube that has no weather, and where no
    window has the images; OSError where the disk refuses.
    """
    spec = world_spec(cube.region)
    refuse_unfit(cube, spec)
    path = experiments_path(cube)
    scenarios = (AS_IT_CAME, *SCENARIOS)
    identity = {
        "cube": cube.digest,
        "generator_version": GENERATOR_VERSION,
        "version": VERSION,
        "spec": asdict(spec),
        "scenarios": list(scenarios),
    }
    wanted = json.loads(json.dumps({**identity, "complete": True}))
    if (path / "zarr.json").is_file():
        attributes = root_attributes(path)
        if all(attributes.get(key) == value for key, value in wanted.items()):
            return path
    sites = world_sites(cube.region, spec, cube.grid, str(cube.path))
    units = list(_units(cube, sites))
    cases = [case for _, unit in units for case in unit]
    if not cases:
        raise InputError(f"{cube.path}: no held-out window has {LEAST_IMAGES} clear images by {ORIGINS[0]}")
    worlds = truth(spec, sites)
    results, views = [], WindowViews(cube.grid)
    for number, (site, unit) in enumerate(units):
        progress(number, len(units))
        results.append(_Experiments(cube, worlds[site.name], unit, views).run())
    progress(len(units), len(units))
    create_group(path.parent, experiments_layout(path.name, cube, cases, LEADS, scenarios, identity))
    for name, values in zip(("applies", "weather"), (0, 1), strict=True):
        write_values(path, name, np.concatenate([result[values] for result in results]))
    images = (np.concatenate([result[at] for result in results]) for at in (2, 3))
    writes = zip(IMAGES, images, strict=True)
    finish_writes([open_pixels(path, name, write=True).write(values) for name, values in writes], path)
    set_root_attributes(path, {"complete": True})
    return path


def _units(cube: Cube, sites: Sequence[Site]) -> Iterator[tuple[Site, list[Case]]]:
    """The cases of each site in each year that is held out by place or by year; of all where none is."""
    fold, clear, n = Fold.of(cube), clear_days(cube), cube.grid.chunks_per_block
    held_out = (fold.years == Split.TEST).any() or (fold.places == Split.TEST).any()
    for site in sites:
        by, bx = cube.grid.block_of_point(*site.geobox.geographic_extent.centroid.coords[0])
        if (by, bx) not in cube.grid.blocks:
            continue
        chunks = [(by * n + y, bx * n + x) for y in range(n) for x in range(n)]
        for year, code in zip(cube.years, fold.years, strict=True):
            if held_out and split_name(int(fold.places[chunks[0]]), int(code)) not in HELD_OUT:
                continue
            windows = [chunk_window(cube, *chunk, year, clear) for chunk in chunks]
            tiles = [tile for window in windows for tile in window.tiles(min(SIZE, cube.grid.chunk))]
            cases = [case for window in spread(tiles, WINDOWS) for case in _cases(cube, window)]
            if cases:
                yield site, cases


def _cases(cube: Cube, window: Window) -> Iterator[Case]:
    """The last clear day up to each of ORIGINS, where there are images enough, and the season has all targets."""
    last = min(cube.season.season(window.year).last_number, int(cube.calendar.days[-1])) - max(LEADS)
    for text in ORIGINS:
        latest = int(np.datetime64(f"{window.year}-{text}").astype(int))
        seen = window.days[window.days <= latest]
        if len(seen) >= LEAST_IMAGES and seen[-1] <= last:
            yield window, int(seen[-1])


class _Experiments:
    """Those of a site and year."""

    def __init__(self, cube: Cube, world: SiteWorld, cases: Sequence[Case], views: WindowViews) -> None:
        self.cube, self.world, self.cases, self.views = cube, world, cases, views
        self.year, self.size = cases[0][0].year, cases[0][0].size
        self.origins = sorted({origin for _, origin in cases})
        targets = sorted({origin + lead for origin in self.origins for lead in LEADS})
        self.told = BranchingSeason(world, world.hidden(self.year), self.year, targets, self.origins)
        self.inference = self._inference()

    def run(self) -> tuple[Applies, Weather, Images, Images]:
        """(applies, weather, truth, inferred) of the cases, as in the layout."""
        applied = np.zeros((len(self.cases), 1 + len(SCENARIOS)), np.uint8)
        weather = np.full((*applied.shape, max(LEADS), len(self.cube.weather)), np.nan, np.float32)
        shape = (*applied.shape, len(LEADS), len(self.cube.bands), self.size, self.size)
        truth, inferred = (np.full(shape, REFLECTANCE_FILL, np.int16) for _ in IMAGES)
        branches: dict[tuple[int, str], tuple[Float, Float]] = {}
        for number, (part, origin) in enumerate(self.cases):
            delivered = _delivered(self.cube, part, origin)
            for scenario, name in enumerate((AS_IT_CAME, *SCENARIOS)):
                if name != AS_IT_CAME and not applies(name, origin):
                    continue
                applied[number, scenario] = 1
                other = self._weather(name, origin)
                weather[number, scenario] = delivered + _difference(
                    self.world.weather, other, origin, self.cube.weather
                )
                if (origin, name) not in branches:
                    branches[origin, name] = self._branch(origin, other)
                for images, fields in zip((truth, inferred), branches[origin, name], strict=True):
                    for lead, field in enumerate(fields):
                        image = self.views.of(self.world, part).image(field)
                        images[number, scenario, lead] = np.rint(image / REFLECTANCE_SCALE)
        rain = [at for at, name in enumerate(self.cube.weather) if name in _NOT_NEGATIVE]
        weather[..., rain] = np.maximum(weather[..., rain], 0)
        return applied, weather, truth, inferred

    def _weather(self, scenario: str, origin: int) -> SiteWeather:
        if scenario == AS_IT_CAME:
            return self.world.weather
        return other_weather(scenario, self.world.weather, origin, max(LEADS))

    def _branch(self, origin: int, other: SiteWeather) -> tuple[Float, Float]:
        """(lead, units, 6) under other weather from the origin on: what comes, and what the oracle expects."""
        days = np.array([origin + lead for lead in LEADS])
        spec, real = self.world.spec, self.world.weather
        crops, soil = (other.dosed(dose, real) for dose in (spec.crop_dose, spec.soil_dose))
        drawn = self.inference.drawn.branch(origin, days, crops, soil)
        return self.told.branch(origin, days, crops, soil), expected(self.inference.posteriors[origin], drawn)

    def _inference(self) -> Inference:
        clear, n = clear_days(self.cube), self.cube.grid.chunks_per_block
        grid, first = self.cube.grid, self.cases[0][0]
        by, bx = first.row // grid.block, first.column // grid.block
        chunks = [(by * n + y, bx * n + x) for y in range(n) for x in range(n)]
        whole = [chunk_window(self.cube, *chunk, self.year, clear) for chunk in chunks]
        windows = [tile for window in whole for tile in window.tiles(min(SIZE, grid.chunk))]
        views = [self.views.of(self.world, window) for window in windows]
        images = images_of_units(self.cube, self.world, windows, views)
        return infer(self.world, self.year, images, self.origins)


def _delivered(cube: Cube, window: Window, origin: int) -> NDArray[np.float64]:
    """(day, variable): the weather of the cube from the origin on."""
    first = origin - cube.calendar.first_day
    rows = slice(first, first + max(LEADS))
    return np.stack([cube.array(f"weather/{name}")[rows, *window.cell] for name in cube.weather], axis=-1)


def _difference(real: SiteWeather, other: SiteWeather, origin: int, variables: Sequence[str]) -> NDArray[np.float64]:
    """(day, variable): other weather less the real one at a site; the cube's, that of a weather cell, is a little
    different from both."""
    first = int((np.datetime64(origin, "D") - real.days[0]).astype(int))
    rows = slice(first, first + max(LEADS))
    changes = {name: other[name][rows] - real[name][rows] for name in VARIABLES}
    return np.stack([changes.get(name, np.zeros(max(LEADS))) for name in variables], axis=-1)
