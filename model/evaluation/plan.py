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
from mmvsf.model.evaluation.crops.plan import CropPieces, encoder_home
from mmvsf.model.evaluation.crops.trial import CropTrial
from mmvsf.model.evaluation.forecasts.figure import forecast_picture
from mmvsf.model.evaluation.forecasts.items import EvaluationSet, evaluation_set
from mmvsf.model.evaluation.forecasts.missing_images import missing_rows
from mmvsf.model.evaluation.forecasts.run import NO_INDICES, baseline_rows, network_rows, oracle_rows
from mmvsf.model.evaluation.forecasts.weather_ablations import weather_rows
from mmvsf.model.figures import save
from mmvsf.model.mmvsf.checkpoint import WEIGHTS
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .runner import Chain, Piece, Result, read_result
from .settings import CLAIM, Settings
from .training import CONVLSTM, best_rate, load, pretrain, train_convlstm, train_without_indices, try_rate

PICTURE = "forecasts.png"

Work = Callable[[EvaluationSet, Path], Result]


@dataclass(frozen=True)
class PlanFiles:
    """Where the parts of a plan stand, to open it from in any process."""

    cube: Location
    folder: Path
    settings: Settings
    control: bool = False

    def __call__(self) -> Plan:
        """Raises InputError as `Cube.open` and `Oracle.of` do."""
        cube = Cube.open(self.cube)
        oracle = Oracle.of(cube) if oracle_path(cube).is_dir() else None
        return Plan(cube, self.folder, self.settings, oracle, self.control)


