"""Crop mapping without a pretrained network, scored as the networks are: the majority class, the rotation, and
classifiers of single pixels."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.pixel_classifiers import Train, convolution_trainer, train_logistic, train_trees
from mmvsf.model.baselines.random_forest import draw_pixels, train_forest
from mmvsf.model.evaluation.core.settings import SEASON

from .confusions import Confusions, Row
from .features import (
    Describe,
    PixelSeries,
    by_date,
    by_degree_days,
    degree_day_means,
    has_degree_days,
    monthly_means,
)
from .rotation import learn_rotation, previous_year
from .trial import RANDOM, CropTrial

NO_WEATHER, DEGREE_DAYS = "none", "degree-days"
"""What an opponent sees of the weather."""


@dataclass(frozen=True)
class Opponent:
    """A classifier of single pixels."""

    name: str
    weather: str
    describe: Describe
    train: Train


def opponents(trial: CropTrial) -> list[Opponent]:
    """The simplest first; those by degree-days only where the cube has temperatures."""
    convolution = convolution_trainer(len(trial.reader.cube.bands), len(trial.names), steps=trial.options.convolution)
    every = [
        Opponent("logistic", NO_WEATHER, monthly_means, train_logistic),
        Opponent("logistic", DEGREE_DAYS, degree_day_means, train_logistic),
        Opponent("forest", NO_WEATHER, by_date, train_forest),
        Opponent("forest", DEGREE_DAYS, by_degree_days, train_forest),
        Opponent("trees", NO_WEATHER, by_date, train_trees),
        Opponent("trees", DEGREE_DAYS, by_degree_days, train_trees),
        Opponent("convolution", NO_WEATHER, by_date, convolution),
    ]
    return [each for each in every if each.weather == NO_WEATHER or has_degree_days(trial.reader)]


def opponent_rows(trial: CropTrial, seed: int = 0) -> list[Row]:
    """Rows of all opponents: by date, for every share of the fields and in the random split."""
    fractions = trial.options.fractions
    rows: list[Row] = []
    for fraction in fractions:
        rows += _majority_rows(trial, fraction, seed)
    rows += _rotation_rows(trial, seed)
    trained, scored = ([PixelSeries.read(trial.reader, window) for window in windows]
                       for windows in (trial.train, [window for _, window in trial.scored]))  # fmt: skip
    learners = opponents(trial)
    for describe in dict.fromkeys(each.describe for each in learners):
        these = [each for each in learners if each.describe is describe]
        for when in trial.dates(fractions[0]):
            tables = [_table(describe, series, when) for series in (trained, scored)]
            for each in these:
                for fraction in fractions if when == SEASON else fractions[:1]:
                    rows += _scored_rows(trial, each, tables, when, fraction, seed)
                if when == SEASON:
                    rows += _random_rows(trial, each, tables[0], seed)
    return rows


Table = Mapping[tuple[int, int, int], Floats]
"""Features (H * W, F) of windows by row, column and year."""


def _table(describe: Describe, series: Sequence[PixelSeries], when: str) -> Table:
    return {_key(each.window): describe(each, when) for each in series}


def _key(window: Window) -> tuple[int, int, int]:
    return window.row, window.column, window.year


def _scored_rows(
    trial: CropTrial, opponent: Opponent, tables: Sequence[Table], when: str, fraction: float, seed: int
) -> list[Row]:
    """An opponent trained on a share of the fields and scored on the held-out windows: before the end of the season and
    with few fields in known places only, since the tables of these settings are of them."""
    classes, scored = trial.classes(fraction, seed), trial.scored
    if when != SEASON or fraction != trial.options.fractions[0]:
        scored = [pair for pair in scored if pair[0] == "new_year"]
    return _rows(trial, opponent, tables, (classes, trial.maps), scored, (when, fraction, seed))


def _random_rows(trial: CropTrial, opponent: Opponent, table: Table, seed: int) -> list[Row]:
    """The same trained on most pixels of the training windows, and scored on the others; no rows without such a
    split."""
    split = trial.random_split(seed)
    if split is None:
        return []
    windows = [(RANDOM, trial.train[i]) for i in trial.random]
    return _rows(trial, opponent, (table, table), split, windows, (SEASON, 1.0, seed))


def _rows(
    trial: CropTrial,
    opponent: Opponent,
    tables: Sequence[Table],
    split: tuple[WindowClasses, WindowClasses],
    scored: Sequence[tuple[str, Window]],
    about: tuple[str, float, int],
) -> list[Row]:
    """`tables` and `split` are those to learn from and to score on."""
    when, fraction, seed = about
    if not scored:
        return []
    started = time.perf_counter()
    x, y = draw_pixels(
        lambda window: tables[0][_key(window)], trial.train, split[0], pixels=trial.options.pixels, seed=seed
    )
    model = opponent.train(x, y, seed)
    seconds = time.perf_counter() - started
    predicted = model.predict(np.concatenate([tables[1][_key(window)] for _, window in scored])).astype(np.int64)
    confusions = Confusions(trial.maps, len(trial.names))
    maps = predicted.reshape(len(scored), trial.size, trial.size)
    for (part, window), mapped in zip(scored, maps, strict=True):
        confusions.add(part, when, window, split[1](window), mapped)
    return confusions.rows(
        {
            "method": opponent.name, "objective": "", "weather": opponent.weather, "seed": seed, "fraction": fraction,
            "seconds": seconds,
        }
    )  # fmt: skip


def _majority_rows(trial: CropTrial, fraction: float, seed: int) -> list[Row]:
    confusions = Confusions(trial.maps, len(trial.names))
    usual = np.full((trial.size, trial.size), trial.majority(trial.classes(fraction, seed)))
    for part, window in trial.scored:
        confusions.add(part, SEASON, window, trial.maps(window), usual)
    return confusions.rows(_untrained("majority", fraction, seed))


def _rotation_rows(trial: CropTrial, seed: int) -> list[Row]:
    """The map of last year with the rotation applied; the first year of a region has none. It reads the labels of last
    year where the others read images, also in held-out places."""
    otherwise = trial.majority(trial.classes(1.0, seed))
    rotation = learn_rotation(trial.maps, trial.train, trial.train_years, len(trial.names), otherwise)
    confusions = Confusions(trial.maps, len(trial.names))
    for part, window in trial.scored:
        if rotation is not None and window.year - 1 in trial.reader.cube.label_years:
            mapped = rotation(trial.maps(previous_year(window)))
            confusions.add(part, SEASON, window, trial.maps(window), mapped)
    return confusions.rows(_untrained("rotation", 1.0, seed))


def _untrained(method: str, fraction: float, seed: int) -> Row:
    return {
        "method": method, "objective": "", "weather": NO_WEATHER, "seed": seed, "fraction": fraction, "seconds": 0.0
    }  # fmt: skip
