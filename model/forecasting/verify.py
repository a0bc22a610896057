"""Forecasts compared with the images that came: errors by days ahead, beside persistence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.sidecars.forecasts import RECORD
from mmvsf.model.figures import save
from mmvsf.model.records import read_record, write_json

from .distribution import QUANTILES, Distribution
from .fan import fan_figure
from .observations import Observations, forecast_windows
from .variables import compared, variables_of

SCORES, PICTURE = "verification.json", "verification.png"
FORECAST, PERSISTENCE = "forecast", "persistence"


@dataclass
class Sums:
    """Sums over pixels of one variable and method at one lead."""

    pixels: int = 0
    error: float = 0.0
    square: float = 0.0
    inside_50: int = 0
    inside_90: int = 0
    crps: float = 0.0
    with_intervals: int = 0
    """pixels of forecasts with quantiles"""

    def add(self, forecast: Floats, truth: Floats) -> None:
        """Quantiles (Q, n) or one value (1, n) of n pixels, and what came (n,)."""
        middle = forecast[len(forecast) // 2]
        away = (middle - truth).astype(np.float64)
        self.pixels += away.size
        self.error += float(away.sum())
        self.square += float(np.square(away).sum())
        levels = QUANTILES if len(forecast) > 1 else (0.5,)
        self.crps += float(Distribution.of_quantiles(levels, forecast).crps(truth).sum(dtype=np.float64))
        if len(forecast) > 1:
            self.with_intervals += away.size
            self.inside_50 += int(((forecast[1] <= truth) & (truth <= forecast[3])).sum())
            self.inside_90 += int(((forecast[0] <= truth) & (truth <= forecast[4])).sum())

    def merge(self, other: Sums) -> None:
        """Add the sums of other pixels."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def scores(self) -> dict[str, Any]:
        """mse, bias (forecast less observation), shares inside the intervals, and crps."""
        n, several = self.pixels, self.with_intervals
        return {
            "pixels": n, "mse": self.square / n, "bias": self.error / n,
            "coverage_50": self.inside_50 / several if several else None,
            "coverage_90": self.inside_90 / several if several else None, "crps": self.crps / n,
        }  # fmt: skip


Key = tuple[int, str, str]
"""Days ahead, variable, method"""


@dataclass
class Verification:
    """The sums of one or several forecasts."""

    sums: dict[Key, Sums] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """One for each lead, variable and method, shortest lead first."""
        return [
            {"days_ahead": lead, "variable": variable, "method": method, **self.sums[lead, variable, method].scores()}
            for lead, variable, method in sorted(self.sums, key=lambda key: key[0])
        ]


def verify(folders: Sequence[Path], cube: Cube | None, within: int) -> dict[str, Any]:
    """Compare the forecasts in folders with the images of their days in a cube, by default the cube of each forecast.
    Each pixel takes its nearest clear image at most `within` days off. Returns the content of the verification.json
    that is written to the first folder.

    Raises InputError where a folder holds no forecast or a file of it is damaged, IncompleteError where no image came
    yet.
    """
    total, opened = Verification(), dict[str, Observations]()
    for folder in folders:
        record = forecast_record(folder)
        where = record["cube"] if cube is None else str(cube.path)
        if where not in opened:
            opened[where] = Observations.of(Cube.open(where) if cube is None else cube)
        _verify_one(folder, record, opened[where], within, total)
    if not total.sums:
        last = max(str(each.cube.region.period.end) for each in opened.values())
        raise IncompleteError(
            f"{folders[0]}: no image of its days came yet ({'; '.join(total.notes)}; the cube ends on {last}); extend"
            " the cube with `mmvsf extend` and run it again"
        )
    result = {
        "forecasts": [str(folder) for folder in folders], "within": within, "quantiles": list(QUANTILES),
        "compared": compared(next(iter(opened.values())).cube.bands), "notes": total.notes, "scores": total.rows(),
    }  # fmt: skip
    write_json(folders[0] / SCORES, result)
    return result


def forecast_record(folder: Path) -> dict[str, Any]:
    """The content of a forecast.json. Raises InputError where there is none that can be read, and for a forecast under
    a scenario, since what came has nothing to say about it."""
    record = read_record(folder / RECORD)
    if record is None or not {"cube", "issued", "days", "files", "numbers"} <= set(record):
        raise InputError(f"there is no forecast in {folder}; make one with `mmvsf forecast`, and give its folder")
    if record.get("scenario"):
        raise InputError(f"{folder} is a forecast under a scenario; verify one without --scenario")
    return record


def _verify_one(
    folder: Path, record: Mapping[str, Any], observations: Observations, within: int, total: Verification
) -> None:
    """Add a forecast to the sums, and draw its fan with what came into its folder."""
    issued, cube, came = day_number(date.fromisoformat(record["issued"])), observations.cube, []
    shown = variables_of(cube.bands).index(compared(cube.bands))
    for text in record["days"]:
        target, sums = day_number(date.fromisoformat(text)), (0.0, 0)
        for window, quantiles in forecast_windows(folder, record, cube, text):
            truth = observations.near(window, target, max(target - within, issued + 1), target + within)
            known = np.isfinite(truth).all(axis=0) & np.isfinite(quantiles).all(axis=(0, 1))
            if not known.any():
                continue
            last = observations.last(window, issued)
            known &= np.isfinite(last).all(axis=0)
            sums = sums[0] + float(truth[shown, known].sum(dtype=np.float64)), sums[1] + int(known.sum())
            for number, variable in enumerate(variables_of(cube.bands)):
                for method, values in ((FORECAST, quantiles[:, number]), (PERSISTENCE, last[None, number])):
                    key = (target - issued, variable, method)
                    total.sums.setdefault(key, Sums()).add(values[:, known], truth[number, known])
        if sums[1]:
            came.append((date.fromisoformat(text), sums[0] / sums[1]))
        else:
            total.notes.append(f"no clear image within {within} days of {text}")
    if came:
        save(fan_figure(record, came), folder / PICTURE)
