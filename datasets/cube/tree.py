"""A cube as xarray sees it."""

from importlib.util import find_spec

import xarray as xr
import zarr

from mmvsf.datasets.storage.location import Location, location, read_errors

from .calendar import SHARD_DAYS
from .cube import WHOLE, Cube
from .decode import decoded, netcdf_attributes
from .layout_overviews import OVERVIEWS, levels_of
from .place import PIXELS


def open_cube(path: Location | str) -> xr.DataTree:
    """The cube at a path or an address (`s3://bucket/iowa.zarr`, `https://host/iowa.zarr`) as an xarray DataTree;
    reflectance is decoded to float32.

    The tree can be written with `to_netcdf`: attributes that NetCDF cannot hold, such as the recipe, are JSON text, and
    flags have the type of their array.

    Where Dask is installed the arrays are Dask arrays with chunks as large as the cube's shards; elsewhere they are
    read when they are indexed. Whatever is read is checked against the cube's manifest, and InputError is raised for
    what is missing or damaged. Raises InputError or IncompleteError as `Cube.open` does.
    """
    cube = Cube.open(location(path))
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=netcdf_attributes(cube.attributes))}
    with read_errors(cube.path):
        for name in WHOLE:
            if cube.objects is None or name not in cube.objects.manifest.parts:
                continue
            groups[name] = open_group(cube, name)
        if cube.objects is not None and OVERVIEWS in cube.objects.manifest.parts:
            groups |= {
                f"{OVERVIEWS}/{level}": open_group(cube, f"{OVERVIEWS}/{level}") for level in levels_of(cube.spec)
            }
        for tile in cube.grid.tiles:
            members = zarr.open_group(cube.store(), path=f"tiles/{tile.name}", mode="r")
            for name, _ in sorted(members.groups()):
                groups[f"tiles/{tile.name}/{name}"] = open_group(cube, f"tiles/{tile.name}/{name}")
    opened = xr.DataTree.from_dict(groups)
    opened.encoding["source"] = str(path)  # as xarray keeps the path of a file
    return opened


def open_group(cube: Cube, name: str) -> xr.Dataset:
    """One group of a cube, such as `seasons` or `tiles/x3_y12/imagery`."""
    sharded = name.rpartition("/")[2] in PIXELS
    shards = {"time": SHARD_DAYS, "y": cube.grid.block, "x": cube.grid.block} if sharded else {}
    chunks = shards if find_spec("dask") else None
    return decoded(xr.open_zarr(cube.store(f"{name}/"), chunks=chunks, consolidated=False, decode_cf=False))
