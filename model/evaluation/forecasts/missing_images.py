"""Missing images: an image of a season is left out and forecast from the others (the paper's missing-image
prediction)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import spread
from mmvsf.model.baselines.simple import interpolate, persistence
from mmvsf.model.mmvsf.network import MMVSF

from .error_sums import GroupedErrorSums, Row
from .eval_items import EvalItem, EvaluationSet
from .run import forecast_batch, forecast_sample

LONGEST_GAP = 40
"""Days between the images on both sides of the missing one, at most."""
LINE = "line to the next image"


def missing_items(data: EvaluationSet, most: int) -> list[EvalItem]:
    """Items whose pairs are (image before, missing image), at most `most` in each window, scored where the missing
    image and one before it are clear."""
    items = (_missing_item(item, most) for item in data.items)
    return [item for item in items if item is not None]


def _missing_item(item: EvalItem, most: int) -> EvalItem | None:
    sample = item.sample
    days = sample.days
    between = [i for i in range(1, len(days) - 1) if days[i + 1] - days[i - 1] <= LONGEST_GAP]
    missing = np.array(spread(between, most), np.int64)
    if len(missing) == 0:
        return None
    baselines: dict[str, list[Floats]] = {"persistence": [], LINE: []}
    for position in missing:
        others = np.arange(len(days)) != position
        rest = sample.images[others], days[others], sample.clear[others]
        baselines["persistence"].append(persistence(*rest, int(days[position - 1])))
        baselines[LINE].append(interpolate(*rest, days[[position]])[0])
    stacked = {name: np.stack(forecasts) for name, forecasts in baselines.items()}
    scored = sample.clear[missing]
    for forecast in stacked.values():
        scored = scored & np.isfinite(forecast).all(1)
    pairs = replace(sample, origin=missing - 1, target=missing)
    return replace(item, sample=pairs, scored=scored, baselines=stacked)


def missing_rows(
    network: MMVSF, data: EvaluationSet, method: str, most: int, *, weather: bool, masked: bool
) -> list[Row]:
    """Errors of a network's forecasts of missing images, and of the two baselines.

    A network that was trained to reconstruct (`masked`) is given the image with every pixel hidden; one that was
    trained to forecast starts from the image before, and a second row corrects its forecast by its error at the next
    image, in proportion to the time passed: the network looks forward only, and so uses the image after it too.
    """
    sums = GroupedErrorSums(data.reader.normalisation)
    for item in missing_items(data, most):
        for name, forecasts in item.baselines.items():
            sums.add(item, name, forecasts, reference=LINE)
        if masked:
            sums.add(item, method, _reconstructed(network, item, weather), reference=LINE)
        else:
            forward, corrected = _forecast(network, item, weather)
            sums.add(item, method, forward, reference=LINE)
            sums.add(item, f"{method}, corrected by the next image", corrected, reference=LINE)
    return sums.rows(year=data.year)


def _reconstructed(network: MMVSF, item: EvalItem, weather: bool) -> Floats:
    """(P, C, H, W); each missing image is hidden in a sample of its own."""
    samples = []
    for position in item.sample.target:
        valid = item.sample.valid.copy()
        valid[position] = False
        samples.append(replace(item.sample, valid=valid, origin=np.array([position]), target=np.array([position])))
    batch = collate(samples)
    drawn: Floats = forecast_batch(network, batch if weather else batch.without_weather())[:, 0]
    return drawn


def _forecast(network: MMVSF, item: EvalItem, weather: bool) -> tuple[Floats, Floats]:
    """(P, C, H, W) each: from the image before alone, and corrected by the image after."""
    sample, count = item.sample, len(item.sample.target)
    after: NDArray[np.int64] = sample.target + 1
    batch = collate([replace(sample, origin=np.tile(sample.origin, 2), target=np.concatenate([sample.target, after]))])
    forecasts = forecast_sample(network, batch if weather else batch.without_weather())
    forward, beyond = forecasts[:count], forecasts[count:]
    days = sample.days
    share = (days[sample.target] - days[sample.origin]) / (days[after] - days[sample.origin])
    error = np.where(sample.clear[after][:, None], sample.images[after] - beyond, 0.0)
    corrected: Floats = (forward + share[:, None, None, None] * error).astype(np.float32)
    return forward, corrected
