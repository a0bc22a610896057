"""Embeddings of a whole cube by an encoder, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.windows import Window, clear_days
from mmvsf.datasets.sidecars.embeddings import block_slices, embedding_layout
from mmvsf.datasets.storage.store import read_values
from mmvsf.model.blocks import block_tiles, window_size
from mmvsf.model.tasks import run_tasks
from mmvsf.model.training.progress import console

from .protocol import Floats
from .seasons import SeasonDays, plan_seasons
from .store import create_store, has_settings, write_part


class WindowEncoder(Protocol):
    """An encoder opened for a cube: our network, or a user's encoder behind its adapter. It can be pickled."""

    @property
    def patch(self) -> int:
        """Pixels on the side of the square that has one embedding."""

    @property
    def width(self) -> int: ...
    @property
    def window(self) -> int:
        """Pixels on the side of the windows that it sees at a time."""

    def settings(self, every: int | None) -> dict[str, Any]:
        """What its embeddings depend on, beside the cube."""

    def season(
        self, tiles: Sequence[Window], season: SeasonDays
    ) -> Iterator[tuple[Window, Floats, NDArray[np.uint16]]]:
        """Of each window: embeddings (steps, y, x, width), and in how many images up to each step the patches were
        clear (steps, y, x)."""


def embed(
    cube: Cube, encoder: WindowEncoder, path: Path, *, every: int | None = None, workers: int | None = None
) -> Path:
    """Write embeddings of every block of a cube to the Zarr store `path`: one a year, or one every so many days, from
    images up to that day and weather up to the day before.

    Blocks written by an interrupted run of the same encoder, cube and days are kept; other embeddings are replaced.
    `workers` blocks are embedded at a time, as in `run_tasks`, and held in memory. Raises InputError where the encoder
    does not fit the cube, OSError where the disk refuses.
    """
    patch = encoder.patch
    if cube.grid.chunk % patch:
        raise InputError(f"{cube.path}: its chunks of {cube.grid.chunk} pixels are not whole patches of {patch}")
    window_size([cube], patch, encoder.window)
    seasons = plan_seasons(cube, every)
    days = [int(day) for season in seasons for day in season.days] if every else []
    settings = {
        "title": f"Embeddings of {cube.region.title}",
        "cube": {"region": cube.region.name, "digest": cube.digest},
        "every": every,
        **encoder.settings(every),
        "attribution": cube.attributes.get("attribution", ""),
    }
    if not has_settings(path, settings):
        create_store(path, lambda name: embedding_layout(
            name, cube.grid, patch, encoder.width, years=cube.years, days=days, attributes=settings,
        ))  # fmt: skip
    work = partial(embed_block, encoder, cube, seasons, clear_days(cube))
    written = np.array(read_values(path, "done"))
    missing = [block for block in cube.grid.blocks if not written[block]]
    results = run_tasks(work, missing, workers)
    for block, embeddings, images in track(results, "embedding blocks", len(missing), console=console):
        index = (slice(None), *block_slices(cube.grid, block, patch))
        write_part(path, "embedding", embeddings, index)
        write_part(path, "images", images, index)
        written[block] = 1
        write_part(path, "done", written)
    return path


def embed_block(
    encoder: WindowEncoder,
    cube: Cube,
    seasons: Sequence[SeasonDays],
    clear: NDArray[np.bool_],
    block: BlockIndex,
) -> tuple[BlockIndex, NDArray[np.float16], NDArray[np.uint16]]:
    """A block, its embeddings (steps, y, x, width), NaN where nothing was seen clear up to then, and the number of
    clear images (steps, y, x); `clear` as `clear_days` gives it. A season without days has at most one step, NaN."""
    grid, patch = cube.grid, encoder.patch
    side, steps = grid.block // patch, seasons[-1].steps.stop
    embeddings = np.full((steps, side, side, encoder.width), np.nan, np.float16)
    images = np.zeros((steps, side, side), np.uint16)
    for season in seasons:
        if not len(season.days):
            continue
        tiles = [tile for tile in block_tiles(cube, block, season.year, clear, encoder.window) if len(tile.days)]
        for tile, embedding, seen in encoder.season(tiles, season):
            rows, columns = (slice(s.start // patch, s.stop // patch) for s in tile.slices_in(block, grid.block))
            embeddings[season.steps, rows, columns] = embedding
            images[season.steps, rows, columns] = seen
    return block, embeddings, images
