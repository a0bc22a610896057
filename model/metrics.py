"""Scores of forecasts and of crop maps, summed up batch by batch so that memory does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.pairs import LEADS

ALL_LEADS = "all"


def lead_name(lead: tuple[int, int]) -> str:
    """The name of a bin of lead times, such as "5-10"."""
    return f"{lead[0]}-{lead[1]}"


def lead_bin(days: int) -> str | None:
    """The bin that a lead time in days falls into; None outside all of them."""
    return next((lead_name(lead) for lead in LEADS if lead[0] <= days <= lead[1]), None)


def ndvi(reflectance: NDArray[np.floating[Any]], bands: Sequence[str]) -> NDArray[np.floating[Any]]:
    """Normalised difference vegetation index of reflectance (..., C, H, W): (nir - red) / (nir + red)."""
    red, nir = reflectance[..., bands.index("red"), :, :], reflectance[..., bands.index("nir"), :, :]
    return np.clip((nir - red) / np.maximum(nir + red, 0.01), -1, 1)


def has_ndvi(bands: Sequence[str]) -> bool:
    """Whether the bands are enough for NDVI."""
    return {"red", "nir"} <= set(bands)


@dataclass
class PairSums:
    """Sums over pairs (forecast f, observation o), from which every score below follows."""

    n: int = 0
    f: float = 0.0
    o: float = 0.0
    ff: float = 0.0
    oo: float = 0.0
    fo: float = 0.0

    def add(self, forecast: NDArray[Any], observed: NDArray[Any]) -> None:
        """Add pairs, arrays of one shape."""
        f, o = forecast.astype(np.float64), observed.astype(np.float64)
        self.n += f.size
        self.f += float(f.sum())
        self.o += float(o.sum())
        self.ff += float((f * f).sum())
        self.oo += float((o * o).sum())
        self.fo += float((f * o).sum())

    def merge(self, other: Self) -> None:
        """Add the sums of other pairs."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def scores(self) -> dict[str, float | int | None]:
        """mse, rmse, bias (forecast - observed), r2 (squared correlation), nse (1 - mse / variance of the
        observations: Nash and Sutcliffe, 1970, over all pixels and days together) and n."""
        if self.n == 0:
            return {"mse": None, "rmse": None, "bias": None, "r2": None, "nse": None, "n": 0}
        mse = max(0.0, (self.ff - 2 * self.fo + self.oo) / self.n)
        var_f, var_o = self.ff / self.n - (self.f / self.n) ** 2, self.oo / self.n - (self.o / self.n) ** 2
        cov = self.fo / self.n - self.f * self.o / self.n**2
        known = var_f > 1e-12 and var_o > 1e-12
        return {
            "mse": mse,
            "rmse": mse**0.5,
            "bias": (self.f - self.o) / self.n,
            "r2": cov**2 / (var_f * var_o) if known else None,
            "nse": 1 - mse / var_o if var_o > 1e-12 else None,
            "n": self.n,
        }


@dataclass
class ForecastScores:
    """Scores by set, method, lead time and variable: each band in its unit, NDVI where the bands are enough for it, and
    `mean`, the mean over bands in units of each band's training deviation (what the network minimises)."""

    bands: tuple[str, ...]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    """(C,): training mean and deviation of each band in its unit, reflectance as a fraction."""
    sums: dict[tuple[str, str, str, str], PairSums] = field(default_factory=dict)

    def add(
        self,
        part: str,
        method: str,
        lead: int,
        forecast: NDArray[np.float32],
        observed: NDArray[np.float32],
        valid: NDArray[np.bool_],
    ) -> None:
        """One forecast image (C, H, W) of bands in their units, `lead` days ahead, on the pixels of `valid` (H, W)."""
        name = lead_bin(lead)
        if name is None or not valid.any():
            return
        f, o = forecast[:, valid], observed[:, valid]
        pairs = [*zip(self.bands, f, o, strict=True)]
        if has_ndvi(self.bands):
            index_f, index_o = (ndvi(image, self.bands)[valid] for image in (forecast, observed))
            pairs.append(("ndvi", index_f, index_o))
        mean, deviation = self.mean[:, None], self.deviation[:, None]
        pairs.append(("mean", (f - mean) / deviation, (o - mean) / deviation))
        for variable, a, b in pairs:
            self.sums.setdefault((part, method, name, variable), PairSums()).add(a, b)

    def rows(self) -> list[dict[str, Any]]:
        """One row for every set, method, lead time (and all together) and variable."""
        total: dict[tuple[str, str, str, str], PairSums] = {}
        for (part, method, _, variable), sums in self.sums.items():
            total.setdefault((part, method, ALL_LEADS, variable), PairSums()).merge(sums)
        return [
            {"set": part, "method": method, "lead": lead, "variable": variable, **sums.scores()}
            for (part, method, lead, variable), sums in {**self.sums, **total}.items()
        ]


def confusion(labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts; rows are labels, columns predictions. Labels below 0 are left out."""
    known = labels >= 0
    pairs = labels[known].astype(np.int64) * classes + predicted[known].astype(np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_scores(counts: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, mean F1 and mean IoU over the classes that occur in the labels, and scores of each class.

    A class that was never predicted has precision 0; one without labels has no scores and counts in no mean.
    """
    hit = np.diag(counts).astype(float)
    support, predicted = counts.sum(1).astype(float), counts.sum(0).astype(float)
    present = support > 0
    precision = np.divide(hit, predicted, out=np.zeros_like(hit), where=predicted > 0)
    recall = np.divide(hit, support, out=np.zeros_like(hit), where=present)
    f1 = np.divide(2 * hit, support + predicted, out=np.zeros_like(hit), where=support + predicted > 0)
    iou = np.divide(hit, support + predicted - hit, out=np.zeros_like(hit), where=support + predicted > hit)
    return {
        "accuracy": float(hit.sum() / support.sum()) if support.sum() else None,
        "mean_f1": float(f1[present].mean()) if present.any() else None,
        "miou": float(iou[present].mean()) if present.any() else None,
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(names)
            if present[i]
        },
        "confusion": counts.tolist(),
    }
