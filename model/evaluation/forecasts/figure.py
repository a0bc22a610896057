"""Forecasts beside observations: one example of each lead time, of the networks by which the claim is decided."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.pairs import LEADS
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.sidecars.oracle import Oracle
from mmvsf.model.evaluation.core.names import METHODS
from mmvsf.model.figures import false_colour, shown_names
from mmvsf.model.mmvsf.checkpoint import Checkpoint

from .eval_items import EvalItem, EvaluationSet
from .run import forecast_sample, oracle_forecasts

PICTURE = "forecasts.png"
PART = "both"
"""Examples are of places and a year that were never trained on."""


def forecast_picture(data: EvaluationSet, networks: Mapping[str, Checkpoint], oracle: Oracle | None) -> Figure:
    """One row per lead time: the origin's image, the observation, the baselines and the forecasts of each network and
    of the oracle. Squared errors are those of the pixels shown, in units of each band's training variance."""
    chosen = examples(data)
    figure = Figure(layout="constrained")
    if not chosen:
        return figure
    rows = [_panels(data, item, pair, networks, oracle) for item, pair in chosen]
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    figure.set_size_inches(2.0 * len(rows[0]), 2.3 * len(rows))
    for axes, panels in zip(grid, rows, strict=True):
        for axis, (title, image) in zip(axes, panels, strict=True):
            axis.imshow(false_colour(image, data.cube.bands), interpolation="nearest")
            axis.set_title(title, fontsize=8)
            axis.set(xticks=[], yticks=[])
    figure.suptitle(f"{shown_names(data.cube.bands)}; light grey: not clear; e: squared error", fontsize=9)
    return figure


def examples(data: EvaluationSet) -> list[tuple[EvalItem, int]]:
    """For each lead time the item and the place of its pair with the most scored pixels: chosen by the
    observation, not by how well it was forecast. No season is shown twice where there is another."""
    chosen: list[tuple[EvalItem, int]] = []
    for low, high in LEADS:
        pairs = [
            (item in (shown for shown, _ in chosen), -int(item.scored[position].sum()), at, position)
            for at, item in enumerate(data.items)
            if item.part == PART
            for position in np.flatnonzero((item.leads >= low) & (item.leads <= high))
        ]
        if pairs:
            _, _, at, position = min(pairs)
            chosen.append((data.items[at], int(position)))
    return chosen


def _panels(
    data: EvaluationSet, item: EvalItem, pair: int, networks: Mapping[str, Checkpoint], oracle: Oracle | None
) -> list[tuple[str, Floats]]:
    """Titles and reflectance (C, H, W)."""
    sample, scored, observed = item.sample, item.scored[pair], item.observed[pair]
    origin, target = sample.origin[pair], sample.target[pair]
    first, last = (date_of(int(sample.days[position])) for position in (origin, target))
    normalisation = data.reader.normalisation

    def seen(position: int) -> Floats:
        return np.where(sample.clear[position], normalisation.reflectance(sample.images[position]), np.float32(np.nan))

    forecasts = {name: item.baselines[name][pair] for name in ("previous year", "climatology")}
    for name, checkpoint in networks.items():
        batch = collate([sample])
        batch = batch if checkpoint.weather else batch.without_weather()
        forecasts[METHODS.get(name, name)] = forecast_sample(checkpoint.network, batch)[pair]
    if oracle is not None:
        forecasts["oracle"] = normalisation.normalise(oracle_forecasts(item, oracle))[0][pair]
    panels = [(f"{first}", seen(origin)), (f"{last}\n{item.leads[pair]} days later", seen(target))]
    for name, forecast in forecasts.items():
        error = float(np.square(forecast - observed)[:, scored].mean())
        panels.append((f"{name}\ne = {error:.2f}", normalisation.reflectance(forecast)))
    return panels
