"""Sums of forecast errors, which can be added up over pairs, windows, blocks, years and seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.samples.reader import Floats, Normalisation
from mmvsf.model.metrics import PairSums, has_ndvi, lead_bin, ndvi

from .eval_items import EvalItem

COVERS: dict[str, tuple[float, float]] = {"vegetated": (0.4, 1.01), "bare": (-1.01, 0.25)}
"""Covers by the NDVI observed on the target day, from and below; values in between belong to neither."""
ALL = "all"
QUARTERS = ("January to March", "April to June", "July to September", "October to December")
"""Covers by the month of the target day."""

Row = dict[str, Any]
Values = NDArray[np.floating[Any]]


@dataclass
class ErrorSums(PairSums):
    """Sums over pairs of forecast and observation, with those for sharpness and for the comparison with a baseline."""

    better: int = 0
    """Pixels nearer to the observation than a baseline is: climatology, unless a table names another."""
    edges: float = 0.0
    observed_edges: float = 0.0
    """Sums of absolute differences between neighbouring pixels, for the sharpness."""

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> Self:
        """The sum of rows that hold such sums."""
        total, names = cls(), [field.name for field in fields(cls)]
        for row in rows:
            total.merge(cls(**{name: row[name] for name in names}))
        return total

    def add_images(self, forecast: Values, observed: Values, baseline: Values, pixels: NDArray[np.bool_]) -> None:
        """Add the pixels (H, W) of images (n, H, W) of one variable, or of all bands."""
        self.add(forecast[:, pixels], observed[:, pixels])
        self.better += int((np.abs(forecast - observed) < np.abs(baseline - observed))[:, pixels].sum())
        for here, there in (
            ((slice(1, None),), (slice(None, -1),)),
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ):
            both = pixels[here] & pixels[there]
            a, b = (slice(None), *here), (slice(None), *there)
            self.edges += float(np.abs(forecast[a] - forecast[b])[:, both].sum(dtype=np.float64))
            self.observed_edges += float(np.abs(observed[a] - observed[b])[:, both].sum(dtype=np.float64))

    def scores(self) -> dict[str, float | int | None]:
        """The scores of `PairSums`, with `better` (share of pixels better than the baseline) and `sharpness` (1: as
        much contrast between neighbours as in the observation, noise included; below 1: blurred)."""
        return {
            **super().scores(),
            "better": self.better / self.n if self.n else None,
            "sharpness": self.edges / self.observed_edges if self.observed_edges else None,
        }


class GroupedErrorSums:
    """Error sums by set, block, method, lead time, variable and cover."""

    def __init__(self, normalisation: Normalisation) -> None:
        self.normalisation = normalisation
        self._sums: dict[tuple[str, str, str, str, str, str], ErrorSums] = {}

    def add(self, item: EvalItem, method: str, forecasts: Floats, reference: str = "climatology") -> None:
        """Add normalised forecasts (P, C, H, W) of an item's pairs; `reference` is the baseline to compare with.

        Variables: each band in its unit, NDVI where the bands are enough for it, and `mean`, over the bands in units of
        each one's deviation.
        """
        # Whole, though radon counts each loop: they are the axes of one table.
        bands = self.normalisation.bands.names
        images = (forecasts, item.observed, item.baselines[reference])
        reflectance = tuple(self.normalisation.reflectance(values) for values in images)
        indices = tuple(ndvi(values, bands) for values in reflectance) if has_ndvi(bands) else ()
        for pair, lead in enumerate(item.leads):
            name, scored = lead_bin(int(lead)), item.scored[pair]
            if name is None or not scored.any():
                continue
            variables = {band: tuple(values[pair, i : i + 1] for values in reflectance) for i, band in enumerate(bands)}
            if indices:
                variables["ndvi"] = tuple(values[pair][None] for values in indices)
            variables["mean"] = tuple(values[pair] for values in images)
            covers = _covers(scored, indices[1][pair]) if indices else {ALL: scored}
            covers[_quarter(int(item.sample.days[item.sample.target[pair]]))] = scored
            for variable, (forecast, observed, baseline) in variables.items():
                for cover, pixels in covers.items():
                    if pixels.any() and (cover == ALL or variable in ("ndvi", "mean")):
                        key = (item.part, item.block, method, name, variable, cover)
                        self._sums.setdefault(key, ErrorSums()).add_images(forecast, observed, baseline, pixels)

    def rows(self, **columns: str | int) -> list[Row]:
        """One row for each group, with further columns that are the same in all."""
        names = ("set", "block", "method", "lead", "variable", "cover")
        return [{**dict(zip(names, key, strict=True)), **columns, **asdict(sums)} for key, sums in self._sums.items()]


def _covers(scored: NDArray[np.bool_], observed: Values) -> dict[str, NDArray[np.bool_]]:
    """The scored pixels of each cover, by their observed NDVI."""
    covers = {name: (observed >= low) & (observed < high) for name, (low, high) in COVERS.items()}
    return {ALL: scored} | {name: scored & pixels for name, pixels in covers.items()}


def _quarter(day: int) -> str:
    """The quarter of the year of a day since 1970-01-01."""
    return QUARTERS[(date_of(day).month - 1) // 3]