@dataclass
class Plan:
    """An evaluation of one region: the pieces of each held-out year, one year after the other, since what is judged
    in a year is made once for all of them."""

    cube: Cube
    folder: Path
    """Where results and weights go."""
    settings: Settings
    oracle: Oracle | None = None
    """Of a simulated region."""
    control: bool = False
    """Only what decides the claim, in the `few` years."""
    _judged: dict[int, EvaluationSet] = field(default_factory=dict)
    _mapped: dict[int, CropTrial] = field(default_factory=dict)
    """What is judged in the year that is worked at, kept from piece to piece."""

    @property
    def few(self) -> tuple[int, ...]:
        """The recipe's own test years, then others from the middle of the cube outwards."""
        own = Fold.of(self.cube).years_of(self.cube, Split.TEST)
        middle = (self.cube.years[0] + self.cube.years[-1]) / 2
        rest = sorted(set(self.cube.years) - set(own), key=lambda year: (abs(year - middle), year))
        return (*own, *rest)[: self.settings.few]

    @property
    def years(self) -> tuple[int, ...]:
        """Years held out in turn, those of `few` first."""
        rest = () if self.control else tuple(year for year in self.cube.years if year not in self.few)
        return (*self.few, *rest)[: self.settings.years or None]

    def stages(self) -> list[list[Chain]]:
        """First the trials of learning rates, then forecasts, then what needs the pretrained encoders: the picture of
        forecasts and crop maps."""
        trials: list[Chain] = [
            [piece]
            for method in (*self._objectives(self.few[0]), *(() if self.control else (CONVLSTM,)))
            for piece in self._trials(method)
        ]
        forecasts = [chain for year in self.years for chain in self._of_year(year)]
        if self.control:
            return [trials, forecasts]
        crops = [] if self.cube.legend is None else self._crops()
        return [trials, forecasts, [[self._picture()], *([piece] for piece in crops)]]

    def _objectives(self, year: int) -> Sequence[str]:
        return CLAIM if self.control or year not in self.few else list(OBJECTIVES)

    def _seeds(self, year: int, objective: str) -> range:
        first = year == self.few[0] or (year in self.few and objective in CLAIM)
        return range(self.settings.seeds if first else 1)

    def _trials(self, method: str) -> list[Piece]:
        """One piece a learning rate, on the first fold; none where there is nothing to choose."""

        def trial(rate: float) -> Work:
            return lambda data, folder: try_rate(data, method, rate, self.settings, folder)

        rates = self.settings.rates
        if len(rates) < 2:
            return []
        return [self._piece("rate", self.few[0], method, 0, trial(rate), rate, name=f"{rate:g}") for rate in rates]

    def rate(self, method: str) -> float:
        """The learning rate with the least validation loss; the trials must be done."""
        trials = [result for piece in self._trials(method) if (result := read_result(self.folder, piece))]
        return best_rate(trials) if trials else self.settings.rates[0]

    def _of_year(self, year: int) -> list[Chain]:
        """The longest chains first, so that workers end together."""
        few = year in self.few
        chains: list[Chain] = [
            self._of_network(year, objective, seed)
            for seed in range(self.settings.seeds)
            for objective in self._objectives(year)
            if seed in self._seeds(year, objective)
        ]
        if few and not self.control:
            chains.append([self._piece("forecast", year, CONVLSTM, 0, self._convlstm, self.rate(CONVLSTM))])
            chains.append([self._piece("forecast", year, NO_INDICES, 0, self._no_indices, self.rate("mm-vsf"))])
        chains.append([self._piece("forecast", year, "baselines", None, lambda data, _: {"rows": baseline_rows(data)})])
        if self.oracle is not None and few:
            piece = self._piece("forecast", year, "oracle", None, self._oracle)
            chains.append([replace(piece, settings={**piece.settings, "oracle": self.oracle.attributes})])
        return chains

    def _of_network(self, year: int, objective: str, seed: int) -> list[Piece]:
        """Training and judging one encoder; in the `few` years more than its forecasts."""
        config, home = OBJECTIVES[objective], encoder_home(self.folder, year, objective, seed)
        masked, rate = config.reconstruct == 1, self.rate(objective)

        def train(data: EvaluationSet, folder: Path) -> Result:
            # What was judged from older weights is void, and they are too as soon as others are written.
            for kind in ("pretrain", "forecast", "missing", "weather", "crops"):
                for stale in (self.folder / kind / str(year)).rglob(f"{objective}/{seed}.json"):
                    stale.unlink()
            (self.folder / f"picture/{year}/forecasts.json").unlink(missing_ok=True)
            return pretrain(data, objective, rate, seed, self.settings, folder)

        def forecast(data: EvaluationSet, _: Path) -> Result:
            return {"rows": network_rows(load(home).network, data, objective, weather=config.weather)}

        def missing(data: EvaluationSet, _: Path) -> Result:
            network, most = load(home).network, self.settings.gaps
            return {"rows": missing_rows(network, data, objective, most, weather=config.weather, masked=masked)}

        def tampered(data: EvaluationSet, _: Path) -> Result:
            return {"rows": weather_rows(load(home).network, data)}

        few = year in self.few
        works = {
            "forecast": None if masked else forecast,
            "missing": missing if few and not self.control else None,
            "weather": tampered if few and objective == "mm-vsf" else None,
        }
        return [
            self._piece("pretrain", year, objective, seed, train, rate, keeps=(WEIGHTS,)),
            *(self._piece(kind, year, objective, seed, work, rate) for kind, work in works.items() if work),
        ]

    def _oracle(self, data: EvaluationSet, _: Path) -> Result:
        if self.oracle is None:
            raise ValueError("this region has no oracle")
        return {"rows": oracle_rows(data, self.oracle)}

    def _picture(self) -> Piece:
        year = self.few[0]

        def draw(data: EvaluationSet, folder: Path) -> Result:
            networks = {name: load(encoder_home(self.folder, year, name, 0)) for name in CLAIM}
            save(forecast_picture(data, networks, self.oracle), folder / PICTURE)
            return {}

        return self._piece("picture", year, "forecasts", None, draw, self.rate("mm-vsf"), keeps=(PICTURE,))

    def _crops(self) -> list[Piece]:
        """Seed 0 of all years before other seeds, so that a plan cut short has something of everything."""
        rates = {name: self.rate(name) for name in OBJECTIVES}
        made = CropPieces(self.cube, self.folder, self.settings, rates, self._mapped)
        pieces = []
        for seed in range(self.settings.seeds):
            for year in self.years:
                trained = [name for name in self._objectives(year) if seed in self._seeds(year, name)]
                first = year == self.few[0]
                whole = first or (seed == 0 and year in self.few)
                pieces += made.of(year, trained, seed, whole=whole, shares=first and seed == 0)
        return pieces

    def _convlstm(self, data: EvaluationSet, folder: Path) -> Result:
        network, found = train_convlstm(data, self.rate(CONVLSTM), 0, self.settings, folder)
        return {**found, "rows": network_rows(network, data, CONVLSTM, weather=True)}

    def _no_indices(self, data: EvaluationSet, folder: Path) -> Result:
        network, found = train_without_indices(data, self.rate("mm-vsf"), self.settings, folder)
        return {**found, "rows": network_rows(network, data, NO_INDICES, weather=True)}

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
        """`rate` is that of the network's training, where there is one; `seed` None is for what has none. Its place is
        `kind/year/method/seed`, or `kind/method/name`."""
        own = self.settings
        of_kind = own.of_training if kind in ("rate", "pretrain") else own.of_judging
        settings = {"cube": self.cube.digest, "rate": rate, **of_kind}
        if method in OBJECTIVES:
            settings["objective"] = asdict(OBJECTIVES[method])
        parts = (kind, method, name) if name else (kind, year, method) if seed is None else (kind, year, method, seed)
        about = {"kind": kind, "year": year, "method": method, "seed": seed or 0}
        return Piece("/".join(map(str, parts)), settings, lambda folder: work(self._data(year), folder), keeps, about)

    def _data(self, year: int) -> EvaluationSet:
        if year not in self._judged:
            windows, pairs = self.settings.windows, self.settings.pairs
            self._judged = {year: evaluation_set(self.cube, year, windows=windows, pairs=pairs)}
        return self._judged[year]
