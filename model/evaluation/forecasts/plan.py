"""The pieces of an evaluation that train and score forecasters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.sidecars.oracle import Oracle
from mmvsf.model.evaluation.core.names import PAPER, RIVALS
from mmvsf.model.evaluation.core.runner import Chain, Piece, Result, read_result
from mmvsf.model.evaluation.core.settings import CLAIM, EvaluationSettings
from mmvsf.model.evaluation.core.training import (
    best_rate,
    encoder_folder,
    load,
    pretrain,
    train_rival,
    train_variant,
    try_rate,
)
from mmvsf.model.evaluation.core.variants import ABLATIONS, OPTIONAL, VARIANTS, objective_of
from mmvsf.model.figures import save
from mmvsf.model.mmvsf.checkpoint import WEIGHTS
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .coverage import coverage_rows
from .eval_items import EvaluationSet, evaluation_set
from .figure import PICTURE, forecast_picture
from .missing_images import missing_rows
from .run import baseline_rows, network_rows, oracle_rows, tree_rows
from .weather_ablations import weather_rows

Work = Callable[[EvaluationSet, Path], Result]


@dataclass
class ForecastPieces:
    """Makes the pieces of any year."""

    cube: Cube
    folder: Path
    """The evaluation's folder."""
    settings: EvaluationSettings
    oracle: Oracle | None
    control: bool
    """Only the methods that decide the claim."""
    first: int
    """The year in which learning rates are tried."""
    _data: dict[int, EvaluationSet] = field(default_factory=dict)
    """The items of the year in work, kept from piece to piece."""

    def rate_trials(self, methods: Sequence[str]) -> list[Chain]:
        """The trials of learning rates of methods; none where there is nothing to choose."""
        return [[piece] for method in methods for piece in self._rate_trials(method)]

    def _rate_trials(self, method: str) -> list[Piece]:
        def trial(rate: float) -> Work:
            return lambda data, folder: try_rate(data, method, rate, self.settings, folder)

        rates = self.settings.rates
        if len(rates) < 2:
            return []
        return [self._piece("rate", self.first, method, 0, trial(rate), rate, name=f"{rate:g}") for rate in rates]

    def rate(self, method: str) -> float:
        """The learning rate with the lowest validation loss; the trials must be done. Variants take that of MM-VSF, but
        the paper's network, which is four times as wide, the lowest."""
        if method == PAPER:
            return min(self.settings.rates)
        tried = "mm-vsf" if method in VARIANTS else method
        trials = [result for piece in self._rate_trials(tried) if (result := read_result(self.folder, piece))]
        return best_rate(trials) if trials else self.settings.rates[0]

    def simple(self, year: int, *, full: bool) -> list[Chain]:
        """The methods that learn nothing, boosted trees, and in full years the oracle."""
        chains: list[Chain] = []
        if not self.control:
            chains.append([self._piece("forecast", year, "trees", None, self._trees)])
        chains.append([self._piece("forecast", year, "baselines", None, lambda data, _: {"rows": baseline_rows(data)})])
        if self.oracle is not None and full:
            piece = self._piece("forecast", year, "oracle", None, self._oracle)
            chains.append([replace(piece, settings={**piece.settings, "oracle": self.oracle.attributes})])
        return chains

    def rivals(self, year: int) -> list[Chain]:
        """Other networks that forecast."""
        return [[self._piece("forecast", year, rival, 0, self._rival(rival), self.rate(rival))] for rival in RIVALS]

    def ablations(self, year: int) -> list[Chain]:
        """Our network without one of its additions each, and with what it is not given by default."""
        names = (*ABLATIONS, *OPTIONAL)
        return [[self._piece("forecast", year, name, 0, self._variant(name), self.rate(name))] for name in names]

    def network(self, year: int, method: str, seed: int, *, full: bool) -> Chain:
        """Training and scoring one encoder; in the full years more than its forecasts."""
        objective, encoder = objective_of(method), encoder_folder(self.folder, year, method, seed)
        masked, rate = objective.reconstruct == 1, self.rate(method)

        def train(data: EvaluationSet, folder: Path) -> Result:
            # Results of older weights do not hold for the new ones.
            for kind in ("pretrain", "forecast", "missing", "coverage", "weather", "crops"):
                for stale in (self.folder / kind / str(year)).rglob(f"{method}/{seed}.json"):
                    stale.unlink()
            (self.folder / f"picture/{year}/forecasts.json").unlink(missing_ok=True)
            return pretrain(data, method, rate, seed, self.settings, folder)

        def forecast(data: EvaluationSet, _: Path) -> Result:
            return {"rows": network_rows(load(encoder).network, data, method, weather=objective.weather)}

        def missing(data: EvaluationSet, _: Path) -> Result:
            network, most = load(encoder).network, self.settings.gaps
            return {"rows": missing_rows(network, data, method, most, weather=objective.weather, masked=masked)}

        def coverage(data: EvaluationSet, _: Path) -> Result:
            return {"rows": coverage_rows(load(encoder).network, data)}

        def ablations(data: EvaluationSet, _: Path) -> Result:
            return {"rows": weather_rows(load(encoder).network, data)}

        works = {
            "forecast": None if masked else forecast,
            "missing": missing if full and not self.control and seed == 0 else None,
            "coverage": coverage if full and method == "mm-vsf" else None,
            "weather": ablations if full and method == "mm-vsf" else None,
        }
        return [
            self._piece("pretrain", year, method, seed, train, rate, keeps=(WEIGHTS,)),
            *(self._piece(kind, year, method, seed, work, rate) for kind, work in works.items() if work),
        ]

    def picture(self) -> list[Chain]:
        """The picture of forecasts."""

        def draw(data: EvaluationSet, folder: Path) -> Result:
            networks = {name: load(encoder_folder(self.folder, self.first, name, 0)) for name in CLAIM}
            save(forecast_picture(data, networks, self.oracle), folder / PICTURE)
            return {}

        return [[self._piece("picture", self.first, "forecasts", None, draw, self.rate("mm-vsf"), keeps=(PICTURE,))]]

    def _oracle(self, data: EvaluationSet, _: Path) -> Result:
        if self.oracle is None:
            raise ValueError("this region has no oracle")
        effective, errors = self.oracle.sampling(data.year)
        sampling = {"effective": effective, "error": dict(zip(self.cube.bands, errors.tolist(), strict=True))}
        return {"rows": oracle_rows(data, self.oracle), "sampling": sampling}

    def _trees(self, data: EvaluationSet, _: Path) -> Result:
        return {"rows": tree_rows(data, self.settings)}

    def _rival(self, method: str) -> Work:
        def work(data: EvaluationSet, folder: Path) -> Result:
            network, report = train_rival(data, method, self.rate(method), self.settings, folder)
            return {**report, "rows": network_rows(network, data, method, weather=True)}

        return work

    def _variant(self, method: str) -> Work:
        def work(data: EvaluationSet, folder: Path) -> Result:
            network, report = train_variant(data, method, self.rate(method), self.settings, folder)
            return {**report, "rows": network_rows(network, data, method, weather=True)}

        return work

    def _piece(
        self,
        kind: str,
        year: int,
        method: str,
        seed: int | None,
        work: Work,
        rate: float | None = None,
        *,
        name: str | None = None,
        keeps: tuple[str, ...] = (),
    ) -> Piece:
        """A piece named `kind/year/method/seed`, or `kind/method/name`. `rate` is that of the network's training, None
        for a method without one; `seed` is None for a method without random numbers."""
        training = kind in ("rate", "pretrain")
        sizes = self.settings.for_training if training else self.settings.for_forecasts
        settings = {"cube": self.cube.digest, "rate": rate, **sizes}
        if method in OBJECTIVES or method in VARIANTS:
            settings["objective"] = asdict(objective_of(method))
        if method in VARIANTS:
            settings["variant"] = asdict(VARIANTS[method])
        parts = (kind, method, name) if name else (kind, year, method) if seed is None else (kind, year, method, seed)
        about = {"kind": kind, "year": year, "method": method, "seed": seed or 0}
        return Piece(
            "/".join(map(str, parts)), settings, lambda folder: work(self._evaluation_set(year), folder), keeps, about
        )

    def _evaluation_set(self, year: int) -> EvaluationSet:
        if year not in self._data:
            self._data.clear()
            windows, pairs, size = self.settings.windows, self.settings.pairs, self.settings.scored
            self._data[year] = evaluation_set(self.cube, year, windows=windows, pairs=pairs, size=size)
        return self._data[year]
