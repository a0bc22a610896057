"""Embeddings as false colour: their first three principal components over the whole store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.sidecars.embeddings import FORMAT
from mmvsf.datasets.storage.location import read_errors

from .rasters import SQUARE

SAMPLED = 24
"""Blocks from which the components are computed, at most."""
STRETCH = (2, 98)
"""Percentiles of a component that are drawn as the least and the most of a colour."""


@dataclass(frozen=True)
class EmbeddingRaster:
    """A store of embeddings, see `datasets/sidecars/embeddings.py`."""

    name: str
    title: str
    cube: Cube
    path: Path
    patch: int
    """pixels of the cube on the side of a patch"""
    axis: str
    """year or time"""
    steps: tuple[dict[str, Any], ...]

    def facts(self) -> dict[str, Any]:
        height, width = self.cube.grid.shape
        return {
            "name": self.name, "title": self.title, "kind": "colour", "dtype": "uint8", "fill": 0,
            "bands": ["first component", "second component", "third component"], "side": SQUARE,
            "levels": [self.patch, 8 * self.patch], "steps": list(self.steps), "box": [0, 0, width, height],
        }  # fmt: skip

    def square(self, step: str, level: int, row: int, column: int) -> NDArray[np.uint8]:
        """(3, SQUARE, SQUARE): 1 to 255, 0 where there is no embedding. A coarser level takes one patch of several."""
        square = np.zeros((3, SQUARE, SQUARE), np.uint8)
        every = level // self.patch
        index = next((i for i, entry in enumerate(self.steps) if entry["key"] == step), None)
        if index is None or every == 0:
            return square
        rows, columns = (slice(at * SQUARE * every, (at + 1) * SQUARE * every, every) for at in (row, column))
        drawn = self._colours(self._array[index, rows, columns])
        square[:, : drawn.shape[1], : drawn.shape[2]] = drawn
        return square

    @cached_property
    def _array(self) -> Any:
        return zarr.open_array(self.path, path="embedding", mode="r")

    @cached_property
    def _axes(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Mean (features,), components (features, 3), and their stretch (2, 3), from a sample of blocks."""
        side = self.cube.grid.block // self.patch
        blocks = self.cube.grid.blocks
        sample = [
            self._array[index % len(self.steps), y * side : (y + 1) * side, x * side : (x + 1) * side]
            for index, (y, x) in enumerate(blocks[:: max(1, len(blocks) // SAMPLED)][:SAMPLED])
        ]
        values = np.concatenate([block.reshape(-1, block.shape[-1]) for block in sample]).astype(np.float32)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 4:
            features = self._array.shape[-1]
            return np.zeros(features, np.float32), np.zeros((features, 3), np.float32), np.ones((2, 3), np.float32)
        mean = values.mean(axis=0)
        components = np.linalg.svd(np.cov((values - mean).T))[0][:, :3].astype(np.float32)
        components = np.pad(components, ((0, 0), (0, 3 - components.shape[1])))
        # The sign of a component is arbitrary: the largest weight is positive, so that colours do not flip.
        components *= np.where(np.take_along_axis(components, np.abs(components).argmax(0)[None], 0) < 0, -1, 1)
        return mean, components, np.percentile((values - mean) @ components, STRETCH, axis=0).astype(np.float32)

    def _colours(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """(rows, columns, features) -> (3, rows, columns)."""
        mean, components, (low, high) = self._axes
        known = np.isfinite(values).all(axis=-1)
        shares = ((np.where(known[..., None], values, 0) - mean) @ components - low) / np.maximum(high - low, 1e-6)
        drawn = np.where(known[..., None], 1 + np.round(254 * np.clip(shares, 0, 1)), 0)
        return np.moveaxis(drawn, -1, 0).astype(np.uint8)


def open_embeddings(cube: Cube, path: Path) -> EmbeddingRaster | None:
    """The embeddings at `path`; None where there are none, where they are damaged, or of another grid."""
    try:
        with read_errors(path):
            group = zarr.open_group(path, mode="r")
            array = group["embedding"]
            if group.attrs.get("format") != FORMAT or not isinstance(array, zarr.Array):
                return None
            patch = cube.grid.shape[0] // array.shape[1]
            if (array.shape[1] * patch, array.shape[2] * patch) != cube.grid.shape:
                return None
            axis = "time" if "time" in group else "year"
            steps = tuple(_step(cube, axis, int(value)) for value in np.asarray(group[axis]))
    except (InputError, OSError):
        return None
    return EmbeddingRaster("embeddings", "embeddings", cube, path, patch, axis, steps)


def _step(cube: Cube, axis: str, value: int) -> dict[str, Any]:
    if axis == "time":
        return {"key": str(np.datetime64(value, "D")), "first": value, "last": value}
    days = cube.calendar.days[cube.season_of_day == value]
    first, last = (int(days[0]), int(days[-1])) if len(days) else (0, -1)
    return {"key": str(value), "first": first, "last": last}
