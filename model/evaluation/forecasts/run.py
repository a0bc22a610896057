"""Forecasts of a fold's items by networks, baselines and the oracle, as rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.loader import collate
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.sidecars.oracle import Oracle
from mmvsf.model.pretraining.device import autocast_precision, choose_device

from .error_sums import Row, Tallies
from .items import BASELINES, EvaluationSet, Item

NO_INDICES = "no-indices"
ORACLES = ("oracle", "oracle without the gap's weather")


def network_rows(network: Callable[[Batch], Tensor], data: EvaluationSet, method: str, *, weather: bool) -> list[Row]:
    """Errors of a network's forecasts; `weather` False shows it the mean weather only."""
    tallies = Tallies(data.reader.normalisation)
    for item in data.items:
        batch = collate([item.sample])
        tallies.add(item, method, run_one(network, batch if weather else batch.without_weather()))
    return tallies.rows(year=data.year)


def run_one(network: Callable[[Batch], Tensor], batch: Batch) -> Floats:
    """Forecasts (P, C, H, W) of a batch of one sample."""
    forecasts: Floats = run(network, batch)[0]
    return forecasts


def run(network: Callable[[Batch], Tensor], batch: Batch) -> Floats:
    """Normalised forecasts (B, P, C, H, W) on the best device there is."""
    device = choose_device()
    precision = autocast_precision(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return np.asarray(network(batch.to(device)).float().cpu().numpy())


def baseline_rows(data: EvaluationSet) -> list[Row]:
    """Errors of the forecasts that learn nothing."""
    tallies = Tallies(data.reader.normalisation)
    for item in data.items:
        for method in BASELINES:
            tallies.add(item, method, item.baselines[method])
    return tallies.rows(year=data.year)


def oracle_rows(data: EvaluationSet, oracle: Oracle) -> list[Row]:
    """Errors of someone who knows the simulated world, in the held-out year: with the weather of the gap, and without.

    Raises InputError where the oracle lacks a pair.
    """
    tallies = Tallies(data.reader.normalisation)
    for item in data.items:
        if item.window.year == data.year:
            normalised = data.reader.normalisation.normalise(oracle_forecasts(item, oracle))
            for method, forecasts in zip(ORACLES, normalised, strict=True):
                tallies.add(item, method, forecasts)
    return tallies.rows(year=data.year)


def oracle_forecasts(item: Item, oracle: Oracle) -> Floats:
    """Reflectance (2, P, C, H, W) of an item's pairs, with and without the gap's weather.

    Raises InputError where the oracle lacks a pair.
    """
    sample, window = item.sample, item.window
    found = []
    for origin, target in zip(sample.days[sample.origin], sample.days[sample.target], strict=True):
        pair = oracle.pair(window.row, window.column, window.year, int(origin), int(target))
        if pair is None:
            raise InputError(
                f"{oracle.path} lacks forecasts of {window.year}; make them with"
                f" `mmvsf oracle REGION --years {window.year}`"
            )
        found.append(np.stack(pair))
    return np.stack(found, 1)
