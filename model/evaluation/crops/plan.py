"""The pieces of an evaluation that map crops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.runner import Piece
from mmvsf.model.evaluation.core.settings import EvaluationSettings
from mmvsf.model.evaluation.core.training import encoder_folder, load, network_config, random_encoder
from mmvsf.model.mmvsf.objectives import OBJECTIVES

from .baselines import baselines
from .confusions import Row
from .methods import finetuned, frozen, scratch
from .trial import CropTrial, crop_trial


@dataclass
class CropPieces:
    """Makes the pieces of any year. They need the encoders that were pretrained with that year held out."""

    cube: Cube
    folder: Path
    """The evaluation's folder, which holds the encoders."""
    settings: EvaluationSettings
    rates: Mapping[str, float]
    """Learning rates of the objectives, on which the encoders depend."""
    trials: dict[int, CropTrial]
    """Holds the trial of the year in work."""

    def pieces(self, year: int, trained: Sequence[str], seed: int, *, whole: bool, shares: bool) -> list[Piece]:
        """Heads on frozen encoders of the objectives `trained` with a seed; with seed 0 the methods without a network;
        with `whole` also an untrained encoder, finetuned ones and networks from scratch, with `shares` on every share
        of the labelled fields, each of which takes a training of the whole network, else on all fields only."""
        fractions = self.settings.crops.fractions if shares else self.settings.crops.fractions[:1]
        works = {("frozen", name): self._frozen(year, name, seed) for name in trained}
        if seed == 0:
            works["without", ""] = lambda: baselines(self._trial(year))
        if whole:
            works["frozen", "untrained"] = lambda: self._untrained(year, seed)
            works |= {("finetuned", name): self._whole(year, name, seed, fractions) for name in trained}
            works["scratch", "weather"] = self._scratch(year, True, seed, fractions)
            works["scratch", "none"] = self._scratch(year, False, seed, fractions)
        return [self._piece(year, how, name, seed, work) for (how, name), work in works.items()]

    def _frozen(self, year: int, objective: str, seed: int) -> Callable[[], list[Row]]:
        encoder = encoder_folder(self.folder, year, objective, seed)
        return lambda: frozen(self._trial(year), load(encoder), objective, seed)

    def _untrained(self, year: int, seed: int) -> list[Row]:
        trial = self._trial(year)
        encoder = random_encoder(self.cube, trial.reader.normalisation, seed, self.settings)
        return frozen(trial, encoder, "untrained", seed)

    def _whole(self, year: int, objective: str, seed: int, fractions: Sequence[float]) -> Callable[[], list[Row]]:
        def work() -> list[Row]:
            trial, encoder, rows = self._trial(year), load(encoder_folder(self.folder, year, objective, seed)), []
            for fraction in fractions:
                rows += finetuned(trial, encoder, objective, head_weather=True, seed=seed, fraction=fraction)
            return rows

        return work

    def _scratch(self, year: int, weather: bool, seed: int, fractions: Sequence[float]) -> Callable[[], list[Row]]:
        def work() -> list[Row]:
            trial, config, rows = self._trial(year), network_config(self.cube, self.settings), []
            for fraction in fractions:
                rows += scratch(trial, config, weather=weather, seed=seed, fraction=fraction)
            return rows

        return work

    def _trial(self, year: int) -> CropTrial:
        if year not in self.trials:
            self.trials.clear()
            self.trials[year] = crop_trial(hold_out(self.cube, year), self.settings.crops)
        return self.trials[year]

    def _piece(self, year: int, how: str, encoder: str, seed: int, work: Callable[[], list[Row]]) -> Piece:
        settings = {"cube": self.cube.digest, "rate": self.rates.get(encoder), **self.settings.for_crops}
        if encoder in OBJECTIVES:
            settings["objective"] = asdict(OBJECTIVES[encoder])
        name = "/".join(part for part in ("crops", str(year), how, encoder, str(seed)) if part)
        about = {"kind": "crops", "year": year, "method": how, "seed": seed}
        return Piece(name, settings, lambda _: {"rows": work()}, about=about)
