"""The plan of an evaluation: which pieces there are, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.sidecars.oracle import Oracle, oracle_path
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.variables import Split
from mmvsf.model.evaluation.core.climate import ClimateSplit
from mmvsf.model.evaluation.core.names import PAPER, RIVALS
from mmvsf.model.evaluation.core.runner import Chain
from mmvsf.model.evaluation.core.settings import CLAIM, EvaluationSettings
from mmvsf.model.evaluation.crops.plan import CropPieces
from mmvsf.model.evaluation.forecasts.plan import ForecastPieces
from mmvsf.model.mmvsf.objectives import OBJECTIVES


@dataclass(frozen=True)
class PlanFiles:
    """The files of a plan, from which any process opens it."""

    cube: Location
    folder: Path
    settings: EvaluationSettings
    control: bool = False

    def __call__(self) -> Plan:
        """Raises InputError as `Cube.open`, `Oracle.of` and `Plan` do."""
        cube = Cube.open(self.cube)
        oracle = Oracle.of(cube) if oracle_path(cube).is_dir() else None
        return Plan(cube, self.folder, self.settings, oracle, self.control)


@dataclass
class Plan:
    """An evaluation of one region: the pieces of each held-out year, one year after the other, since the items of a
    year are made once for all of its pieces. Raises InputError for an oracle of which a full year is missing."""

    cube: Cube
    folder: Path
    """Where results and weights go."""
    settings: EvaluationSettings
    oracle: Oracle | None = None
    """Of a simulated region."""
    control: bool = False
    """Only the methods that decide the claim, in the full years."""
    forecasts: ForecastPieces = field(init=False)
    crops: CropPieces | None = field(init=False)
    """None for a cube without labels, and for a control."""

    def __post_init__(self) -> None:
        self._refuse_part_of_an_oracle()
        first = self.full_years[0]
        self.forecasts = ForecastPieces(self.cube, self.folder, self.settings, self.oracle, self.control, first)
        self.crops = None
        if self.cube.legend is not None and not self.control:
            climate = ClimateSplit.of(self.cube)
            cool = None if isinstance(climate, str) else climate
            self.crops = CropPieces(self.cube, self.folder, self.settings, self.forecasts.rate, cool)

    def _refuse_part_of_an_oracle(self) -> None:
        """Raises InputError where an oracle lacks forecasts of a full year, as one does that is half written."""
        if self.oracle is None:
            return
        if missing := [str(year) for year in self.full_years if year not in self.oracle.years]:
            raise InputError(
                f"{self.oracle.path} lacks forecasts of {', '.join(missing)}; make them with"
                f" `mmvsf oracle {self.cube.region.name} --years {','.join(missing)}`, or delete it to evaluate without"
            )

    @property
    def full_years(self) -> tuple[int, ...]:
        """The years in which all methods are trained, the first of `years`."""
        return self.years[: self.settings.full_years]

    @property
    def years(self) -> tuple[int, ...]:
        """Years held out in turn: the recipe's test years, then others from the middle of the cube outwards."""
        tested = Fold.of(self.cube).years_of(self.cube, Split.TEST)
        middle = (self.cube.years[0] + self.cube.years[-1]) / 2
        rest = sorted(set(self.cube.years) - set(tested), key=lambda year: (abs(year - middle), year))
        most = self.settings.full_years if self.control else self.settings.years
        return (*tested, *rest)[:most]

    def stages(self) -> list[list[Chain]]:
        """First the trials of learning rates, then forecasts, then the pieces that need the pretrained encoders: the
        picture of forecasts and crop maps."""
        tried = (*self._objectives(self.full_years[0]), *(() if self.control else RIVALS))
        stages = [self.forecasts.rate_trials(tried), [chain for year in self.years for chain in self._chains(year)]]
        if self.control:
            return stages
        last = self.forecasts.picture() if self.settings.scored > 1 else []
        if self.crops is not None:
            stages[1] += [
                [self.crops.cool_encoder(year, method, seed)]
                for year in self.years
                for method, seed in self._cool_methods(year)
            ]
            last += self._crops(self.crops)
        return [*stages, last]

    def _objectives(self, year: int) -> Sequence[str]:
        return CLAIM if self.control or year not in self.full_years else list(OBJECTIVES)

    def _seeds(self, year: int, objective: str) -> range:
        return range(self.settings.seeds if year in self.full_years and objective in CLAIM else 1)

    def _cool_methods(self, year: int) -> list[tuple[str, int]]:
        """Methods that are pretrained on warm places, with their seeds; none without a climate split."""
        if self.crops is None or self.crops.climate is None:
            return []
        methods = CLAIM if year in self.full_years else CLAIM[-1:]
        return [(method, seed) for method in methods for seed in self._seeds(year, method)]

    def _methods(self, year: int, seed: int) -> list[str]:
        """Methods whose encoders are trained with a year held out and a seed: objectives, and once the paper's
        network."""
        methods = [name for name in self._objectives(year) if seed in self._seeds(year, name)]
        first = year == self.full_years[0] and seed == 0 and not self.control and self.settings.scored > 1
        return [*methods, PAPER] if first else methods

    def _chains(self, year: int) -> list[Chain]:
        """The longest chains first, so that workers end together."""
        full = year in self.full_years
        chains = [
            self.forecasts.network(year, method, seed, full=full)
            for seed in range(self.settings.seeds)
            for method in sorted(self._methods(year, seed), key=lambda name: name != PAPER)
        ]
        # Most variants concern patches, which a cube of single pixels has none of.
        if year == self.full_years[0] and not self.control and self.settings.scored > 1:
            chains += self.forecasts.ablations(year)
        return [*chains, *self.forecasts.simple(year, full=full)]

    def _crops(self, crops: CropPieces) -> list[Chain]:
        """Seed 0 of all years before other seeds, so that a plan cut short has some results of each kind."""
        chains: list[Chain] = []
        for seed in range(self.settings.seeds):
            for year in self.years:
                full = year in self.full_years
                chains += crops.pieces(year, self._methods(year, seed), seed, full=full)
                cool = [method for method, its_seed in self._cool_methods(year) if its_seed == seed]
                chains += crops.cool_pieces(year, cool, seed, full=full) if cool else []
        return chains
