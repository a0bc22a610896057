"""The pieces of an evaluation that map crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.variables import Split
from mmvsf.model.evaluation.core.climate import ClimateSplit
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.runner import Chain, Piece, Result
from mmvsf.model.evaluation.core.settings import CLAIM, SEASON, CropOptions, EvaluationSettings
from mmvsf.model.evaluation.core.training import encoder_folder, load, network_config, pretrain, random_encoder
from mmvsf.model.evaluation.core.variants import VARIANTS, objective_of
from mmvsf.model.mmvsf.checkpoint import WEIGHTS
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .confusions import Row
from .methods import finetuned, frozen, scratch
from .opponents import opponent_rows
from .trial import CropTrial, crop_trial

COOL = "cool"
"""Kind of the pieces that learn from warm places and map cool ones, and the folder of their encoders."""
FULL, OTHER = "full", "other"
"""Kinds of the pieces of a full year and of another held-out year: with a random split, and without."""
FINETUNED = CLAIM[-1]
"""The method whose whole network is finetuned; the others get a head on the frozen encoder only."""
Rate = Callable[[str], float]
Work = Callable[[CropTrial], list[Row]]


@dataclass
class CropPieces:
    """Makes the pieces of any year. They need the encoders that were pretrained with that year held out."""

    cube: Cube
    folder: Path
    """The evaluation's folder, which holds the encoders."""
    settings: EvaluationSettings
    rate: Rate
    """Learning rate of a method, on which its encoder depends."""
    climate: ClimateSplit | None
    """None for a cube whose places cannot be ordered."""
    _trials: dict[tuple[int, str], CropTrial] = field(default_factory=dict)
    """Holds the trial in work."""

    def possible(self, kind: str, year: int) -> bool:
        """Whether there are labels of other years to learn from, and of the year or of held-out places to score. Where
        these years have few labels, all may still lie in windows of one use; then pieces have no rows."""
        labelled = set(self.cube.label_years)
        scored = year in labelled or kind == COOL or Split.TEST in Fold.of(self.cube).places
        return bool(labelled - {year}) and scored

    def opponents(self, kind: str, year: int) -> list[Chain]:
        """Classifiers of single pixels, and a head on an encoder with random weights."""
        untrained = self._piece(kind, year, "frozen", "untrained", 0, self._untrained(0))
        return [[self._piece(kind, year, "opponents", "", 0, opponent_rows)], [untrained]]

    def frozen(self, kind: str, year: int, trained: Sequence[tuple[str, int]]) -> list[Chain]:
        """Heads on the frozen encoders of methods and seeds, which of COOL were trained on warm places."""
        return [
            [self._piece(kind, year, "frozen", method, seed, self._head(kind, year, method, seed))]
            for method, seed in trained
        ]

    def whole_networks(self, year: int) -> list[Chain]:
        """An encoder that is finetuned, and networks from scratch."""
        works = [
            (FULL, "finetuned", FINETUNED, self._finetuned(FULL, year)),
            (FULL, "scratch", "weather", self._scratch(True)),
            (FULL, "scratch", "none", self._scratch(False)),
        ]
        if self.climate is not None:
            works += [
                (COOL, "finetuned", FINETUNED, self._finetuned(COOL, year)),
                (COOL, "scratch", "weather", self._scratch(True)),
            ]
        possible = [kind for kind in (FULL, COOL) if self.possible(kind, year)]
        return [
            [self._piece(kind, year, how, method, 0, work)] for kind, how, method, work in works if kind in possible
        ]

    def cool_encoder(self, year: int, method: str, seed: int) -> Piece:
        """Pretraining on the warm places."""
        rate, folder = self.rate(method), f"{COOL}/pretrain/{year}/{method}/{seed}"

        def train(path: Path) -> Result:
            for stale in (self.folder / COOL / str(year)).rglob(f"{method}/{seed}.json"):
                stale.unlink()
            return pretrain(hold_out(self.cube, year, self.climate), method, rate, seed, self.settings, path)

        settings = {**self._settings(method, COOL), **self.settings.for_training}
        about = {"kind": f"{COOL} encoder", "year": year, "method": method, "seed": seed}
        return Piece(folder, settings, train, (WEIGHTS,), about)

    def _head(self, kind: str, year: int, method: str, seed: int) -> Work:
        encoder = self._encoder(kind, year, method, seed)
        return lambda trial: frozen(trial, load(encoder), method, seed)

    def _untrained(self, seed: int) -> Work:
        return lambda trial: frozen(
            trial, random_encoder(self.cube, trial.reader.normalisation, seed, self.settings), "untrained", seed
        )

    def _finetuned(self, kind: str, year: int) -> Work:
        encoder = self._encoder(kind, year, FINETUNED, 0)

        def work(trial: CropTrial) -> list[Row]:
            checkpoint, rows = load(encoder), []
            for fraction in trial.options.fractions:
                rows += finetuned(trial, checkpoint, FINETUNED, head_weather=True, fraction=fraction)
            return rows

        return work

    def _scratch(self, weather: bool) -> Work:
        def work(trial: CropTrial) -> list[Row]:
            config, rows = network_config(self.cube, self.settings), []
            for fraction in trial.options.fractions:
                rows += scratch(trial, config, weather=weather, fraction=fraction)
            return rows

        return work

    def _encoder(self, kind: str, year: int, method: str, seed: int) -> Path:
        return encoder_folder(self.folder / COOL if kind == COOL else self.folder, year, method, seed)

    def _options(self, kind: str) -> CropOptions:
        """The sizes of the trials of a kind: a full year has all, another no random split; in cool places it is the
        whole season and all fields."""
        options = self.settings.crops
        if kind != FULL:
            options = replace(options, random_pixels=0.0)
        return replace(options, fractions=options.fractions[:1], dates=(SEASON,)) if kind == COOL else options

    def _trial(self, year: int, kind: str) -> CropTrial:
        if (year, kind) not in self._trials:
            self._trials.clear()
            held_out = hold_out(self.cube, year, self.climate if kind == COOL else None)
            self._trials[year, kind] = crop_trial(held_out, self._options(kind))
        return self._trials[year, kind]

    def _piece(self, kind: str, year: int, how: str, method: str, seed: int, work: Work) -> Piece:
        settings = {
            **self._settings(method, kind), **self.settings.for_training, "crops": asdict(self._options(kind))
        }  # fmt: skip
        folder = COOL if kind == COOL else "crops"
        name = "/".join(part for part in (folder, str(year), how, method, str(seed)) if part)
        about = {"kind": folder, "year": year, "method": how, "seed": seed}
        return Piece(name, settings, lambda _: {"rows": self._rows(year, kind, work)}, about=about)

    def _rows(self, year: int, kind: str, work: Work) -> list[Row]:
        """What the work gives; none where its trial is not possible."""
        trial = self._trial(year, kind)
        return work(trial) if trial.possible else []

    def _settings(self, method: str, kind: str) -> Result:
        """What a piece of a method depends on, beside the sizes of the evaluation."""
        settings: Result = {"cube": self.cube.digest, "rate": None}
        if method in OBJECTIVES or method in VARIANTS:
            settings |= {"rate": self.rate(method), "objective": asdict(objective_of(method))}
        if method in VARIANTS:
            settings["variant"] = asdict(VARIANTS[method])
        if kind == COOL and self.climate is not None:
            settings["cool"] = [list(place) for place in self.climate.cool]
        return settings
