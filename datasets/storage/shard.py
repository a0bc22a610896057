"""From values to the bytes of a shard: the codec `sharding_indexed` of Zarr 3 with the index at the end; blosc and
CRC-32C for each chunk.

The bytes are those that tensorstore writes. It takes half as much processor time again for them: it converts each
value, and needs the whole shard where most days are without one.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from google_crc32c import value as crc32c
from numcodecs import blosc
from numpy.typing import NDArray

from .encode import LEVEL
from .spec import ArraySpec

ABSENT = 2**64 - 1
"""Offset and length of a chunk that is not there, in the index of a shard."""


def encode_shard(spec: ArraySpec, values: NDArray[Any], positions: Sequence[int] | None = None) -> bytes | None:
    """The bytes of one shard; None where all of it is the fill value, which takes no object.

    `values` has the shape of the shard, with or without axes of length 1. With `positions` its first axis has these
    positions of the shard only, in ascending order, and the others are fill.
    """
    if spec.shards is None:
        raise ValueError(f"{spec.name} has no shards")
    held = range(spec.shards[0]) if positions is None else positions
    content = values.reshape(len(held), *spec.shards[1:])
    counts = [size // chunk for size, chunk in zip(spec.shards, spec.chunks, strict=True)]
    index = np.full((*counts, 2), ABSENT, "<u8")
    bodies: list[bytes] = []
    length = 0
    for place, chunk in _chunks(spec, content, held, counts):
        body = blosc.compress(chunk, b"zstd", LEVEL, blosc.SHUFFLE, blosc.AUTOBLOCKS, chunk.itemsize)
        bodies += (body, _checksum(body))
        index[place] = length, len(body) + 4
        length += len(body) + 4
    if not bodies:
        return None
    table = index.tobytes()
    return b"".join((*bodies, table, _checksum(table)))


def _chunks(
    spec: ArraySpec, content: NDArray[Any], held: Sequence[int], counts: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """(place in the shard, values) of each chunk that is not all fill, in the order of the index."""
    fill = np.array(spec.fill, np.dtype(spec.dtype).newbyteorder("<"))
    empty = np.full(spec.chunks, fill)
    bits = f"u{fill.itemsize}"
    for first in range(counts[0]):
        start = first * spec.chunks[0]
        members = [n for n, position in enumerate(held) if start <= position < start + spec.chunks[0]]
        places = [held[n] - start for n in members]
        for rest in product(*map(range, counts[1:])) if members else ():
            area = tuple(slice(n * size, (n + 1) * size) for n, size in zip(rest, spec.chunks[1:], strict=True))
            chunk = empty.copy()
            for place, member in zip(places, members, strict=True):
                chunk[place] = content[member][area]
            numbers = chunk.view(bits)  # bit by bit: NaN is equal to itself, 0 and -0 are not
            if any((numbers[place] != fill.view(bits)).any() for place in places):
                yield (first, *rest), chunk


def _checksum(body: bytes) -> bytes:
    """CRC-32C, as four bytes."""
    return int(crc32c(body)).to_bytes(4, "little")
