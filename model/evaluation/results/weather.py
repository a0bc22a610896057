"""Whether the weather is used, and how much of its information."""

from __future__ import annotations

from mmvsf.model.evaluation.forecasts.error_sums import ALL, COVERS, Row
from mmvsf.model.evaluation.forecasts.run import ALL_KNOWING, INFERRING, ORACLES
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
        " oracle without the gap's weather; usual weather is their daily mean, in which it drizzles every day, unlike"
        " any real year."
        " Weather from the target day on cannot affect a forecast, because the memory runs forward and is read on the"
        " morning of the target day; its row confirms this."
    )
    return TextSection("Is the weather used?", text, tables)


def _oracle_tables(results: ResultsTable) -> list[TextTable]:
    """How much of the information in the gap's weather the model captures, of what is there and of what anybody could
    have: by cover, and by days ahead."""
    base = pick(results.rows, set=YEARS, held_out=tuple(results.full_years))
    whole = {cover: pick(base, variable="mean", cover=cover) for cover in (ALL, *COVERS)}
    whole["NDVI"] = pick(base, variable="ndvi", cover=ALL)
    by_lead = {f"{lead} days": pick(whole[ALL], lead=lead) for lead in LEAD_NAMES}
    by_lead |= {f"{lead} days, NDVI": pick(whole["NDVI"], lead=lead) for lead in LEAD_NAMES}
    caption = "Gain in mean squared error, and the model's as a share of the oracles'"
    tables = []
    for title, groups in (("", whole), (" by days ahead", by_lead)):
        rows = [row for name, group in groups.items() if (row := _shares(name, group)) is not None]
        if rows:
            tables.append(TextTable(caption + title, ["pixels", *_SHARE_HEAD], rows))
    return tables


_SHARE_HEAD = (
    "oracle's gain from the gap's weather",
    "MM-VSF over SM-VSF",
    "MM-VSF over itself with other years' weather",
    "inferring oracle's gain",
    "MM-VSF over SM-VSF, share of it",
    "MM-VSF over itself, share of it",
)


def _shares(name: str, rows: list[Row]) -> list[str] | None:
    """The row of a table of shares; None where a method is missing."""
    picked = {method: pick(rows, piece="forecast", method=method) for method in ("sm-vsf", "mm-vsf", *ORACLES)}
    picked |= {variant: pick(rows, piece="weather", method=variant) for variant in (OTHER_GAPS, AS_IT_IS)}
    if not all(picked.values()):
        return None
    cells = [name]
    for known, blind in (ALL_KNOWING, INFERRING):
        oracle = picked[blind], picked[known]
        gain = difference(*oracle)
        shares = [
            captured(picked["sm-vsf"], picked["mm-vsf"], *oracle),
            captured(picked[OTHER_GAPS], picked[AS_IT_IS], *oracle),
        ]
        cells.append("–" if gain is None else gain.text())
        cells += ["–" if share is None else share_text(share) for share in shares]
    return cells
