"""Whether MM-VSF is better than the other methods."""

from __future__ import annotations

from collections.abc import Sequence

from mmvsf.model.evaluation.core.names import PAPER, RIVALS, SETS, TREES, WITH_USUAL, method_title
from mmvsf.model.evaluation.forecasts.error_sums import ALL, COVERS, QUARTERS, Row
from mmvsf.model.evaluation.forecasts.eval_items import BASELINES

from .compare import Interval, difference, pick, relative_gain
from .results_table import YEARS, ResultsTable, share_text
from .sections import TextSection, TextTable

LEAST_YEARS = 4
"""Held-out years that a verdict needs."""


def claims(results: ResultsTable) -> TextSection | None:
    """MM-VSF against each of the other methods, over all held-out years; None without rows."""
    base = pick(results.rows, piece="forecast", set=YEARS)
    if not pick(base, method="mm-vsf"):
        return None
    others = (*BASELINES, *TREES, *RIVALS, PAPER, "sm-vsf", "kg-vsf", WITH_USUAL)
    head = [
        "other method",
        "held-out set",
        "difference",
        "share of its error",
        "years",
        "site-years",
        "MM-VSF is better",
    ]
    every = [
        row for other in others for part in YEARS for row in _comparison(base, other, part, "mean", ALL, [SETS[part]])
    ]
    head_2 = ["other method", "of", "pixels", *head[2:]]
    by_cover = [
        row
        for other in ("sm-vsf", "convlstm")
        for variable in ("mean", "ndvi")
        for cover in COVERS
        for row in _comparison(
            base, other, YEARS, variable, cover, ["all bands" if variable == "mean" else "NDVI", cover]
        )
    ]
    by_cover += [
        row
        for other in ("sm-vsf", "convlstm")
        for row in _comparison(base, other, YEARS, "ndvi", ALL, ["NDVI", "all pixels"])
    ]
    by_quarter = [
        row
        for other in ("climatology", "trees-all", "sm-vsf")
        for quarter in QUARTERS
        for row in _comparison(base, other, YEARS, "mean", quarter, ["all bands", quarter])
    ]
    text = (
        "Mean squared error, in units of each band's training variance (for NDVI, in squared NDVI), over all leads,"
        " with equal weight for each pixel. Intervals are 95 %, from resampling years and places; seeds are averaged"
        f" first. With fewer than {LEAST_YEARS} held-out years no verdict is given, because years differ more than"
        " places do. The second table combines both held-out sets and separates vegetated (an observed NDVI of 0.4 or"
        " more) from bare (below 0.25) pixels: most pixels of a summer are vegetated, and the gain from weather comes"
        " mostly from wet soil."
    )
    return TextSection(
        "Does MM-VSF forecast better?",
        text,
        [
            TextTable("Error of the other method minus that of MM-VSF, all bands and pixels", head, every),
            TextTable("The same by variable and kind of pixel", head_2, by_cover),
            TextTable("The same by time of year", ["other method", "of", "target days", *head[2:]], by_quarter),
        ],
    )


def _comparison(
    base: Sequence[Row], other: str, part: str | tuple[str, ...], variable: str, cover: str, words: list[str]
) -> list[list[str]]:
    """A row of a table of comparisons; no row where a method has no results."""
    selected = pick(base, set=part, variable=variable, cover=cover)
    pair = pick(selected, method=other), pick(selected, method="mm-vsf")
    gain, share = difference(*pair), relative_gain(*pair)
    if gain is None or share is None:
        return []
    digits = 4 if variable == "ndvi" else 3
    cells = [gain.text(digits), share_text(share), str(gain.years), str(gain.units), _verdict(gain)]
    return [[method_title(other), *words, *cells]]


def _verdict(gain: Interval) -> str:
    if gain.years < LEAST_YEARS:
        return "–"
    if not gain.excludes_zero:
        return "not decided"
    return "yes" if gain.value > 0 else "no: worse"
