"""Weather other than expected: a drought, three degrees more, or what a file says, as a change of any weather ahead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, RecipeError
from mmvsf.datasets.recipe.schema import OneLine, RecipeModel, problems
from mmvsf.datasets.recipe.yaml_text import read_yaml
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.sidecars.weather_changes import CHANGES, Array, warmer, with_temperature
from mmvsf.datasets.variables import WEATHER_BY_NAME, weather_variable

NO_RAIN = "no-rain"
DEGREES = re.compile(r"([+-]\d+(?:\.\d+)?) ?C")
MOST_DEGREES = 15.0
CHOICES = f"{', '.join(CHANGES)}, {NO_RAIN}, +3C or the path of a file, followed by :21 for 21 days"

Numbers = dict[str, Annotated[float, Field(ge=-1e4, le=1e4)]]


class ScenarioFile(RecipeModel):
    """A scenario as a YAML file. Variables are multiplied first, then added to, then set."""

    name: OneLine
    """What it is called, such as `dry and hot`."""
    days: Annotated[int, Field(ge=1)] | None = None
    """Days that change, from the day of issue on; by default all."""
    multiply: Numbers = Field(default_factory=dict)
    """Factors by variable."""
    add: Numbers = Field(default_factory=dict)
    """What is added by variable, in its unit. Where temperatures change, the vapour pressure deficit follows."""
    values: Numbers = Field(default_factory=dict, alias="set")
    """Values by variable, in its unit."""

    @property
    def variables(self) -> frozenset[str]:
        """All that change."""
        return frozenset((*self.multiply, *self.add, *self.values))


@dataclass(frozen=True)
class Scenario:
    """A change of the weather ahead of a cube. It can be sent to another process."""

    name: str
    """in names of folders and in tables, with the number of days where one was given, such as `drought-14d`"""
    days: int | None
    """from the day of issue on; None for all"""
    kind: str
    """the name of a change, NO_RAIN, `degrees` or `file`"""
    degrees: float = 0.0
    file: ScenarioFile | None = None

    @classmethod
    def read(cls, text: str, cube: Cube) -> Self:
        """The scenario that an option names. Raises InputError for one that there is not, and for one that changes
        variables which the cube does not have."""
        what, _, days = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
        count, length = (int(days), f"-{int(days)}d") if days else (None, "")
        if count == 0:
            raise InputError(f"--scenario {text}: it changes no day")
        if what in CHANGES or what == NO_RAIN:
            needed = CHANGES[what][1] if what in CHANGES else ("precipitation",)
            scenario = cls(what + length, count, what)
        elif match := DEGREES.fullmatch(what):
            degrees, needed = float(match[1]), ("tmin", "tmax")
            if not 0 < abs(degrees) <= MOST_DEGREES:
                raise InputError(f"--scenario {text}: takes up to {MOST_DEGREES:g} degrees, and not 0")
            scenario = cls(f"{degrees:+g}C{length}", count, "degrees", degrees)
        elif what.endswith((".yaml", ".yml")):
            file = _read_file(Path(what))
            needed = tuple(sorted(file.variables))
            scenario = cls(file.name + length, count or file.days, "file", file=file)
        else:
            raise InputError(f"--scenario {text}: there is no such scenario; choose one of {CHOICES}")
        if missing := [name for name in needed if name not in cube.weather]:
            raise InputError(
                f"--scenario {text}: it changes {', '.join(missing)}, which {cube.path} does not have; its weather is"
                f" {', '.join(cube.weather) or 'none'}"
            )
        return scenario

    def changed(self, weather: Floats, variables: tuple[str, ...]) -> Floats:
        """Weather (M, day, V) in the units of the cube, of that from the day of issue on, each member changed. Within
        the possible values of each variable."""
        since = np.arange(weather.shape[1]) < (self.days or weather.shape[1])
        out = weather.copy()
        for member in out:
            series = {name: member[:, number].astype(np.float64) for number, name in enumerate(variables)}
            for name, values in self._changes(series, since).items():
                known = weather_variable(name)
                member[since, variables.index(name)] = values.clip(known.valid_min, known.valid_max)[since]
        return out

    def settings(self) -> dict[str, Any]:
        """All that it depends on, for JSON."""
        file = None if self.file is None else self.file.model_dump(mode="json", by_alias=True)
        return {"name": self.name, "days": self.days, "kind": self.kind, "degrees": self.degrees, "file": file}

    def _changes(self, series: Mapping[str, Array], since: Any) -> dict[str, Array]:
        if self.file is not None:
            return _file_changes(self.file, series)
        if self.kind == "degrees":
            return warmer(series, self.degrees)
        if self.kind == NO_RAIN:
            return {"precipitation": 0 * series["precipitation"]}
        return CHANGES[self.kind][0](series, since)


def _read_file(path: Path) -> ScenarioFile:
    if not path.is_file():
        raise InputError(f"--scenario {path}: there is no such file")
    try:
        file = ScenarioFile.model_validate(read_yaml(path, "scenario", "see docs/forecast.md"))
    except ValidationError as error:
        raise RecipeError(str(path), problems(error, ScenarioFile)) from error
    if unknown := sorted(file.variables - WEATHER_BY_NAME.keys()):
        raise InputError(
            f"{path}: there is no weather variable '{unknown[0]}'; choose from {', '.join(WEATHER_BY_NAME)}"
        )
    if not file.variables:
        raise InputError(f"{path}: it changes nothing; give multiply, add or set, each by variable")
    return file


def _file_changes(file: ScenarioFile, series: Mapping[str, Array]) -> dict[str, Array]:
    changed = {name: file.multiply[name] * series[name] for name in file.multiply}
    changed |= {name: changed.get(name, series[name]) + more for name, more in file.add.items()}
    changed |= {name: np.full_like(series[name], value) for name, value in file.values.items()}
    if {"tmin", "tmax"} <= set(series) and {"tmin", "tmax"} & set(changed):
        temperatures = (changed.get(name, series[name]) for name in ("tmin", "tmax"))
        return with_temperature(series, *temperatures) | changed
    return changed
