"""Scores against values worked out by hand, and the baselines against slow ones."""

from __future__ import annotations

import numpy as np
import pytest

from mmvsf.model.baselines.simple import Climatology, persistence
from mmvsf.model.metrics import ForecastScores, PairSums, class_scores, confusion, lead_bin, ndvi

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")


def test_scores_of_a_few_numbers() -> None:
    sums = PairSums()
    sums.add(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    other = PairSums()
    other.add(np.array([4.0]), np.array([2.0]))
    sums.merge(other)
    scores = sums.scores()
    f, o = np.array([1, 2, 4.0]), np.array([1, 3, 2.0])
    assert scores["n"] == 3
    assert scores["mse"] == pytest.approx(5 / 3)
    assert scores["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert scores["bias"] == pytest.approx(1 / 3)
    assert scores["nse"] == pytest.approx(1 - 5 / ((o - 2) ** 2).sum())
    assert scores["r2"] == pytest.approx(np.corrcoef(f, o)[0, 1] ** 2)
    assert PairSums().scores()["mse"] is None


@pytest.mark.parametrize(
    ("days", "name"),
    [(0, None), (4, None), (5, "5-10"), (10, "5-10"), (11, "11-20"), (40, "21-40"), (80, "41-80"), (81, None)],
)
def test_leads(days: int, name: str | None) -> None:
    assert lead_bin(days) == name


def test_forecast_scores_count_valid_pixels_in_the_right_place() -> None:
    scores = ForecastScores(BANDS, np.full(6, 0.1, np.float32), np.full(6, 0.5, np.float32))
    observed = np.full((6, 2, 2), 0.2, np.float32)
    forecast = observed + np.array([0, 0, 0, 0.1, 0, 0], np.float32)[:, None, None]
    forecast[:, 0, 0] = 99
    valid = np.array([[False, True], [True, True]])
    scores.add("both", "mmvsf", 7, forecast, observed, valid)
    scores.add("both", "mmvsf", 30, observed, observed, valid)
    scores.add("both", "mmvsf", 2, forecast, observed, valid)  # in no bin
    rows = {(row["lead"], row["variable"]): row for row in scores.rows()}
    assert rows["5-10", "nir"]["mse"] == pytest.approx(0.01, rel=1e-5)
    assert rows["5-10", "nir"]["n"] == 3 and rows["all", "nir"]["n"] == 6
    assert rows["all", "nir"]["mse"] == pytest.approx(0.005, rel=1e-5)
    assert rows["5-10", "red"]["mse"] == pytest.approx(0, abs=1e-12)
    assert rows["5-10", "mean"]["mse"] == pytest.approx(0.04 / 6, rel=1e-5)  # (0.1 / 0.5)² over six bands
    assert rows["5-10", "ndvi"]["bias"] == pytest.approx(0.1 / 0.5, rel=1e-5)
    assert {row["lead"] for row in scores.rows()} == {"5-10", "21-40", "all"}


def test_ndvi_is_bounded() -> None:
    image = np.zeros((6, 1, 3), np.float32)
    image[3, 0], image[2, 0] = (0.4, 0.0, -0.2), (0.1, 0.0, 0.1)
    index = ndvi(image, BANDS)
    assert index[0, 0] == pytest.approx(0.6)
    assert (np.abs(index) <= 1).all()


def test_class_scores() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, 0, 0])
    counts = confusion(labels, predicted, 3)
    assert counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    scores = class_scores(counts, ["a", "b", "c"])
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["mean_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)  # c occurs in no label
    assert scores["miou"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert scores["per_class"]["a"] == {
        "precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3), "support": 3,
    }  # fmt: skip
    assert "c" not in scores["per_class"]


def test_persistence_is_the_last_clear_pixel_so_far() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 2, 5, 5)).astype(np.float32)
    valid = rng.random((6, 5, 5)) < 0.4
    days = np.arange(6) * 10
    last = persistence(images, days, valid, 35)
    for y in range(5):
        for x in range(5):
            clear = [t for t in range(4) if valid[t, y, x]]  # days 0, 10, 20, 30
            if clear:
                assert np.array_equal(last[:, y, x], images[clear[-1], :, y, x])
            else:
                assert np.isnan(last[:, y, x]).all()


def test_climatology_against_a_loop() -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(9, 2, 3, 3)).astype(np.float32)
    valid = rng.random((9, 3, 3)) < 0.6
    valid[:, 0, 0] = False
    valid[:, 1, 1] = False
    valid[2, 1, 1] = True
    phase = rng.uniform(100, 160, 9).astype(np.float32)
    usual = Climatology(images, phase, valid).forecast(np.array([120.0, 300.0], np.float32))
    assert np.isnan(usual[:, :, 0, 0]).all()
    np.testing.assert_allclose(usual[1, :, 1, 1], images[2, :, 1, 1], rtol=1e-4)  # the only one, however far
    weight = np.exp(-0.5 * ((phase - 120) / 6) ** 2)
    for y, x in ((0, 1), (2, 2)):
        use = valid[:, y, x]
        expected = (weight[use, None] * images[use, :, y, x]).sum(0) / weight[use].sum()
        np.testing.assert_allclose(usual[0, :, y, x], expected, atol=1e-4)
