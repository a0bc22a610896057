"""The plan of an evaluation: which pieces there are, and what each of them does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.sidecars.oracle import Oracle, oracle_path
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.variables import Split
from mmvsf.model.evaluation.core.names import CONVLSTM, NO_INDICES
from mmvsf.model.evaluation.core.runner import Chain, Piece, Result, read_result
from mmvsf.model.evaluation.core.settings import CLAIM, EvaluationSettings
from mmvsf.model.evaluation.core.training import (
    best_rate,
    encoder_folder,
    load,
    pretrain,
    train_convlstm,
    train_without_indices,
    try_rate,
)
from mmvsf.model.evaluation.crops.plan import CropPieces
from mmvsf.model.evaluation.crops.trial import CropTrial
from mmvsf.model.evaluation.forecasts.eval_items import EvaluationSet, evaluation_set
from mmvsf.model.evaluation.forecasts.figure import PICTURE, forecast_picture
from mmvsf.model.evaluation.forecasts.missing_images import missing_rows
from mmvsf.model.evaluation.forecasts.run import baseline_rows, network_rows, oracle_rows, tree_rows
from mmvsf.model.evaluation.forecasts.weather_ablations import weather_rows
from mmvsf.model.figures import save
from mmvsf.model.mmvsf.checkpoint import WEIGHTS
from mmvsf.model.mmvsf.objectives import OBJECTIVES

Work = Callable[[EvaluationSet, Path], Result]


@dataclass(frozen=True)
class PlanFiles:
    """The files of a plan, from which any process opens it."""

    cube: Location
    folder: Path
    settings: EvaluationSettings
    control: bool = False

    def __call__(self) -> Plan:
        """Raises InputError as `Cube.open` and `Oracle.of` do."""
        cube = Cube.open(self.cube)
        oracle = Oracle.of(cube) if oracle_path(cube).is_dir() else None
        return Plan(cube, self.folder, self.settings, oracle, self.control)


@dataclass
class Plan:
    """An evaluation of one region: the pieces of each held-out year, one year after the other, since the items of a
    year are made once for all of its pieces."""

    cube: Cube
    folder: Path
    """Where results and weights go."""
    settings: EvaluationSettings
    oracle: Oracle | None = None
    """Of a simulated region."""
    control: bool = False
    """Only the methods that decide the claim, in the full years."""
    _data: dict[int, EvaluationSet] = field(default_factory=dict)
    _trials: dict[int, CropTrial] = field(default_factory=dict)
    """The items and the crop trial of the year in work, kept from piece to piece."""

    @property
    def full_years(self) -> tuple[int, ...]:
        """The years in which all methods are trained: the recipe's test years, then others from the middle of the cube
        outwards."""
        tested = Fold.of(self.cube).years_of(self.cube, Split.TEST)
        middle = (self.cube.years[0] + self.cube.years[-1]) / 2
        rest = sorted(set(self.cube.years) - set(tested), key=lambda year: (abs(year - middle), year))
        return (*tested, *rest)[: self.settings.full_years]

    @property
    def years(self) -> tuple[int, ...]:
        """Years held out in turn, the full years first."""
        rest = () if self.control else tuple(year for year in self.cube.years if year not in self.full_years)
        return (*self.full_years, *rest)[: self.settings.years or None]

    def stages(self) -> list[list[Chain]]:
        """First the trials of learning rates, then forecasts, then the pieces that need the pretrained encoders: the
        picture of forecasts and crop maps."""
        trials: list[Chain] = [
            [piece]
            for method in (*self._objectives(self.full_years[0]), *(() if self.control else (CONVLSTM,)))
            for piece in self._rate_trials(method)
        ]
        forecasts = [chain for year in self.years for chain in self._year_chains(year)]
        if self.control:
            return [trials, forecasts]
        crops = [] if self.cube.legend is None else self._crops()
        pictures = [[self._picture()]] if self.settings.scored > 1 else []
        return [trials, forecasts, [*pictures, *([piece] for piece in crops)]]

    def _objectives(self, year: int) -> Sequence[str]:
        return CLAIM if self.control or year not in self.full_years else list(OBJECTIVES)

    def _seeds(self, year: int, objective: str) -> range:
        first = year == self.full_years[0] or (year in self.full_years and objective in CLAIM)
        return range(self.settings.seeds if first else 1)

    def _rate_trials(self, method: str) -> list[Piece]:
        """One piece per learning rate, in the first full year; none where there is nothing to choose."""

        def trial(rate: float) -> Work:
            return lambda data, folder: try_rate(data, method, rate, self.settings, folder)

        rates = self.settings.rates
        if len(rates) < 2:
            return []
        return [
            self._piece("rate", self.full_years[0], method, 0, trial(rate), rate, name=f"{rate:g}") for rate in rates
        ]

    def rate(self, method: str) -> float:
        """The learning rate with the lowest validation loss; the trials must be done."""
        trials = [result for piece in self._rate_trials(method) if (result := read_result(self.folder, piece))]
        return best_rate(trials) if trials else self.settings.rates[0]

    def _year_chains(self, year: int) -> list[Chain]:
        """The longest chains first, so that workers end together."""
        full = year in self.full_years
        chains: list[Chain] = [
            self._network_chain(year, objective, seed)
            for seed in range(self.settings.seeds)
            for objective in self._objectives(year)
            if seed in self._seeds(year, objective)
        ]
        if full and not self.control:
            chains.append([self._piece("forecast", year, CONVLSTM, 0, self._convlstm, self.rate(CONVLSTM))])
            chains.append([self._piece("forecast", year, NO_INDICES, 0, self._no_indices, self.rate("mm-vsf"))])
        if not self.control:
            chains.append([self._piece("forecast", year, "trees", None, self._trees)])
        chains.append([self._piece("forecast", year, "baselines", None, lambda data, _: {"rows": baseline_rows(data)})])
        if self.oracle is not None and full:
            piece = self._piece("forecast", year, "oracle", None, self._oracle)
            chains.append([replace(piece, settings={**piece.settings, "oracle": self.oracle.attributes})])
        return chains

    def _network_chain(self, year: int, objective: str, seed: int) -> list[Piece]:
        """Training and scoring one encoder; in the full years more than its forecasts."""
        config, encoder = OBJECTIVES[objective], encoder_folder(self.folder, year, objective, seed)
        masked, rate = config.reconstruct == 1, self.rate(objective)

        def train(data: EvaluationSet, folder: Path) -> Result:
            # Results of older weights do not hold for the new ones.
            for kind in ("pretrain", "forecast", "missing", "weather", "crops"):
                for stale in (self.folder / kind / str(year)).rglob(f"{objective}/{seed}.json"):
                    stale.unlink()
            (self.folder / f"picture/{year}/forecasts.json").unlink(missing_ok=True)
            return pretrain(data, objective, rate, seed, self.settings, folder)

        def forecast(data: EvaluationSet, _: Path) -> Result:
            return {"rows": network_rows(load(encoder).network, data, objective, weather=config.weather)}

        def missing(data: EvaluationSet, _: Path) -> Result:
            network, most = load(encoder).network, self.settings.gaps
            return {"rows": missing_rows(network, data, objective, most, weather=config.weather, masked=masked)}

        def ablations(data: EvaluationSet, _: Path) -> Result:
            return {"rows": weather_rows(load(encoder).network, data)}

        full = year in self.full_years
        works = {
            "forecast": None if masked else forecast,
            "missing": missing if full and not self.control else None,
            "weather": ablations if full and objective == "mm-vsf" else None,
        }
        return [
            self._piece("pretrain", year, objective, seed, train, rate, keeps=(WEIGHTS,)),
            *(self._piece(kind, year, objective, seed, work, rate) for kind, work in works.items() if work),
        ]

    def _oracle(self, data: EvaluationSet, _: Path) -> Result:
        if self.oracle is None:
            raise ValueError("this region has no oracle")
        effective, errors = self.oracle.sampling(data.year)
        sampling = {"effective": effective, "error": dict(zip(self.cube.bands, errors.tolist(), strict=True))}
        return {"rows": oracle_rows(data, self.oracle), "sampling": sampling}

    def _picture(self) -> Piece:
        year = self.full_years[0]

        def draw(data: EvaluationSet, folder: Path) -> Result:
            networks = {name: load(encoder_folder(self.folder, year, name, 0)) for name in CLAIM}
            save(forecast_picture(data, networks, self.oracle), folder / PICTURE)
            return {}

        return self._piece("picture", year, "forecasts", None, draw, self.rate("mm-vsf"), keeps=(PICTURE,))

    def _crops(self) -> list[Piece]:
        """Seed 0 of all years before other seeds, so that a plan cut short has some results of each kind."""
        rates = {name: self.rate(name) for name in OBJECTIVES}
        crops = CropPieces(self.cube, self.folder, self.settings, rates, self._trials)
        pieces = []
        for seed in range(self.settings.seeds):
            for year in self.years:
                trained = [name for name in self._objectives(year) if seed in self._seeds(year, name)]
                first = year == self.full_years[0]
                whole = first or (seed == 0 and year in self.full_years)
                pieces += crops.pieces(year, trained, seed, whole=whole, shares=first and seed == 0)
        return pieces

    def _trees(self, data: EvaluationSet, _: Path) -> Result:
        return {"rows": tree_rows(data, self.settings.scored, self.settings.tree_windows)}

    def _convlstm(self, data: EvaluationSet, folder: Path) -> Result:
        network, report = train_convlstm(data, self.rate(CONVLSTM), 0, self.settings, folder)
        return {**report, "rows": network_rows(network, data, CONVLSTM, weather=True)}

    def _no_indices(self, data: EvaluationSet, folder: Path) -> Result:
        network, report = train_without_indices(data, self.rate("mm-vsf"), self.settings, folder)
        return {**report, "rows": network_rows(network, data, NO_INDICES, weather=True)}

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
        if method in OBJECTIVES:
            settings["objective"] = asdict(OBJECTIVES[method])
        parts = (kind, method, name) if name else (kind, year, method) if seed is None else (kind, year, method, seed)
        about = {"kind": kind, "year": year, "method": method, "seed": seed or 0}
        return Piece(
            "/".join(map(str, parts)), settings, lambda folder: work(self._evaluation_set(year), folder), keeps, about
        )

    def _evaluation_set(self, year: int) -> EvaluationSet:
        if year not in self._data:
            windows, pairs, size = self.settings.windows, self.settings.pairs, self.settings.scored
            self._data = {year: evaluation_set(self.cube, year, windows=windows, pairs=pairs, size=size)}
        return self._data[year]
