"""What an evaluation found, as sections of text and tables: one form for `results.json`, `docs/results.md` and the
report. No number stands here that was not computed from the rows of the pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmvsf.datasets.pairs import LEADS

from ..metrics import ALL_LEADS, lead_name
from .compare import Interval, captured, difference, over_seeds, pick, relative_gain
from .crop_results import crop_section
from .forecasts import NO_INDICES, ORACLES
from .items import BASELINES
from .runner import Result
from .sections import NAMES, SETS, Section, Table
from .settings import CLAIM
from .tally import ALL, COVERS, Row
from .weather import AS_IT_IS, OTHER_GAPS, VARIANTS

LEAD_NAMES = tuple(map(lead_name, LEADS))
FORECASTERS = (*BASELINES, "convlstm", "sm-vsf", "kg-vsf", "mm-vsf", NO_INDICES, *ORACLES)
YEARS = ("new_year", "both")
"""The sets of a held-out year, by which the claim is judged."""


@dataclass(frozen=True)
class Findings:
    """The results of the pieces of one region, and of its control where there is one."""

    results: Sequence[Result]
    control: Sequence[Result] = ()
    few: Sequence[int] = ()
    classes: Sequence[str] = ()
    """Names of the crop classes."""
    rows: list[Row] = field(init=False)
    control_rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", flatten(self.results))
        object.__setattr__(self, "control_rows", flatten(self.control))

    @property
    def few_done(self) -> str:
        """Those of the `few` years that there are results of."""
        done = {row["held_out"] for row in self.rows if row["piece"] == "forecast"}
        return " and ".join(str(year) for year in self.few if year in done) or "none yet"

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
            crop_section(self.rows, self.few, self.classes),
        ]
        return [section for section in made if section is not None]


def flatten(results: Iterable[Result]) -> list[Row]:
    """The rows of all pieces, each with the kind of its piece, the year that was held out, and the seed (0 for what has
    none)."""
    rows = []
    for result in results:
        kind, year, *_, last = str(result["piece"]).split("/")
        if result.get("rows"):
            own = {"piece": kind, "held_out": int(year), "seed": int(last) if last.isdigit() else 0}
            rows += [{**own, **row} for row in result["rows"]]
    return rows


def name_of(method: str) -> str:
    """The paper's name of a method, with what follows it."""
    for key, name in NAMES.items():
        if method == key or method.startswith(f"{key},"):
            return name + method[len(key) :]
    return method


def claims(found: Findings) -> Section | None:
    """Is MM-VSF better than each of the others, over all held-out years?"""
    base = pick(found.rows, piece="forecast", set=YEARS)
    if not pick(base, method="mm-vsf"):
        return None
    others = ("persistence", "linear trend", "previous year", "climatology", "convlstm", "sm-vsf", "kg-vsf")
    head = [
        "other method",
        "held-out set",
        "difference",
        "share of its error",
        "years",
        "site-years",
        "MM-VSF is better",
    ]
    every = [
        row for other in others for part in YEARS for row in _comparison(base, other, part, "mean", ALL, [SETS[part]])
    ]
    head_2 = ["other method", "of", "pixels", *head[2:]]
    apart = [
        row
        for other in ("sm-vsf", "convlstm")
        for variable in ("mean", "ndvi")
        for cover in COVERS
        for row in _comparison(
            base, other, YEARS, variable, cover, ["all bands" if variable == "mean" else "NDVI", cover]
        )
    ]
    apart += [
        row
        for other in ("sm-vsf", "convlstm")
        for row in _comparison(base, other, YEARS, "ndvi", ALL, ["NDVI", "all pixels"])
    ]
    control = _control_gain(found)
    text = (
        "Mean squared error, in units of each band's training variance (of NDVI: in NDVI), all leads together, pixels"
        " counting alike. Intervals are 95 %, drawn over years and then over places in them; seeds are averaged before."
        f" With fewer than {LEAST_YEARS} held-out years no verdict is given: years differ more than places do. The"
        " second table takes both held-out sets together, vegetated (an observed NDVI of 0.4 and more) and bare"
        " (below 0.25) pixels apart: most pixels of a summer are vegetated, and most of the weather's worth is wet"
        " soil."
    )
    if control is not None:
        text += f" In the control, where weather moves nothing, SM-VSF's error less MM-VSF's is {control.text()}."
    return Section(
        "Does MM-VSF forecast better?",
        text,
        [
            Table("Error of the other method less that of MM-VSF, all bands and pixels", head, every),
            Table("The same by what is forecast and on which pixels", head_2, apart),
        ],
    )


LEAST_YEARS = 4


