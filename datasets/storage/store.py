"""Access to the bytes of a cube: zarr-python for metadata and small arrays, tensorstore for pixels.

Tensorstore writes all shards: those of zarr-python hold the same values in other bytes.
"""

import errno
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorstore
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json

from .encode import encode_groups
from .fork import refuse_fork
from .location import (
    DRAFT,
    Location,
    damaged,
    kvstore,
    objects,
    read_errors,
    remove_tree,
    store_errors,
    write_many,
    write_whole,
    zarr_store,
)
from .spec import GroupSpec
from .zarr_pixels import ZarrPixels

CACHE_BYTES = 256 * 2**20
"""Default size of the pool of decoded chunks that readers of one process share."""


def create_group(root: Location, spec: GroupSpec) -> None:
    """Create one group with its arrays and coordinate values, in place of an existing one. Its zarr.json is written
    last. Raises OSError."""
    remove_tree(root / spec.name)
    # zarr makes a group of the folder above, too, which is none.
    encoded = {name: data for name, data in encode_groups([spec]).items() if name.startswith(f"{spec.name}/")}
    document = encoded.pop(f"{spec.name}/zarr.json")
    write_many(root, encoded)
    write_whole(root / spec.name / "zarr.json", document)


def read_values(root: Location, array: str) -> NDArray[Any]:
    """A small array read whole with zarr-python, as stored. Raises FileNotFoundError where there is none, InputError
    where it is damaged."""
    with read_errors(root / array):
        return np.asarray(zarr.open_array(zarr_store(root / array), mode="r")[...])


def write_values(root: Location, array: str, values: NDArray[Any]) -> None:
    """Write a small array whole with zarr-python. Raises OSError."""
    with store_errors(root):
        zarr.open_array(zarr_store(root / array), mode="r+")[...] = values


def set_root_attributes(root: Location, attributes: dict[str, Any]) -> None:
    """Change attributes of the root group in one replacement of zarr.json, so that a kill leaves the old or the new.

    Consolidated metadata is dropped, since the change makes it stale. Raises InputError where zarr.json is damaged."""
    path = root / "zarr.json"
    with read_errors(path):
        content = parse_json(path.read_bytes())
        content["attributes"] = {**content["attributes"], **attributes}
        content.pop("consolidated_metadata", None)
    write_whole(path, json.dumps(content, indent=2).encode())


def cache_context(cache_bytes: int) -> tensorstore.Context:
    """A pool of decoded chunks that the arrays opened with it share."""
    return tensorstore.Context({"cache_pool": {"total_bytes_limit": cache_bytes}})


def open_pixels(
    root: Location, array: str, *, context: tensorstore.Context | None = None, write: bool = False
) -> tensorstore.TensorStore:
    """Open an array such as `imagery/reflectance` with tensorstore, or where that has no driver as `ZarrPixels`.

    Reading returns raw stored values. Raises FileNotFoundError where there is no such array, InputError where its
    metadata are damaged or this process cannot read (`refuse_fork`), OSError where the disk or the bucket refuses.
    """
    refuse_fork()
    path = root / array
    if not (path / "zarr.json").is_file():
        raise FileNotFoundError(f"{path} is not a Zarr array")
    store = kvstore(path)
    if store is None:
        # It has what this project uses of a TensorStore, which cannot be subclassed.
        return cast(tensorstore.TensorStore, ZarrPixels(path, write=write))
    context = context or cache_context(0 if write else CACHE_BYTES)
    spec = {"driver": "zarr3", "kvstore": store}
    try:
        return tensorstore.open(spec, open=True, read=not write, write=write, context=context).result()
    except TENSORSTORE_ERRORS as error:
        raise _read_error(error, str(path)) from error


def read_pixels(array: tensorstore.TensorStore, index: Any) -> NDArray[Any]:
    """A part of an array that `open_pixels` opened, as stored. Raises InputError for a damaged shard, OSError where the
    disk or the bucket refuses."""
    return finish_read(array, array[index].read())


SLICE_BYTES = 16_384
"""From this size on a slice is read faster by itself than through an array of integers."""


def begin_read(array: Any, index: tuple[Any, ...]) -> tensorstore.Future[Any]:
    """Begin a read of an array that `open_pixels` opened; `finish_read` gives the values. Arrays of integers in the
    index choose positions of their dimension, each for itself.

    Large slices at chosen positions of the first dimension are read as a stack: tensorstore copies a slice row by row,
    but through an array of integers element by element (20 images of 64 pixels: 0.5 and 1.2 ms).
    """
    refuse_fork()
    first, *others = index
    if np.ndim(first) == 1 and len(first) and not isinstance(array, ZarrPixels):
        part = array.oindex[(slice(None), *others)]
        if part.size * part.dtype.numpy_dtype.itemsize >= SLICE_BYTES * part.shape[0]:
            with tensorstore.Batch() as batch:  # chunks that are neighbours in a shard are fetched together
                return tensorstore.stack([part[at] for at in np.asarray(first).tolist()]).read(batch=batch)
    whole: tensorstore.Future[Any] = array.oindex[index].read()
    return whole


def finish_read(array: tensorstore.TensorStore, read: tensorstore.Future[Any]) -> NDArray[Any]:
    """Wait for a read that was begun on `array`. Raises as `read_pixels` does."""
    try:
        return np.asarray(read.result())
    except TENSORSTORE_ERRORS as error:
        raise _read_error(error, _address(array)) from error


def _address(array: tensorstore.TensorStore) -> str:
    """The folder, or the address in a bucket, of an opened array."""
    spec = array.spec().kvstore
    store = spec.to_json() if spec is not None else {"path": "an array"}
    if "bucket" in store:
        return f"{'gs' if store['driver'] == 'gcs' else 's3'}://{store['bucket']}/{store['path']}"
    return f"{store.get('base_url', '')}{store['path']}"


def finish_writes(writes: Iterable[tensorstore.WriteFutures], where: Location) -> None:
    """Wait for tensorstore's writes to `where`. Raises OSError if the disk refuses: tensorstore reports this as a
    ValueError that holds the system's error number."""
    for write in writes:
        try:
            write.result()
        except TENSORSTORE_ERRORS as error:
            raise _refusal(error, str(where)) from error


TENSORSTORE_ERRORS = (ValueError, RuntimeError)

REFUSALS = ("PERMISSION_DENIED", "UNAUTHENTICATED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED")
"""How tensorstore's errors begin that say nothing about what is stored."""


def _read_error(error: Exception, where: str) -> OSError | InputError:
    return _refusal(error, where) if str(error).startswith(REFUSALS) else damaged(where, error)


def _refusal(error: Exception, where: str) -> OSError:
    """What tensorstore reports of a disk or a bucket that refuses, without the details that follow in brackets."""
    match = re.search(r"os_error_code='(\d+)'", str(error))
    number = int(match[1]) if match else errno.EIO
    return OSError(number, os.strerror(number) if match else one_line(error).partition(" [")[0], where)


LEFTOVERS = (".__lock", ".partial", DRAFT)
"""Ends of the names of files that killed writers leave: locks of tensorstore, partial files of zarr-python, drafts."""


def sweep_leftovers(root: Location) -> int:
    """Remove the files that killed writers left, and return their number. No writer may be at work.

    In a bucket an object appears whole or not at all, so nothing is left."""
    if not isinstance(root, Path):
        return 0
    leftovers = [root / name for name, _ in objects(root) if name.endswith(LEFTOVERS)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)
