"""Crop mapping without a network, scored as the networks are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.random_forest import draw_pixels, features, season_steps, train_forest
from mmvsf.model.evaluation.core.settings import SEASON

from .confusions import Confusions, Row
from .fields import split_pixels
from .rotation import learn_rotation, previous_year
from .trees import aligned_features, train_trees
from .trial import RANDOM, CropTrial, last_day


def baselines(trial: CropTrial, seed: int = 0) -> list[Row]:
    """The majority class, the rotation, a random forest on the same series (for each date one trained on seasons that
    end then) and boosted trees on series aligned by growing-degree days."""
    rows: list[Row] = []
    forest = partial(_tree_rows, trial, "random_forest", train_forest)
    trees = partial(_tree_rows, trial, "gdd_trees", train_trees)
    for fraction in trial.options.fractions:
        classes = trial.classes(fraction, seed)
        columns: Row = {"objective": "", "weather": "none", "seed": seed, "fraction": fraction}
        rows += _majority_rows(trial, classes, columns)
        for when in trial.dates(fraction):
            rows += forest(partial(features_until, trial.reader, when=when), classes, columns, when)
        rows += trees(partial(aligned_features, trial.reader), classes, {**columns, "weather": "degree-days"}, SEASON)
    whole: Row = {"objective": "", "weather": "none", "seed": seed, "fraction": 1.0}
    rows += _rotation_rows(trial, trial.classes(1.0, seed), whole)
    training, test = split_pixels(trial.maps, trial.train, trial.options.random_pixels, seed)
    pairs = [(RANDOM, trial.train[i]) for i in trial.random]
    rows += forest(partial(features, trial.reader), training, whole, SEASON, pairs, test)
    return rows


def features_until(reader: WindowReader, window: Window, when: str) -> Floats:
    """Features for a random forest from the images and the steps up to a date."""
    season, steps = reader.cube.season, season_steps(reader.cube)
    seen = replace(window, days=window.days[window.days <= last_day(season.season(window.year), when)])
    # After 29 February a date comes a day later; the steps are those of other seasons, so that the features are as
    # many.
    return features(reader, seen, steps[season.common.first_number + steps <= last_day(season.common, when)])


def _tree_rows(
    trial: CropTrial,
    method: str,
    train: Callable[[Floats, NDArray[np.int64], int], Any],
    describe: Callable[[Window], Floats],
    classes: WindowClasses,
    columns: Row,
    when: str,
    scored: Sequence[tuple[str, Window]] | None = None,
    truth: WindowClasses | None = None,
) -> list[Row]:
    """A classifier of single pixels, trained and scored."""
    started = time.perf_counter()
    x, y = draw_pixels(describe, trial.train, classes, pixels=trial.options.pixels, seed=columns["seed"])
    model = train(x, y, columns["seed"])
    seconds = time.perf_counter() - started
    scored, truth = scored or trial.scored, truth or trial.maps
    predicted = model.predict(np.concatenate([describe(window) for _, window in scored])).astype(np.int64)
    confusions = Confusions(trial.maps, len(trial.names))
    maps = predicted.reshape(len(scored), trial.size, trial.size)
    for (part, window), mapped in zip(scored, maps, strict=True):
        confusions.add(part, when, window, truth(window), mapped)
    return confusions.rows({**columns, "method": method, "seconds": seconds})


def _majority_rows(trial: CropTrial, classes: WindowClasses, columns: Row) -> list[Row]:
    confusions = Confusions(trial.maps, len(trial.names))
    usual = np.full((trial.size, trial.size), trial.majority(classes))
    for part, window in trial.scored:
        confusions.add(part, SEASON, window, trial.maps(window), usual)
    return confusions.rows({**columns, "method": "majority", "seconds": 0.0})


def _rotation_rows(trial: CropTrial, classes: WindowClasses, columns: Row) -> list[Row]:
    """The map of last year with the rotation applied; the first year of a region has none. It reads the labels of last
    year where the others read images, also in held-out places."""
    started = time.perf_counter()
    otherwise = trial.majority(classes)
    rotation = learn_rotation(trial.maps, trial.train, trial.train_years, len(trial.names), otherwise)
    seconds = time.perf_counter() - started
    confusions = Confusions(trial.maps, len(trial.names))
    for part, window in trial.scored:
        if rotation is not None and window.year - 1 in trial.reader.cube.label_years:
            mapped = rotation(trial.maps(previous_year(window)))
            confusions.add(part, SEASON, window, trial.maps(window), mapped)
    return confusions.rows({**columns, "method": "rotation", "seconds": seconds})
