"""A part of a cube as one lazy xarray Dataset, over all the tiles that it meets; and the places that a cube holds."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from xarray.backends import BackendArray
from xarray.core import indexing

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import EDGE_DEGREES, from_lonlat

from .calendar import SHARD_DAYS
from .coordinates import spatial_ref, yx_axes
from .decode import decoded
from .grid import BlockIndex, Grid
from .place import PIXELS, slices_of
from .sites import blocks_of_sites

if TYPE_CHECKING:
    from .cube import Cube

Bbox = tuple[float, float, float, float]
"""(west, south, east, north) in degrees, or (left, bottom, right, top) in metres"""

GROUPS = ("imagery", "radar", "labels", "static", "targets", "weather", "blocks", "chunks")


def select(cube: Cube, group: str, bbox: Bbox | None, site: str | None) -> xr.Dataset:
    """The part of a group that meets a box in degrees, or a site; see `Cube.sel`."""
    stored = f"tiles/{cube.grid.tiles[0].name}/{group}"
    if group not in GROUPS or (cube.objects is not None and cube.objects.record(f"{stored}/zarr.json") is None):
        raise InputError(f"{cube.path} has no group {group}; choose one of {', '.join(GROUPS)}")
    if bbox is not None and site is not None:
        raise InputError("give a box or a site, not both")
    box = to_metres(bbox, cube.grid.crs) if bbox is not None else box_of_site(cube, site) if site is not None else None
    window = window_of(geobox_of(cube.grid, group), box)
    if window is None:
        raise InputError(f"the box {bbox} lies outside {cube.path}, which covers {extent(cube.grid)} (degrees)")
    template = xr.open_zarr(cube.store(f"{stored}/"), chunks=None, consolidated=False, decode_cf=False)
    return decoded(_assembled(cube, group, template, window))


def _assembled(cube: Cube, group: str, template: xr.Dataset, window: tuple[slice, slice]) -> xr.Dataset:
    """The arrays of a group as stored, in a window of the whole grid."""
    geobox = geobox_of(cube.grid, group)[window]
    centres = (coordinate.values for coordinate in geobox.coordinates.values())
    ours = {axis.name: axis for axis in (*yx_axes(*centres), spatial_ref(geobox))}
    variables: dict[str, Any] = {}
    for name, variable in template.variables.items():
        if name in ours:
            axis = ours[str(name)]
            variables[str(name)] = (axis.dims, axis.data, axis.attributes)
        elif "y" in variable.dims:
            data = indexing.LazilyIndexedArray(MosaicArray(cube, f"{group}/{name}", window))
            variables[str(name)] = xr.Variable(variable.dims, data, variable.attrs, variable.encoding)
        else:
            variables[str(name)] = variable
    dataset = xr.Dataset(variables, attrs=template.attrs)
    return dataset.chunk(_chunks(cube, group, dataset, window)) if find_spec("dask") else dataset


def _chunks(cube: Cube, group: str, dataset: xr.Dataset, window: tuple[slice, slice]) -> dict[str, tuple[int, ...]]:
    """Dask chunks that each lie in one shard."""
    chunks: dict[str, tuple[int, ...]] = {}
    if group in PIXELS:
        chunks = {name: _cuts(part, cube.grid.block) for name, part in zip(("y", "x"), window, strict=True)}
    if "time" in dataset.sizes:
        days = SHARD_DAYS if group in PIXELS else 16 * SHARD_DAYS
        chunks["time"] = _cuts(slice(0, dataset.sizes["time"]), days)
    if "season" in dataset.sizes:
        chunks["season"] = (1,) * dataset.sizes["season"]
    return chunks


def _cuts(part: slice, step: int) -> tuple[int, ...]:
    """Lengths of the pieces of a slice between multiples of `step`."""
    edges = [part.start, *range((part.start // step + 1) * step, part.stop, step), part.stop]
    return tuple(int(length) for length in np.diff(edges))


class MosaicArray(BackendArray):
    """An array of all tiles in a window of the whole grid, as xarray's lazy indexing reads it. A tile that does not
    exist holds the fill value; every read is checked against the manifest."""

    def __init__(self, cube: Cube, name: str, window: tuple[slice, slice]) -> None:
        spec = cube.spec.array(name)
        self.cube, self.name, self.window, self.dims = cube, name, window, spec.dims
        sizes = dict(zip(("y", "x"), (part.stop - part.start for part in window), strict=True))
        self.shape = tuple(sizes.get(dim, size) for dim, size in zip(spec.dims, spec.shape, strict=True))
        self.dtype = np.dtype(spec.dtype)
        self._pixels = cube.pixels(name, cache_bytes=0) if spec.shards else None  # Dask reads each shard once

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Integers, slices and arrays of integers, each choosing positions of its own dimension."""
        ranges = [np.arange(size)[part] for part, size in zip(key, self.shape, strict=True)]
        covers = [slice(int(np.min(r)), int(np.max(r)) + 1) if np.size(r) else slice(0, 0) for r in ranges]
        if not all(cover.stop > cover.start for cover in covers):
            return np.empty([np.size(r) for r in ranges if np.ndim(r)], self.dtype)
        values = self._cover(covers)
        inside = [np.asarray(r) - cover.start for r, cover in zip(ranges, covers, strict=True)]
        for axis in reversed(range(len(inside))):
            values = values.take(inside[axis], axis)
        return values

    def _cover(self, covers: list[slice]) -> NDArray[Any]:
        at = self.dims.index("y")
        index = list(covers)
        for axis, part in zip((at, at + 1), self.window, strict=True):
            index[axis] = slice(covers[axis].start + part.start, covers[axis].stop + part.start)
        if self._pixels is not None:
            return self._pixels.read(tuple(index))
        return read_small(self.cube, self.name, tuple(index))


