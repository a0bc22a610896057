"""The specification of a Zarr store: groups of arrays with their chunks, fill values and attributes."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class ArraySpec:
    """One Zarr array. `shards` is None for an array that is not sharded; `data` (coordinates) is written at once."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    fill: Any
    shards: tuple[int, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    data: NDArray[Any] | None = None


@dataclass(frozen=True)
class GroupSpec:
    name: str
    arrays: tuple[ArraySpec, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
