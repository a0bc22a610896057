"""The archive that a simulated region needs: created from its recipe unless a finished one exists."""

import shutil
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import resolve_path
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.raster.proj_data import refuse_foreign_proj_data

from .archive import is_finished, simulate
from .numbers import FOLDER, write_numbers
from .spec import DOSES, Site, WorldSpec

BYTES_PER_SITE_YEAR = 6_000_000
"""Size of the archive of one 96 x 96 pixel site and one season, measured."""


def make_archive(region: Region, path: Path, data_dir: Path, workers: int, console: Console) -> None:
    """Simulate the archive of a region, whose recipe is the file `path`, unless a finished one exists, and add the
    numbers of its fields where a target of the recipe names one of them.

    Raises InputError if the recipe's grid does not suit the simulation, OSError if the disk refuses.
    """
    if region.simulate is None:
        raise ValueError(f"{region.name} is not simulated")
    refuse_foreign_proj_data()
    root = resolve_path(region.simulate.path, path, data_dir)
    _refuse_other_folder(root, path, data_dir)
    spec = world_spec(region)
    sites = world_sites(region, spec, grid_from_recipe(region, path, data_dir), path)
    _simulate(region, spec, sites, root, path, workers, console)
    targets = [resolve_path(target.path, path, data_dir) for target in region.targets.values() if target.path]
    if any(root / FOLDER in target.parents for target in targets):
        write_numbers(spec, sites, root)


def _simulate(
    region: Region, spec: WorldSpec, sites: list[Site], root: Path, path: Path, workers: int, console: Console
) -> None:
    """Write the archive unless it exists. Raises as `make_archive`."""
    if is_finished(spec, sites, root):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    needed = BYTES_PER_SITE_YEAR * len(sites) * len(spec.years)
    free = shutil.disk_usage(root.parent).free
    if free < 2 * needed:
        raise InputError(
            f"the simulated archive and its cube need about {2 * needed / 1e6:.0f} MB at {root.parent}, and"
            f" {free / 1e6:.0f} MB are free; free some space or choose another --data-dir"
        )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("simulating the archive", total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        try:
            simulate(spec, sites, root, workers=workers, progress=update)
        except ValueError as error:
            raise InputError(f"{path}: this grid cannot be simulated: {error}") from error


def _refuse_other_folder(root: Path, recipe: Path, data_dir: Path) -> None:
    """Raise InputError for an archive outside the data folder, which is all that a recipe may change."""
    if data_dir.resolve() not in root.resolve().parents:
        raise InputError(f"{recipe}: simulate.path ({root}) is outside the data folder; begin it with {{data_dir}}/")


def world_spec(region: Region) -> WorldSpec:
    """The world that a region simulates. Raises InputError for a region that is not simulated."""
    simulation = region.simulate
    if simulation is None:
        raise InputError(f"region '{region.name}' is not simulated: its recipe has no `simulate` section")
    season = region.period.season
    if simulation.southern and (season.begins, season.label) != ("10-01", "end"):
        needed = 'period.season: {from: "10-01", label: end}'
        raise InputError(f"region '{region.name}': simulate.southern needs {needed}")
    if not simulation.southern and not season.is_calendar_year:
        raise InputError(f"region '{region.name}': its simulated seasons are calendar years; remove period.season")
    first, last = region.period.seasons[0].first.year, region.period.seasons[-1].first.year
    doses = {name: getattr(simulation, name) for name in DOSES}
    return WorldSpec(simulation.seed, first, last, southern=simulation.southern, **doses)


def world_sites(region: Region, spec: WorldSpec, grid: Grid, where: object) -> list[Site]:
    """The simulated sites: the block of the grid that each lies in. Raises InputError where the region, read from the
    recipe or cube `where`, has none, or a grid that does not suit the simulation."""
    if region.area.sites is None:
        raise InputError(f"{where}: a simulated region needs area.sites")
    try:
        return [
            Site(site.name, spec.placement.site(grid.block_geobox(grid.block_of_point(site.lon, site.lat))))
            for site in region.area.sites
        ]
    except ValueError as error:
        raise InputError(f"{where}: this grid cannot be simulated: {error}") from error
