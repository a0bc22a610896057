"""From values to the bytes of Zarr objects, in memory: what is written is known before it is written."""

import asyncio
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr import AsyncGroup
from zarr.api.asynchronous import consolidate_metadata, create_group
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

from .spec import ArraySpec, GroupSpec

LEVEL = 3
"""Of zstd. Against level 5 a build compresses in two thirds of the time, for 0.2 % more bytes."""


def encode_groups(
    groups: Iterable[GroupSpec],
    values: Mapping[str, NDArray[Any]] | None = None,
    *,
    above: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """The objects of groups, by name: metadata, coordinates, and the `values` of arrays that are not sharded, such as
    `blocks/status`. With `above` they are the members of a group with these attributes, whose zarr.json holds the
    metadata of all."""
    objects: dict[str, Any] = {}
    work = _write_groups(MemoryStore(objects), list(groups), values or {}, above)
    # One coroutine in a thread of its own: zarr's own synchronous calls wait for another thread each time.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
    return {name: buffer.to_bytes() for name, buffer in objects.items()}


async def _write_groups(
    store: MemoryStore,
    groups: list[GroupSpec],
    values: Mapping[str, NDArray[Any]],
    above: Mapping[str, Any] | None,
) -> None:
    if above is not None:
        await create_group(store=store, zarr_format=3, attributes=plain(above))
    for spec in groups:
        group = await create_group(store=store, path=spec.name, zarr_format=3, attributes=plain(spec.attributes))
        for array in spec.arrays:
            await create_array(group, array, values.get(f"{spec.name}/{array.name}"))
    if above is not None:
        with warnings.catch_warnings():
            # Consolidated metadata is an extension of Zarr 3; readers that do not know it do without.
            warnings.simplefilter("ignore", ZarrUserWarning)
            await consolidate_metadata(store)


async def create_array(group: AsyncGroup, spec: ArraySpec, values: NDArray[Any] | None = None) -> None:
    """Create an array with its coordinates or these values. Raises OSError."""
    blosc = BloscCodec(cname="zstd", clevel=LEVEL, shuffle="shuffle")
    created = await group.create_array(
        spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        chunks=spec.chunks or "auto",
        shards=spec.shards,
        fill_value=spec.fill,
        dimension_names=spec.dims,
        attributes=plain(spec.attributes),
        compressors=None if spec.dtype == "string" else [blosc, Crc32cCodec()] if spec.shards else blosc,
    )
    data = spec.data if values is None else values
    if data is not None:
        await created.setitem(..., data)


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes without empty values, in plain Python types."""
    return {
        key: [int(v) if isinstance(v, np.integer) else v for v in value] if isinstance(value, list) else value
        for key, value in attributes.items()
        if value is not None
    }
