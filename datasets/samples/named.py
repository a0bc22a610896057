"""One sample as named arrays: the images of a window and a season, their weather and labels, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.reduce import reduced
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import Season
from mmvsf.datasets.variables import band_scales

from .classes import LabelLookup
from .composites import Composite, spans
from .indices import INDICES
from .reader import Floats, Normalisation, WindowReader
from .windows import Window

NamedArrays = dict[str, Any]
"""Arrays, numbers and names; `mmvsf.dataset` lists them."""


@dataclass(frozen=True)
class SampleForm:
    """What the samples of a data set hold; every sample has the same shapes."""

    channels: tuple[str, ...]
    """bands of the cube, and indices"""
    images: int
    """T: how many images, or composites; shorter series are padded with images that are valid nowhere"""
    composite: Composite | None
    targets: tuple[str, ...]
    normalisation: Normalisation | None
    """None for samples in units"""


def check_channels(cube: Cube, channels: Sequence[str]) -> None:
    """Raises InputError for what is neither a band of a cube nor an index that its bands give."""
    for name in channels:
        if name in cube.bands:
            continue
        if name not in INDICES:
            raise InputError(
                f"{cube.path} has no band '{name}', and there is no index of that name; its bands are"
                f" {', '.join(cube.bands)}, the indices {', '.join(INDICES)}"
            )
        if missing := [band for band in INDICES[name].bands if band not in cube.bands]:
            raise InputError(f"{name} is made from {', '.join(missing)}, which {cube.path} lacks")


class SampleReader:
    """Reads the samples of a cube. It can be sent to another process, which opens the cube's arrays for itself."""

    def __init__(self, cube: Cube, form: SampleForm, cache_bytes: int) -> None:
        self.cube, self.form = cube, form
        self._reader = WindowReader(cube, Normalisation.none(cube), cache_bytes)
        self._lookup = LabelLookup(cube.legend.codes) if cube.legend is not None else None
        seasons = [cube.season.season(year) for year in cube.years]
        self._weather_days = max(season.last_number - _start(season) + 1 for season in seasons)

    def begin(self, window: Window, days: NDArray[np.int32], target: int | None = None) -> Callable[[], NamedArrays]:
        """Begin to read the images of some days of a window, and of the day to be forecast, if there is one; the result
        is called for the sample. Both raise as `WindowReader.begin_images` does."""
        every = days if target is None else np.append(days, np.int32(target))
        read = self._reader.begin_stored(window, every)

        def finish() -> NamedArrays:
            stored, valid = read()
            sample = self._images(window, days, stored[: len(days)], valid[: len(days)])
            if target is not None:
                image = np.where(valid[-1], self._values(stored[-1:])[0], 0)
                sample |= {"target": image, "target_valid": valid[-1], "target_date": target}
            sample |= self._weather(window, target)
            if self._lookup is not None:
                codes = self._reader.labels(window)
                sample["label"] = np.full((window.size,) * 2, -1) if codes is None else self._lookup(codes)
            if self.form.targets:
                sample["targets"] = self._reader.targets(window, self.form.targets)
            return sample | self._where(window)

        return finish

    def _images(
        self, window: Window, days: NDArray[np.int32], stored: NDArray[np.int16], valid: NDArray[np.bool_]
    ) -> NamedArrays:
        """Images, or composites, padded to the number of images."""
        size, channels = window.size, len(self.form.channels)
        images = np.zeros((self.form.images, channels, size, size), np.float32)
        seen = np.zeros((self.form.images, size, size), np.bool_)
        if self.form.composite is None:
            values, dates = self._values(stored), days.astype(np.int64)
            images[: len(days)], seen[: len(days)] = np.where(valid[:, None], values, 0), valid
        else:
            parts = spans(self.cube.region.period, window.year, self.form.composite)
            dates = np.array([first for first, _ in parts])
            for number, (first, last) in enumerate(parts):
                within = slice(*np.searchsorted(days, (first, last + 1)))
                seen[number] = valid[within].any(axis=0)
                images[number] = self._composite(stored[within], valid[within])
        padded = np.pad(dates, (0, self.form.images - len(dates)), mode="edge")
        return {"images": images, "valid": seen, "dates": padded}

    def _values(self, stored: NDArray[np.int16]) -> Floats:
        """The channels (T, C, H, W) of bands as they are stored, in units or normalised; 0 where an index is not
        defined."""
        result = np.stack([self._channel(name, stored) for name in self.form.channels], axis=1)
        values: Floats = np.nan_to_num(self._scaled(result), copy=False)
        return values

    def _composite(self, stored: NDArray[np.int16], valid: NDArray[np.bool_]) -> Floats:
        """The median (C, H, W) of the clear pixels of each channel; 0 where there is none."""
        medians = []
        for name in self.form.channels:
            if name in self.cube.bands:
                band = self.cube.bands.index(name)
                median = reduced(stored[:, band], valid) * band_scales([name])[0]
            else:
                index = self._channel(name, stored)
                median = reduced(index, valid & ~np.isnan(index))
            medians.append(median.astype(np.float32))
        values: Floats = np.nan_to_num(self._scaled(np.stack(medians)[None])[0], copy=False)
        return values

    def _channel(self, name: str, stored: NDArray[np.int16]) -> Floats:
        """One channel (T, H, W) in its units, of bands as they are stored; NaN where an index is not defined."""
        if name not in self.cube.bands:
            index = INDICES[name]
            return index(*(self._channel(band, stored) for band in index.bands))
        at = self.cube.bands.index(name)
        values: Floats = stored[:, at].astype(np.float32)
        values *= np.float32(band_scales([name])[0])
        return values

    def _scaled(self, values: Floats) -> Floats:
        """Channels (T, C, H, W) as the form asks for: bands are normalised, indices stay as they are."""
        if self.form.normalisation is None:
            return values
        bands = self.form.normalisation.bands
        for place, name in enumerate(self.form.channels):
            if name in bands.names:
                at = bands.names.index(name)
                values[:, place] = np.clip((values[:, place] - bands.mean[at]) / bands.std[at], -10, 10)
        return values

    def _weather(self, window: Window, target: int | None) -> NamedArrays:
        """The weather (D, V) of the season from three months before it, up to the day before one to be forecast."""
        if not self.cube.weather:
            return {}
        begins = _start(self.cube.season.season(window.year))
        first, series = self._reader.weather(window.cell, window.year)
        known = len(series) if target is None else max(0, min(len(series), target - first))
        if self.form.normalisation is not None:
            moments = self.form.normalisation.weather
            series = ((series - moments.mean) / moments.std).astype(np.float32)
        weather = np.zeros((self._weather_days, len(self.cube.weather)), np.float32)
        valid = np.zeros(self._weather_days, np.bool_)
        at = slice(first - begins, first - begins + known)
        weather[at], valid[at] = series[:known], True
        return {"weather": weather, "weather_valid": valid, "weather_dates": begins + np.arange(self._weather_days)}

    def _where(self, window: Window) -> NamedArrays:
        grid = self.cube.grid
        box = grid.geobox[window.slices].boundingbox
        return {
            "year": window.year,
            "window": np.array([window.row, window.column, window.size]),
            "block": grid.block_name((window.row // grid.block, window.column // grid.block)),
            "bounds": np.array([box.left, box.bottom, box.right, box.top]),
            "crs": grid.crs,
        }


def _start(season: Season) -> int:
    """The first day of the weather that belongs to a season."""
    return day_number(season.weather_start)
