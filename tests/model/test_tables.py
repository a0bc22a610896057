"""What the commands of the model print, and the pictures beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.model.figures import loss_figure
from mmvsf.model.forecasting.distribution import QUANTILES, Distribution
from mmvsf.model.forecasting.numbers import WHOLE
from mmvsf.model.tables import ALL_WITHIN, show_forecast


@pytest.mark.parametrize(
    ("weather", "courses", "heading", "noted"),
    [
        ("years", 2, "range of 2 years", True),
        ("years", 4, "range of 4 years", True),
        ("years", 5, "range of 5 years", False),
        ("ensemble", 3, "range of 3 courses", True),
        ("ensemble", 10, "range of 10 courses", False),
        ("ensemble", 11, "90 % interval of 11 courses", False),
        ("cube", 1, None, False),
    ],
)
def test_a_forecast_says_how_many_courses_make_its_interval(
    weather: str, courses: int, heading: str | None, noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "area": WHOLE, "day": "2021-07-15", "days_ahead": 14, "weather": weather, "variable": "ndvi", "q05": 0.1,
        "q50": 0.2, "q95": 0.3,
    }  # fmt: skip
    result: dict[str, Any] = {
        "compared": "ndvi", "weather": {"name": weather, "members": ["one"] * courses}, "area": "north",
        "issued": "2021-07-01", "numbers": [row], "unseen_pixels": 0, "files": ["forecast.tif"], "scenario": None,
    }  # fmt: skip
    show_forecast(result, Path("folder"))
    shown = " ".join(capsys.readouterr().out.replace("┃", " ").split())
    assert "90 %" not in shown if heading is None else heading in shown
    assert ("0.100 to 0.300" in shown) == (courses > 1)
    assert ("note: the range is that of" in shown) == noted


def test_the_picture_of_a_training_shows_the_loss_of_its_objective() -> None:
    """It is no mean squared error, and the likelihood of the spread may take it below 0."""
    for last in (0.3, -0.4):
        axes = loss_figure([[1, 1.2, None], [2, None, 0.9], [3, last, last]]).axes[0]
        assert axes.get_ylabel() == "what the objective minimises"
        assert axes.get_ylim()[0] == min(0, last)


@pytest.mark.parametrize("courses", [2, ALL_WITHIN, ALL_WITHIN + 1])
def test_the_outer_quantiles_of_few_courses_are_their_range(courses: int) -> None:
    members = np.arange(courses, dtype=np.float32)
    low, *_, high = Distribution(members).quantiles(QUANTILES)
    assert ((low, high) == (0, courses - 1)) == (courses <= ALL_WITHIN)