def read_small(cube: Cube, name: str, index: tuple[slice, ...]) -> NDArray[Any]:
    """A part of an array that is not sharded, such as `weather/tmin`, from the tiles that it meets."""
    spec, group = cube.spec.array(name), name.partition("/")[0]
    at = spec.dims.index("y")
    result = np.full([part.stop - part.start for part in index], spec.fill, spec.dtype)
    for tile in cube.grid.tiles:
        places = slices_of(cube.grid, tile, group)
        source, target = list(index), [slice(None)] * len(index)
        for axis, place in zip((at, at + 1), places, strict=True):
            start, stop = max(place.start, index[axis].start), min(place.stop, index[axis].stop)
            source[axis] = slice(start - place.start, stop - place.start)
            target[axis] = slice(start - index[axis].start, stop - index[axis].start)
        if all(source[axis].stop > source[axis].start for axis in (at, at + 1)):
            values = cube.stored(f"tiles/{tile.name}/{name}", tuple(source))
            present = values == values if values.dtype.kind == "f" else True  # cells on an edge are in both tiles
            np.copyto(result[tuple(target)], values, where=present)
    return result


def geobox_of(grid: Grid, group: str) -> GeoBox:
    """The pixels of a group of the whole grid."""
    special = {"weather": grid.weather_geobox, "blocks": grid.blocks_geobox, "chunks": grid.chunks_geobox}
    return special.get(group, grid.geobox)


def to_metres(bbox: Bbox, crs: str) -> Bbox:
    """The box in metres around a box in degrees, whose edges are curves there. Raises InputError for one that is none,
    or that cannot be projected."""
    west, south, east, north = bbox
    if east < west and (east - west) % 360 <= 180:  # across 180 degrees
        east += 360
    if not (-360 <= west < east <= west + 360 and -90 <= south < north <= 90):
        raise InputError(f"a box is west, south, east, north in degrees, west < east and south < north; found {bbox}")
    step = max(EDGE_DEGREES, (east - west) / 500, (north - south) / 500)
    ring = shapely.get_coordinates(shapely.segmentize(shapely.box(west, south, east, north), step))
    x, y = from_lonlat(crs).transform(ring[:, 0], ring[:, 1])
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(f"the box {bbox} cannot be projected to {crs}; choose one near the cube")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def to_degrees(box: Bbox, crs: str) -> Bbox:
    """The box in degrees around a box in metres."""
    left, bottom, right, top = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform_bounds(*box)
    return left, bottom, right, top


def window_of(geobox: GeoBox, box: Bbox | None) -> tuple[slice, slice] | None:
    """Rows and columns of the pixels that meet a box in metres; all of them for None; None where there is none."""
    rows, columns = geobox.shape
    if box is None:
        return slice(0, rows), slice(0, columns)
    left, top, step = geobox.transform.c, geobox.transform.f, geobox.transform.a
    tolerance = 1e-6  # an edge that lies on an edge of pixels meets none beyond it
    first_row, last_row = math.floor((top - box[3]) / step + tolerance), math.ceil((top - box[1]) / step - tolerance)
    first, last = math.floor((box[0] - left) / step + tolerance), math.ceil((box[2] - left) / step - tolerance)
    window = slice(max(first_row, 0), min(last_row, rows)), slice(max(first, 0), min(last, columns))
    return window if all(part.stop > part.start for part in window) else None


def box_of_site(cube: Cube, site: str) -> Bbox:
    """The box in metres around the blocks of a site, by its name in `Cube.sites`. Raises InputError for another."""
    blocks = blocks_of_sites(cube.region, cube.grid)
    if site not in blocks:
        raise InputError(f"{cube.path} has no site {site}; choose one of {', '.join(blocks)}")
    return box_of(cube.grid, blocks[site])


def extent(grid: Grid) -> str:
    """The box of the blocks in degrees, for errors."""
    return ", ".join(f"{value:.4f}" for value in to_degrees(box_of(grid, grid.blocks), grid.crs))


def box_of(grid: Grid, blocks: tuple[BlockIndex, ...]) -> Bbox:
    """The box in metres around some blocks."""
    side = grid.block * grid.resolution
    rows, columns = zip(*blocks, strict=True)
    return (
        grid.left + min(columns) * side,
        grid.top - (max(rows) + 1) * side,
        grid.left + (max(columns) + 1) * side,
        grid.top - min(rows) * side,
    )
