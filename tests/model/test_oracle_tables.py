"""The tables of an evaluation that compare a model's gain from weather with those of the two oracles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mmvsf.model.evaluation.forecasts.error_sums import ALL
from mmvsf.model.evaluation.forecasts.run import ORACLES
from mmvsf.model.evaluation.forecasts.weather_ablations import AS_IT_IS, OTHER_GAPS
from mmvsf.model.evaluation.results.forecasts import lead_section
from mmvsf.model.evaluation.results.results_table import LEAD_NAMES, ResultsTable
from mmvsf.model.evaluation.results.weather import weather_section

ERRORS = {"sm-vsf": 0.30, "mm-vsf": 0.22, **dict(zip(ORACLES, (0.05, 0.21, 0.15, 0.25), strict=True))}
"""Mean squared errors: the oracles gain .16 and .10 from the gap's weather, the model .08."""


def piece(kind: str, method: str, errors: Mapping[str, float], **more: Any) -> dict[str, Any]:
    empty = {"n": 100, "f": 0.0, "o": 0.0, "oo": 0.0, "fo": 0.0, "better": 0, "edges": 0.0, "observed_edges": 0.0}
    rows = [
        {"set": "new_year", "block": block, "method": name, "lead": lead, "variable": variable, "cover": ALL,
         "year": 2020, **empty, "ff": 100 * error}
        for name, error in errors.items()
        for block in ("0,0", "0,1")
        for lead in LEAD_NAMES
        for variable in ("mean", "ndvi")
    ]  # fmt: skip
    return {"kind": kind, "year": 2020, "method": method, "seed": 0, "piece": f"{kind}/{method}", "rows": rows, **more}


@pytest.fixture
def results() -> ResultsTable:
    pieces = [piece("forecast", name, {name: ERRORS[name]}) for name in ("sm-vsf", "mm-vsf")]
    sampling = {"effective": 55.2, "error": {"red": 0.001, "nir": 0.002}}
    pieces.append(piece("forecast", "oracle", {name: ERRORS[name] for name in ORACLES}, sampling=sampling))
    pieces.append(piece("weather", "mm-vsf", {OTHER_GAPS: 0.25, AS_IT_IS: 0.22}))
    return ResultsTable(pieces, (), (2020,), ())


def test_a_model_takes_a_share_of_the_gain_of_each_oracle(results: ResultsTable) -> None:
    section = weather_section(results)
    assert section is not None
    by_cover, by_lead = section.tables[-2:]
    for row in (*by_cover.rows, *by_lead.rows):
        assert [cell.split()[0] for cell in row[-6:]] == ["+0.160", "50", "19", "+0.100", "80", "30"]
    assert [row[0] for row in by_cover.rows] == [ALL, "NDVI"]
    assert [row[0] for row in by_lead.rows] == [*(f"{lead} days" for lead in LEAD_NAMES),
                                                *(f"{lead} days, NDVI" for lead in LEAD_NAMES)]  # fmt: skip


def test_the_oracle_that_infers_reports_its_own_error(results: ResultsTable) -> None:
    section = lead_section(results)
    assert section is not None
    assert "55 effective draws" in section.text and "red 0.0010, nir 0.0020" in section.text
    assert "inferring oracle" in {row[0] for row in section.tables[0].rows}
