"""All public services at once, on loopback, for a recipe of HLS or Sentinel-2 anywhere on earth:

    python -m tests.servers.public iowa --blocks 2
    python -m tests.servers.public kenya.yaml --blocks 2         # as `mmvsf new kenya --bbox ...` wrote it

makes up granules over the recipe's first blocks, serves them as the Planetary Computer and HLS also as Earth Engine
does, beside the weather of gridMET, meteostat, NASA POWER and ECMWF, the ground and CropScape, and prints what to
export. In another shell, with those variables set,

    make dataset REGION=iowa ARGS="--blocks 2"
    make dataset REGION=iowa ARGS="--blocks 2" SOURCE=earthengine DATA_DIR=data/earthengine

build the recipe as it is, with no network. `python -m tests.two_sources` does all of that and compares the cubes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.recipe.load import load_region
from mmvsf.pipeline.layers.source import SourceSite

from .archive import ArchiveServer
from .base import wait
from .cropscape import CropScape
from .earthengine import EarthEngine, archive_images
from .earthengine_public import cdl_images, gridmet_images, ground_images
from .granules import write_granules
from .reanalysis import ReanalysisServer
from .weather import WeatherServer, stations_over


@contextmanager
def public_services(recipe: str, blocks: int | None, every: int) -> Iterator[dict[str, str]]:
    """Serve all that a recipe needs while the context lasts; gives the variables that send the pipeline there."""
    region, path = load_region(recipe, blocks=blocks)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        grid = grid_from_recipe(region, path, root)
        number = write_granules(root, region, grid, every)
        print(f"# {number} granules over {len(grid.blocks)} blocks of {region.name}", flush=True)
        years = region.labels.years if region.labels else region.period.years
        images = [
            *archive_images(root),
            *gridmet_images(region.weather_start, region.period.end + timedelta(1)),
            *cdl_images(range(min(years), max(years) + 1)),
            *ground_images(),
        ]
        weather = WeatherServer()
        weather.weather.stations = stations_over(*SourceSite(grid, Path(), Path()).weather_bounds)
        servers = (ArchiveServer(root, access="sas"), weather, ReanalysisServer(), CropScape(), EarthEngine(images))
        environment: dict[str, str] = {"NO_GCE_CHECK": "true"}
        for server in servers:
            environment |= stack.enter_context(server).environment()
        yield environment


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What `public_services` is asked for on a command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="iowa", help="a shipped recipe, or the path of one")
    parser.add_argument("--blocks", type=int, default=2, help="the recipe's first so many blocks")
    parser.add_argument("--every", type=int, default=4, help="every so manieth overflight; 1 is all of them")
    return parser


if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    with public_services(given.recipe, given.blocks, given.every) as environment:
        print(f"# in another shell, with these set: mmvsf dataset {given.recipe} --blocks {given.blocks}")
        wait(environment)
