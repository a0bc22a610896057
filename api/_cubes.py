"""Recipes and finished cubes: read, open, check, export, publish."""

from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from mmvsf.datasets.cube import tree
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, location
from mmvsf.datasets.storage.object_path import ObjectPath

if TYPE_CHECKING:
    from mmvsf.pipeline.inspect.check_result import CheckReport


def load_recipe(recipe: str | Path) -> Region:
    """Read a recipe: the name of a shipped recipe, or the path of a YAML file.

    Raises InputError if it does not exist or is not valid.

    >>> import mmvsf
    >>> mmvsf.load_recipe("iowa").imagery.products
    ('hls-l30', 'hls-s30')
    """
    return load_region(str(recipe))[0]


def open_cube(cube: str | Path) -> xr.DataTree:
    """Open a cube at a path or an address (`s3://bucket/...`, `gs://`, `az://`, `https://`) as an xarray DataTree.

    Dask chunks are as large as the cube's shards; reflectance is decoded to float. Raises InputError if there is no
    cube, IncompleteError if its build is not finished.

    >>> import mmvsf
    >>> tree = mmvsf.open_cube("data/tiny.zarr")
    >>> sorted(tree.children)
    ['overviews', 'scenes', 'seasons', 'tiles']
    >>> tile = next(iter(tree["tiles"].children.values()))
    >>> sorted(tile.children)
    ['blocks', 'chunks', 'imagery', 'labels', 'weather']
    >>> tile["imagery/reflectance"].dims
    ('time', 'band', 'y', 'x')
    """
    return tree.open_cube(_location(cube))


def check(cube: str | Path, *, sample_only: bool = False) -> "CheckReport":
    """Check a cube's structure, value ranges and coverage, and the consistency of its parts.

    `sample_only` checks only a sample of the pixels. Raises InputError or IncompleteError if there is no finished cube.

    >>> import mmvsf
    >>> [item.name for item in mmvsf.check("data/tiny.zarr").checks if not item.ok]
    []
    """
    from mmvsf.pipeline.inspect.check import check_cube

    return check_cube(_location(cube), sample_only=sample_only)


def export(
    cube: str | Path,
    out: str | Path,
    what: str = "reflectance",
    *,
    day: str | None = None,
    start: str | None = None,
    end: str | None = None,
    year: int | None = None,
    reduce: str | None = None,
    block: str | None = None,
    site: str | None = None,
    bbox: tuple[float, float, float, float] | None = None,
    metres: bool = False,
    polygon: str | Path | None = None,
    form: str = "tif",
) -> list[Path]:
    """Write a part of a cube to `out`: a Cloud-Optimized GeoTIFF (.tif), NetCDF (.nc) or Zarr (.zarr), by its suffix,
    or a folder with one file of the format `form` for each site or cluster of blocks. Returns the files.

    `what`: `reflectance`, `ndvi`, `quality` or `scene`; `crop`, `purity` or `confidence`; `weather` or one variable;
    `static` or one layer. When: a `day` (YYYY-MM-DD), the days from `start` to `end`, or the season or labels of a
    `year`. Several days are combined by `reduce`: `median` (of clear pixels, the default for images), `mean` (the
    default for weather, with sums for rain and radiation), or `none`, which keeps all days. Where: a `block`
    (`x12_y-3` or `ROW,COLUMN`), a `site` by its name, a `bbox` (west, south, east, north in degrees, or in the cube's
    CRS with `metres`), or the polygons of a vector file (`polygon`). Only these days and blocks are read.

    Raises InputError, before anything is written, for options that cannot be combined, for data that the cube does not
    have, and for an area that it does not cover for the most part.

    >>> import mmvsf
    >>> [file.name for file in mmvsf.export("data/tiny.zarr", "crop.tif", "crop", year=2021)]
    ['crop.tif']
    >>> [file.name for file in mmvsf.export("data/tiny.zarr", "maps", "ndvi", year=2021, form="nc")]
    ['ndvi_c1.nc']
    """
    from mmvsf.pipeline.export.area import AreaRequest
    from mmvsf.pipeline.export.request import Request
    from mmvsf.pipeline.export.run import export as write

    request = Request(what, day, start, end, year, reduce)
    where = AreaRequest(block, site, bbox, metres, None if polygon is None else Path(polygon))
    return write(_location(cube), Path(out), request, where, form)


def publish(cube: str | Path, url: str | None = None) -> list[Path | ObjectPath]:
    """Write metadata for catalogues and hubs: a STAC collection with an item for each tile, GeoCroissant metadata and
    a dataset card, in the folder `<name>.publish` beside the cube. Returns the files.

    `url` is the address of the published cube; without it, links are relative to the folder. Raises InputError or
    IncompleteError if there is no finished cube.

    >>> import mmvsf
    >>> sorted(file.name for file in mmvsf.publish("data/tiny.zarr"))
    ['README.md', 'collection.json', 'croissant.json', 'x65_y1210.json']
    """
    from mmvsf.pipeline.publish.run import publish as write

    return write(_location(cube), url)


def _location(cube: str | Path) -> Location:
    return location(str(cube))
