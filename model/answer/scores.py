"""Scores of a forecaster's response to other weather against the true one: slope, direction, size, timing.

A change is the vegetation index (NDVI, or the only band of a series) under a scenario less that under the weather that
came. With p the predicted and t the true change of a pixel on a day:

slope        sum(p t) / sum(t t): 1 for the right answer, 0 for none
agreement    sum(p t) / sqrt(sum(p p) sum(t t)): the correlation about zero
direction    share of the pixels with |t| of at least CLEAR on whose sign p and t agree; half of those without an answer
size         sqrt(sum(p p) / sum(t t))
timing       days by which the centre of |p| lies after that of |t|
false answer root mean square of p where |t| is below STILL
crps         continuous ranked probability score of the index itself (Gneiting and Raftery 2007); of an ensemble the
             fair form (Ferro 2014), of one image the absolute error

Sums are kept by block, a place in a year, or a place for pairs of its seasons; intervals draw blocks with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.reader import Floats
from mmvsf.model.metrics import has_ndvi, ndvi

from .cases import Case

CLEAR, STILL = 0.02, 0.005
DRAWS = 4000
COLUMNS = (
    "tt", "pp", "pt", "agreeing", "clear", "still_pp", "still", "size_p", "size_t", "when_p", "when_t",
    "crps", "square", "images",
)  # fmt: skip
"""Sums over pixels: tt, pp, pt of the changes; agreeing signs among the clear changes; pp where the truth is still;
|p| and |t|, and their products with the lead; crps and squared errors of the index, with their number."""
SCORES = ("slope", "agreement", "direction", "size", "timing", "false answer", "crps", "rmse")

Sums = NDArray[np.float64]
Draws = NDArray[np.float64]


@dataclass
class AnswerSums:
    """The sums of one forecaster, by block and scenario."""

    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)
    """(block, scenario) -> (column,)"""

    def add(self, case: Case, answers: Sequence[Floats]) -> None:
        """The forecasts (member, band, y, x) of a case, in the order of its inputs."""
        shape = len(case.scenarios), len(case.leads)
        truth = index(case.truth, case.bands)
        members = [index(answer, case.bands) for answer in answers]
        means = np.stack([member.mean(axis=0) for member in members]).reshape(*shape, *truth.shape[-2:])
        for scenario, name in enumerate(case.scenarios):
            key = case.block, name
            total = self.sums.setdefault(key, np.zeros(len(COLUMNS)))
            for lead, days in enumerate(case.leads.tolist()):
                true, mean = truth[scenario, lead], means[scenario, lead]
                if scenario:
                    t, p = true - truth[0, lead], mean - means[0, lead]
                    both = np.isfinite(t) & np.isfinite(p)
                    total += _change_sums(p[both].astype(np.float64), t[both].astype(np.float64), days)
                known = np.isfinite(true) & np.isfinite(mean)
                ensemble = members[scenario * shape[1] + lead][:, known].astype(np.float64)
                total[-3:] += _crps(ensemble, true[known]).sum(), np.square(mean - true)[known].sum(), known.sum()

    def table(self, scenarios: Sequence[str] | None = None) -> tuple[list[str], Sums]:
        """(blocks, (block, column)) of the scenarios that are named, or of all."""
        chosen = [key for key in self.sums if scenarios is None or key[1] in scenarios]
        blocks = sorted({block for block, _ in chosen})
        table = np.zeros((len(blocks), len(COLUMNS)))
        for key in chosen:
            table[blocks.index(key[0])] += self.sums[key]
        return blocks, table


def index(images: Floats, bands: tuple[str, ...]) -> Floats:
    """NDVI (..., y, x) of images (..., band, y, x), or the first band where there is no NDVI."""
    return np.asarray(ndvi(images, bands), np.float32) if has_ndvi(bands) else images[..., 0, :, :]


def scores(sums: Sums) -> dict[str, NDArray[np.float64]]:
    """The SCORES of sums (..., column), each (...); NaN where a score has no meaning."""
    c = dict(zip(COLUMNS, np.moveaxis(sums, -1, 0), strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        moving = c["tt"] > 1e-12
        answering = c["pp"] > 1e-12
        return {
            "slope": np.where(moving, c["pt"] / c["tt"], np.nan),
            "agreement": np.where(
                moving & answering, c["pt"] / np.sqrt(c["pp"] * c["tt"]), np.where(moving, 0, np.nan)
            ),
            "direction": c["agreeing"] / c["clear"],
            "size": np.where(moving, np.sqrt(c["pp"] / c["tt"]), np.nan),
            "timing": np.where(answering, c["when_p"] / c["size_p"] - c["when_t"] / c["size_t"], np.nan),
            "false answer": np.sqrt(c["still_pp"] / c["still"]),
            "crps": c["crps"] / c["images"],
            "rmse": np.sqrt(c["square"] / c["images"]),
        }


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """The value with its interval; a dash where there is none."""
        if not np.isfinite(self.value):
            return "–"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def draw(table: Sums, seed: int = 0) -> dict[str, Draws]:
    """(draws,) of each score, from sums (block, column) of blocks drawn with replacement. Equal numbers of blocks are
    drawn alike, so that two forecasters can be compared draw by draw."""
    count = len(table)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    return scores(weights @ table)


def estimates(table: Sums) -> dict[str, Estimate]:
    """Each score with its interval."""
    values, drawn = scores(table.sum(axis=0)), draw(table)
    return {
        name: Estimate(float(values[name]), *np.nanquantile(drawn[name], [0.025, 0.975]).tolist())
        if np.isfinite(drawn[name]).any()
        else Estimate(float(values[name]), float("nan"), float("nan"))
        for name in SCORES
    }


def p_value(draws: Draws, blocks: int, null: float = 0.0) -> float:
    """Two-sided, of the hypothesis that a score, or a difference of two, is `null`: twice the share of the draws on its
    far side. Never below 2 / (DRAWS + 1), nor below what a sign test of so many blocks can reach, 2 ** (1 - blocks),
    since draws from few blocks are too alike."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return 1.0
    tail = 1 + min((finite <= null).sum(), (finite >= null).sum())
    return float(min(1.0, max(2 * tail / (len(finite) + 1), 2.0 ** (1 - blocks))))


def _change_sums(p: NDArray[np.float64], t: NDArray[np.float64], lead: int) -> Sums:
    clear, still = np.abs(t) >= CLEAR, np.abs(t) < STILL
    agreeing = (1 + np.sign(p[clear]) * np.sign(t[clear])).sum() / 2
    sizes = np.abs(p).sum(), np.abs(t).sum()
    return np.array([
        t @ t, p @ p, p @ t, agreeing, clear.sum(), np.square(p[still]).sum(), still.sum(), *sizes,
        lead * sizes[0], lead * sizes[1], 0, 0, 0,
    ])  # fmt: skip


def _crps(members: NDArray[np.float64], truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """(pixels,) of an ensemble (member, pixels)."""
    count = len(members)
    error = np.abs(members - truth).mean(axis=0)
    if count == 1:
        return np.asarray(error)
    # Mean distance of two different members, from their order.
    rank = 2 * np.arange(1, count + 1) - count - 1
    spread = 2 * (rank[:, None] * np.sort(members, axis=0)).sum(axis=0) / (count * (count - 1))
    return np.asarray(error - spread / 2)
