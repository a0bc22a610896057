"""The test cases for forecasters: one history, and several courses of the weather from its end on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window, chunk_window, clear_days
from mmvsf.datasets.sidecars.experiments import Experiments
from mmvsf.model.forecasting.weather_ahead import in_units

from .protocol import ForecastInput


@dataclass(frozen=True, eq=False)
class Case:
    """One history and its scenarios, of which the first is the weather that came."""

    block: str
    """What is drawn at once when intervals are made: a place in a year, or a place for pairs of its seasons."""
    row: int
    column: int
    images: Floats
    """(time, band, y, x) in the units of the bands, NaN where not valid; the last is that of the origin."""
    valid: NDArray[np.bool_]
    days: NDArray[np.int64]
    """(time,) since 1970-01-01"""
    leads: NDArray[np.int64]
    """(lead,) days after the origin"""
    scenarios: tuple[str, ...]
    weather: Floats
    """(scenario, day, variable) in the units of the cube, from `weather_start` to the last target at least."""
    weather_start: int
    truth: Floats
    """(scenario, lead, band, y, x), NaN where unknown"""
    bands: tuple[str, ...]
    variables: tuple[str, ...]
    inferred: Floats | None = None
    """As `truth`, as expected by an oracle that infers what is hidden; None for pairs of seasons"""

    def inputs(self) -> list[ForecastInput]:
        """One for each scenario and lead, scenario by scenario."""
        days, origin = self.days.astype("datetime64[D]"), int(self.days[-1])
        start, given = self.weather_start, []
        for weather in self.weather:
            for lead in self.leads.tolist():
                length = origin + lead - start
                weather_days = np.arange(start, origin + lead).astype("datetime64[D]")
                target = np.datetime64(origin + lead, "D")
                given.append(
                    ForecastInput(
                        self.images, self.valid, days, weather[:length], weather_days, target, self.bands,
                        self.variables, self.row, self.column,
                    )
                )  # fmt: skip
        return given


def history(reader: WindowReader, window: Window, origin: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """(images, valid, days) of a window up to the day of origin, in the units of the bands, NaN where not valid."""
    days = window.days[window.days <= origin]
    normalised, valid = reader.images(window, days)
    images = reader.normalisation.reflectance(normalised)
    return np.where(valid[:, None], images, np.float32(np.nan)), valid, days.astype(np.int64)


def weather_of(reader: WindowReader, window: Window) -> tuple[int, Floats]:
    """First day, and daily weather (day, variable) in the units of the cube, of a window's season."""
    start, normalised = reader.weather(window.cell, window.year)
    return start, in_units(reader.normalisation, normalised)


def experiment_cases(experiments: Experiments, reader: WindowReader) -> Iterator[Case]:
    """The cases of a simulated region."""
    cube, clear = reader.cube, clear_days(reader.cube)
    chunk, side = cube.grid.chunk, cube.grid.block
    columns = (experiments.row, experiments.column, experiments.year, experiments.origin)
    for number, (row, column, year, origin) in enumerate(np.stack(columns, axis=1).tolist()):
        truth = experiments.truth(number)
        whole = chunk_window(cube, row // chunk, column // chunk, year, clear)
        window = replace(whole, row=row, column=column, size=truth.shape[-1])
        images, valid, days = history(reader, window, origin)
        applied = np.flatnonzero(experiments.applies[number])
        start, came = weather_of(reader, window)
        past = np.repeat(came[None, : origin - start], len(applied), axis=0)
        yield Case(
            block=f"{row // side},{column // side} {year}",
            row=row,
            column=column,
            images=images,
            valid=valid,
            days=days,
            leads=experiments.leads.astype(np.int64),
            scenarios=tuple(experiments.scenarios[at] for at in applied),
            weather=np.concatenate([past, experiments.weather[number, applied]], axis=1),
            weather_start=start,
            truth=truth[applied],
            bands=cube.bands,
            variables=cube.weather,
            inferred=experiments.inferred(number)[applied],
        )
