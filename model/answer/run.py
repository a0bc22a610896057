"""Runs forecasters on the test cases, and compares their responses to weather."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.sidecars.experiments import AS_IT_CAME, Experiments, experiments_path

from .cases import Case, experiment_cases
from .pairs import matched_cases
from .protocol import Forecaster, forecasts
from .scores import SCORES, AnswerSums, Estimate, draw, estimates, p_value

ALL = "all scenarios"
COMPARED = ("slope", "agreement", "size")
"""Scores that distinguish two forecasters: a blind one differs from all others in size, one that answers wrongly
from one that answers rightly in agreement or slope."""


@dataclass(frozen=True)
class Answers:
    """The answers of forecasters to the same cases."""

    sums: Mapping[str, AnswerSums]
    """by the name of the forecaster"""
    scenarios: tuple[str, ...]
    """without the weather that came"""
    simulated: bool

    @property
    def blocks(self) -> int:
        """Places in years, or places for pairs of seasons, of which intervals are made."""
        return len(next(iter(self.sums.values())).table(self.scenarios)[0])

    def scores(self, forecaster: str, scenario: str = ALL) -> dict[str, Estimate]:
        """The scores of a forecaster in one scenario or in all."""
        chosen = self.scenarios if scenario == ALL else (scenario,)
        return estimates(self.sums[forecaster].table(chosen)[1])

    def forecast_error(self, forecaster: str) -> dict[str, Estimate]:
        """The scores under the weather that came, of which `rmse` and `crps` have a meaning."""
        return estimates(self.sums[forecaster].table((AS_IT_CAME,))[1])

    def p_values(self, forecaster: str) -> dict[str, float]:
        """Of the hypotheses that the slope is 0 (no answer, or none that is right), and that it is 1."""
        blocks, table = self.sums[forecaster].table(self.scenarios)
        drawn = draw(table)["slope"]
        return {"slope is 0": p_value(drawn, len(blocks)), "slope is 1": p_value(drawn, len(blocks), 1.0)}

    def differences(self) -> dict[tuple[str, str], dict[str, float]]:
        """The p values of the hypotheses that two forecasters have the same score, for each of COMPARED."""
        drawn = {name: draw(sums.table(self.scenarios)[1]) for name, sums in self.sums.items()}
        return {
            (a, b): {score: p_value(drawn[a][score] - drawn[b][score], self.blocks) for score in COMPARED}
            for a, b in combinations(drawn, 2)
        }

    def as_json(self) -> dict[str, Any]:
        """Everything above."""

        def numbers(scores: Mapping[str, Estimate]) -> dict[str, list[float | None]]:
            return {
                name: [x if np.isfinite(x) else None for x in (score.value, score.low, score.high)]
                for name, score in scores.items()
            }

        return {
            "simulated": self.simulated,
            "blocks": self.blocks,
            "scores": list(SCORES),
            "forecasters": {
                name: {
                    "answers": {each: numbers(self.scores(name, each)) for each in (ALL, *self.scenarios)},
                    "as it came": numbers(self.forecast_error(name)),
                    "p": self.p_values(name),
                }
                for name in self.sums
            },
            "same": {f"{a} / {b}": values for (a, b), values in self.differences().items()},
        }


def cases_of(cube: Cube) -> tuple[list[Case], bool]:
    """The cases of a cube, and whether they are experiments with a simulator: matched pairs of seasons where there are
    no experiments. Raises InputError for a cube without weather, and where it has no cases."""
    if not cube.weather:
        raise InputError(f"{cube.path} has no weather, so there is no response to test")
    if cube.region.simulate is not None or experiments_path(cube).is_dir():
        reader = WindowReader(cube, Normalisation.of([cube]))
        return list(experiment_cases(Experiments.of(cube), reader)), True
    return matched_cases(cube), False


def answers_of(forecasters: Mapping[str, Forecaster], cases: Iterable[Case], *, simulated: bool = True) -> Answers:
    """The answers of forecasters, by name, to the same cases. Raises InputError, naming the forecaster, for a forecast
    of another shape."""
    sums = {name: AnswerSums() for name in forecasters}
    scenarios: dict[str, None] = {}
    for case in cases:
        given = case.inputs()
        scenarios |= dict.fromkeys(case.scenarios[1:])
        for name, forecaster in forecasters.items():
            try:
                sums[name].add(case, forecasts(forecaster, given))
            except ValueError as error:
                raise InputError(f"--forecaster {name}: {error}") from error
    return Answers(sums, tuple(scenarios), simulated)
