"""The step before the build for recipes whose archive is simulated: create the archive unless it exists."""

from pathlib import Path

from rich.console import Console

from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region


def ensure_archive(recipe: Region | Path | str, data_dir: Path, workers: int, console: Console) -> None:
    """Simulate the archive of a recipe that asks for it, unless a finished one exists.

    Raises InputError if the recipe's grid does not suit the simulation, OSError if the disk refuses.
    """
    region, path = read_recipe(recipe)
    if region.simulate is None:
        return
    from .make import make_archive  # the simulation takes a second to import, and no other region needs it

    make_archive(region, path, data_dir, workers, console)
