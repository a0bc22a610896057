"""How a cube's variables follow from those of a store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Formula:
    """A variable of a cube as a function of daily values of a store."""

    inputs: tuple[str, ...]
    of: Callable[..., Floats] = lambda value: value
    """takes the inputs in their order, each (day, y, x) in a canonical unit; by default the one input itself"""


def inputs_of(formulas: dict[str, Formula], variables: tuple[str, ...], service: str) -> tuple[str, ...]:
    """The inputs of some variables, each once. Raises InputError for variables that have no formula."""
    if lacking := [name for name in variables if name not in formulas]:
        raise InputError(
            f"{service} has no {' and no '.join(lacking)}; leave it out of weather.variables, or take another weather"
            " source"
        )
    return tuple(dict.fromkeys(name for variable in variables for name in formulas[variable].inputs))


def computed(
    formulas: dict[str, Formula], variables: tuple[str, ...], daily: dict[str, Floats]
) -> dict[str, NDArray[np.float32]]:
    """The variables, each (day, y, x), from their inputs."""
    values: dict[str, Any] = {
        name: formulas[name].of(*(daily[each] for each in formulas[name].inputs)).astype(np.float32)
        for name in variables
    }
    return values
