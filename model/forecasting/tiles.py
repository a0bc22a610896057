"""The forecast of a tile: overlapping windows, blended pixel by pixel for every course of the weather, as quantiles.

A tile is a task of its own. Its result is a file for each block and a record (`model.records`), so that a forecast that
was interrupted continues where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Tile
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import TrainingSample
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.datasets.variables import REFLECTANCE_FILL
from mmvsf.model.cover import (
    Part,
    SeenDays,
    blended_rows,
    owned_pixels,
    parts_of_tile,
    rows_in_block,
    window_overlap,
)
from mmvsf.model.metrics import has_ndvi, ndvi
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, load_checkpoint, weights_digest
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.records import write_record
from mmvsf.model.training.device import choose_device

from .block import LOOK_BACK
from .courses import Courses, window_forecasts
from .distribution import QUANTILES, Distribution
from .job import ForecastJob
from .variables import Stored, as_stored, compared, scales_of, variables_of, with_ndvi

MOST_CHANNELS = 480
"""Channels of days and courses of the weather that are blended at once; with more, days take turns."""


@dataclass(frozen=True)
class Applied:
    """A model opened for a forecast."""

    network: MMVSF
    courses: Courses
    seen: SeenDays

    @property
    def channels(self) -> int:
        """Of a day under one course: the bands, and the expected errors of all variables."""
        return len(self.cube.bands) + len(variables_of(self.cube.bands))

    def overlap(self, size: int) -> int:
        """Pixels by which neighbouring windows of `size` pixels a side overlap, at least."""
        return window_overlap(size, self.network.mixes_pixels)

    @property
    def cube(self) -> Cube:
        return self.seen.cube


@dataclass
class AreaSums:
    """Sums over the pixels of a block, from which numbers of areas follow."""

    pixels: int = 0
    unseen: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(N, P, K): of each course, day and variable"""


@lru_cache(maxsize=1)  # a network and the metadata of one cube
def opened(job: ForecastJob) -> Applied:
    """The model and the cube of a job, kept from tile to tile. Raises InputError where either is another one now."""
    cube, checkpoint = Cube.open(job.cube), load_checkpoint(job.model)
    if cube.digest != job.cube_digest or weights_digest(job.model / WEIGHTS) != job.model_digest:
        raise InputError(f"{job.cube} or the model in {job.model} changed while a forecast was made; run it again")
    reader = WindowReader(cube, checkpoint.normalisation)
    courses = Courses(reader, job.weather, job.scenario, job.issued, max(job.days), checkpoint.weather)
    return Applied(checkpoint.network.eval().to(choose_device()), courses, seen_before(cube, job.issued))


def seen_before(cube: Cube, issued: int) -> SeenDays:
    """The days on which a cube was seen in the LOOK_BACK days up to a day of issue."""
    return SeenDays.of(cube, cube.season.season_of(date_of(issued)).name, issued - LOOK_BACK, issued)


