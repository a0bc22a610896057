"""What an evaluation found, as sections of text and tables: one form for `results.json`, `docs/results.md` and the
report. No number stands here that was not computed from the rows of the pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmvsf.datasets.pairs import LEADS

from ..metrics import ALL_LEADS, lead_name
from .compare import Interval, captured, difference, over_seeds, pick, relative_gain
from .crop_results import crop_section
from .forecasts import ORACLES
from .items import BASELINES
from .runner import Result
from .sections import NAMES, SETS, Section, Table
from .settings import CLAIM
from .tally import ALL, COVERS, Row
from .weather import VARIANTS

LEAD_NAMES = tuple(map(lead_name, LEADS))
FORECASTERS = (*BASELINES, "convlstm", "sm-vsf", "kg-vsf", "mm-vsf", *ORACLES)
YEARS = ("new_year", "both")
"""The sets of a held-out year, by which the claim is judged."""


@dataclass(frozen=True)
class Findings:
    """The results of the pieces of one region, and of its control where there is one."""

    results: Sequence[Result]
    control: Sequence[Result] = ()
    few: Sequence[int] = ()
    rows: list[Row] = field(init=False)
    control_rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", flatten(self.results))
        object.__setattr__(self, "control_rows", flatten(self.control))

    def sections(self) -> list[Section]:
        """All sections that there are rows for."""
        made = [
            claims(self),
            by_lead(self),
            of_ndvi(self),
            by_band(self),
            by_year(self),
            of_weather(self),
            of_control(self),
            of_missing(self),
            crop_section(self.rows, self.few),
        ]
        return [section for section in made if section is not None]


def flatten(results: Iterable[Result]) -> list[Row]:
    """The rows of all pieces, each with the kind of its piece and its seed (0 for what has none)."""
    rows = []
    for result in results:
        kind, *_, last = str(result["piece"]).split("/")
        seed = int(last) if last.isdigit() else 0
        rows += [{"piece": kind, "seed": seed, **row} for row in result.get("rows", ())]
    return rows


def name_of(method: str) -> str:
    """The paper's name of a method, with what follows it."""
    for key, name in NAMES.items():
        if method == key or method.startswith(f"{key},"):
            return name + method[len(key) :]
    return method


def claims(found: Findings) -> Section | None:
    """Is MM-VSF better than each of the others, over all held-out years?"""
    ours = pick(found.rows, piece="forecast", method="mm-vsf", variable="mean", cover=ALL)
    if not ours:
        return None
    rows = []
    for method in ("persistence", "linear trend", "previous year", "climatology", "convlstm", "sm-vsf", "kg-vsf"):
        theirs = pick(found.rows, piece="forecast", method=method, variable="mean", cover=ALL)
        for part in YEARS:
            a, b = pick(theirs, set=part), pick(ours, set=part)
            a, b = _common_seeds(a, b)
            gain, share = difference(a, b), relative_gain(a, b)
            if gain is not None and share is not None:
                rows.append(
                    [name_of(method), SETS[part], gain.text(), share_text(share), str(gain.units), _verdict(gain)]
                )
    control = _control_gain(found)
    text = "Mean squared error of the forecast, in units of each band's training variance, all leads together."
    if control is not None:
        text += f" In the control, where weather moves nothing, SM-VSF's error less MM-VSF's is {control.text()}."
    return Section(
        "Does MM-VSF forecast better?",
        text + " Intervals are 95 %, drawn over years and then over places in them.",
        [
            Table(
                "Error of the other method less that of MM-VSF",
                ["other method", "held-out set", "difference", "share of its error", "site-years", "MM-VSF is better"],
                rows,
            )
        ],
    )


def _verdict(gain: Interval) -> str:
    if not gain.excludes_zero:
        return "not decided"
    return "yes" if gain.value > 0 else "no: worse"


