"""What a cube of the kit is, and how its arrays are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

OUTSIDE, NOT_ACQUIRED, STORED, SKIPPED_CLOUDY, FAILED = range(5)
BANDS = ["blue", "green", "red", "nir", "swir1", "swir2"]
EPOCH = np.datetime64("1970-01-01", "D")


def day(text: str) -> int:
    """Days since 1970-01-01."""
    return int((np.datetime64(text, "D") - EPOCH).astype(int))


@dataclass(frozen=True)
class Kind:
    """What a cube of the kit is."""

    crs: str = "EPSG:32615"
    origin: tuple[float, float] = (0.0, 0.0)
    resolution: float = 30.0
    block: int = 16
    chunk: int = 8
    tile: int = 4
    weather_cell: int = 24
    blocks: tuple[tuple[int, int], ...] = ((2, 1), (3, 1))
    """(eastwards, northwards) from the origin"""
    first_day: int = day("2021-04-27") // 32 * 32
    shards: int = 2
    seasons: tuple[tuple[int, str, str], ...] = ((2021, "2021-01-01", "2021-12-31"),)
    """(name, first day, last day)"""
    label_seasons: tuple[int, ...] = (2021,)
    confidence: bool = False
    bands: tuple[str, ...] = tuple(BANDS)
    weather: tuple[str, ...] = ("tmin", "tmax", "precipitation")
    static: tuple[str, ...] = ()
    radar: tuple[str, ...] = ()
    """directions of the passes"""
    polarisations: tuple[str, ...] = ("vv", "vh")
    acquired: bool = True
    """False for a cube on whose days nothing was acquired"""
    noisy: tuple[tuple[int, int], ...] = ((2, 1), (3, 1))
    """blocks whose first 32 days are all stored and cannot be compressed: their shards are longer than 65,536 bytes"""
    seed: int = 1
    beside: tuple[tuple[str, bytes], ...] = ()
    """(name, content) of objects beside the parts of the cube"""

    @property
    def days(self) -> NDArray[np.int32]:
        return np.arange(self.first_day, self.first_day + 32 * self.shards, dtype=np.int32)

    @property
    def tiles(self) -> dict[str, tuple[int, int]]:
        """Name -> (eastwards, northwards) of the tiles with a block of the recipe."""
        places = sorted({(x // self.tile, y // self.tile) for x, y in self.blocks})
        return {f"x{x}_y{y}": (x, y) for x, y in places}


def put(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dims: tuple[str, ...],
    chunks: tuple[int, ...],
    fill: Any,
    shards: tuple[int, ...] | None = None,
    attributes: dict[str, Any] | None = None,
) -> None:
    """Write one array as the specification says. Text is neither compressed nor checked."""
    is_text = values.dtype == object
    codecs: list[Any] = [] if is_text else [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")]
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if is_text else values.dtype,
        chunks=tuple(max(1, min(size, chunk)) for size, chunk in zip(values.shape, chunks, strict=True)),
        shards=shards,
        fill_value=fill,
        dimension_names=dims,
        attributes=attributes,
        compressors=[*codecs, Crc32cCodec()] if shards else codecs or None,
    )
    array[...] = values
