"""What a store is made of: arrays with their chunks, fill values and attributes, in groups."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class ArraySpec:
    """One Zarr array. `shards` None: not sharded. `data`: written with the template (coordinates)."""

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
