"""A cube in a folder or a bucket: create its template, open it, and know what it holds."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.recipe.load import load_region, shipped_regions
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.datasets.storage.location import (
    Location,
    ensure_reachable,
    location,
    objects,
    read_each,
    read_errors,
    store_errors,
    zarr_store,
)
from mmvsf.datasets.storage.store import create_group, open_pixels, read_pixels, read_values
from mmvsf.datasets.variables import BAND_NAMES

from .calendar import SHARD_DAYS, Calendar
from .grid import BlockIndex, Grid
from .layout import FORMAT, FORMAT_VERSION, cube_layout
from .legend import Legend
from .spec import CubeSpec

OBJECT = re.compile(r".+/zarr\.json|.+/c(/\d+)*")
"""Names, below the root, of the metadata of a group or array and of its chunks (Zarr 3 with default chunk keys)."""


def cube_path(region: str, data_dir: Location) -> Location:
    """Where the cube of a region is."""
    return data_dir / f"{region}.zarr"


def find_cube(text: str, data_dir: Location) -> Location:
    """The cube at a path or an address, of a region by its name, or of a recipe by its path.

    Raises InputError for a name that is neither a cube's in `data_dir` nor a shipped recipe's, and for a path of a
    recipe as `load_region` does.
    """
    place = location(text)
    if not isinstance(place, Path):
        return place
    if place.suffix in (".yaml", ".yml"):
        return cube_path(load_region(text)[0].name, data_dir)
    if place.name != text or place.suffix or (place / "zarr.json").is_file():
        return place
    named = cube_path(text, data_dir)
    if isinstance(named, Path) and not named.exists() and text not in shipped_regions():
        raise InputError(
            f"there is no cube {named} and no recipe named '{text}'; choose one of {', '.join(shipped_regions())}, or"
            " give the path of a cube or of a recipe"
        )
    return named


@dataclass(frozen=True)
class Cube:
    """What a cube is and holds, read from its metadata; pixels stay where they are."""

    path: Location
    spec: CubeSpec
    complete: bool
    """True once the build was finished"""
    attributes: dict[str, Any]
    """all root attributes"""

    @property
    def region(self) -> Region:
        """The recipe that it was built from."""
        return self.spec.region

    @property
    def grid(self) -> Grid:
        return self.spec.grid

    @property
    def calendar(self) -> Calendar:
        return self.spec.calendar

    @property
    def legend(self) -> Legend | None:
        """The classes of its labels; None for a cube without labels."""
        return self.spec.legend

    @property
    def weather(self) -> tuple[str, ...]:
        """Weather variables."""
        return self.spec.weather

    @property
    def label_years(self) -> tuple[int, ...]:
        return self.spec.label_years

    @property
    def static_layers(self) -> tuple[str, ...]:
        """Layers that do not change with time (`variables.STATIC`)."""
        return self.spec.static_layers

    @property
    def confidence(self) -> bool:
        """True where `labels/confidence` is stored."""
        return self.spec.confidence

    @property
    def bands(self) -> tuple[str, ...]:
        return BAND_NAMES

    @property
    def years(self) -> tuple[int, ...]:
        """The names of its seasons."""
        return self.spec.years

    @property
    def season(self) -> SeasonSpec:
        """Where its seasons begin, and how they are named."""
        return self.region.period.season

    @property
    def season_of_day(self) -> NDArray[np.int32]:
        """(time,) the name of the season of every day of the calendar."""
        return self.season.names_of(self.calendar.days)

    @classmethod
    def open(cls, path: Location | str, *, allow_incomplete: bool = False) -> Self:
        """Open a cube at a path or an address. Raises InputError where there is none, or one of another format version,
        and IncompleteError where its build was not finished (unless `allow_incomplete`), or its bucket does not answer.
        """
        path = location(path)
        ensure_reachable(path)
        if not (path / "zarr.json").is_file():
            if (path / "imagery").is_dir():
                raise IncompleteError(f"the cube {path} is half made; run `mmvsf dataset` again to make it whole")
            raise InputError(f"there is no cube at {path}; make it with `mmvsf dataset`")
        attributes = root_attributes(path)
        if attributes.get("format") != FORMAT:
            raise InputError(f"{path} is a Zarr store but no cube of this kind (format is not '{FORMAT}')")
        if attributes.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"{path} has format version {attributes.get('format_version')}, this program reads version"
                f" {FORMAT_VERSION}; build it again, or install the version of mmvsf that made it"
                f" ({attributes.get('software', {}).get('mmvsf', 'unknown')})"
            )
        complete = bool(attributes.get("complete"))
        if not complete and not allow_incomplete:
            raise IncompleteError(f"the cube {path} is half built; run `mmvsf dataset` again to finish it")
        try:
            spec = CubeSpec.from_attributes(attributes, f"{path} (root attribute 'region')")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: root attribute {error} is missing or damaged; build the cube again") from error
        return cls(path, spec, complete, attributes)

    def array(self, name: str) -> NDArray[Any]:
        """A small array read whole, such as `imagery/status` or `splits/split`, as stored."""
        return read_values(self.path, name)

    def static(self, block: BlockIndex) -> dict[str, NDArray[np.float32]]:
        """The static layers of a block: name -> (block, block) float32 in the units of `variables.STATIC`, NaN where
        unknown; empty for a cube without. Raises InputError for a damaged shard."""
        place = self.grid.block_slices(block)
        return {name: read_pixels(open_pixels(self.path, f"static/{name}"), place) for name in self.static_layers}

    @cached_property
    def digest(self) -> str:
        """The digest that the finished build recorded."""
        return str(self.attributes.get("digest", ""))


def root_attributes(path: Location) -> dict[str, Any]:
    """The attributes of a Zarr 3 root group. Raises InputError if its zarr.json is none."""
    try:
        content = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        if content["node_type"] != "group":
            raise ValueError("it is no group")
        return dict(content.get("attributes", {}))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path / 'zarr.json'} is damaged or not of a cube ({one_line(error)}); build the cube again with"
            " `mmvsf dataset --overwrite`"
        ) from error


def create_template(path: Location, spec: CubeSpec, provenance: dict[str, Any]) -> None:
    """Create every array of a cube, empty. The root's zarr.json is written last and marks the template whole.

    `provenance` goes to the root attributes beside the specification. Raises OSError if the disk refuses.
    """
    for group in cube_layout(spec):
        create_group(path, group)
    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "complete": False,
        **spec.attributes(),
        **provenance,
    }
    with store_errors(path):
        zarr.create_group(zarr_store(path), zarr_format=3, attributes=attributes)


def open_cube(path: Location | str) -> xr.DataTree:
    """The cube at a path or at `s3://bucket/...`, as an xarray DataTree; reflectance is decoded.

    Where Dask is installed the arrays are Dask arrays with chunks as large as the cube's shards; elsewhere they are
    read when they are indexed.
    Raises InputError or IncompleteError as `Cube.open` does.
    """
    cube = Cube.open(location(path))
    shards = {"time": SHARD_DAYS, "y": cube.grid.block, "x": cube.grid.block}
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=cube.attributes)}
    with read_errors(cube.path):
        for name, group in sorted(zarr.open_group(zarr_store(cube.path), mode="r", use_consolidated=False).groups()):
            # Where nothing is sharded, an array's own chunks are as good as any.
            chunks = shards if any(array.shards for _, array in group.arrays()) else {}
            groups[name] = xr.open_zarr(
                zarr_store(cube.path / name),
                chunks=chunks if find_spec("dask") else None,
                consolidated=False,
                decode_timedelta=False,  # hours of a day stay numbers, whatever the version of xarray
            )
    return xr.DataTree.from_dict(groups)


def digest(path: Location) -> str:
    """The identity of a cube: SHA-256 over the names and contents of every array's metadata and chunk objects and of
    the child groups' metadata, by name. Provenance (the root's metadata) and files that are no objects of a Zarr store
    are left out, so two builds of the same data agree, wherever they are."""
    names = (name for name, _ in objects(path) if OBJECT.fullmatch(name))
    total = sha256()
    for name, content in read_each(path, names):
        if content is not None:
            total.update(name.encode())
            total.update(sha256(content).digest())
    return total.hexdigest()
