"""Ablations: forecasts of one trained network with changed weather, or without earlier images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.variables import Split
from mmvsf.model.mmvsf.network import MMVSF

from .error_sums import GroupedErrorSums, Row
from .eval_items import EvalItem, EvaluationSet
from .run import forecast_batch, forecast_sample

SMOOTHING = 15
"""Days over which the mean weather of a few years is smoothed."""


class UsualWeather:
    """The mean weather of a fold's training years, by cell and day of the season, normalised."""

    def __init__(self, reader: WindowReader, years: tuple[int, ...]) -> None:
        self.reader, self.years = reader, years

    def others(self, item: EvalItem) -> list[Floats]:
        """(D, V) each: the weather of the training years other than the item's, of those that its cell has."""
        cell, years = item.window.cell, [year for year in self.years if year != item.window.year]
        return [self.other_year(item, year) for year in years if self.reader.has_weather(cell, year)]

    def another(self, item: EvalItem) -> Floats:
        """(D, V): one of them."""
        others = self.others(item)
        return others[item.window.year % len(others)]

    def mean(self, item: EvalItem) -> Floats:
        """(D, V): the mean of the others."""
        mean: Floats = np.mean(self.others(item), 0, dtype=np.float32)
        return mean

    def smooth(self, item: EvalItem) -> Floats:
        """(D, V), the mean over SMOOTHING days."""
        usual = np.pad(self.mean(item), [(SMOOTHING // 2, SMOOTHING // 2), (0, 0)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(usual, SMOOTHING, axis=0)
        mean: Floats = windows.mean(-1, dtype=np.float32)
        return mean

    def other_year(self, item: EvalItem, year: int) -> Floats:
        """(D, V): another year's weather on the days of the item's series; the nearest day where it has none."""
        start, series = self.reader.weather(item.window.cell, year)
        season = self.reader.cube.season
        item_start = item.sample.weather_start - season.season(item.window.year).first_number
        first = start - season.season(year).first_number
        rows = np.arange(len(item.sample.weather)) + item_start - first
        aligned: Floats = series[rows.clip(0, len(series) - 1)]
        return aligned


def as_it_is(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The real weather."""
    return forecast_sample(network, collate([item.sample]))


def mean_weather(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """Every day is the mean day of all seasons."""
    return forecast_sample(network, collate([item.sample]).without_weather())


def usual_weather(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """Every day is as it usually is in that place."""
    return forecast_sample(network, collate([replace(item.sample, weather=usual.smooth(item))]))


def other_weather(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The weather of one of the training years."""
    return forecast_sample(network, collate([replace(item.sample, weather=usual.another(item))]))


def other_gaps(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The real weather up to the day before the origin, and from then on that of each training year: the mean of the
    forecasts, as the oracle without the gap's weather makes it."""
    since = item.sample.days[item.sample.origin]
    each = [_other_since(network, item, series, since) for series in usual.others(item)]
    likely: Floats = np.mean(each, 0, dtype=np.float32)
    return likely


def other_future(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The real weather up to the day before the target, and from then on that of one of the training years."""
    return _other_since(network, item, usual.another(item), item.sample.days[item.sample.target])


def _other_since(network: MMVSF, item: EvalItem, instead: Floats, since: NDArray[np.int64]) -> Floats:
    """Other weather (D, V) from the day `since` (P,) of each pair on."""
    sample = item.sample
    days_before = since - sample.weather_start
    real = np.arange(len(instead)) < days_before[:, None]
    series = torch.from_numpy(np.where(real[..., None], sample.weather, instead).astype(np.float32))

    def forecast(batch: Batch) -> Tensor:
        encoded = network.encode(batch)
        pairs, device = len(series), batch.weather.device
        memory = network.weather(
            series.to(batch.weather), batch.weather_start.expand(pairs), torch.arange(pairs, device=device)
        )
        # One sample per pair, since each has its own weather; they share the images.
        each = replace(
            encoded,
            tokens=encoded.tokens.expand(pairs, -1, -1, -1),
            days=encoded.days.expand(pairs, -1),
            rank=encoded.rank.expand(pairs, -1),
            pixels=encoded.pixels.expand(pairs, -1, -1, -1, -1),
            valid=encoded.valid.expand(pairs, -1, -1, -1),
            memory=memory,
        )
        return network.forecast(each, batch.origin.mT, batch.target_day.mT).transpose(0, 1)

    return forecast_sample(forecast, collate([sample]))


def last_image_only(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The real weather, but no image older than the origin's."""
    sample = item.sample
    pairs = []
    for origin, target in zip(sample.origin, sample.target, strict=True):
        two = np.array([origin, target])
        valid = sample.valid[two] & np.array([True, False])[:, None, None]
        pair = replace(
            sample, images=sample.images[two], days=sample.days[two], valid=valid, clear=sample.clear[two],
            origin=np.array([0]), target=np.array([1]), earlier=None,
        )  # fmt: skip
        pairs.append(pair)
    forecasts: Floats = forecast_batch(network, collate(pairs))[:, 0]
    return forecasts


def season_only(network: MMVSF, item: EvalItem, usual: UsualWeather) -> Floats:
    """The real weather, but no image of the season before."""
    return forecast_sample(network, collate([replace(item.sample, earlier=None)]))


Variant = Callable[[MMVSF, EvalItem, UsualWeather], Floats]

AS_IT_IS, OTHER_GAPS = "as it is", "other years' weather in the gap"
OTHER_FUTURE = "another year's weather from the target on"
VARIANTS: dict[str, Variant] = {
    AS_IT_IS: as_it_is,
    "mean weather": mean_weather,
    "usual weather": usual_weather,
    "another year's weather": other_weather,
    OTHER_GAPS: other_gaps,
    OTHER_FUTURE: other_future,
    "without the season before": season_only,
    "origin's image only": last_image_only,
}


def weather_rows(network: MMVSF, data: EvaluationSet) -> list[Row]:
    """Errors of every variant in the held-out year; the `method` of a row is the variant's name."""
    usual = UsualWeather(data.reader, data.fold.years_of(data.cube, Split.TRAIN))
    sums = GroupedErrorSums(data.reader.normalisation)
    for item in data.items:
        if item.window.year != data.year or not usual.others(item):
            continue
        for name, variant in VARIANTS.items():
            sums.add(item, name, variant(network, item, usual))
    return sums.rows(year=data.year)
