"""A mapper applied to the tiles of a cube, in one season: overlapping windows, blended pixel by pixel.

A tile is a task of its own. Its result is a file and a record beside it (`model.records`), so that a map that was
interrupted continues where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Tile
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.model.cover import BATCH, OVERLAP, Part, SeenDays, blended_rows, parts_of_tile, rows_in_block, window_overlap
from mmvsf.model.records import has_settings, read_record, write_record
from mmvsf.model.season_weather import SeasonWeather
from mmvsf.model.training.device import autocast_precision, choose_device

from .calibration import seen_pixels
from .geotiff import NO_DATA
from .head import WeatherMemory
from .saved import SavedMapper, load_mapper

ENGINE = 2
"""Part of the settings of a tile; to be raised with any change of the pixels of a map."""


@dataclass(frozen=True)
class MapJob:
    """What the pixels of a map depend on. It can be sent to another process."""

    cube: Location
    cube_digest: str
    mapper: Path
    """its folder"""
    mapper_digest: str
    year: int
    until: int | None
    """the last day that is used, since 1970-01-01; None for the whole season"""
    folder: Path
    """of the tiles"""

    def settings(self) -> dict[str, Any]:
        """Those of the records of its tiles."""
        return {
            "cube": self.cube_digest, "mapper": self.mapper_digest, "year": self.year, "until": self.until,
            "overlap": OVERLAP, "batch": BATCH, "engine": ENGINE,
        }  # fmt: skip


@dataclass(frozen=True)
class TileMap:
    """The map of a tile, uint8, NO_DATA where the recipe covers nothing or nothing was seen."""

    classes: NDArray[np.uint8]
    """(H, W): by position in the legend, from 0"""
    probabilities: NDArray[np.uint8]
    """(K, H, W): percent"""
    unlike: NDArray[np.uint8]
    """(H, W): percentage of the known pixels that are nearer to a class"""

    @classmethod
    def empty(cls, classes: int, side: int) -> TileMap:
        """A map without data, `side` pixels a side."""
        return cls(
            *(np.full(shape, NO_DATA, np.uint8) for shape in ((side, side), (classes, side, side), (side, side)))
        )


@dataclass(frozen=True)
class Applied:
    """A mapper opened for a cube and a season."""

    saved: SavedMapper
    reader: WindowReader
    seen: SeenDays
    number: int
    """of the calibrated day"""

    @property
    def overlap(self) -> int:
        """Pixels by which neighbouring windows overlap, at least; none where each pixel is mapped alone."""
        return window_overlap(self.saved.size, self.saved.mapper.network.mixes_pixels)

    def window_maps(
        self, windows: Sequence[Window], weather: SeasonWeather, memory: WeatherMemory
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Probabilities (B, K, H, W), percentiles of unlikeness (B, H, W), and which pixels were seen (B, H, W)."""
        device = next(self.saved.mapper.parameters()).device
        precision = autocast_precision(device)
        batch = collate([season_sample(self.reader, window) for window in windows]).to(device)
        with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
            season = self.saved.mapper.encode(batch, memory.of(weather.index(windows).to(device)))
            scores, features = self.saved.mapper.head.describe(season)
        with torch.inference_mode():
            probabilities = self.saved.calibration.probabilities(scores, self.number)
            unlike = self.saved.calibration.percentile(features, self.number)
            first = self.reader.cube.season.season(self.seen.year).first_number
            seen = seen_pixels(season, torch.full((len(windows),), first, device=device))
        return tuple(tensor.cpu().numpy() for tensor in (probabilities, unlike, seen))  # type: ignore[return-value]

    @torch.inference_mode()
    def remember(self, weather: SeasonWeather) -> WeatherMemory:
        """The memory of the weather of all cells."""
        device = next(self.saved.mapper.parameters()).device
        return self.saved.mapper.remember(
            weather.weather.to(device), weather.start.to(device), torch.zeros(0, dtype=torch.int64, device=device)
        )


@lru_cache(maxsize=1)  # a network and the metadata of one cube
def opened(job: MapJob) -> Applied:
    """The mapper and the cube of a job, kept from tile to tile. Raises InputError where either is another one now."""
    cube, saved = Cube.open(job.cube), load_mapper(job.mapper)
    if cube.digest != job.cube_digest or saved.digest != job.mapper_digest:
        raise InputError(f"{job.cube} or the mapper in {job.mapper} changed while its map was made; run it again")
    bounds = cube.season.season(job.year)
    last = bounds.last_number if job.until is None else min(job.until, bounds.last_number)
    seen = SeenDays.of(cube, job.year, bounds.first_number, last)
    end = min(last, day_number(cube.region.period.end)) - bounds.first_number  # the calendar goes on to a shard's end
    device = choose_device()
    saved.mapper.to(device)
    saved.calibration.to(device)
    return Applied(saved, WindowReader(cube, saved.normalisation), seen, saved.calibration.at(end))


