"""Which forecasts are scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.pairs import LEADS, forecast_pairs, window_pairs
from mmvsf.datasets.samples.windows import index_windows


def test_pairs_lie_in_the_bins_of_leads_and_cover_them() -> None:
    days = np.arange(17650, 17850, 6)
    pairs = forecast_pairs(days, seed=0, limit=1000)
    assert pairs == forecast_pairs(days, seed=0, limit=1000)
    leads = [int(days[target] - days[origin]) for origin, target in pairs]
    found = {(low, high) for low, high in LEADS for lead in leads if low <= lead <= high}
    assert found == set(LEADS) and min(leads) >= LEADS[0][0] and max(leads) <= LEADS[-1][1]
    assert len(forecast_pairs(days, seed=0, limit=10)) == 10


def test_both_ends_of_a_bin_are_leads_and_each_lead_is_in_one_bin() -> None:
    scored = [lead for lead in range(1, 100) if forecast_pairs(np.array([17650, 17650 + lead]), seed=0) == [(0, 1)]]
    assert scored == list(range(5, 81))


def test_each_window_draws_its_own(grown_cube: Cube) -> None:
    window = index_windows(grown_cube)["train"][0]
    assert window_pairs(window) == window_pairs(window)
    assert window_pairs(window) != window_pairs(replace(window, column=window.column + window.size))
    assert window_pairs(window) != window_pairs(window, seed=1)
