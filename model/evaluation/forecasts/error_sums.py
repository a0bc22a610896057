"""Errors of forecasts that can be added up: over pairs, windows, blocks, years and seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.reader import Floats, Normalisation
from mmvsf.model.metrics import Sums, lead_of, ndvi

from .items import Item

COVERS: dict[str, tuple[float, float]] = {"vegetated": (0.4, 1.01), "bare": (-1.01, 0.25)}
"""Covers by the NDVI observed on the target day, from and below; what lies between is neither."""
ALL = "all"

Row = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """Sums over pairs of forecast and observation."""

    sums: Sums = field(default_factory=Sums)
    better: int = 0
    """Pixels nearer to the observation than a baseline is: climatology, unless a row's table says another."""
    edges: float = 0.0
    observed_edges: float = 0.0
    """Sums of absolute differences between neighbouring pixels, for the sharpness."""

    def row(self) -> Row:
        names = ("n", "f", "o", "ff", "oo", "fo")
        rest = {"better": self.better, "edges": self.edges, "observed_edges": self.observed_edges}
        return {**{name: getattr(self.sums, name) for name in names}, **rest}

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Tally:
        """The sum of rows."""
        total = cls()
        for row in rows:
            total.sums.merge(Sums(row["n"], row["f"], row["o"], row["ff"], row["oo"], row["fo"]))
            total.better += row["better"]
            total.edges += row["edges"]
            total.observed_edges += row["observed_edges"]
        return total

    def scores(self) -> dict[str, float | int | None]:
        """Those of `Sums.scores`, with `better` (share of pixels better than the baseline) and `sharpness` (1: as much
        contrast between neighbours as in the observation, which holds noise too; below: blurred)."""
        n = self.sums.n
        return {
            **self.sums.scores(),
            "better": self.better / n if n else None,
            "sharpness": self.edges / self.observed_edges if self.observed_edges else None,
        }


class Tallies:
    """Tallies by set, block, method, lead time, variable and cover."""

    def __init__(self, normalisation: Normalisation) -> None:
        self.normalisation = normalisation
        self._tallies: dict[tuple[str, str, str, str, str, str], Tally] = {}

    def add(self, item: Item, method: str, forecasts: Floats, reference: str = "climatology") -> None:
        """Normalised forecasts (P, C, H, W) of an item's pairs; `reference` is the baseline to be better than.

        Variables: each band and NDVI in reflectance, and `mean`, over the bands in units of each one's deviation.
        """
        bands = self.normalisation.bands.names
        observed, usual = item.observed, item.baselines[reference]
        f, o, c = (self.normalisation.reflectance(x) for x in (forecasts, observed, usual))
        index_f, index_o, index_c = (ndvi(x, bands) for x in (f, o, c))
        for place, lead in enumerate(item.leads):
            name = lead_of(int(lead))
            judged = item.judged[place]
            if name is None or not judged.any():
                continue
            pairs: dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {
                band: (f[place, i : i + 1], o[place, i : i + 1], c[place, i : i + 1]) for i, band in enumerate(bands)
            }
            pairs["ndvi"] = (index_f[place][None], index_o[place][None], index_c[place][None])
            pairs["mean"] = (forecasts[place], observed[place], usual[place])
            covers = {ALL: judged}
            for cover, (low, high) in COVERS.items():
                covers[cover] = judged & (index_o[place] >= low) & (index_o[place] < high)
            for variable, (a, b, usually) in pairs.items():
                for cover, pixels in covers.items():
                    if pixels.any() and (cover == ALL or variable in ("ndvi", "mean")):
                        key = (item.part, item.block, method, name, variable, cover)
                        _add(self._tallies.setdefault(key, Tally()), a, b, usually, pixels)

    def rows(self, **more: str | int) -> list[Row]:
        """One row a tally, with what else is to be said of each."""
        names = ("set", "block", "method", "lead", "variable", "cover")
        return [{**dict(zip(names, key, strict=True)), **more, **tally.row()} for key, tally in self._tallies.items()]


def _add(tally: Tally, f: NDArray[Any], o: NDArray[Any], usual: NDArray[Any], pixels: NDArray[np.bool_]) -> None:
    """(n, H, W) of one variable, or of all bands."""
    tally.sums.add(f[:, pixels], o[:, pixels])
    tally.better += int((np.abs(f - o) < np.abs(usual - o))[:, pixels].sum())
    for here, there in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        both = pixels[here] & pixels[there]
        a, b = (slice(None), *here), (slice(None), *there)
        tally.edges += float(np.abs(f[a] - f[b])[:, both].sum(dtype=np.float64))
        tally.observed_edges += float(np.abs(o[a] - o[b])[:, both].sum(dtype=np.float64))
