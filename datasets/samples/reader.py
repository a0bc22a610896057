"""Reads windows of a cube: normalised images and weather, labels, targets and radar. No torch is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.cube.pixels import PixelArray
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.store import CACHE_BYTES
from mmvsf.datasets.variables import (
    BACKSCATTER_FILL,
    BACKSCATTER_SCALE,
    REFLECTANCE_FILL,
    Status,
    band_scales,
    is_clear,
)

from .folds import Fold
from .site import Site, read_site, static_moments
from .statistics import Moments, training_statistics
from .windows import Window

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Means and standard deviations over a training split. A model keeps its own when it is used on another cube."""

    bands: Moments
    weather: Moments
    static: Moments | None = None
    """of the static layers, for a model that is given the site; None for one that is not"""

    @classmethod
    def of(cls, cubes: Sequence[Cube], folds: Sequence[Fold] | None = None, *, site: bool = False) -> Self:
        """From the training splits of cubes (of `folds`, or else of their recipes), each cube with the same weight;
        with the static layers that all cubes have where the model is given the `site`.

        Raises InputError where the cubes carry different bands or weather variables.
        """
        first = cubes[0]
        for cube in cubes[1:]:
            if (cube.bands, cube.weather) != (first.bands, first.weather):
                raise InputError(
                    f"{first.path} and {cube.path} carry different bands or weather variables; "
                    "a model is pretrained on cubes that carry the same"
                )
        splits = folds or [Fold.of(cube) for cube in cubes]
        pairs = [training_statistics(cube, fold) for cube, fold in zip(cubes, splits, strict=True)]
        static = _pooled(static_moments(cubes, splits)) if site else None
        return cls(_pooled([pair[0] for pair in pairs]), _pooled([pair[1] for pair in pairs]), static)

    @classmethod
    def none(cls, cube: Cube) -> Self:
        """Means of 0 and deviations of 1: everything stays in its units."""

        def unit(names: tuple[str, ...]) -> Moments:
            return Moments(names, (0.0,) * len(names), (1.0,) * len(names))

        return cls(unit(cube.bands), unit(cube.weather))

    def images(self, stored: NDArray[np.int16], valid: NDArray[np.bool_]) -> Floats:
        """Normalised images (T, C, H, W) of the bands as stored; 0 where `valid` (T, H, W) is False."""
        mean, std = (np.asarray(x, np.float32)[:, None, None] for x in (self.bands.mean, self.bands.std))
        images = stored.astype(np.float32)
        images *= band_scales(self.bands.names).astype(np.float32)[:, None, None] / std
        images -= mean / std
        np.clip(images, -10, 10, out=images)
        images *= valid[:, None]
        return images

    def normalise(self, reflectance: Floats) -> Floats:
        """Normalised images of bands in their units, reflectance as a fraction, (..., C, H, W)."""
        mean, std = (np.asarray(x, np.float32)[:, None, None] for x in (self.bands.mean, self.bands.std))
        return (reflectance - mean) / std

    def reflectance(self, images: Floats) -> Floats:
        """Bands in their units, reflectance as a fraction, of normalised images (..., C, H, W)."""
        mean, std = (np.asarray(x, np.float32)[:, None, None] for x in (self.bands.mean, self.bands.std))
        return images * std + mean


def _pooled(moments: Sequence[Moments]) -> Moments:
    mean = np.mean([each.mean for each in moments], axis=0)
    square = np.mean([np.square(each.mean) + np.square(each.std) for each in moments], axis=0)
    std = np.sqrt(square - mean**2) if len(moments) > 1 else np.asarray(moments[0].std)
    return Moments(moments[0].names, tuple(mean.tolist()), tuple(std.tolist()))


def _listed(weather: tuple[str, ...]) -> str:
    return f"the weather {', '.join(weather)}" if weather else "no weather"


