"""How well each method forecasts: by lead time, band and year."""

from __future__ import annotations

from mmvsf.model.evaluation.forecasts.error_sums import ALL
from mmvsf.model.evaluation.forecasts.items import BASELINES
from mmvsf.model.evaluation.forecasts.run import NO_INDICES, ORACLES
from mmvsf.model.evaluation.settings import CLAIM
from mmvsf.model.metrics import ALL_LEADS

from .compare import pick, relative_gain
from .findings import LEAD_NAMES, YEARS, Findings, cell, name_of, of_few
from .sections import SETS, Section, Table

FORECASTERS = (*BASELINES, "convlstm", "sm-vsf", "kg-vsf", "mm-vsf", NO_INDICES, *ORACLES)


def by_lead(found: Findings) -> Section | None:
    """All forecasters in the years in which all were trained."""
    tables = []
    for part, title in SETS.items():
        rows = []
        for method in FORECASTERS:
            own = of_few(found, method, part, "mean")
            if own:
                cells = [cell(pick(own, lead=lead), "mse") for lead in LEAD_NAMES] + [cell(own, "mse")]
                rows.append([name_of(method), *cells])
        if rows:
            tables.append(Table(f"Mean squared error by days ahead, {title}", ["method", *LEAD_NAMES, ALL_LEADS], rows))
    if not tables:
        return None
    text = (
        f"Held-out years {found.few_done}, which count alike; mean over bands in units of each band's training"
        " variance; ± is the standard deviation of single trainings within a year. Every method is judged on the same"
        " pixels of a year. Climatology and previous year know the place itself, in other years than the held-out one;"
        " the year before the first is the year after it. The oracle knows the simulated fields;"
        " without the gap's weather it gives the mean of what each of the other years' weather would make of them."
    )
    tables.append(_ndvi_by_lead(found))
    return Section("Forecast error by days ahead", text, tables)


def _ndvi_by_lead(found: Findings) -> Table:
    rows = []
    for method in FORECASTERS:
        own = of_few(found, method, YEARS, "ndvi")
        if own:
            cells = [cell(pick(own, lead=lead), "rmse") for lead in LEAD_NAMES] + [cell(own, "rmse")]
            rows.append([name_of(method), *cells])
    return Table("RMSE of NDVI by days ahead, held-out years", ["method", *LEAD_NAMES, ALL_LEADS], rows)


def of_ndvi(found: Findings) -> Section | None:
    head = ["method", "R2", "RMSE", "NSE", "bias", "better than climatology", "sharpness"]
    scores = ("r2", "rmse", "nse", "bias", "better", "sharpness")
    tables = []
    for part in YEARS:
        rows = []
        for method in FORECASTERS:
            own = of_few(found, method, part, "ndvi")
            if own:
                rows.append([name_of(method), *(cell(own, score) for score in scores)])
        if rows:
            tables.append(Table(f"NDVI, all leads, {SETS[part]}", head, rows))
    if not tables:
        return None
    text = (
        "R2 is the squared correlation and NSE that of Nash and Sutcliffe, over all pixels and days; sharpness is the"
        " contrast between neighbouring pixels as a share of the observation's, whose noise counts: without noise, as"
        " the oracle is, a perfect forecast is below 1, and what copies an image with its noise is not sharp for that."
    )
    return Section("Forecast of NDVI", text, tables)


def by_band(found: Findings) -> Section | None:
    own = pick(found.rows, piece="forecast", set="new_year", cover=ALL, held_out=tuple(found.few))
    bands = [name for name in dict.fromkeys(row["variable"] for row in own) if name != "mean"]
    rows = []
    for method in FORECASTERS:
        mine = pick(own, method=method)
        if mine:
            rows.append([name_of(method), *(cell(pick(mine, variable=band), "rmse", 4) for band in bands)])
    if not rows:
        return None
    table = Table("RMSE of reflectance by band, and of NDVI, new year, all leads", ["method", *bands], rows)
    return Section("Forecast error by band", "Reflectance as a fraction.", [table])


def by_year(found: Findings) -> Section | None:
    """Gains of single years: one year proves nothing."""
    base = pick(found.rows, piece="forecast", set="new_year", variable="mean", cover=ALL)
    methods = ("persistence", "previous year", "climatology", *CLAIM)
    rows = []
    for year in sorted({row["held_out"] for row in base}):
        own = pick(base, held_out=year)
        cells = [cell(pick(own, method=method), "mse") for method in methods]
        gain = relative_gain(pick(own, method=CLAIM[0]), pick(own, method=CLAIM[1]))
        rows.append([str(year), *cells, "–" if gain is None else f"{100 * gain.value:.0f} %"])
    if not rows:
        return None
    head = ["held-out year", *map(name_of, methods), "weather takes away"]
    table = Table("Mean squared error in known places, all leads", head, rows)
    return Section(
        "Each year held out in turn", "The last column is the share of SM-VSF's error that MM-VSF avoids.", [table]
    )


def of_missing(found: Findings) -> Section | None:
    rows = pick(found.rows, piece="missing", cover=ALL, set=YEARS)
    if not rows:
        return None
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = pick(rows, method=method)
        cells = [cell(pick(own, variable="mean"), "mse"), cell(pick(own, variable="ndvi"), "rmse"),
                 cell(pick(own, variable="ndvi"), "sharpness")]  # fmt: skip
        table.append([name_of(method), *cells])
    text = (
        "An image is taken out of a season and drawn from the others. Networks look forward only: those that"
        " reconstruct see the images before it, those that forecast start from the image before, and, where said, are"
        " corrected by their error at the image after. The straight line to the next image sees both sides."
    )
    head = ["method", "MSE, all bands", "RMSE, NDVI", "sharpness, NDVI"]
    return Section("Missing images", text, [Table("Held-out years, known and new places together", head, table)])
