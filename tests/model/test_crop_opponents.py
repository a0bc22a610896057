"""The opponents in crop mapping: each learns what is planted, and none reads the labels it is scored on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.windows import Window
from mmvsf.model.baselines.pixel_classifiers import convolution_trainer, train_logistic, train_trees
from mmvsf.model.baselines.random_forest import train_forest
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.settings import SEASON, CropOptions
from mmvsf.model.evaluation.crops.confusions import crop_scores
from mmvsf.model.evaluation.crops.features import (
    GDD_BINS,
    GDD_STEPS,
    PixelSeries,
    by_date,
    by_degree_days,
    degree_day_means,
    monthly_means,
)
from mmvsf.model.evaluation.crops.fields import LabelMaps
from mmvsf.model.evaluation.crops.opponents import opponent_rows, opponents
from mmvsf.model.evaluation.crops.trial import RANDOM, CropTrial, crop_trial

OPTIONS = CropOptions(
    train_windows=12, score_windows=3, images=12, fractions=(1.0,), dates=(SEASON,), pixels=600, convolution=40
)
SINGLE = {("logistic", "none"), ("logistic", "degree-days"), ("forest", "none"), ("forest", "degree-days"),
          ("trees", "none"), ("trees", "degree-days"), ("convolution", "none")}  # fmt: skip


@pytest.fixture(scope="module")
def trial(grown_cube: Cube) -> CropTrial:
    return crop_trial(hold_out(grown_cube, 2021), OPTIONS)


@pytest.fixture(scope="module")
def series(trial: CropTrial) -> PixelSeries:
    return PixelSeries.read(trial.reader, trial.train[0])


@pytest.mark.parametrize(
    "train", [train_logistic, train_forest, train_trees, convolution_trainer(2, 3, steps=60)], ids=lambda f: f.__name__
)
def test_a_planted_signal_is_learned(train) -> None:  # type: ignore[no-untyped-def]
    """The class is the step at which the first of two bands rises."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = rng.normal(0, 0.3, (600, 6, 2)).astype(np.float32)
    x[np.arange(600), 1 + y, 0] += 2
    x = x.reshape(600, 12)
    model = train(x[:400], y[:400], 0)
    assert (model.predict(x[400:]) == y[400:]).mean() > 0.9
    again = train(x[:400], y[:400], 0)
    assert np.array_equal(model.predict(x), again.predict(x))


def test_opponents_beat_the_majority_and_say_what_they_see(trial: CropTrial) -> None:
    rows = opponent_rows(trial)
    assert {(each.name, each.weather) for each in opponents(trial)} == SINGLE
    accuracy = {
        key: crop_scores(
            [row for row in rows if (row["method"], row["weather"], row["kind"]) == (*key, "all")
             and row["set"] != RANDOM], trial.names,
        )["accuracy"]
        for key in (*SINGLE, ("majority", "none"))
    }  # fmt: skip
    assert min(accuracy[key] for key in SINGLE) > accuracy["majority", "none"] + 0.2, accuracy


def permuted(maps: LabelMaps, trial: CropTrial) -> LabelMaps:
    """The labels with those of everything held out permuted at random: of the held-out year, and of held-out places."""
    rng, held_out = np.random.default_rng(0), {maps.key(window) for _, window in trial.scored}

    def classes(window: Window) -> np.ndarray:
        labels = maps.classes(window)
        return rng.permutation(labels.ravel()).reshape(labels.shape) if maps.key(window) in held_out else labels

    return LabelMaps(classes, maps.side)


class FirstClass:
    """Maps the first class everywhere."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x), np.int64)


def test_held_out_labels_teach_nothing(trial: CropTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[np.ndarray] = []

    def noted(x: np.ndarray, y: np.ndarray, seed: int) -> FirstClass:
        learned.append(np.column_stack([x, y]))
        return FirstClass()

    several = [replace(each, train=noted) for each in opponents(trial)]
    monkeypatch.setattr("mmvsf.model.evaluation.crops.opponents.opponents", lambda _: several)
    rows = [opponent_rows(each) for each in (trial, replace(trial, maps=permuted(trial.maps, trial)))]
    first, second = learned[: len(learned) // 2], learned[len(learned) // 2 :]
    assert len(first) == 2 * len(SINGLE)  # the random split as well
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert rows[0] != rows[1]


def test_features_are_as_many_at_every_place_and_end_with_the_date(trial: CropTrial) -> None:
    for describe, whole, early in (
        (by_date, None, None),
        (by_degree_days, 6 * len(GDD_STEPS), 6 * len(GDD_STEPS)),
        (monthly_means, 7 * 7, 7 * 3),
        (degree_day_means, 7 * GDD_BINS, 7 * GDD_BINS),
    ):
        for when, count in ((SEASON, whole), ("07-01", early)):
            shapes = {describe(PixelSeries.read(trial.reader, window), when).shape for _, window in trial.scored[::4]}
            assert len(shapes) == 1 and (count is None or shapes == {(256, count)})


def test_monthly_means_are_means_of_clear_days(series: PixelSeries) -> None:
    features = monthly_means(series, SEASON).reshape(16, 16, 7, 7)
    months = series.window.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    june = (months == 6)[:, None, None] & series.valid
    row, column = np.argwhere(june.any(0))[0]
    clear = june[:, row, column]
    expected = series.images[clear, :, row, column].mean(0)
    np.testing.assert_allclose(features[row, column, 2, :6], expected, rtol=1e-4, atol=1e-5)


def test_a_pixel_that_was_never_clear_has_mean_features(series: PixelSeries) -> None:
    valid = series.valid.copy()
    valid[:, 0, 0] = False
    hidden = replace(series, valid=valid, images=series.images * valid[:, None])
    for describe in (by_date, by_degree_days, monthly_means, degree_day_means):
        features = describe(hidden, SEASON)
        assert not features[0].any() and np.array_equal(features[1:], describe(series, SEASON)[1:])


def test_before_the_first_image_nothing_is_known(series: PixelSeries) -> None:
    for describe in (by_date, by_degree_days, monthly_means, degree_day_means):
        assert not describe(series, "04-01").any()