def _common_seeds(a: Sequence[Row], b: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of years and seeds that both have; what has no seed (a baseline) is paired with all."""
    if all(row["seed"] == 0 for row in a):
        return list(a), list(b)
    keys = {(row["year"], row["seed"]) for row in a} & {(row["year"], row["seed"]) for row in b}
    first, second = ([row for row in rows if (row["year"], row["seed"]) in keys] for rows in (a, b))
    return first, second


def share_text(share: Interval) -> str:
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _control_gain(found: Findings) -> Interval | None:
    parts = [
        pick(found.control_rows, piece="forecast", method=method, variable="mean", cover=ALL, set=YEARS)
        for method in CLAIM
    ]
    return difference(*parts) if all(parts) else None


def by_lead(found: Findings) -> Section | None:
    """All forecasters in the years in which all were trained."""
    tables = []
    for part, title in SETS.items():
        rows = []
        for method in FORECASTERS:
            own = pick(
                found.rows, piece="forecast", method=method, set=part, variable="mean", cover=ALL, year=tuple(found.few)
            )
            if own:
                cells = [_cell(pick(own, lead=lead), "mse") for lead in LEAD_NAMES] + [_cell(own, "mse")]
                rows.append([name_of(method), *cells])
        if rows:
            tables.append(Table(f"Mean squared error by days ahead, {title}", ["method", *LEAD_NAMES, ALL_LEADS], rows))
    if not tables:
        return None
    text = (
        f"Held-out years {_listed(found.few)}; mean over bands in units of each band's training variance; ± is the"
        " standard deviation of single trainings. Every method is judged on the same pixels."
    )
    return Section("Forecast error by days ahead", text, tables)


def of_ndvi(found: Findings) -> Section | None:
    head = ["method", "R2", "RMSE", "NSE", "bias", "better than climatology", "sharpness"]
    scores = ("r2", "rmse", "nse", "bias", "better", "sharpness")
    tables = []
    for part in YEARS:
        rows = []
        for method in FORECASTERS:
            own = pick(
                found.rows, piece="forecast", method=method, set=part, variable="ndvi", cover=ALL, year=tuple(found.few)
            )
            if own:
                rows.append([name_of(method), *(_cell(own, score) for score in scores)])
        if rows:
            tables.append(Table(f"NDVI, all leads, {SETS[part]}", head, rows))
    if not tables:
        return None
    text = (
        "R2 is the squared correlation and NSE that of Nash and Sutcliffe, over all pixels and days; sharpness is the"
        " contrast between neighbouring pixels as a share of the observation's, noise included: below 1 is blurred."
    )
    return Section("Forecast of NDVI", text, tables)


def by_band(found: Findings) -> Section | None:
    own = pick(found.rows, piece="forecast", set="new_year", cover=ALL, year=tuple(found.few))
    bands = [name for name in dict.fromkeys(row["variable"] for row in own) if name != "mean"]
    rows = []
    for method in FORECASTERS:
        mine = pick(own, method=method)
        if mine:
            rows.append([name_of(method), *(_cell(pick(mine, variable=band), "rmse", 4) for band in bands)])
    if not rows:
        return None
    table = Table("RMSE of reflectance by band, and of NDVI, new year, all leads", ["method", *bands], rows)
    return Section("Forecast error by band", "Reflectance as a fraction.", [table])


def by_year(found: Findings) -> Section | None:
    """Gains of single years: one year proves nothing."""
    base = pick(found.rows, piece="forecast", set="new_year", variable="mean", cover=ALL)
    methods = ("persistence", "previous year", "climatology", *CLAIM)
    rows = []
    for year in sorted({row["year"] for row in base}):
        own = pick(base, year=year)
        cells = [_cell(pick(own, method=method), "mse") for method in methods]
        pair = _common_seeds(pick(own, method=CLAIM[0]), pick(own, method=CLAIM[1]))
        gain = relative_gain(*pair) if all(pair) else None
        rows.append([str(year), *cells, "–" if gain is None else f"{100 * gain.value:.0f} %"])
    if not rows:
        return None
    head = ["held-out year", *map(name_of, methods), "weather takes away"]
    table = Table("Mean squared error in known places, all leads", head, rows)
    return Section(
        "Each year held out in turn", "The last column is the share of SM-VSF's error that MM-VSF avoids.", [table]
    )


def of_weather(found: Findings) -> Section | None:
    rows = pick(found.rows, piece="weather", variable="mean")
    if not rows:
        return None
    tables = []
    for cover in (ALL, *COVERS):
        table = []
        for variant in VARIANTS:
            own = pick(rows, method=variant, cover=cover, set=YEARS)
            cells = [_cell(pick(own, lead=lead), "mse") for lead in LEAD_NAMES] + [_cell(own, "mse")]
            table.append([variant, *cells])
        title = "all pixels" if cover == ALL else f"{cover} pixels"
        tables.append(
            Table(f"MM-VSF whose weather was tampered with, {title}", ["weather", *LEAD_NAMES, ALL_LEADS], table)
        )
    tables += _oracle_tables(found)
    text = (
        "One trained network, asked again with other weather, or without its past. Held-out years, known and new places"
        " together. Vegetated is an observed NDVI of 0.4 and more on the target day, bare one below 0.25. Weather after"
        " the target cannot reach a forecast: the recurrence runs forward and is read on the morning of the target day."
    )
    return Section("Is the weather used?", text, tables)


def _oracle_tables(found: Findings) -> list[Table]:
    """How much of what the gap's weather can tell the model captures."""
    base = pick(found.rows, variable="mean", set=YEARS, year=tuple(found.few))
    rows = []
    for cover in (ALL, *COVERS):
        picked = {
            name: pick(base, piece=piece, method=name, cover=cover)
            for piece, name in (("forecast", "sm-vsf"), ("forecast", "mm-vsf"), ("weather", "usual weather in the gap"),
                               ("weather", "as it is"), *(("forecast", name) for name in ORACLES))
        }  # fmt: skip
        if not all(picked.values()):
            continue
        oracle = picked[ORACLES[1]], picked[ORACLES[0]]
        shares = [
            captured(picked["sm-vsf"], picked["mm-vsf"], *oracle),
            captured(picked["usual weather in the gap"], picked["as it is"], *oracle),
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
        "MM-VSF over itself with usual weather",
    ]
    return [Table("Gain in mean squared error, and the model's as a share of the oracle's", head, rows)]


def of_control(found: Findings) -> Section | None:
    """SM-VSF and MM-VSF where the weather moves nothing."""
    rows = pick(found.control_rows, piece="forecast", variable="mean", cover=ALL, set=YEARS)
    if not rows:
        return None
    table = []
    for method in (*BASELINES, *CLAIM, *ORACLES):
        own = pick(rows, method=method)
        if own:
            cells = [_cell(pick(own, lead=lead), "mse") for lead in LEAD_NAMES] + [_cell(own, "mse")]
            table.append([name_of(method), *cells])
    gain = _control_gain(found)
    text = (
        "The same places and weather, but crops and soil follow the mean weather of each day of the year: weather must"
        " make no difference here."
    )
    if gain is not None:
        outcome = "cannot be told from zero" if not gain.excludes_zero else "can be told from zero"
        text += f" SM-VSF's error less MM-VSF's is {gain.text()}: it {outcome}."
    return Section(
        "The control", text, [Table("Mean squared error by days ahead", ["method", *LEAD_NAMES, ALL_LEADS], table)]
    )


def of_missing(found: Findings) -> Section | None:
    rows = pick(found.rows, piece="missing", cover=ALL, set=YEARS)
    if not rows:
        return None
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = pick(rows, method=method)
        cells = [_cell(pick(own, variable="mean"), "mse"), _cell(pick(own, variable="ndvi"), "rmse"),
                 _cell(pick(own, variable="ndvi"), "sharpness")]  # fmt: skip
        table.append([name_of(method), *cells])
    text = (
        "An image is taken out of a season and drawn from the others. Networks look forward only: those that"
        " reconstruct see the images before it, those that forecast start from the image before, and, where said, are"
        " corrected by their error at the image after. The straight line to the next image sees both sides."
    )
    head = ["method", "MSE, all bands", "RMSE, NDVI", "sharpness, NDVI"]
    return Section("Missing images", text, [Table("Held-out years, known and new places together", head, table)])


def _cell(rows: Sequence[Row], score: str, digits: int = 3) -> str:
    found = over_seeds(rows, score)
    return "–" if found is None else found.text(digits)


def _listed(values: Sequence[int]) -> str:
    return " and ".join(map(str, values))
