"""How often the truth lies inside the intervals of a forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.reader import Floats, Normalisation
from mmvsf.model.forecasting.distribution import Distribution
from mmvsf.model.metrics import has_ndvi, lead_bin, ndvi
from mmvsf.model.mmvsf.network import MMVSF

from .error_sums import Row
from .eval_items import EvalItem, EvaluationSet
from .run import forecast_sample

INTERVALS: Mapping[int, tuple[float, float]] = {50: (0.25, 0.75), 90: (0.05, 0.95)}
"""Quantiles that bound each interval, by its percent."""


def coverage_rows(network: MMVSF, data: EvaluationSet) -> list[Row]:
    """Counts of pixels, and of those inside each of INTERVALS, by set, lead and variable: `mean` of all bands, `ndvi`;
    with the sum of the continuous ranked probability score (`crps`) and of absolute errors (`absolute`), in
    deviations of a band or in NDVI."""
    sums: dict[tuple[str, str, str], defaultdict[str, float]] = {}
    for item in data.items:
        for variable, values in _variables(network, item, data.reader.normalisation).items():
            forecast, error, truth = values
            distribution = Distribution(forecast[None], error)
            crps, limits = distribution.crps(truth), {p: distribution.quantiles(q) for p, q in INTERVALS.items()}
            for pair, lead in enumerate(item.leads):
                name = lead_bin(int(lead))
                if name is None:
                    continue
                pixels = np.broadcast_to(item.scored[pair], truth[pair].shape)
                count = sums.setdefault((item.part, name, variable), defaultdict(float))
                count["n"] += int(pixels.sum())
                count["crps"] += float(crps[pair][pixels].sum())
                count["absolute"] += float(np.abs(forecast - truth)[pair][pixels].sum())
                for percent, (low, high) in limits.items():
                    inside = (truth[pair] >= low[pair]) & (truth[pair] <= high[pair])
                    count[f"inside_{percent}"] += int(inside[pixels].sum())
    names = ("set", "lead", "variable")
    return [{**dict(zip(names, key, strict=True)), "method": "mm-vsf", **count} for key, count in sums.items()]


def _variables(
    network: MMVSF, item: EvalItem, normalisation: Normalisation
) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Forecasts, their expected errors (1, P, K, H, W) and observed values, (P, K, H, W): of all bands in their
    deviations, and of NDVI."""

    def both(batch: Batch) -> Tensor:
        encoded = network.encode(batch)
        return torch.cat(network.forecast_with_spread(encoded, batch.origin, batch.target_day), 2)

    bands = len(normalisation.bands.names)
    drawn, observed = forecast_sample(both, collate([item.sample])), item.observed
    result = {"mean": (drawn[:, :bands], drawn[None, :, bands : 2 * bands], observed)}
    if has_ndvi(normalisation.bands.names):
        forecast, truth = (
            ndvi(normalisation.reflectance(images), normalisation.bands.names)[:, None].astype(np.float32)
            for images in (drawn[:, :bands], observed)
        )
        result["ndvi"] = forecast, drawn[None, :, 2 * bands :], truth
    return result
