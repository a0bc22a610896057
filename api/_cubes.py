"""Recipes and finished cubes: read, open, check, export."""

from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from mmvsf.datasets.cube import tree
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, location

if TYPE_CHECKING:
    from mmvsf.pipeline.inspect.check_result import CheckReport


def load_recipe(recipe: str | Path) -> Region:
    """Read a recipe by the name of a shipped one, or by the path of a YAML file.

    Raises InputError if there is none, or if it is not valid.

    >>> import mmvsf
    >>> mmvsf.load_recipe("iowa").imagery.products
    ('hls-l30', 'hls-s30')
    """
    return load_region(str(recipe))[0]


def open_cube(cube: str | Path) -> xr.DataTree:
    """Open a cube at a path or an address (`s3://bucket/...`, `gs://`, `az://`, `https://`) as an xarray DataTree.

    Dask chunks are as large as the cube's shards; reflectance is decoded to float. Raises InputError where there is no
    cube, IncompleteError for one whose build is not finished.

    >>> import mmvsf
    >>> tree = mmvsf.open_cube("data/tiny.zarr")
    >>> sorted(tree.children)
    ['scenes', 'seasons', 'tiles']
    >>> tile = next(iter(tree["tiles"].children.values()))
    >>> sorted(tile.children)
    ['blocks', 'chunks', 'imagery', 'labels', 'weather']
    >>> tile["imagery/reflectance"].dims
    ('time', 'band', 'y', 'x')
    """
    return tree.open_cube(_location(cube))


def check(cube: str | Path, *, sample_only: bool = False) -> "CheckReport":
    """Check a cube's structure, ranges, coverage and the agreement of its parts.

    `sample_only` looks at few pixels. Raises InputError or IncompleteError where there is no finished cube.

    >>> import mmvsf
    >>> [item.name for item in mmvsf.check("data/tiny.zarr").checks if not item.ok]
    []
    """
    from mmvsf.pipeline.inspect.check import check_cube

    return check_cube(_location(cube), sample_only=sample_only)


def export(cube: str | Path, out: str | Path, what: str, *, day: str | None = None, year: int | None = None) -> Path:
    """Write a day of imagery (`reflectance`, `quality`, `scene`) or a year of labels (`crop`, `purity`) as a
    Cloud-Optimized GeoTIFF, and return its path.

    `day` is YYYY-MM-DD. Raises InputError for a day, a year or an array that the cube does not have.

    >>> import mmvsf
    >>> mmvsf.export("data/tiny.zarr", "crop.tif", "crop", year=2021).name
    'crop.tif'
    """
    from mmvsf.pipeline.inspect.export import export_geotiff

    export_geotiff(_location(cube), Path(out), what, day, year)
    return Path(out)


def _location(cube: str | Path) -> Location:
    return location(str(cube))