def _comparison(
    base: Sequence[Row], other: str, part: str | tuple[str, ...], variable: str, cover: str, words: list[str]
) -> list[list[str]]:
    """A row of a table of comparisons; none where there is nothing to compare."""
    own = pick(base, set=part, variable=variable, cover=cover)
    pair = pick(own, method=other), pick(own, method="mm-vsf")
    gain, share = difference(*pair), relative_gain(*pair)
    if gain is None or share is None:
        return []
    digits = 4 if variable == "ndvi" else 3
    cells = [gain.text(digits), share_text(share), str(gain.years), str(gain.units), _verdict(gain)]
    return [[name_of(other), *words, *cells]]


def _verdict(gain: Interval) -> str:
    if gain.years < LEAST_YEARS:
        return "–"
    if not gain.excludes_zero:
        return "not decided"
    return "yes" if gain.value > 0 else "no: worse"


def share_text(share: Interval) -> str:
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _control_gain(found: Findings) -> Interval | None:
    parts = [
        pick(found.control_rows, piece="forecast", method=method, variable="mean", cover=ALL, set=YEARS)
        for method in CLAIM
    ]
    return difference(*parts) if all(parts) else None


def _of_few(found: Findings, method: str, part: str | tuple[str, ...], variable: str) -> list[Row]:
    """Rows of a method's forecasts in the years in which all were trained, on all pixels."""
    years = tuple(found.few)
    return pick(found.rows, piece="forecast", method=method, set=part, variable=variable, cover=ALL, held_out=years)


def by_lead(found: Findings) -> Section | None:
    """All forecasters in the years in which all were trained."""
    tables = []
    for part, title in SETS.items():
        rows = []
        for method in FORECASTERS:
            own = _of_few(found, method, part, "mean")
            if own:
                cells = [_cell(pick(own, lead=lead), "mse") for lead in LEAD_NAMES] + [_cell(own, "mse")]
                rows.append([name_of(method), *cells])
        if rows:
            tables.append(Table(f"Mean squared error by days ahead, {title}", ["method", *LEAD_NAMES, ALL_LEADS], rows))
    if not tables:
        return None
    text = (
        f"Held-out years {found.few_done}, which count alike; mean over bands in units of each band's training"
        " variance; ± is the standard deviation of single trainings within a year. Every method is judged on the same"
        " pixels of a year. Climatology and previous year know the place itself, in training years (of a new place: its"
        " other years); the year before the first is the year after it. The oracle knows the simulated fields;"
        " without the gap's weather it gives the mean of what each of the other years' weather would make of them."
    )
    tables.append(_ndvi_by_lead(found))
    return Section("Forecast error by days ahead", text, tables)


def _ndvi_by_lead(found: Findings) -> Table:
    rows = []
    for method in FORECASTERS:
        own = _of_few(found, method, YEARS, "ndvi")
        if own:
            cells = [_cell(pick(own, lead=lead), "rmse") for lead in LEAD_NAMES] + [_cell(own, "rmse")]
            rows.append([name_of(method), *cells])
    return Table("RMSE of NDVI by days ahead, held-out years", ["method", *LEAD_NAMES, ALL_LEADS], rows)


def of_ndvi(found: Findings) -> Section | None:
    head = ["method", "R2", "RMSE", "NSE", "bias", "better than climatology", "sharpness"]
    scores = ("r2", "rmse", "nse", "bias", "better", "sharpness")
    tables = []
    for part in YEARS:
        rows = []
        for method in FORECASTERS:
            own = _of_few(found, method, part, "ndvi")
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
    own = pick(found.rows, piece="forecast", set="new_year", cover=ALL, held_out=tuple(found.few))
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
    for year in sorted({row["held_out"] for row in base}):
        own = pick(base, held_out=year)
        cells = [_cell(pick(own, method=method), "mse") for method in methods]
        gain = relative_gain(pick(own, method=CLAIM[0]), pick(own, method=CLAIM[1]))
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
        " together. With other years' weather in the gap the forecast is the mean over those years, as the oracle"
        " without the gap's weather is; usual weather is their mean day by day, which drizzles every day and is like"
        " no year; with the origin's image only, pixels that were cloudy in it are guessed from their neighbours."
        " Weather from the target on cannot reach a forecast, since the recurrence runs forward and is read on the"
        " morning of the target day; its row shows that it does not."
    )
    return Section("Is the weather used?", text, tables)


def _oracle_tables(found: Findings) -> list[Table]:
    """How much of what the gap's weather can tell the model captures."""
    base = pick(found.rows, variable="mean", set=YEARS, held_out=tuple(found.few))
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
        text += f" SM-VSF's error less MM-VSF's is {gain.text()} ({gain.years} years, {gain.units} site-years)"
        real = pick(found.rows, piece="forecast", variable="mean", cover=ALL, set=YEARS, held_out=tuple(found.few))
        there = difference(pick(real, method=CLAIM[0]), pick(real, method=CLAIM[1]))
        text += "." if there is None else f"; in the sandbox it is {there.text()} in the same years."
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
