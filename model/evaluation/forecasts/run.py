"""Forecasts of the items of a held-out year by networks, baselines and the oracle, as rows of error sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import index_windows, spread
from mmvsf.datasets.sidecars.oracle import Oracle
from mmvsf.model.baselines.forecast_trees import describe_pairs, training_rows
from mmvsf.model.evaluation.core.names import TREES, WITH_USUAL
from mmvsf.model.evaluation.core.settings import EvaluationSettings
from mmvsf.model.forecasting.scoring import forecast_images
from mmvsf.model.training.device import autocast_precision, choose_device

from .error_sums import GroupedErrorSums, Row
from .eval_items import BASELINES, EvalItem, EvaluationSet

SEEN = ((False, False), (True, False), (True, True))
"""Whether the trees of TREES see the weather before the origin, and that between origin and target."""
ALL_KNOWING = ("oracle", "oracle without the gap's weather")
INFERRING = ("inferring oracle", "inferring oracle without the gap's weather")
ORACLES = (*ALL_KNOWING, *INFERRING)
"""Told what is hidden of each field, and inferring it from the images; as in `FORECASTS`."""


def network_rows(network: Callable[[Batch], Tensor], data: EvaluationSet, method: str, *, weather: bool) -> list[Row]:
    """Errors of a network's forecasts; `weather` False shows it the mean weather only. Those of MM-VSF are also
    averaged with the climatology, which knows the place's other years."""
    sums = GroupedErrorSums(data.reader.normalisation)
    for item in data.items:
        batch = collate([item.sample])
        forecasts = forecast_sample(network, batch if weather else batch.without_weather())
        sums.add(item, method, forecasts)
        if method == "mm-vsf":
            sums.add(item, WITH_USUAL, np.float32(0.5) * (forecasts + item.baselines["climatology"]))
    return sums.rows(year=data.year)


def tree_rows(data: EvaluationSet, settings: EvaluationSettings) -> list[Row]:
    """Errors of boosted trees, taught on parts of the training windows: without weather, with that before the origin,
    and with that of the gap too."""
    sums = GroupedErrorSums(data.reader.normalisation)
    windows = spread(index_windows(data.cube, data.fold)["train"], settings.tree_windows)
    rows = training_rows(data.reader, windows, size=settings.scored, rows=settings.tree_rows)
    trained = {method: rows.train(past=past, gap=gap) for method, (past, gap) in zip(TREES, SEEN, strict=True)}
    for item in data.items:
        pairs = describe_pairs(data.reader, item.sample)
        for method, trees in trained.items():
            sums.add(item, method, trees.forecast(pairs, item.scored))
    return sums.rows(year=data.year)


def forecast_sample(network: Callable[[Batch], Tensor], batch: Batch) -> Floats:
    """Normalised forecasts (P, C, H, W) of a batch of one sample, on the best device there is."""
    forecasts: Floats = forecast_batch(network, batch)[0]
    return forecasts


def forecast_batch(network: Callable[[Batch], Tensor], batch: Batch) -> Floats:
    """Normalised forecasts (B, P, C, H, W) on the best device there is."""
    device = choose_device()
    return forecast_images(network, batch, device, autocast_precision(device))


def baseline_rows(data: EvaluationSet) -> list[Row]:
    """Errors of the baselines."""
    sums = GroupedErrorSums(data.reader.normalisation)
    for item in data.items:
        for method in BASELINES:
            sums.add(item, method, item.baselines[method])
    return sums.rows(year=data.year)


def oracle_rows(data: EvaluationSet, oracle: Oracle) -> list[Row]:
    """Errors of the oracles, which know the simulated world, in the held-out year: with the weather of the gap, and
    without.

    Raises InputError where the oracle lacks a pair.
    """
    sums = GroupedErrorSums(data.reader.normalisation)
    for item in data.items:
        if item.window.year == data.year:
            normalised = data.reader.normalisation.normalise(oracle_forecasts(item, oracle))
            for method, forecasts in zip(ORACLES, normalised, strict=True):
                sums.add(item, method, forecasts)
    return sums.rows(year=data.year)


def oracle_forecasts(item: EvalItem, oracle: Oracle) -> Floats:
    """Reflectance (4, P, C, H, W) of an item's pairs, by ORACLES.

    Raises InputError where the oracle lacks a pair.
    """
    sample, window = item.sample, item.window
    forecasts = []
    for origin, target in zip(sample.days[sample.origin], sample.days[sample.target], strict=True):
        pair = oracle.pair(window.row, window.column, window.year, int(origin), int(target))
        if pair is None:
            raise InputError(
                f"{oracle.path} lacks forecasts of {window.year}; make them with"
                f" `mmvsf oracle REGION --years {window.year}`"
            )
        forecasts.append(np.stack(pair))
    return np.stack(forecasts, 1)
