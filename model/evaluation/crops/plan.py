"""The pieces of an evaluation that map crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.evaluation.core.climate import ClimateSplit
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.runner import Chain, Piece, Result
from mmvsf.model.evaluation.core.settings import CLAIM, SEASON, EvaluationSettings
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
FINETUNED = ("sm-mae", "mm-vsf")
"""Methods whose whole network is finetuned; the others get a head on the frozen encoder only."""
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
    _trials: dict[tuple[int, bool], CropTrial] = field(default_factory=dict)
    """Holds the trial in work."""

    def pieces(self, year: int, trained: Sequence[str], seed: int, *, whole: bool, shares: bool) -> list[Chain]:
        """Heads on frozen encoders of the methods `trained` with a seed; with seed 0 the opponents; with `whole` also
        an untrained encoder, finetuned ones and networks from scratch, with `shares` on every share of the labelled
        fields, each of which takes a training of the whole network, else on all fields only."""
        fractions = self.settings.crops.fractions if shares else self.settings.crops.fractions[:1]
        works: dict[tuple[str, str], Callable[[CropTrial], list[Row]]] = {}
        if seed == 0:
            works["opponents", ""] = lambda trial: opponent_rows(trial, whole=whole)
        works |= {("frozen", name): self._frozen(year, name, seed) for name in trained}
        if whole:
            works["frozen", "untrained"] = self._untrained(seed)
            for name in FINETUNED:
                if name in trained:
                    works["finetuned", name] = self._finetuned(year, name, seed, fractions)
            works["scratch", "weather"] = self._scratch(True, seed, fractions)
            works["scratch", "none"] = self._scratch(False, seed, fractions)
        return [[self._piece(year, *names, seed, work)] for names, work in works.items()]

    def cool_encoders(self, year: int, seeds: range) -> list[Chain]:
        """Pretraining on the warm places: MM-VSF with every seed, SM-VSF with one. None without a climate split."""
        if self.climate is None:
            return []
        return [[self._cool_encoder(year, name, seed)] for seed in seeds for name in _cool_methods(seed)]

    def cool_pieces(self, year: int, seed: int) -> list[Chain]:
        """The maps of cool places, learned in warm ones, of the whole season and from all labelled fields."""
        if self.climate is None:
            return []
        works: dict[tuple[str, str], Callable[[CropTrial], list[Row]]] = {}
        for name in _cool_methods(seed):
            works["frozen", name] = self._frozen(year, name, seed, cool=True)
        if seed == 0:
            works["opponents", ""] = lambda trial: opponent_rows(trial, whole=False)
            works["frozen", "untrained"] = self._untrained(seed)
            works["finetuned", "mm-vsf"] = self._finetuned(year, "mm-vsf", seed, (1.0,), cool=True)
            works["scratch", "weather"] = self._scratch(True, seed, (1.0,))
        return [[self._piece(year, *names, seed, work, cool=True)] for names, work in works.items()]

    def _cool_encoder(self, year: int, method: str, seed: int) -> Piece:
        rate, folder = self.rate(method), f"{COOL}/pretrain/{year}/{method}/{seed}"

        def train(path: Path) -> Result:
            for stale in (self.folder / COOL / str(year)).rglob(f"{method}/{seed}.json"):
                stale.unlink()
            return pretrain(hold_out(self.cube, year, self.climate), method, rate, seed, self.settings, path)

        settings = {**self._settings(method, cool=True), **self.settings.for_training}
        about = {"kind": f"{COOL} encoder", "year": year, "method": method, "seed": seed}
        return Piece(folder, settings, train, (WEIGHTS,), about)

    def _frozen(self, year: int, method: str, seed: int, *, cool: bool = False) -> Callable[[CropTrial], list[Row]]:
        encoder = self._encoder(year, method, seed, cool)
        return lambda trial: frozen(trial, load(encoder), method, seed)

    def _untrained(self, seed: int) -> Callable[[CropTrial], list[Row]]:
        return lambda trial: frozen(
            trial, random_encoder(self.cube, trial.reader.normalisation, seed, self.settings), "untrained", seed
        )

    def _finetuned(
        self, year: int, method: str, seed: int, fractions: Sequence[float], *, cool: bool = False
    ) -> Callable[[CropTrial], list[Row]]:
        encoder = self._encoder(year, method, seed, cool)

        def work(trial: CropTrial) -> list[Row]:
            checkpoint, rows = load(encoder), []
            for fraction in fractions:
                rows += finetuned(trial, checkpoint, method, head_weather=True, seed=seed, fraction=fraction)
            return rows

        return work

    def _scratch(self, weather: bool, seed: int, fractions: Sequence[float]) -> Callable[[CropTrial], list[Row]]:
        def work(trial: CropTrial) -> list[Row]:
            config, rows = network_config(self.cube, self.settings), []
            for fraction in fractions:
                rows += scratch(trial, config, weather=weather, seed=seed, fraction=fraction)
            return rows

        return work

    def _encoder(self, year: int, method: str, seed: int, cool: bool) -> Path:
        return encoder_folder(self.folder / COOL if cool else self.folder, year, method, seed)

    def _trial(self, year: int, cool: bool) -> CropTrial:
        if (year, cool) not in self._trials:
            self._trials.clear()
            options = self.settings.crops
            if cool:
                options = replace(options, fractions=(1.0,), dates=(SEASON,), random_pixels=0.0)
            held_out = hold_out(self.cube, year, self.climate if cool else None)
            self._trials[year, cool] = crop_trial(held_out, options)
        return self._trials[year, cool]

    def _piece(
        self, year: int, how: str, method: str, seed: int, work: Callable[[CropTrial], list[Row]], *, cool: bool = False
    ) -> Piece:
        settings = {**self._settings(method, cool=cool), **self.settings.for_crops}
        kind = COOL if cool else "crops"
        name = "/".join(part for part in (kind, str(year), how, method, str(seed)) if part)
        about = {"kind": kind, "year": year, "method": how, "seed": seed}
        return Piece(name, settings, lambda _: {"rows": work(self._trial(year, cool))}, about=about)

    def _settings(self, method: str, *, cool: bool) -> Result:
        """What a piece of a method depends on, beside the sizes of the evaluation."""
        settings: Result = {"cube": self.cube.digest, "rate": None}
        if method in OBJECTIVES or method in VARIANTS:
            settings |= {"rate": self.rate(method), "objective": asdict(objective_of(method))}
        if method in VARIANTS:
            settings["variant"] = asdict(VARIANTS[method])
        if cool and self.climate is not None:
            settings["cool"] = [list(place) for place in self.climate.cool]
        return settings


def _cool_methods(seed: int) -> Sequence[str]:
    """The methods that are pretrained on warm places with a seed."""
    return CLAIM if seed == 0 else CLAIM[-1:]
