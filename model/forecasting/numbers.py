"""Numbers of areas: the mean of each variable on each day, as quantiles over the courses of the weather."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.sites import place_of
from mmvsf.datasets.sidecars.forecasts import quantile_name

from .distribution import QUANTILES, Distribution
from .job import ForecastJob
from .plan import DIFFERENCE
from .variables import variables_of

WHOLE = "whole area"


@dataclass(frozen=True)
class BlockSums:
    """Sums over pixels, of blocks by name, and of what was seen before."""

    pixels: dict[str, int] = field(default_factory=dict)
    unseen: int = 0
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """(N, P, K)"""
    history: dict[int, tuple[float, int]] = field(default_factory=dict)
    """day -> sum and number of the compared variable over clear pixels"""

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], cube: Cube) -> BlockSums:
        """From the records of tiles."""
        pixels, sums, history, unseen = {}, {}, dict[int, tuple[float, int]](), 0
        for record in records:
            for block, entry in record["blocks"].items():
                y, x = map(int, block.split(","))
                name = place_of(cube.region, cube.grid, (y, x))
                pixels[name], sums[name] = entry["pixels"], np.asarray(entry["sums"])
                unseen += entry["unseen"]
            for day, (total, count) in record["history"].items():
                before = history.get(int(day), (0.0, 0))
                history[int(day)] = before[0] + total, before[1] + count
        whole = {WHOLE: sum(pixels.values())}, {WHOLE: np.sum(list(sums.values()), axis=0)}
        if len(pixels) == 1:
            return cls(whole[0], unseen, whole[1], dict(sorted(history.items())))
        return cls({**whole[0], **pixels}, unseen, {**whole[1], **sums}, dict(sorted(history.items())))

    def past(self) -> list[dict[str, Any]]:
        """The days before the day of issue: mean of the compared variable over the area's clear pixels, and their share
        of the area."""
        area = self.pixels[WHOLE] + self.unseen
        return [
            {"day": str(date_of(day)), "mean": total / count, "clear": count / area}
            for day, (total, count) in self.history.items()
        ]


def number_rows(job: ForecastJob, sums: BlockSums, bands: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each area, day, weather and variable: number of pixels and courses, mean over the courses of the
    area's mean, and its quantiles. With a scenario also the difference to the weather that it changes, course by
    course."""
    members, rows = len(job.weather.members), []
    for area, total in sums.sums.items():
        pixels = sums.pixels[area]
        means = total / pixels if pixels else np.full_like(total, np.nan)
        kinds = {job.weather.name: means[:members]}
        if job.scenario is not None:
            kinds |= {job.scenario.name: means[members:], DIFFERENCE: means[members:] - means[:members]}
        for weather, values in kinds.items():
            quantiles = Distribution(values.astype(np.float32)).quantiles()
            for number, day in enumerate(job.days):
                for k, variable in enumerate(variables_of(bands)):
                    levels = zip(QUANTILES, quantiles[:, number, k], strict=True)
                    rows.append({
                        "area": area, "day": str(date_of(day)), "days_ahead": day - job.issued, "weather": weather,
                        "variable": variable, "pixels": pixels, "courses": members,
                        "mean": float(values[:, number, k].mean()),
                        **{quantile_name(level): float(value) for level, value in levels},
                    })  # fmt: skip
    return rows


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as a table, with six decimals."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: f"{value:.6f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue().encode()