def map_tile(job: MapJob, tile: Tile) -> str:
    """Map a tile, write it and its record; returns its name. Raises InputError for damage, OSError where the disk
    refuses."""
    applied = opened(job)
    grid, classes = applied.reader.cube.grid, len(applied.saved.legend.classes)
    result = TileMap.empty(classes, tile.grid.shape[0])
    for part in parts_of_tile(grid, tile, applied.saved.size, applied.overlap):
        for first_row, strip in _strips(applied, part):
            _put(result, grid.block, tile, part, first_row, strip)
    content = BytesIO()
    np.savez_compressed(content, classes=result.classes, probabilities=result.probabilities, unlike=result.unlike)
    write_verified(_file(job, tile), content.getvalue())
    covered = len(tile.grid.blocks) * grid.block**2
    counts = np.bincount(result.classes[result.classes != NO_DATA], minlength=classes)
    write_record(
        _record(job, tile),
        job.settings(),
        {
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
            "pixels": counts.tolist(),
            "unseen": covered - int(counts.sum()),
        },
    )
    return tile.name


def tile_record(job: MapJob, tile: Tile) -> dict[str, Any] | None:
    """The record of a tile with `pixels` of each class and `unseen` ones; None where it is not done."""
    record, path = read_record(_record(job, tile)), _file(job, tile)
    if record is None or not has_settings(record, job.settings()) or not path.is_file():
        return None
    return record if hashlib.sha256(path.read_bytes()).hexdigest() == record.get("sha256") else None


def read_tile(job: MapJob, tile: Tile) -> TileMap:
    """The map of a tile that is done. Raises InputError where it is damaged."""
    try:
        with np.load(_file(job, tile), allow_pickle=False) as arrays:
            return TileMap(arrays["classes"], arrays["probabilities"], arrays["unlike"])
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{_file(job, tile)} is damaged; run the same command again") from error


def _file(job: MapJob, tile: Tile) -> Path:
    return job.folder / f"{tile.name}.npz"


def _record(job: MapJob, tile: Tile) -> Path:
    return job.folder / f"{tile.name}.json"


def _strips(applied: Applied, part: Part) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The blended rows of a part: the first row, and (K + 1, rows, columns) of probabilities and unlikeness."""
    size, seen = applied.saved.size, applied.seen
    rows = [(row, [seen.window(row, column, size) for column in columns]) for row, columns in part.starts]
    rows = [(row, [window for window in windows if len(window.days)]) for row, windows in rows]
    weather = SeasonWeather.of(applied.reader, chain.from_iterable(windows for _, windows in rows), seen.year)
    memory = applied.remember(weather)

    def evaluate(windows: Sequence[Window]) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
        for probabilities, unlike, known in zip(*applied.window_maps(windows, weather, memory), strict=True):
            yield np.concatenate([probabilities, unlike[None]]), known

    yield from blended_rows(part, rows, size, applied.overlap, len(applied.saved.legend.classes) + 1, evaluate)


def _put(result: TileMap, side: int, tile: Tile, part: Part, first_row: int, strip: NDArray[np.float32]) -> None:
    """Write finished rows of a part into the map of its tile, as far as they lie in its blocks."""
    top, left = tile.row * side, tile.column * side
    for by, bx in part.blocks:
        rows = rows_in_block(first_row, strip.shape[1], (by, bx), side)
        if rows is None:
            continue
        across = slice(bx * side - part.columns.start, (bx + 1) * side - part.columns.start)
        values = strip[:, rows.start - first_row : rows.stop - first_row, across]
        known = np.isfinite(values[-1])
        filled = np.where(known, values, 0)
        at = (slice(rows.start - top, rows.stop - top), slice(bx * side - left, (bx + 1) * side - left))
        result.classes[at] = np.where(known, filled[:-1].argmax(0), NO_DATA)
        result.unlike[at] = np.where(known, np.round(filled[-1]), NO_DATA)
        result.probabilities[:, at[0], at[1]] = np.where(known, np.round(filled[:-1] * 100), NO_DATA)
