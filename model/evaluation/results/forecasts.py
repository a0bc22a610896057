"""Forecast errors of each method by lead time, band and year."""

from __future__ import annotations

import numpy as np

from mmvsf.model.evaluation.core.names import PAPER, RIVALS, SETS, TREES, WITH_USUAL, method_title
from mmvsf.model.evaluation.core.settings import CLAIM
from mmvsf.model.evaluation.forecasts.error_sums import ALL
from mmvsf.model.evaluation.forecasts.eval_items import BASELINES
from mmvsf.model.evaluation.forecasts.run import ORACLES
from mmvsf.model.metrics import ALL_LEADS

from .compare import pick, relative_gain
from .results_table import LEAD_NAMES, YEARS, ResultsTable, cell, full_year_rows
from .sections import TextSection, TextTable

FORECASTERS = (*BASELINES, *TREES, *RIVALS, PAPER, "sm-vsf", "kg-vsf", "mm-vsf", WITH_USUAL, *ORACLES)


def lead_section(results: ResultsTable) -> TextSection | None:
    """All methods in the years in which all were trained; None without rows."""
    tables = []
    for part, title in SETS.items():
        rows = []
        for method in FORECASTERS:
            selected = full_year_rows(results, method, part, "mean")
            if selected:
                cells = [cell(pick(selected, lead=lead), "mse") for lead in LEAD_NAMES] + [cell(selected, "mse")]
                rows.append([method_title(method), *cells])
        if rows:
            tables.append(
                TextTable(f"Mean squared error by days ahead, {title}", ["method", *LEAD_NAMES, ALL_LEADS], rows)
            )
    if not tables:
        return None
    text = (
        f"Held-out years {results.full_years_done}, with equal weight; mean over bands in units of each band's training"
        " variance; ± is the standard deviation of single training runs within a year. Every method is scored on the"
        " same pixels of a year. Climatology and previous year use images of the same place from other years; for the"
        " first year, the following year replaces the previous one. The oracle knows the simulated fields; without the"
        " gap's weather it gives the mean of its forecasts with the weather of each other year. The inferring oracle"
        " knows how fields grow, and infers the hidden state of each field from the images up to the origin: a perfect"
        " forecaster." + _sampling(results)
    )
    if (by_lead := _ndvi_by_lead(results)).rows:
        tables.append(by_lead)
    return TextSection("Forecast error by days ahead", text, tables)


def _sampling(results: ResultsTable) -> str:
    """What the inferring oracle reports about itself."""
    reports = [piece["sampling"] for piece in pick(results.pieces, kind="forecast", method="oracle")]
    if not reports:
        return ""
    effective = min(report["effective"] for report in reports)
    errors = np.sqrt(np.mean([np.square(list(report["error"].values())) for report in reports], axis=0))
    by_band = ", ".join(f"{band} {error:.4f}" for band, error in zip(reports[0]["error"], errors, strict=True))
    return f" It has {effective:.0f} effective draws (median); its Monte-Carlo error of reflectance is {by_band}."


def _ndvi_by_lead(results: ResultsTable) -> TextTable:
    rows = []
    for method in FORECASTERS:
        selected = full_year_rows(results, method, YEARS, "ndvi")
        if selected:
            cells = [cell(pick(selected, lead=lead), "rmse") for lead in LEAD_NAMES] + [cell(selected, "rmse")]
            rows.append([method_title(method), *cells])
    return TextTable("RMSE of NDVI by days ahead, held-out years", ["method", *LEAD_NAMES, ALL_LEADS], rows)


def ndvi_section(results: ResultsTable) -> TextSection | None:
    """Scores of NDVI in the years in which all methods were trained; None without rows."""
    head = ["method", "R2", "RMSE", "NSE", "bias", "better than climatology", "sharpness"]
    scores = ("r2", "rmse", "nse", "bias", "better", "sharpness")
    tables = []
    for part in YEARS:
        rows = []
        for method in FORECASTERS:
            selected = full_year_rows(results, method, part, "ndvi")
            if selected:
                rows.append([method_title(method), *(cell(selected, score) for score in scores)])
        if rows:
            tables.append(TextTable(f"NDVI, all leads, {SETS[part]}", head, rows))
    if not tables:
        return None
    text = (
        "R2 is the squared correlation and NSE the Nash-Sutcliffe efficiency, over all pixels and days; sharpness is"
        " the contrast between neighbouring pixels as a share of that of the observation. The observation's noise"
        " counts, so a perfect forecast without noise, such as the oracle's, is below 1, and a forecast that copies an"
        " image with its noise seems sharper than it is."
    )
    return TextSection("Forecast of NDVI", text, tables)


def band_section(results: ResultsTable) -> TextSection | None:
    """Errors by band; None without rows."""
    selected = pick(results.rows, piece="forecast", set="new_year", cover=ALL, held_out=tuple(results.full_years))
    bands = [name for name in dict.fromkeys(row["variable"] for row in selected) if name != "mean"]
    rows = []
    for method in FORECASTERS:
        mine = pick(selected, method=method)
        if mine:
            rows.append([method_title(method), *(cell(pick(mine, variable=band), "rmse", 4) for band in bands)])
    if not rows:
        return None
    table = TextTable("RMSE of reflectance by band, and of NDVI, new year, all leads", ["method", *bands], rows)
    return TextSection("Forecast error by band", "Reflectance as a fraction.", [table])


def year_section(results: ResultsTable) -> TextSection | None:
    """Errors and gains of single years; None without rows."""
    base = pick(results.rows, piece="forecast", set="new_year", variable="mean", cover=ALL)
    methods = ("persistence", "previous year", "climatology", *CLAIM)
    rows = []
    for year in sorted({row["held_out"] for row in base}):
        selected = pick(base, held_out=year)
        cells = [cell(pick(selected, method=method), "mse") for method in methods]
        gain = relative_gain(pick(selected, method=CLAIM[0]), pick(selected, method=CLAIM[1]))
        rows.append([str(year), *cells, "–" if gain is None else f"{100 * gain.value:.0f} %"])
    if not rows:
        return None
    head = ["held-out year", *map(method_title, methods), "weather avoids"]
    table = TextTable("Mean squared error in known places, all leads", head, rows)
    return TextSection(
        "Each year held out in turn", "The last column is the share of the error of SM-VSF that MM-VSF avoids.", [table]
    )


def missing_section(results: ResultsTable) -> TextSection | None:
    """Errors of forecast missing images; None without rows."""
    rows = pick(results.rows, piece="missing", cover=ALL, set=YEARS)
    if not rows:
        return None
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        selected = pick(rows, method=method)
        cells = [cell(pick(selected, variable="mean"), "mse"), cell(pick(selected, variable="ndvi"), "rmse"),
                 cell(pick(selected, variable="ndvi"), "sharpness")]  # fmt: skip
        table.append([method_title(method), *cells])
    text = (
        "An image is left out of a season and predicted from the others. Networks look forward only: those trained to"
        " reconstruct see the images before it; those trained to forecast start from the preceding image and, where"
        " noted, are corrected by their error at the following image. Linear interpolation uses both neighbouring"
        " images."
    )
    head = ["method", "MSE, all bands", "RMSE, NDVI", "sharpness, NDVI"]
    return TextSection(
        "Missing images", text, [TextTable("Held-out years, known and new places together", head, table)]
    )
