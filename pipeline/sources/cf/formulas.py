"""The variables of a cube from the inputs that files hold."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import weather_variable
from mmvsf.pipeline.layers.weather.units import (
    SECONDS_PER_DAY,
    WIND_10M_TO_2M,
    daylight_sum,
    pressure_of_humidity,
    relative_humidity,
    saturation_pressure,
    vapour_pressure_deficit,
)

from .inputs import quantities

Floats = NDArray[np.float64]
Formula = tuple[tuple[str, ...], Callable[..., Floats]]

FORMULAS: dict[str, tuple[Formula, ...]] = {
    "radiation": (
        (("daylight_srad", "day_length"), daylight_sum),  # Daymet: the mean over the daylight
        (("srad", "day_length"), daylight_sum),
        (("srad",), lambda flux: flux * (SECONDS_PER_DAY * 1e-6)),  # gridMET: the mean over 24 hours
    ),
    "vpd": (
        (("tmin", "tmax", "vapour_pressure"), vapour_pressure_deficit),
        (
            ("tmin", "tmax", "dewpoint"),
            lambda tmin, tmax, dew: vapour_pressure_deficit(tmin, tmax, saturation_pressure(dew)),
        ),
        (
            ("tmin", "tmax", "relative_humidity"),
            lambda tmin, tmax, rh: vapour_pressure_deficit(tmin, tmax, pressure_of_humidity(tmin, tmax, rh)),
        ),
    ),
    "wind": (
        (("wind_10m",), lambda speed: speed * WIND_10M_TO_2M),
        # the speed of the mean wind vector, which is below the mean speed where the wind turns
        (("wind_10m_east", "wind_10m_north"), lambda u, v: np.hypot(u, v) * WIND_10M_TO_2M),
    ),
    "relative_humidity": (
        (("humidity_min", "humidity_max"), lambda lowest, highest: (lowest + highest) / 2),
        (("vapour_pressure", "tmin", "tmax"), relative_humidity),
        (("dewpoint", "tmean"), lambda dew, mean: relative_humidity(saturation_pressure(dew), mean)),
        (
            ("dewpoint", "tmin", "tmax"),
            lambda dew, tmin, tmax: relative_humidity(saturation_pressure(dew), tmin, tmax),
        ),
    ),
}
"""variable -> formulas of which the first counts whose inputs are present, unless the variable is itself an input"""


def wanted_inputs(variables: Collection[str], present: Collection[str]) -> list[str]:
    """Those of the inputs of one dataset that may be needed for variables of the cube: of a variable that follows from
    them alone only what that takes, of another all that may complete it together with other datasets."""
    wanted: dict[str, None] = {}
    for variable in variables:
        ways = [inputs for inputs, _ in _ways(variable)]
        complete = next((inputs for inputs in ways if set(inputs) <= set(present)), None)
        candidates = complete or [name for inputs in ways for name in inputs]
        wanted |= dict.fromkeys(name for name in candidates if name in present)
    return list(wanted)


def is_derived_from(variables: Collection[str], name: str) -> bool:
    """Whether one of the variables may follow from an input by a formula, and not only by copying it."""
    return any(name in inputs for variable in variables for inputs, _ in FORMULAS.get(variable, ()))


def _ways(variable: str) -> tuple[Formula, ...]:
    return (((variable,), lambda values: values), *FORMULAS.get(variable, ()))


def formula_of(variable: str, present: Collection[str], where: str, names: Collection[str]) -> Formula:
    """How a variable of the cube follows from those of `INPUTS` that are present. `names` are the variables of the
    files, for the error. Raises InputError if it does not, or is no known variable."""
    weather_variable(variable)
    for inputs, formula in _ways(variable):
        if set(inputs) <= set(present):
            return inputs, formula
    if variable == "radiation" and "daylight_srad" in present:
        raise InputError(
            f"{where}: its radiation (srad) is a mean over the daylight; add the files with the day length (dayl)"
        )
    raise InputError(
        f"{where} lacks '{variable}' (looked for {', '.join(quantities()[variable].names)} and what it can be derived"
        f" from; it has {', '.join(sorted(names))}); add it, or leave it out of weather.variables"
    )


def derive(variable: str, formula: Formula, inputs: Mapping[str, NDArray[np.floating[Any]]]) -> NDArray[np.float32]:
    """One variable in its canonical unit."""
    names, function = formula
    return np.asarray(function(*(inputs[name] for name in names)), np.float32)
