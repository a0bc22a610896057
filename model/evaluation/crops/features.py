"""The features of classifiers of single pixels: every pixel's series by date, by month or by growing-degree days.

Each function takes the series of a window and a date (one of DATES), and returns features (H * W, F) of the images
until that date. F depends on the date alone. Degree-days align places and years: a field grows with them, so that a
warm and a cool season look alike on that axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.recipe.season import EPOCH, SeasonSpec
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.random_forest import interpolated, season_steps
from mmvsf.model.baselines.simple import season_phase
from mmvsf.model.metrics import has_ndvi, ndvi
from mmvsf.model.mmvsf.weather_encoder import growing_degrees

from .trial import last_day

GDD_STEPS = np.arange(50, 1800, 100)
"""Growing-degree days over 10 C since the season began that each pixel's series is interpolated to: to the end of a
season of maize, which ripens at 1,100 to 1,500."""
GDD_BIN = 150
"""Growing-degree days of each bin of `degree_day_means`, of which there are GDD_BINS."""
GDD_BINS = 12
MID_MONTH = 15
"""The day by which a month has images enough for a mean of its own; those of a month cut short before go to the month
before it."""


@dataclass(frozen=True, eq=False)
class PixelSeries:
    """The images of a window, read once for all features."""

    reader: WindowReader
    window: Window
    images: Floats
    """(T, C, H, W), normalised; 0 where not valid."""
    valid: NDArray[np.bool_]
    """(T, H, W)"""

    @classmethod
    def read(cls, reader: WindowReader, window: Window) -> Self:
        """Raises InputError for a damaged shard, OSError where the disk or the bucket refuses."""
        return cls(reader, window, *reader.images(window, window.days))

    @property
    def season(self) -> SeasonSpec:
        """The season of the cube."""
        return self.reader.cube.season

    def until(self, when: str) -> Self:
        """The images until a date."""
        days = self.window.days
        seen = days <= last_day(self.season.season(self.window.year), when)
        window = replace(self.window, days=days[seen])
        return replace(self, window=window, images=self.images[seen], valid=self.valid[seen])


Describe = Callable[[PixelSeries, str], Floats]


def by_date(series: PixelSeries, when: str) -> Floats:
    """Bands interpolated between clear days to steps of the season."""
    season, steps = series.season, season_steps(series.reader.cube)
    # After 29 February a date comes a day later; the steps are those of other seasons, so that the features are as
    # many. There is always one.
    past = season.common.first_number + steps <= last_day(season.common, when)
    steps = steps[: max(1, int(past.sum()))]
    seen = series.until(when)
    return interpolated(seen.images, seen.valid, season_phase(season, seen.window.days), steps)


def by_degree_days(series: PixelSeries, when: str) -> Floats:
    """Bands interpolated between clear days to GDD_STEPS; steps that were not reached repeat the last clear value.

    Raises ValueError where the cube has no temperatures.
    """
    seen = series.until(when)
    return interpolated(seen.images, seen.valid, degree_days(series.reader, seen.window), GDD_STEPS)


def monthly_means(series: PixelSeries, when: str) -> Floats:
    """Means of the bands, and of NDVI where there is one, over the clear days of each month of the recipe."""
    season, seen = series.season, series.until(when)
    order = [month for month in season.months if month in series.reader.cube.region.period.months]
    days = EPOCH + np.arange(season.common.first_number, last_day(season.common, when) + 1)
    middles = set(_month(days[_day_of_month(days) == MID_MONTH]))
    count = max(1, len(middles & set(order)))
    bins = [min(order.index(month), count - 1) for month in _month(EPOCH + seen.window.days)]
    return _means(seen, np.array(bins, np.int64), count)


def degree_day_means(series: PixelSeries, when: str) -> Floats:
    """Means of the bands, and of NDVI where there is one, over the clear days of each bin of growing-degree days; bins
    that were not reached repeat the last.

    Raises ValueError where the cube has no temperatures.
    """
    seen = series.until(when)
    bins = np.clip(degree_days(series.reader, seen.window) // GDD_BIN, 0, GDD_BINS - 1)
    return _means(seen, bins.astype(np.int64), GDD_BINS)


def has_degree_days(reader: WindowReader) -> bool:
    """Whether the cube has the temperatures that degree-days need."""
    return {"tmin", "tmax"} <= set(reader.normalisation.weather.names)


def degree_days(reader: WindowReader, window: Window) -> NDArray[np.float32]:
    """(T,) growing-degree days over 10 C from the first day of the season, or where the weather begins later, to the
    day before each image of a window.

    Raises ValueError where the cube has no temperatures.
    """
    if not has_degree_days(reader):
        raise ValueError("growing-degree days need the weather variables tmin and tmax")
    moments = reader.normalisation.weather
    start, weather = reader.weather(window.cell, window.year)
    extremes = [moments.names.index("tmin"), moments.names.index("tmax")]
    celsius = weather[:, extremes] * np.array(moments.std)[extremes] + np.array(moments.mean)[extremes]
    daily = growing_degrees(torch.from_numpy(celsius)).numpy()
    daily[: max(0, reader.cube.season.season(window.year).first_number - start)] = 0
    total = np.concatenate([[0], daily.cumsum()])
    return np.asarray(total[window.days - start], np.float32)


def _means(series: PixelSeries, bins: NDArray[np.int64], count: int) -> Floats:
    """(H * W, count * C): means of the images of each bin, where `bins` (T,) never falls; a bin without clear days is
    interpolated between its neighbours, and 0, the mean, where a pixel was never clear."""
    images, valid, normalisation = series.images, series.valid, series.reader.normalisation
    bands = normalisation.bands.names
    if has_ndvi(bands):
        index = ndvi(normalisation.reflectance(images), bands)[:, None]
        images = np.concatenate([images, np.where(valid[:, None], index, 0)], 1).astype(np.float32)
    members = (bins == np.arange(count)[:, None]).astype(np.float32)  # (count, T)
    clear = np.tensordot(members, valid.astype(np.float32), 1)
    means = np.tensordot(members, images, 1) / np.maximum(clear, 1)[:, None]  # images are 0 where not valid
    at = np.arange(count, dtype=np.float32)
    return interpolated(means.astype(np.float32), clear > 0, at, at)


def _month(days: NDArray[np.datetime64]) -> list[int]:
    return [int(month) for month in days.astype("datetime64[M]").astype(int) % 12 + 1]


def _day_of_month(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return np.asarray((days - days.astype("datetime64[M]")).astype(int) + 1)
