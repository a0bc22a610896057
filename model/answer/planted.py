"""Forecasters that test the scores themselves. The response of two is known: one copies the weather, the other is the
simulator; persistence is a third, blind to the weather. The oracle shows which scores the images allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.sidecars.experiments import Experiments

from .cases import Case, experiment_cases
from .forecasters import last_clear
from .protocol import Floats, Forecaster, ForecastInput


def copies_weather(given: ForecastInput) -> Floats:
    """The last clear image, brighter by the mean rain of the gap: it answers to the weather, and wrongly."""
    return np.asarray(last_clear(given) + 0.01 * given.gap("precipitation").mean(), np.float32)


@dataclass(eq=False)
class Simulator:
    """What the simulator shows, with some noise."""

    cases: list[Case]
    error: float = 0.01
    """reflectance, standard deviation"""
    _by_place: dict[tuple[int, int, int], Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_place = {(case.row, case.column, int(case.days[-1])): case for case in self.cases}

    @classmethod
    def of(cls, cube: Cube) -> Self:
        """Of the experiments of a cube. Raises InputError where there are none."""
        reader = WindowReader(cube, Normalisation.of([cube]))
        return cls(list(experiment_cases(Experiments.of(cube), reader)))

    def __call__(self, given: ForecastInput) -> Floats:
        key = given.row, given.column, int(given.origin.astype(np.int64))
        if key not in self._by_place:
            raise InputError("the simulator and the oracle know only the cases of the experiments")
        case = self._by_place[key]
        weather = case.weather[:, : len(given.weather)]
        scenario = int(np.abs(weather - given.weather).sum(axis=(1, 2)).argmin())
        lead = int((given.target - given.origin).astype(np.int64))
        noise = np.random.default_rng([*key, lead, scenario]).normal(0, self.error, given.images.shape[1:])
        image = self._images(case)[scenario, case.leads.tolist().index(lead)] + noise
        return np.asarray(image, np.float32)

    def _images(self, case: Case) -> Floats:
        return case.truth


class InferringOracle(Simulator):
    """What the simulator shows on average over what the fields may be, by the images up to the origin."""

    def __init__(self, cases: list[Case]) -> None:
        super().__init__(cases, error=0.0)

    def _images(self, case: Case) -> Floats:
        if case.inferred is None:
            raise InputError("there is an oracle only for a simulated region")
        return case.inferred


ORACLE = "oracle"
PLANTED: dict[str, Callable[[Cube], Forecaster]] = {
    "weather-copy": lambda cube: copies_weather,
    "simulator": Simulator.of,
    ORACLE: InferringOracle.of,
}
"""By name: what makes the forecaster for a cube."""
