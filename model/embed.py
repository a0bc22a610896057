"""Embeddings of a whole cube by a pretrained encoder, for use without training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from rich.progress import track
from zarr.errors import ZarrUserWarning

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.loader import begin_earlier
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window, clear_days
from mmvsf.datasets.sidecars.embeddings import block_slices, embedding_layout
from mmvsf.datasets.storage.location import DRAFT, remove_tree, sync_all, sync_folder
from mmvsf.datasets.storage.outputs import not_as_written
from mmvsf.datasets.storage.spec import GroupSpec
from mmvsf.datasets.storage.store import (
    cache_context,
    create_group,
    finish_writes,
    open_pixels,
    read_pixels,
    read_values,
)
from mmvsf.model.blocks import block_tiles
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, Checkpoint, check_fits, weights_digest
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.weather_encoder import Memory
from mmvsf.model.season_weather import SeasonWeather
from mmvsf.model.tasks import run_tasks
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.progress import console

SEASON_STEP = 10
"""Days between the embeddings whose mean is that of a season: even steps, so that neither clouds nor the number of
satellites give one part of the season more weight."""
BATCH = 8
"""Windows that are encoded together."""


@dataclass(frozen=True)
class SeasonDays:
    """The days of a year that are embedded, and the steps of the output that they are written to."""

    year: int
    days: NDArray[np.int64]
    """(n,), sorted"""
    steps: slice
    """as many as there are days, or one: their mean"""


def embed(
    cube: Cube,
    checkpoint: Checkpoint,
    path: Path,
    where: Path,
    *,
    every: int | None = None,
    workers: int | None = None,
) -> Path:
    """Write embeddings of every block of a cube to the Zarr store `path`: one a year, the mean over its season, or one
    every so many days, from images up to that day and weather up to the day before.

    `where` is the folder of the checkpoint. Blocks written by an interrupted run of the same model, cube and days are
    kept; other embeddings are replaced. `workers` blocks are embedded at a time, as in `run_tasks`, and held in memory.
    Raises InputError where the model does not fit the cube, OSError where the disk refuses.
    """
    check_fits(checkpoint.normalisation, cube, where)
    patch, size = checkpoint.network.config.patch, min(32, cube.grid.chunk)
    if size % patch or cube.grid.chunk % size:
        raise InputError(f"{cube.path}: its chunks of {cube.grid.chunk} pixels are not whole patches of {patch}")
    seasons = plan_seasons(cube, every)
    days = [int(day) for season in seasons for day in season.days] if every else []
    settings = _settings(cube, checkpoint, where, every)
    if not _has_settings(path, settings):
        _create(path, lambda name: embedding_layout(
            name, cube.grid, patch, checkpoint.network.config.width,
            years=cube.years, days=days, attributes=settings,
        ))  # fmt: skip
    device = choose_device()
    network = checkpoint.network.to(device).eval()
    encoder = Encoder(network, checkpoint.weather, autocast_precision(device))
    reader = WindowReader(cube, checkpoint.normalisation)
    work = partial(_embedded, encoder, reader, seasons, clear_days(cube), size, not every)
    written = np.array(read_values(path, "done"))
    missing = [block for block in cube.grid.blocks if not written[block]]
    results = run_tasks(work, missing, workers)
    for block, tokens, images in track(results, "embedding blocks", len(missing), console=console):
        index = (slice(None), *block_slices(cube.grid, block, patch))
        _write(path, "embedding", tokens, index)
        _write(path, "images", images, index)
        written[block] = 1
        _write(path, "done", written)
    return path


def _embedded(
    encoder: Encoder,
    reader: WindowReader,
    seasons: Sequence[SeasonDays],
    clear: NDArray[np.bool_],
    size: int,
    mean: bool,
    block: BlockIndex,
) -> tuple[BlockIndex, NDArray[np.float16], NDArray[np.uint16]]:
    return block, *embed_block(encoder, reader, block, seasons, clear, size, mean=mean)


def _create(path: Path, layout: Callable[[str], GroupSpec]) -> None:
    """Create a store without embeddings in place of another one, so that a kill leaves the old store, none or the new
    one, never a part. `layout` is given the name of its group. Raises OSError."""
    draft = path.with_name(f"{path.name}.new{DRAFT}")
    path.parent.mkdir(parents=True, exist_ok=True)
    create_group(path.parent, layout(draft.name))
    with warnings.catch_warnings():
        # Consolidated metadata is an extension of Zarr 3, which readers may ignore.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(str(draft))
    sync_all(draft)
    remove_tree(path)
    draft.rename(path)
    sync_folder(path.parent)


def _write(path: Path, name: str, values: NDArray[Any], index: tuple[slice, ...] = ()) -> None:
    """Write an array or a part of it, and read it back. Raises OSError."""
    finish_writes([open_pixels(path, name, write=True)[index].write(values)], path)
    stored = read_pixels(open_pixels(path, name, context=cache_context(0)), index)
    if not np.array_equal(stored, values, equal_nan=True):
        raise not_as_written(path / name, "other values")


def plan_seasons(cube: Cube, every: int | None) -> list[SeasonDays]:
    """The days to embed in each season, in the months of the recipe: every `every` days, or every SEASON_STEP days of a
    season whose mean is written. Raises InputError where a season is shorter than that."""
    step, seasons, first = every or SEASON_STEP, [], 0
    period, months = cube.region.period, cube.region.period.months
    for season in period.seasons:
        within = np.arange(season.first_number, season.last_number + 1)
        held = [day for day in within.tolist() if period.contains(date_of(day))]
        days = np.arange(held[0] + step - 1, held[-1] + 1, step) if held else np.empty(0, np.int64)
        days = np.array([day for day in days.tolist() if date_of(day).month in months], np.int64)
        if len(days) == 0:
            raise InputError(f"--every {step}: a season of {cube.region.name} is shorter; choose a smaller step")
        steps = slice(first, first + (len(days) if every else 1))
        seasons.append(SeasonDays(season.name, days, steps))
        first = steps.stop
    return seasons


@dataclass(frozen=True)
class Encoder:
    """A network that encodes samples."""

    network: MMVSF
    weather: bool
    precision: torch.dtype | None
    """of autocast; None for none"""

    @torch.inference_mode()
    def remember(self, weather: SeasonWeather) -> Memory:
        """The memory of the weather of many cells."""
        device = next(self.network.parameters()).device
        seen = weather.weather.to(device) if self.weather else torch.zeros_like(weather.weather, device=device)
        memory: Memory = self.network.weather(seen, weather.start.to(device), torch.zeros(0, dtype=torch.int64))
        return memory

    def __call__(
        self, samples: Sequence[TrainingSample], days: int, memory: Memory | None = None
    ) -> tuple[Floats, NDArray[np.uint16]]:
        """Embeddings (B, days, N, E) of the first `days` images of each sample, and in how many images up to each the
        patches were clear (B, days, N). `memory` is that of the samples' weather where it was made before."""
        device = next(self.network.parameters()).device
        batch = collate(samples).to(device)
        if not self.weather:
            batch = batch.without_weather()
        with torch.inference_mode(), torch.autocast(device.type, self.precision, enabled=self.precision is not None):
            encoded = self.network.encode(batch, memory=memory)
        index = encoded.rank[:, :days, None]
        tokens = encoded.tokens.transpose(1, 2)
        tokens = tokens.gather(1, index[..., None].expand(-1, -1, *tokens.shape[2:]))
        when = encoded.days.gather(1, encoded.rank[:, :days])
        known = encoded.days[:, None, :] <= when[:, :, None]  # (B, days, T)
        usable = encoded.valid.any(-1).float()  # (B, N, T)
        seen = torch.einsum("bdt,bnt->bdn", known.float(), usable)
        return np.asarray(tokens.float().cpu().numpy()), seen.cpu().numpy().astype(np.uint16)


