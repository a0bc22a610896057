"""Planning and building cubes from Python; the commands `mmvsf plan`, `dataset` and `extend` do the same."""

from pathlib import Path

from rich.console import Console

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import ensure_reachable, local_folder, location
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.extend import extend as extend_cube
from mmvsf.pipeline.build.extend import open_target_cube, plan_extension
from mmvsf.pipeline.build.plan import BuildPlan, build_plan
from mmvsf.pipeline.build.run import Progress
from mmvsf.pipeline.build.run import build as build_cube
from mmvsf.pipeline.build.seal import finished_build
from mmvsf.pipeline.build.sources import GivenSources
from mmvsf.pipeline.inspect.check import check_opened
from mmvsf.pipeline.sandbox.ensure import ensure_archive

Recipe = Region | str | Path
"""A recipe made in Python, the name of a shipped one, or the path of a YAML file"""

_SILENT = Progress(lambda phase, done, total, pixels: None)


def plan(
    recipe: Recipe,
    data_dir: str | Path = "data",
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    sources: GivenSources | None = None,
) -> BuildPlan:
    """Plan a build without reading a pixel.

    `source` reads all data of a public recipe from `public` archives or from `earthengine`; `blocks` is the number of
    blocks to build, or `"all"`; `sources` replace those that the recipe names. Weather from a service is not fetched.
    Raises InputError for anything wrong with the recipe.

    >>> import mmvsf
    >>> len(mmvsf.plan("tiny.yaml").grid.blocks)
    6
    """
    _simulate(recipe, data_dir, 1)
    return build_plan(recipe, location(str(data_dir)), source=source, blocks=blocks, given=sources, only_shown=True)


def build(
    recipe: Recipe,
    data_dir: str | Path = "data",
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    sources: GivenSources | None = None,
    workers: int | None = 1,
    scheduler: str | None = None,
    accept_failed: bool = False,
    overwrite: bool = False,
    fewer_scenes: bool = False,
    progress: Progress = _SILENT,
) -> Cube:
    """Build a cube, or finish one that was interrupted, and return it.

    `workers` is the number of threads in this process; None means one per processor. More than 8 workers are processes,
    which import the calling script: call `build` under `if __name__ == "__main__":`. `scheduler` is the address of a
    Dask cluster. The other arguments are those of `plan`; `accept_failed` leaves out scenes that cannot be read,
    `overwrite` deletes the existing cube, and `fewer_scenes` removes scenes that a catalogue lists no longer, which are
    an error otherwise. Raises InputError for anything wrong with the recipe, IncompleteError if
    something could not be read (everything else is done and kept, and the next call tries again), OSError if writing
    fails.

    >>> import mmvsf
    >>> cube = mmvsf.build("tiny.yaml")
    >>> cube.complete, cube.years
    (True, (2020, 2021))
    """
    target = location(str(data_dir))
    ensure_reachable(target)
    if sources is None and not overwrite and (finished := finished_build(recipe, target, source=source, blocks=blocks)):
        return Cube.open(finished.cube)
    with executor(workers, scheduler) as run:
        _simulate(recipe, data_dir, run.workers)
        made = build_plan(recipe, target, source=source, blocks=blocks, given=sources)
        build_cube(
            made, run, progress, accept_failed=accept_failed, overwrite=overwrite, fewer_scenes=fewer_scenes,
            check=_refuse_unsound,
        )  # fmt: skip
    return Cube.open(made.cube)


def extend(
    recipe: Recipe,
    data_dir: str | Path = "data",
    *,
    source: str | None = None,
    blocks: int | str | None = None,
    sources: GivenSources | None = None,
    workers: int | None = 1,
    scheduler: str | None = None,
    accept_failed: bool = False,
    progress: Progress = _SILENT,
) -> Cube:
    """Extend a cube in place with what has been added to its recipe, and return it.

    Arguments and errors are those of `build`. Raises InputError if something has been removed from the recipe.

    >>> import mmvsf
    >>> mmvsf.extend("tiny.yaml").complete
    True
    """
    target = location(str(data_dir))
    cube = open_target_cube(recipe, target, source=source, blocks=blocks)
    with executor(workers, scheduler) as run:
        _simulate(recipe, data_dir, run.workers)
        made = plan_extension(cube, recipe, target, source=source, blocks=blocks, given=sources)
        extend_cube(cube, made, run, progress, accept_failed=accept_failed, check=_refuse_unsound)
    return Cube.open(made.cube)


def _refuse_unsound(cube: Cube) -> None:
    """Raise IncompleteError for a cube that is not sound."""
    check_opened(cube, sample_only=True).raise_for_problems()


def _simulate(recipe: Recipe, data_dir: str | Path, workers: int) -> None:
    """Create the archive of a simulated region if it does not exist yet; do nothing for other regions."""
    region, _ = read_recipe(recipe)
    if region.simulate is not None:
        ensure_archive(recipe, local_folder(location(str(data_dir))), workers, Console(quiet=True))
