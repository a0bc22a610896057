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
from mmvsf.model.evaluation.crops.plan import COOL, FULL, OTHER, CropPieces
from mmvsf.model.evaluation.forecasts.plan import ForecastPieces
from mmvsf.model.mmvsf.objectives import OBJECTIVES

Training = tuple[str, int]
"""A method and the seed of its training."""


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
    """An evaluation of one region: in each stage the pieces of one held-out year after the other, since the items of a
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

    @property
    def unmapped(self) -> tuple[int, ...]:
        """The years held out without crop maps in the settings (b) to (f), though the cube has labels."""
        return tuple(year for year in self.years if self.crops is not None and not self.crops.possible(OTHER, year))

    def stages(self) -> list[list[Chain]]:
        """First the trials of learning rates; then what decides, forecasts before the crop maps that need their
        encoders; then all else, in the same order. A plan that is cut short has answers, if not all of its tables."""
        tried = (*self._objectives(self.full_years[0]), *(() if self.control else RIVALS))
        return [
            self.forecasts.rate_trials(tried),
            [chain for year in self.years for chain in self._networks(year, decides=True) + self._simple(year)],
            [chain for year in self.years for chain in self._maps(year, decides=True)],
            [chain for year in self.years for chain in self._networks(year, decides=False) + self._rivals(year)],
            [*self._picture(), *(chain for year in self.years for chain in self._maps(year, decides=False))],
        ]

    def _objectives(self, year: int) -> Sequence[str]:
        return CLAIM if self.control or year not in self.full_years else list(OBJECTIVES)

    def _trained(self, year: int, *, decides: bool) -> list[Training]:
        """The encoders of a year: those of CLAIM with seed 0, which decide, or all others, the slowest first."""
        most = self.settings.seeds if year in self.full_years else 1
        every = [(method, seed) for seed in range(most) for method in self._objectives(year)]
        if decides:
            return [(method, seed) for method, seed in every if method in CLAIM and seed == 0]
        rest = [(method, seed) for method, seed in every if (method in CLAIM) == (seed > 0)]
        return [(PAPER, 0), *rest] if self._has_variants(year) else rest

    def _cool(self, year: int, *, decides: bool) -> list[Training]:
        """The encoders that are trained on warm places: that of MM-VSF with seed 0, or the others of CLAIM."""
        if self.crops is None or self.crops.climate is None or not self.crops.possible(COOL, year):
            return []
        if decides:
            return [(CLAIM[-1], 0)]
        seeds = [(CLAIM[-1], seed) for seed in range(1, self.settings.seeds)]
        return [(CLAIM[0], 0), *seeds] if self._full(year) else []

    def _full(self, year: int) -> bool:
        return year in self.full_years

    def _has_variants(self, year: int) -> bool:
        """Whether the paper's network and variants of ours are tried. Most concern patches, which a cube of single
        pixels has none of."""
        return year == self.full_years[0] and not self.control and self.settings.scored > 1

    def _networks(self, year: int, *, decides: bool) -> list[Chain]:
        full = self._full(year)
        chains = [
            self.forecasts.network(year, method, seed, full=full)
            for method, seed in self._trained(year, decides=decides)
        ]
        if self.crops is not None:
            chains += [[self.crops.cool_encoder(year, *trained)] for trained in self._cool(year, decides=decides)]
        return chains

    def _simple(self, year: int) -> list[Chain]:
        return self.forecasts.simple(year, full=self._full(year))

    def _rivals(self, year: int) -> list[Chain]:
        rivals = self.forecasts.rivals(year) if self._full(year) and not self.control else []
        return rivals + (self.forecasts.ablations(year) if self._has_variants(year) else [])

    def _maps(self, year: int, *, decides: bool) -> list[Chain]:
        """Crop maps: of the opponents and of heads on the encoders that decide, or of all others."""
        if self.crops is None:
            return []
        chains: list[Chain] = []
        known = FULL if self._full(year) else OTHER
        for kind, trained in ((known, self._trained), (COOL, self._cool)):
            if self.crops.possible(kind, year) and (encoders := trained(year, decides=decides)):
                chains += self.crops.opponents(kind, year) if decides else []
                chains += self.crops.frozen(kind, year, encoders)
        return chains + (self.crops.whole_networks(year) if self._full(year) and not decides else [])

    def _picture(self) -> list[Chain]:
        return self.forecasts.picture() if self.settings.scored > 1 and not self.control else []
