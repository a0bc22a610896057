"""The pieces of an evaluation that map crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
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
"""Kinds of the pieces of a full year and of another held-out year."""
FINETUNED = CLAIM[-1]
"""The method whose whole network is finetuned; the others get a head on the frozen encoder only."""
Rate = Callable[[str], float]


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

    def pieces(self, year: int, trained: Sequence[str], seed: int, *, full: bool) -> list[Chain]:
        """Heads on frozen encoders of the methods `trained` with a seed; with seed 0 the opponents and an untrained
        encoder; in a full year also a finetuned encoder and networks from scratch."""
        kind = FULL if full else OTHER
        works: dict[tuple[str, str], Callable[[CropTrial], list[Row]]] = {}
        if seed == 0:
            works["opponents", ""] = opponent_rows
            works["frozen", "untrained"] = self._untrained(seed)
        for name in trained:
            works["frozen", name] = self._frozen(year, name, seed)
        if full and seed == 0:
            works["finetuned", FINETUNED] = self._finetuned(year, FINETUNED, seed)
            works["scratch", "weather"] = self._scratch(True, seed)
            works["scratch", "none"] = self._scratch(False, seed)
        return [[self._piece(kind, year, *names, seed, work)] for names, work in works.items()]

    def cool_pieces(self, year: int, trained: Sequence[str], seed: int, *, full: bool) -> list[Chain]:
        """The maps of cool places, learned in warm ones, of the whole season and from all labelled fields."""
        works: dict[tuple[str, str], Callable[[CropTrial], list[Row]]] = {}
        if seed == 0:
            works["opponents", ""] = opponent_rows
            works["frozen", "untrained"] = self._untrained(seed)
        for name in trained:
            works["frozen", name] = self._frozen(year, name, seed, cool=True)
        if full and seed == 0:
            works["finetuned", FINETUNED] = self._finetuned(year, FINETUNED, seed, cool=True)
            works["scratch", "weather"] = self._scratch(True, seed)
        return [[self._piece(COOL, year, *names, seed, work)] for names, work in works.items()]

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

    def _frozen(self, year: int, method: str, seed: int, *, cool: bool = False) -> Callable[[CropTrial], list[Row]]:
        encoder = self._encoder(year, method, seed, cool)
        return lambda trial: frozen(trial, load(encoder), method, seed)

    def _untrained(self, seed: int) -> Callable[[CropTrial], list[Row]]:
        return lambda trial: frozen(
            trial, random_encoder(self.cube, trial.reader.normalisation, seed, self.settings), "untrained", seed
        )

    def _finetuned(self, year: int, method: str, seed: int, *, cool: bool = False) -> Callable[[CropTrial], list[Row]]:
        encoder = self._encoder(year, method, seed, cool)

        def work(trial: CropTrial) -> list[Row]:
            checkpoint, rows = load(encoder), []
            for fraction in trial.options.fractions:
                rows += finetuned(trial, checkpoint, method, head_weather=True, seed=seed, fraction=fraction)
            return rows

        return work

    def _scratch(self, weather: bool, seed: int) -> Callable[[CropTrial], list[Row]]:
        def work(trial: CropTrial) -> list[Row]:
            config, rows = network_config(self.cube, self.settings), []
            for fraction in trial.options.fractions:
                rows += scratch(trial, config, weather=weather, seed=seed, fraction=fraction)
            return rows

        return work

    def _encoder(self, year: int, method: str, seed: int, cool: bool) -> Path:
        return encoder_folder(self.folder / COOL if cool else self.folder, year, method, seed)

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

    def _piece(
        self, kind: str, year: int, how: str, method: str, seed: int, work: Callable[[CropTrial], list[Row]]
    ) -> Piece:
        settings = {
            **self._settings(method, kind), **self.settings.for_training, "crops": asdict(self._options(kind))
        }  # fmt: skip
        folder = COOL if kind == COOL else "crops"
        name = "/".join(part for part in (folder, str(year), how, method, str(seed)) if part)
        about = {"kind": folder, "year": year, "method": how, "seed": seed}
        return Piece(name, settings, lambda _: {"rows": work(self._trial(year, kind))}, about=about)

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
