"""Whether the weather is used, and how much of its information."""

from __future__ import annotations

from mmvsf.model.evaluation.forecasts.error_sums import ALL, COVERS
from mmvsf.model.evaluation.forecasts.run import ORACLES
from mmvsf.model.evaluation.forecasts.weather_ablations import AS_IT_IS, OTHER_GAPS, VARIANTS
from mmvsf.model.metrics import ALL_LEADS

from .compare import captured, difference, pick
from .results_table import LEAD_NAMES, YEARS, ResultsTable, cell, share_text
from .sections import TextSection, TextTable


def weather_section(results: ResultsTable) -> TextSection | None:
    """Errors of one network with changed weather; None without rows."""
    rows = pick(results.rows, piece="weather", variable="mean")
    if not rows:
        return None
    tables = []
    for cover in (ALL, *COVERS):
        table = []
        for variant in VARIANTS:
            selected = pick(rows, method=variant, cover=cover, set=YEARS)
            cells = [cell(pick(selected, lead=lead), "mse") for lead in LEAD_NAMES] + [cell(selected, "mse")]
            table.append([variant, *cells])
        title = "all pixels" if cover == ALL else f"{cover} pixels"
        tables.append(TextTable(f"MM-VSF with changed weather, {title}", ["weather", *LEAD_NAMES, ALL_LEADS], table))
    tables += _oracle_tables(results)
    text = (
        "One trained network, run again with other weather, or without earlier images. Held-out years, known and new"
        " places together. With other years' weather in the gap the forecast is the mean over those years, as for the"
        " oracle without the gap's weather; usual weather is their mean day by day, which drizzles every day and is"
        " like no real year; with the origin's image only, its cloudy pixels are inferred from their neighbours."
        " Weather from the target day on cannot affect a forecast, since the recurrence runs forward and is read on the"
        " morning of the target day; its row confirms this."
    )
    return TextSection("Is the weather used?", text, tables)


def _oracle_tables(results: ResultsTable) -> list[TextTable]:
    """How much of the information in the gap's weather the model captures."""
    base = pick(results.rows, variable="mean", set=YEARS, held_out=tuple(results.full_years))
    rows = []
    for cover in (ALL, *COVERS):
        picked = {
            name: pick(base, piece=piece, method=name, cover=cover)
            for piece, name in (("forecast", "sm-vsf"), ("forecast", "mm-vsf"), ("weather", OTHER_GAPS),
                               ("weather", AS_IT_IS), *(("forecast", name) for name in ORACLES))
        }  # fmt: skip
        if not all(picked.values()):
            continue
        oracle = picked[ORACLES[1]], picked[ORACLES[0]]
        shares = [
            captured(picked["sm-vsf"], picked["mm-vsf"], *oracle),
            captured(picked[OTHER_GAPS], picked[AS_IT_IS], *oracle),
        ]
        gain = difference(*oracle)
        cells = ["–" if share is None else share_text(share) for share in shares]
        rows.append([cover, "–" if gain is None else gain.text(), *cells])
    if not rows:
        return []
    head = [
        "pixels",
        "oracle's gain from the gap's weather",
        "MM-VSF over SM-VSF",
        "MM-VSF over itself with other years' weather",
    ]
    return [TextTable("Gain in mean squared error, and the model's as a share of the oracle's", head, rows)]
