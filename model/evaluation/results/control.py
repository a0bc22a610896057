"""The control: a world in which weather has no effect, where an evaluation that finds it useful is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvsf.model.evaluation.core.names import method_title
from mmvsf.model.evaluation.core.settings import CLAIM
from mmvsf.model.evaluation.forecasts.error_sums import ALL, Row
from mmvsf.model.evaluation.forecasts.eval_items import BASELINES
from mmvsf.model.evaluation.forecasts.run import ALL_KNOWING, INFERRING, ORACLES
from mmvsf.model.evaluation.forecasts.weather_ablations import AS_IT_IS, OTHER_GAPS, VARIANTS
from mmvsf.model.metrics import ALL_LEADS

from .compare import difference, pick, single_differences
from .results_table import LEAD_NAMES, YEARS, ResultsTable, cell
from .sections import TextSection, TextTable

QUESTIONS = (
    ("the network without weather (SM-VSF) minus with it (MM-VSF)", "forecast", CLAIM),
    ("MM-VSF with other years' weather in the gap minus with the real weather", "weather", (OTHER_GAPS, AS_IT_IS)),
    ("the oracle without the gap's weather minus with it", "forecast", ALL_KNOWING[::-1]),
    ("the inferring oracle without the gap's weather minus with it", "forecast", INFERRING[::-1]),
)
"""The differences taken in both worlds: the error of the first method less that of the second."""


def control_section(results: ResultsTable) -> TextSection | None:
    """Errors in the control, and what weather is worth there beside what it is worth in the region itself."""
    worlds = [pick(rows, variable="mean", cover=ALL, set=YEARS) for rows in (results.control_rows, results.rows)]
    worlds[1] = pick(worlds[1], held_out=tuple(results.full_years))
    if not worlds[0]:
        return None
    text = (
        "The same places and weather, but crops and soil follow the mean weather of each day of the year at their"
        " place. The weather of the gap contains no information here and must make no difference. SM-VSF may still be"
        " slightly worse, because the weather of a place reveals its climate, which the crops of the control follow."
        " Single training runs: mean and standard deviation over seeds and years, which shows the randomness of"
        " training."
    )
    head = ["error of", "control", "control, single training runs", "the region", "the region, single training runs"]
    body = []
    for words, piece, (first, second) in QUESTIONS:
        cells = [text for world in worlds for text in _differences(pick(world, piece=piece), first, second)]
        if cells[0] != "–":
            body.append([words, *cells])
    errors = [
        [method_title(method), *(cell(pick(selected, lead=lead), "mse") for lead in LEAD_NAMES), cell(selected, "mse")]
        for piece, methods in (("forecast", (*BASELINES, *CLAIM, *ORACLES)), ("weather", VARIANTS))
        for method in methods
        if (selected := pick(worlds[0], piece=piece, method=method)) and method != AS_IT_IS
    ]
    tables = [
        TextTable("Value of the weather, mean squared error, all leads together", head, body),
        TextTable("Mean squared error in the control by days ahead", ["method", *LEAD_NAMES, ALL_LEADS], errors),
    ]
    return TextSection("The control", text, tables)


def _differences(rows: Sequence[Row], first: str, second: str) -> tuple[str, str]:
    """The difference with its interval, and the mean and deviation of single trainings."""
    pair = pick(rows, method=first), pick(rows, method=second)
    if not all(pair):
        return "–", "–"
    whole, single = difference(*pair), single_differences(*pair)
    shown = f"{np.mean(single):+.3f} ± {np.std(single, ddof=1):.3f} ({len(single)})" if len(single) > 1 else "–"
    return "–" if whole is None else whole.text(), shown