def embed_block(
    encoder: Encoder,
    reader: WindowReader,
    block: BlockIndex,
    seasons: Sequence[SeasonDays],
    clear: NDArray[np.bool_],
    size: int,
    *,
    mean: bool,
) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
    """Embeddings (steps, y, x, E) of a block, NaN where nothing was seen clear up to then, and the number of clear
    images (steps, y, x); `clear` as `clear_days` gives it."""
    grid, config = reader.cube.grid, encoder.network.config
    side, small = grid.block // config.patch, size // config.patch
    steps, device = seasons[-1].steps.stop, next(encoder.network.parameters()).device
    tokens = np.full((steps, side, side, config.width), np.nan, np.float16)
    images = np.zeros((steps, side, side), np.uint16)
    for season in seasons:
        tiles = [tile for tile in block_tiles(reader.cube, block, season.year, clear, size) if len(tile.days)]
        weather = SeasonWeather.of(reader, tiles, season.year)
        memory = encoder.remember(weather)
        for first in range(0, len(tiles), BATCH):
            batch = tiles[first : first + BATCH]
            samples = [embedding_sample(reader, tile, season.days) for tile in batch]
            encoded, seen = encoder(samples, len(season.days), replace(memory, index=weather.index(batch).to(device)))
            encoded = np.where((seen > 0)[..., None], encoded, np.nan)
            if mean:
                encoded, seen = _mean(encoded), seen[:, -1:]
            for tile, embedding, count in zip(batch, encoded, seen, strict=True):
                rows, columns = (
                    slice(s.start // config.patch, s.stop // config.patch) for s in tile.slices_in(block, grid.block)
                )
                tokens[season.steps, rows, columns] = embedding.reshape(-1, small, small, config.width)
                images[season.steps, rows, columns] = count.reshape(-1, small, small)
    return tokens, images


def embedding_sample(reader: WindowReader, window: Window, days: NDArray[np.int64]) -> TrainingSample:
    """A season's images of a window, and before them, in the order of the batch, an image without a valid pixel on each
    of `days`: its embedding is what is known on that day, whether or not the day was clear."""
    images, valid = reader.images(window, window.days)
    blank = np.zeros((len(days), *images.shape[1:]), np.float32)
    unseen = np.zeros((len(days), *valid.shape[1:]), bool)
    start, weather = reader.weather(window.cell, window.year)
    valid, nothing = np.concatenate([unseen, valid]), np.empty(0, np.int64)
    return TrainingSample(
        images=np.concatenate([blank, images]),
        days=np.concatenate([days, window.days]),
        valid=valid,
        clear=valid,
        origin=nothing,
        target=nothing,
        series=(0, *window.cell, window.year),
        weather=weather,
        weather_start=start,
        earlier=begin_earlier(reader, window)(),
    )


def _mean(embeddings: Floats) -> Floats:
    """Mean over the days (axis 1, kept) that have an embedding; NaN where none has."""
    known = np.isfinite(embeddings)
    count = known.sum(1, keepdims=True)
    total: Floats = np.where(known, embeddings, 0).sum(1, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _settings(cube: Cube, checkpoint: Checkpoint, where: Path, every: int | None) -> dict[str, Any]:
    """What embeddings depend on, and where they are from: the attributes of their store."""
    return {
        "title": f"Embeddings of {cube.region.title}",
        "model": {
            "weights_sha256": weights_digest(where / WEIGHTS),
            "network": asdict(checkpoint.network.config),
            "objective": checkpoint.config["training"].get("objective"),
            "trained_on": checkpoint.config["cubes"],
            "sees_weather": checkpoint.weather,
        },
        "normalisation": {key: asdict(getattr(checkpoint.normalisation, key)) for key in ("bands", "weather")},
        "cube": {"region": cube.region.name, "digest": cube.digest},
        "every": every,
        "season_step": None if every else SEASON_STEP,
        "attribution": cube.attributes.get("attribution", ""),
    }


def _has_settings(path: Path, settings: dict[str, Any]) -> bool:
    """Whether there are embeddings with these settings, finished or not."""
    if not (path / "zarr.json").is_file():
        return False
    try:
        stored = root_attributes(path)
    except InputError:  # damaged, so they are written again
        return False
    return all(stored.get(key) == value for key, value in json.loads(json.dumps(settings)).items() if value is not None)