class WindowReader:
    """Reads windows of one cube. Tensorstore reads many chunks at once, through a cache of bounded size.

    Arrays are opened on first use, so that a reader can be pickled for a worker process.
    """

    def __init__(self, cube: Cube, normalisation: Normalisation, cache_bytes: int = CACHE_BYTES) -> None:
        if normalisation.bands.names != cube.bands or normalisation.weather.names != cube.weather:
            raise InputError(
                f"{cube.path} carries the bands {', '.join(cube.bands)} and {_listed(cube.weather)}, the model expects"
                f" {', '.join(normalisation.bands.names)} and {_listed(normalisation.weather.names)}; pretrain on this"
                " cube, or use one like it"
            )
        self.cube, self.normalisation, self.cache_bytes = cube, normalisation, cache_bytes
        self._stores: dict[str, PixelArray] = {}
        self._weather: NDArray[np.float32] | None = None
        self._weather_lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_stores": {}, "_weather": None}
        del state["_weather_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= {**state, "_weather_lock": Lock()}

    def _store(self, name: str) -> PixelArray:
        if name not in self._stores:
            self._stores[name] = self.cube.pixels(name, self.cache_bytes)
        return self._stores[name]

    def images(self, window: Window, days: NDArray[np.int32]) -> tuple[Floats, NDArray[np.bool_]]:
        """Normalised images (T, C, H, W) of the given days and where they are valid (T, H, W).

        Raises InputError for a damaged shard, OSError where the disk or the bucket refuses.
        """
        return self.begin_images(window, days)()

    def begin_images(self, window: Window, days: NDArray[np.int32]) -> Callable[[], tuple[Floats, NDArray[np.bool_]]]:
        """Begin to read; the result is called for what `images` returns, or raises as it does. Windows of which all
        are begun before the first is waited for share the time in which a disk or a bucket answers."""
        read = self.begin_stored(window, days)

        def finish() -> tuple[Floats, NDArray[np.bool_]]:
            stored, valid = read()
            return self.normalisation.images(stored, valid), valid

        return finish

    def begin_stored(
        self, window: Window, days: NDArray[np.int32]
    ) -> Callable[[], tuple[NDArray[np.int16], NDArray[np.bool_]]]:
        """Begin to read, as `begin_images`, the bands (T, C, H, W) int16 as they are stored, and where they are valid
        (T, H, W)."""
        rows, columns = window.slices
        at = np.asarray(days, np.int64) - self.cube.calendar.first_day
        reflectance = self._store("imagery/reflectance").begin((at, slice(None), rows, columns))
        quality = self._store("imagery/quality").begin((at, rows, columns))

        def finish() -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
            stored: NDArray[np.int16] = reflectance()
            return stored, is_clear(quality()) & (stored != REFLECTANCE_FILL).all(1)

        return finish

    def weather(self, cell: tuple[int, int], year: int) -> tuple[int, Floats]:
        """First day (since 1970-01-01), and normalised daily weather (D, V) from it to the end of a season. It starts
        three months before the season, or where the cube's weather begins, and ends at the first gap where the cube
        says that cells may lack days.

        Raises InputError, naming the day, where the cube has no weather.
        """
        season = self.cube.season.season(year)
        return self._weather_between(cell, season.weather_start, season.last, None)

    def has_weather(self, cell: tuple[int, int], year: int) -> bool:
        """Whether a cell has its weather of a whole season, as far as the cube's period reaches."""
        season = self.cube.season.season(year)
        try:
            self.weather_between(cell, season.weather_start, season.last)
        except InputError:
            return False
        return True

    def weather_between(
        self, cell: tuple[int, int], first: date, last: date, needed: date | None = None
    ) -> tuple[int, Floats]:
        """First day (since 1970-01-01), and normalised daily weather (D, V), from `first` to `last` as far as the cube
        has them. Where `needed` is given, the series ends at a gap after that day.

        Raises InputError, naming the day, where the cube has no weather.
        """
        return self._weather_between(cell, first, last, needed or last)

    def _weather_between(
        self, cell: tuple[int, int], first: date, last: date, needed: date | None
    ) -> tuple[int, Floats]:
        """`needed` None: as far as there is any, where the cube says that cells may lack days."""
        with self._weather_lock:
            if self._weather is None:
                self._weather = self._normalised_weather()
        region = self.cube.region
        start = day_number(max(first, region.weather_start))
        end = day_number(min(last, region.period.end)) + 1
        origin = self.cube.calendar.first_day
        series = self._weather[start - origin : end - origin, self._cell_numbers[cell]]
        finite = np.isfinite(series).all(1)
        if not finite.all():
            length = int(np.argmin(finite))
            if needed is None:
                enough = length > 0 and bool(self.cube.group_attributes("weather").get(LACKING))
            else:
                enough = start + length > day_number(needed)
            if enough:
                return start, series[:length]
            day = date_of(start + length)
            raise InputError(f"{self.cube.path}: weather of {day} is missing in cell {cell}; see `mmvsf check`")
        return start, series

    def site(self, window: Window) -> Site | None:
        """The site of a window; layers that the cube lacks are unknown. None where the model is not given it. Raises
        InputError for a damaged shard."""
        moments = self.normalisation.static
        return None if moments is None else read_site(self.cube, window, moments, self._store)

    def radar(self, window: Window, orbit: str) -> tuple[NDArray[np.int32], Floats]:
        """Days (T,) since 1970-01-01 of the window's season with a pass of a direction (`ascending` or `descending`),
        and its backscatter (T, P, H, W) in dB, by the polarisations of the cube, NaN where there is none.

        Raises InputError for a direction that the cube does not have.
        """
        cube, (rows, columns) = self.cube, window.slices
        if orbit not in cube.orbits:
            raise InputError(f"{cube.path} has no {orbit} passes; it has {', '.join(cube.orbits) or 'no radar'}")
        block = cube.grid.block
        blocks = tuple(slice(part.start // block, -(-part.stop // block)) for part in (rows, columns))
        passed = (cube.array(f"blocks/{orbit}_status")[:, *blocks] == Status.STORED).any(axis=(1, 2))
        days = cube.calendar.days[passed & (cube.season_of_day == window.year)]
        at = days.astype(np.int64) - cube.calendar.first_day
        stored = self._store(f"radar/{orbit}").read((at, slice(None), rows, columns))
        decibels = stored.astype(np.float32) * np.float32(BACKSCATTER_SCALE)
        decibels[stored == BACKSCATTER_FILL] = np.nan
        return days, decibels

    def targets(self, window: Window, names: Sequence[str]) -> Floats:
        """Numbers (K, H, W) of the window's year in the units of the cube's targets, NaN where unknown.

        Raises InputError for a name that the cube does not have.
        """
        if missing := [name for name in names if name not in self.cube.targets]:
            raise InputError(
                f"{self.cube.path} has no targets {', '.join(missing)}; it has {', '.join(self.cube.targets) or 'none'}"
            )
        at, (rows, columns) = self.cube.years.index(window.year), window.slices
        return np.stack([self._store(f"targets/{name}").read((at, rows, columns)) for name in names])

    @cached_property
    def _cell_numbers(self) -> NDArray[np.int_]:
        """(y, x): the place of each weather cell that holds a block in `_normalised_weather`, -1 for the others."""
        mask = self.cube.grid.weather_mask()
        return np.where(mask, np.cumsum(mask).reshape(mask.shape) - 1, -1)

    def _normalised_weather(self) -> Floats:
        """(time, cell, V) of the cells that hold a block, since sites far apart span a large grid, and of one more
        without weather; V is 0 for a cube without weather."""
        mask, moments = self.cube.grid.weather_mask(), self.normalisation.weather
        names = self.cube.weather
        values = np.full((len(self.cube.calendar), int(mask.sum()) + 1, len(names)), np.nan, np.float32)
        for number, name in enumerate(names):
            stored = self.cube.array(f"weather/{name}")[:, mask].astype(np.float64)
            values[:, :-1, number] = (stored - moments.mean[number]) / moments.std[number]
        return values

    def labels(self, window: Window) -> NDArray[np.uint16] | None:
        """Stored label codes (H, W) uint16 of the window's year; None for a year without labels."""
        if window.year not in self.cube.label_years:
            return None
        at = self.cube.label_years.index(window.year)
        rows, columns = window.slices
        return self._store("labels/crop").read((at, rows, columns))

    def confidence(self, window: Window) -> NDArray[np.uint8] | None:
        """Confidence of the labels (H, W) of the window's year in percent, `CONFIDENCE_FILL` where unknown; None for a
        year without labels and for a cube without confidence."""
        if not self.cube.confidence or window.year not in self.cube.label_years:
            return None
        at = self.cube.label_years.index(window.year)
        rows, columns = window.slices
        return self._store("labels/confidence").read((at, rows, columns))
