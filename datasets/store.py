"""How the bytes of a cube are reached: zarr-python for metadata, tensorstore for pixels.

One writer library writes all shards: tensorstore's and zarr-python's differ in bytes.
"""

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from .errors import InputError, one_line
from .layout import ArraySpec, GroupSpec

CACHE_BYTES = 256 * 2**20
"""Default size of the pool of decoded chunks that readers of one process share."""


def create_group(root: Path, spec: GroupSpec) -> None:
    """Create one group with its arrays and coordinate values; what stands there already is replaced."""
    group = zarr.create_group(str(root / spec.name), zarr_format=3, overwrite=True, attributes=_json(spec.attributes))
    for array in spec.arrays:
        _create_array(group, array)


def _create_array(group: zarr.Group, spec: ArraySpec) -> None:
    created = group.create_array(
        spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        chunks=spec.chunks or "auto",
        shards=spec.shards,
        fill_value=spec.fill,
        dimension_names=spec.dims,
        attributes=_json(spec.attributes),
        compressors=None if spec.dtype == "string" else BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
    )
    if spec.data is not None:
        created[...] = spec.data


def _json(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes without empty values, in plain Python types."""
    return {
        key: [int(v) if isinstance(v, np.integer) else v for v in value] if isinstance(value, list) else value
        for key, value in attributes.items()
        if value is not None
    }


def open_pixels(root: Path, array: str, *, cache_bytes: int = CACHE_BYTES, write: bool = False) -> Any:
    """Open an array such as `imagery/reflectance` with tensorstore.

    Reading returns raw stored values. Raises FileNotFoundError where there is no such array.
    """
    path = root / array
    if not (path / "zarr.json").is_file():
        raise FileNotFoundError(f"{path} is no Zarr array")
    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0 if write else cache_bytes}})
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}
    return tensorstore.open(spec, open=True, read=not write, write=write, context=context).result()


def read_pixels(array: Any, index: Any) -> NDArray[Any]:
    """A part of an array that `open_pixels` opened, as stored. Raises InputError for a damaged shard."""
    try:
        return np.asarray(array[index].read().result())
    except (ValueError, RuntimeError) as error:
        where = array.spec().kvstore.path
        raise InputError(
            f"{where} is damaged: {one_line(error)}; build the cube again with `mmvsf dataset --overwrite`"
        ) from error


def finish_writes(writes: Iterable[Any], where: Path) -> None:
    """Wait for tensorstore's writes to `where`. Raises OSError if the disk refuses: tensorstore says so with a
    ValueError that holds the system's error number."""
    for write in writes:
        try:
            write.result()
        except (ValueError, RuntimeError) as error:
            found = re.search(r"os_error_code='(\d+)'", str(error))
            number = int(found.group(1)) if found else errno.EIO
            reason = os.strerror(number) if found else one_line(error)
            raise OSError(number, reason, str(where)) from error


LEFTOVERS = ("*.__lock", "*.partial", "zarr.json.*.tmp")
"""What killed writers leave: tensorstore's locks, zarr-python's half files, our own half root."""


def sweep_leftovers(root: Path) -> int:
    """Remove what killed writers left; returns how many files there were. No writer may be at work."""
    found = [path for pattern in LEFTOVERS for path in root.rglob(pattern) if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)
