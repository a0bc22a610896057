"""Forecasters by name, and user-defined ones by module and object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, index_windows, spread
from mmvsf.model.baselines.forecast_trees import ForecastTrees, describe_pairs, training_rows
from mmvsf.model.baselines.simple import persistence, season_phase
from mmvsf.model.blocks import window_size
from mmvsf.model.forecasting.scoring import ClimatologySource, forecast_images
from mmvsf.model.forecasting.weather_ahead import normalised
from mmvsf.model.named_object import named_object

from .protocol import Floats, Forecaster, ForecastInput

TREE_WINDOWS = 120


def last_clear(given: ForecastInput) -> Floats:
    """Persistence: each pixel's last clear value."""
    days = given.days.astype(np.int64)
    return persistence(given.images, days, given.valid, int(days[-1]))


class UsualSeason:
    """Climatology: the mean of the place's other training years around that day of the season."""

    def __init__(self, cube: Cube) -> None:
        self.source = ClimatologySource(WindowReader(cube, Normalisation.of([cube])))

    def __call__(self, given: ForecastInput) -> Floats:
        reader = self.source.reader
        day = np.array([given.target], "datetime64[D]").astype(np.int64)
        year = next(season for season in reader.cube.years if _in_season(reader.cube, season, int(day[0])))
        window = Window(given.row, given.column, given.images.shape[-1], year, (0, 0), np.empty(0, np.int32))
        usual = self.source.for_window(window)
        if usual is None:
            return np.full(given.images.shape[1:], np.nan, np.float32)
        return reader.normalisation.reflectance(usual.forecast(season_phase(reader.cube.season, day))[0])


def _in_season(cube: Cube, year: int, day: int) -> bool:
    bounds = cube.season.season(year)
    return bounds.first_number <= day <= bounds.last_number


@dataclass(frozen=True, eq=False)
class TreeForecaster:
    """Boosted trees on each pixel's history, with the weather to the target."""

    trees: ForecastTrees
    reader: WindowReader

    @classmethod
    def of(cls, cube: Cube) -> TreeForecaster:
        """Trained on the cube's training windows."""
        reader = WindowReader(cube, Normalisation.of([cube]))
        windows = spread(index_windows(cube)["train"], TREE_WINDOWS)
        size = window_size([cube], patch=1)
        return cls(training_rows(reader, windows, size=size).train(past=True, gap=True), reader)

    def __call__(self, given: ForecastInput) -> Floats:
        sample = training_sample(given, self.reader.normalisation)
        forecasts = self.trees.forecast(describe_pairs(self.reader, sample))
        return self.reader.normalisation.reflectance(forecasts[0])


@dataclass(frozen=True, eq=False)
class NetworkForecaster:
    """A network that forecasts what a `Batch` asks for, such as a pretrained MM-VSF."""

    network: Callable[[Batch], Tensor]
    normalisation: Normalisation
    """That of its training."""
    device: torch.device
    """Of the network."""
    precision: torch.dtype | None = None
    weather: bool = True
    """Whether it was trained to see weather."""

    def __call__(self, given: ForecastInput) -> Floats:
        return self.many([given])[0]

    def many(self, given: Sequence[ForecastInput]) -> list[Floats]:
        """One forecast of each; see `BatchForecaster`."""
        batch = collate([training_sample(each, self.normalisation, number) for number, each in enumerate(given)])
        batch = batch if self.weather else batch.without_weather()
        images = forecast_images(self.network, batch, self.device, self.precision)
        return list(self.normalisation.reflectance(images[:, 0]))


def training_sample(given: ForecastInput, normalisation: Normalisation, number: int = 0) -> TrainingSample:
    """The input as a sample with one pair: its last image, and an unknown one on the target day. `number` tells the
    weather series of a batch apart."""
    unknown = np.zeros((1, *given.images.shape[1:]), np.float32)
    seen = np.where(given.valid[:, None], normalisation.normalise(given.images), 0).clip(-10, 10)
    valid = np.concatenate([given.valid, np.zeros((1, *given.valid.shape[1:]), bool)])
    days = np.append(given.days, given.target).astype("datetime64[D]").astype(np.int64)
    count = len(given.days)
    return TrainingSample(
        images=np.concatenate([seen.astype(np.float32), unknown]),
        days=days,
        valid=valid,
        clear=valid,
        origin=np.array([count - 1]),
        target=np.array([count]),
        series=(number, 0, 0, 0),
        weather=normalised(normalisation, given.weather),
        weather_start=int(given.weather_days[0].astype(np.int64)),
    )


STANDARD: dict[str, Callable[[Cube], Forecaster]] = {
    "persistence": lambda cube: last_clear,
    "climatology": UsualSeason,
    "trees": TreeForecaster.of,
}
"""By name: what makes the forecaster for a cube. `mmvsf` is another name, for a pretrained model."""


def load_object(name: str) -> Forecaster:
    """The forecaster `object` of `module:object`, from the current folder or an installed package.

    Raises InputError where there is no such module or object, or it cannot be called.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        names = ", ".join([*STANDARD, "mmvsf", "convlstm", "contextformer", "weather-copy", "simulator", "oracle"])
        raise InputError(f"--forecaster {name}: write MODULE:OBJECT, or one of {names}")
    forecaster = named_object("--forecaster", name)
    if not callable(forecaster):
        raise InputError(f"--forecaster {name}: it cannot be called with a ForecastInput; see docs/answer.md")
    checked: Forecaster = forecaster
    return checked