def forecast_tile(job: ForecastJob, tile: Tile) -> str:
    """Forecast a tile, write its blocks and its record; returns its name. Raises InputError for damage, OSError where
    the disk refuses."""
    applied = opened(job)
    work = TileWork(job, applied, job.blocks(tile))
    per = max(1, MOST_CHANNELS // (len(applied.courses) * applied.channels))
    for first in range(0, len(job.days), per):
        for part in parts_of_tile(applied.cube.grid, tile, job.size, applied.overlap(job.size), job.area.blocks):
            work.add(part, slice(first, min(first + per, len(job.days))))
    digests = {}
    for block, (quantiles, difference) in work.stored.items():
        content = BytesIO()
        np.savez_compressed(content, quantiles=quantiles, difference=difference)
        write_verified(job.file(block), content.getvalue())
        digests[f"{block[0]},{block[1]}"] = hashlib.sha256(content.getvalue()).hexdigest()
    sums = {
        f"{y},{x}": {"pixels": each.pixels, "unseen": each.unseen, "sums": each.sums.tolist()}
        for (y, x), each in work.sums.items()
    }
    history = {str(day): list(pair) for day, pair in sorted(work.history.items())}
    write_record(job.record(tile), job.settings(), {"sha256": digests, "blocks": sums, "history": history})
    return tile.name


@dataclass
class TileWork:
    """A tile that is being forecast."""

    job: ForecastJob
    applied: Applied
    blocks: Sequence[BlockIndex]
    stored: dict[BlockIndex, tuple[Stored, Stored]] = field(init=False)
    sums: dict[BlockIndex, AreaSums] = field(init=False)
    history: dict[int, tuple[float, int]] = field(init=False, default_factory=dict)
    """day -> sum and number of the `compared` variable over clear pixels of the area"""

    def __post_init__(self) -> None:
        count, days, cube = len(self.applied.courses), len(self.job.days), self.applied.cube
        variables = len(variables_of(cube.bands))
        self.stored, self.sums = {}, {}
        for block in self.blocks:
            shape = tuple(part.stop - part.start for part in self.job.area.part_of(cube.grid, block))
            kinds = ((len(QUANTILES), days, variables), (len(QUANTILES) * (self.job.scenario is not None), days))
            one, two = (np.full((*kind, *shape), REFLECTANCE_FILL, np.int16) for kind in kinds)
            self.stored[block] = one, two
            self.sums[block] = AreaSums(sums=np.zeros((count, days, variables)))

    def add(self, part: Part, days: slice) -> None:
        """Forecast some of the days over a part of the tile."""
        job, applied = self.job, self.applied
        rows = [
            (row, [applied.seen.window(row, column, job.size) for column in columns]) for row, columns in part.starts
        ]
        rows = [(row, [window for window in windows if len(window.days)]) for row, windows in rows]
        shape = (len(applied.courses), days.stop - days.start, applied.channels)
        owned = dict(owned_pixels(part, job.size))

        def evaluate(windows: Sequence[Window]) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
            drawn = window_forecasts(applied.network, applied.courses, windows, job.days[days])
            for window, (images, seen, sample) in zip(windows, drawn, strict=True):
                if days.start == 0:
                    self._remember(window, owned[window.row, window.column], sample)
                yield images.reshape(-1, *images.shape[-2:]), seen

        for first_row, strip in blended_rows(
            part, rows, job.size, applied.overlap(job.size), int(np.prod(shape)), evaluate
        ):
            self._put(part, days, first_row, strip.reshape(*shape, *strip.shape[1:]))

    def _remember(self, window: Window, owned: tuple[slice, slice], sample: TrainingSample) -> None:
        """Add what was seen in those pixels of a window that are its own and lie in the area."""
        inside = np.zeros((window.size, window.size), bool)
        for block in self.blocks:
            both = zip(self.job.area.part_of(self.applied.cube.grid, block), owned, strict=True)
            (top, bottom), (left, right) = ((max(a.start, b.start), min(a.stop, b.stop)) for a, b in both)
            if top < bottom and left < right:
                inside[top - window.row : bottom - window.row, left - window.column : right - window.column] = True
        if not inside.any():
            return
        bands = self.applied.cube.bands
        shown = self.applied.courses.reader.normalisation.reflectance(sample.images)
        values = ndvi(shown, bands) if has_ndvi(bands) else shown[:, 0]
        for day, image, clear in zip(sample.days.tolist(), values, sample.valid & inside, strict=True):
            if clear.any():
                total, count = self.history.get(day, (0.0, 0))
                self.history[day] = total + float(image[clear].sum(dtype=np.float64)), count + int(clear.sum())

    def _put(self, part: Part, days: slice, first_row: int, strip: Floats) -> None:
        """Store finished rows (N, P, channels, rows, columns of the part), as far as they lie in the area."""
        grid, bands = self.applied.cube.grid, self.applied.cube.bands
        for block in part.blocks:
            rows = rows_in_block(first_row, strip.shape[-2], block, grid.block)
            inside, columns = self.job.area.part_of(grid, block)
            if rows is None or (begin := max(rows.start, inside.start)) >= (end := min(rows.stop, inside.stop)):
                continue
            across = slice(columns.start - part.columns.start, columns.stop - part.columns.start)
            images = strip[..., begin - first_row : end - first_row, across]
            error = images[:, :, len(bands) :]
            images = with_ndvi(images[:, :, : len(bands)], bands)
            at = (days, ..., slice(begin - inside.start, end - inside.start), slice(None))
            self._store(block, at, images, error)
            self._add_sums(block, days, images)

    def _store(self, block: BlockIndex, at: tuple[Any, ...], images: Floats, error: Floats) -> None:
        quantiles, difference = self.stored[block]
        members = len(self.job.weather.members)
        scales = scales_of(self.applied.cube.bands)
        # Under a scenario it is the one that is shown, and the weather that it changes is what it is compared with.
        shown = Distribution(images[-members:], error[-members:])
        levels = shown.quantiles()
        if has_ndvi(self.applied.cube.bands):
            levels[:, :, -1] = levels[:, :, -1].clip(-1, 1)
        quantiles[:, *at] = as_stored(levels, scales[:, None, None])
        if self.job.scenario is not None:
            number = variables_of(self.applied.cube.bands).index(compared(self.applied.cube.bands))
            changes = images[members:, :, number] - images[:members, :, number]
            difference[:, *at] = as_stored(Distribution(changes).quantiles(), scales[number])

    def _add_sums(self, block: BlockIndex, days: slice, images: Floats) -> None:
        sums = self.sums[block]
        known = np.isfinite(images[0, 0, 0])
        if days.start == 0:
            sums.pixels += int(known.sum())
            sums.unseen += int((~known).sum())
        sums.sums[:, days] += images[..., known].sum(axis=-1, dtype=np.float64)
