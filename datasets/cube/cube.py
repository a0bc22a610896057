"""A cube in a folder or a bucket: find it, open it, and read what it holds."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.recipe.load import load_region, shipped_regions
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.datasets.storage.location import Location, ensure_reachable, location, read_errors, zarr_store
from mmvsf.datasets.storage.manifest import ROOT, trusted_manifest
from mmvsf.datasets.storage.store import CACHE_BYTES
from mmvsf.datasets.storage.verified import VerifiedObjects, VerifiedStore

from .calendar import Calendar
from .describe import describe_object
from .grid import BlockIndex, Grid
from .layout import FORMAT, FORMAT_VERSION
from .legend import Legend
from .paths import cube_path
from .pixels import PixelArray
from .place import join, slices_of
from .sites import blocks_of_sites, place_of
from .spec import CubeSpec

if TYPE_CHECKING:
    from xarray import Dataset

WHOLE = ("seasons", "scenes")
"""Groups that are not divided into tiles"""


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
    """A cube, described by its metadata; pixels are read only on request."""

    path: Location
    spec: CubeSpec
    complete: bool
    """True once the build was finished"""
    attributes: dict[str, Any]
    """all root attributes"""
    objects: VerifiedObjects | None = field(default=None, compare=False)
    """the objects with their recorded lengths and hashes; None for a cube that is not complete"""

    @property
    def region(self) -> Region:
        """The recipe that the cube was built from."""
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
    def polarisations(self) -> tuple[str, ...]:
        """Polarisations of its radar, in the order in which they are stored."""
        return self.spec.polarisations

    @property
    def orbits(self) -> tuple[str, ...]:
        """Directions of the passes of its radar, each an array of the group `radar`."""
        return self.spec.orbits

    @property
    def targets(self) -> tuple[str, ...]:
        """Numerical quantities by season, such as yields, sorted by name."""
        return self.spec.targets

    @property
    def confidence(self) -> bool:
        """Whether `labels/confidence` is stored."""
        return self.spec.confidence

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of its bands, in the order in which they are stored; `variables.band_named` describes one."""
        return self.region.imagery.bands

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
        """Open a cube at a path or an address. Raises InputError if there is none, or one of another format version,
        and IncompleteError if its build was not finished (unless `allow_incomplete`) or its bucket does not answer.
        """
        path = location(path)
        ensure_reachable(path)
        if not (path / "zarr.json").is_file():
            if (path / ROOT).is_file():
                raise InputError(f"{path / 'zarr.json'} is missing; run `mmvsf repair` to restore it")
            if (path / "tiles").is_dir():
                raise IncompleteError(f"the cube {path} is incomplete; run `mmvsf dataset` again to finish it")
            raise InputError(f"there is no cube at {path}; build it with `mmvsf dataset`")
        attributes = root_attributes(path)
        if attributes.get("format") != FORMAT:
            raise InputError(f"{path} is a Zarr store but not a cube (format is not '{FORMAT}')")
        if attributes.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"{path} has format version {attributes.get('format_version')}, this program reads version"
                f" {FORMAT_VERSION}; build it again with `mmvsf dataset --overwrite`, or install the version of mmvsf"
                f" that made it ({attributes.get('software', {}).get('mmvsf', 'unknown')})"
            )
        complete = bool(attributes.get("complete"))
        if not complete and not allow_incomplete:
            raise IncompleteError(f"the cube {path} is incomplete; run `mmvsf dataset` again to finish it")
        try:
            spec = CubeSpec.from_attributes(attributes, f"{path} (root attribute 'region')")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: root attribute {error} is missing or damaged; build the cube again") from error
        return cls(path, spec, complete, attributes, _verified(path, spec) if complete else None)

    def check_object(self, name: str) -> bool:
        """Check an object when it is first used, see `VerifiedObjects.check`; in a cube that is not complete, whether
        it exists."""
        if self.objects is not None:
            return self.objects.check(name)
        return (self.path / name).is_file()

    def pixels(self, name: str, cache_bytes: int = CACHE_BYTES) -> PixelArray:
        """An array over the pixels of the whole grid, such as `imagery/reflectance`.

        Raises KeyError for an array that the cube does not have.
        """
        return PixelArray(self, name, cache_bytes)

    def store(self, prefix: str = "") -> Any:
        """The cube, or the part of it below `prefix` (with a slash at its end), as a store of zarr-python that checks
        what it reads."""
        from zarr.storage import LocalStore

        where = zarr_store(self.path / prefix.rstrip("/") if prefix else self.path)
        store = LocalStore(where, read_only=True) if isinstance(where, str) else where
        return store if self.objects is None else VerifiedStore(store, self.objects, prefix)

    def array(self, name: str) -> NDArray[Any]:
        """A small array, read whole and as stored: over the whole grid, such as `blocks/status`, `chunks/split` or
        `weather/tmin`, or of the groups `seasons` and `scenes`.

        Raises InputError if it is damaged, FileNotFoundError if an incomplete cube does not have it.
        """
        group = name.partition("/")[0]
        if group in WHOLE:
            return self.stored(name)
        spec = self.spec.array(name)
        if "y" not in spec.dims:
            return self.stored(f"tiles/{self.grid.tiles[0].name}/{name}")
        whole = join(self.grid, spec.shape, spec.dims, group, spec.fill, spec.dtype)
        at = spec.dims.index("y")
        for tile in self.grid.tiles:
            place = (*(slice(None),) * at, *slices_of(self.grid, tile, group))
            values = self.stored(f"tiles/{tile.name}/{name}")
            present = values == values if values.dtype.kind == "f" else True  # cells on an edge are in both tiles
            np.copyto(whole[place], values, where=present)
        return whole

    def stored(self, name: str, index: Any = ...) -> NDArray[Any]:
        """An array by its name in the store, or a part of it. Raises as `array` does."""
        with read_errors(self.path / name):
            return np.asarray(zarr.open_array(self.store(), path=name, mode="r")[index])

    def sel(
        self, group: str = "imagery", bbox: tuple[float, float, float, float] | None = None, *, site: str | None = None
    ) -> "Dataset":
        """One group (`imagery`, `radar`, `labels`, `weather`, `static`, `targets`, `blocks` or `chunks`) over all tiles
        that intersect a box (west, south, east, north in degrees), over the blocks of one of the `sites`, or over the
        whole grid: a lazy xarray Dataset with x and y in metres and a CRS. Where the recipe covers no block, it holds
        the fill value.

        Reflectance and backscatter are decoded to float32. With Dask, every chunk lies in one shard; without Dask,
        arrays are read when they are indexed. Reads are checked against the manifest. Raises InputError for a group
        that the cube does not have, a box outside the cube and an unknown site, and on reading for objects that are
        missing or damaged.
        """
        from .select import select

        return select(self, group, bbox, site)

    @property
    def sites(self) -> dict[str, tuple[float, float, float, float]]:
        """Name -> (west, south, east, north) in degrees, of the sites of the recipe, or of the clusters `c1`, `c2`, ...
        of connected blocks."""
        from .select import box_of, to_degrees

        sites = blocks_of_sites(self.region, self.grid)
        return {name: to_degrees(box_of(self.grid, blocks), self.grid.crs) for name, blocks in sites.items()}

    def place_of(self, block: BlockIndex) -> str:
        """The name of a block for users: the recipe's sites in it, or `block 12,3`."""
        return place_of(self.region, self.grid, block)

    def group_attributes(self, group: str) -> dict[str, Any]:
        """The attributes of a group, such as `weather` (the same in every tile) or `seasons`."""
        name = group if group in WHOLE else f"tiles/{self.grid.tiles[0].name}/{group}"
        with read_errors(self.path / name):
            return dict(zarr.open_group(self.store(), path=name, mode="r", use_consolidated=False).attrs)

    def static(self, block: BlockIndex) -> dict[str, NDArray[np.float32]]:
        """The static layers of a block: name -> (block, block) float32 in the units of `variables.STATIC`, NaN where
        unknown; empty for a cube without. Raises InputError for a damaged shard."""
        place = self.grid.block_slices(block)
        return {name: self.pixels(f"static/{name}").read(place) for name in self.static_layers}

    @property
    def digest(self) -> str:
        """The digest of the data, from the manifest; empty for a cube that is not complete."""
        return self.objects.manifest.digest if self.objects is not None else ""


def digest(path: Location | str) -> str:
    """The digest of a complete cube. Raises as `Cube.open` does."""
    return Cube.open(path).digest


def _verified(path: Location, spec: CubeSpec) -> VerifiedObjects:
    """The objects of a complete cube. Raises InputError where its manifest or its root is damaged."""
    return VerifiedObjects(path, trusted_manifest(path), partial(describe_object, spec))


def root_attributes(path: Location) -> dict[str, Any]:
    """The attributes of a Zarr 3 root group. Raises InputError if its zarr.json is not that of a group."""
    try:
        content = parse_json((path / "zarr.json").read_bytes())
        if content["node_type"] != "group":
            raise ValueError("it is not a group")
        return dict(content.get("attributes", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path / 'zarr.json'} is damaged or not that of a cube ({one_line(error)}); build the cube again with"
            " `mmvsf dataset --overwrite`"
        ) from error
