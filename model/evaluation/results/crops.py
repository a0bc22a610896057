"""The results of crop mapping, one section for each setting: the hardest and most useful first, the easiest last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmvsf.model.evaluation.core.settings import SEASON
from mmvsf.model.evaluation.crops.confusions import CONFIDENT
from mmvsf.model.evaluation.crops.plan import COOL
from mmvsf.model.evaluation.crops.trial import RANDOM
from mmvsf.model.evaluation.forecasts.error_sums import Row

from .compare import pick
from .crop_methods import CLASSIFIERS, METHODS, OURS, SCRATCH, Method, rows_of, title
from .crop_scores import f1_cell, f1_difference, interval_text, mean_f1
from .results_table import ResultsTable
from .sections import TextSection, TextTable

KINDS = {
    "all": "all pixels",
    "interior": "inside fields",
    "edge": "at edges",
    "confident": f"label confidence {CONFIDENT} % and more",
    "doubtful": "lower confidence",
}
Filter = Mapping[str, object]


@dataclass(frozen=True)
class Setting:
    """A setting in which crops are mapped, and the rows that belong to it."""

    title: str
    text: str
    columns: Mapping[str, Filter]
    """The values of the rows of each column."""
    main: str
    """The column by which methods are compared; none of `columns` where the rows do not have it."""

    @property
    def answer(self) -> Filter:
        """The rows of the main column, of all pixels; no row where there is no such column."""
        return {**self.columns.get(self.main, {"set": ()}), "kind": "all"}


def settings_of(results: ResultsTable) -> list[Setting]:
    """The settings in their order; those by date and by share have a column for each that the rows have, and no main
    one where it is only the whole season or all fields."""
    known = {"piece": "crops", "fraction": 1.0, "date": SEASON}
    cool = {**known, "piece": COOL}
    rows = pick(results.rows, piece="crops")
    dates = sorted({str(row["date"]) for row in rows} - {SEASON})
    shares = sorted({float(row["fraction"]) for row in rows})
    by_date = {f"until {date}": {**known, "set": "new_year", "date": date} for date in dates}
    by_share = {f"{100 * share:g} %": {**known, "set": "new_year", "fraction": share} for share in shares}
    early = [*by_date][len(dates) // 2] if dates else ""
    few = next(iter(by_share)) if shares and shares[0] < 1 else ""
    return [
        Setting(
            "(a) a cooler climate",
            "Methods are trained in the warmer places of the cube and map the coolest third, in the training years and"
            f" in another year. {results.climate}",
            {
                "cooler, same years": {**cool, "set": "new_place"},
                "cooler, other year": {**cool, "set": "both"},
                "warm, other year": {**cool, "set": "new_year"},
            },
            "cooler, other year",
        ),
        Setting(
            "(b) early in the season",
            "Maps from the images up to a given day and the weather before them, in training places and a year never"
            " seen. Classifiers are trained for each date; a network is trained once for all dates, with half of its"
            " seasons cut short.",
            {**by_date, "whole season": {**known, "set": "new_year"}},
            early,
        ),
        Setting(
            "(c) a year never seen", "Maps of training places.", {"new year": {**known, "set": "new_year"}}, "new year"
        ),
        Setting(
            "(d) few labelled fields",
            "A share of the fields of the training windows, drawn at random; maps of training places in a year never"
            " seen. Whole networks are trained with one seed.",
            by_share,
            few,
        ),
        Setting(
            "(e) a place never seen",
            "The places that the recipe holds out; their climate is that of the others.",
            {"new place, same years": {**known, "set": "new_place"}, "new place and year": {**known, "set": "both"}},
            "new place, same years",
        ),
        Setting(
            "(f) random pixels",
            "The easiest setting: random pixels of the training windows are held out, and their neighbours are used in"
            " training.",
            {"random pixels": {**known, "set": RANDOM}},
            "random pixels",
        ),
    ]  # fmt: skip


def crop_sections(results: ResultsTable) -> list[TextSection]:
    """A section for each setting; none where no piece is done."""
    if not pick(results.pieces, kind=("crops", COOL)):
        return []
    return [setting_section(results.rows, setting) for setting in settings_of(results)]


def setting_section(rows: Sequence[Row], setting: Setting) -> TextSection:
    """The tables of a setting, or that the cube does not give it: first of the methods that were tried in all years,
    then of all methods, in the years in which all were tried."""
    name = f"Crop maps {setting.title}"
    columns = {column: {**how, "kind": "all"} for column, how in setting.columns.items()}
    these = pick(rows, **setting.answer)
    if not these:
        return TextSection(name, f"{setting.text} This cube has no windows for this setting.")
    in_all, years, full = methods_of_all_years(these), _years(these), _common_years(these)
    kinds = {KINDS[kind]: {**setting.columns[setting.main], "kind": kind} for kind in tuple(KINDS)[1:]}
    tables = [
        _table(rows, f"Mean F1, {_in_words(years)}", columns, in_all, years),
        _table(rows, f"Mean F1 by kind of pixel, {setting.main}", kinds, in_all, years),
        _pairs(these, setting.main),
    ]
    if full != years:
        every = tuple(method for method in METHODS if rows_of(these, method))
        tables.insert(1, _table(rows, f"Mean F1 of all methods, {_in_words(full)}", columns, every, full))
    return TextSection(name, setting.text, [each for each in tables if each is not None])


def methods_of_all_years(rows: Sequence[Row]) -> tuple[Method, ...]:
    """The methods that have rows in all held-out years that any has, in the order of the tables. Means over other years
    cannot be compared with theirs."""
    years = _years(rows)
    return tuple(method for method in METHODS if _years(rows_of(rows, method)) == years)


def _years(rows: Sequence[Row]) -> tuple[int, ...]:
    """The held-out years of rows."""
    return tuple(sorted({int(row["held_out"]) for row in rows}))


def _common_years(rows: Sequence[Row]) -> tuple[int, ...]:
    """The held-out years that all methods have which have any."""
    every = [set(years) for method in METHODS if (years := _years(rows_of(rows, method)))]
    return tuple(sorted(set.intersection(*every)))


def _in_words(years: Sequence[int]) -> str:
    return f"{'years' if len(years) > 1 else 'year'} {', '.join(map(str, years))}"


def _table(
    rows: Sequence[Row], caption: str, columns: Mapping[str, Filter], methods: Sequence[Method], years: Sequence[int]
) -> TextTable | None:
    """Mean F1 of methods over held-out years, in columns that any has."""
    selected = {name: pick(rows, **{"held_out": tuple(years), **how}) for name, how in columns.items()}
    selected = {name: these for name, these in selected.items() if these}
    body = []
    for method in methods:
        cells = [f1_cell(rows_of(these, method)) for these in selected.values()]
        if set(cells) - {"–"}:
            body.append([title(method), *cells])
    return TextTable(caption, ["method", *selected], body) if body else None


def _pairs(rows: Sequence[Row], where: str) -> TextTable | None:
    """MM-VSF beside the best classifier of single pixels, the better network from scratch and the other encoders, on
    the same site-years."""
    rivals = [best_of(rows, CLASSIFIERS), best_of(rows, SCRATCH)]
    body = []
    for ours in OURS:
        mine = rows_of(rows, ours)
        encoders = [other for other in METHODS if other[0] == ours[0] and other != ours]
        for other in (*rivals, *encoders):
            gain = f1_difference(mine, rows_of(rows, other)) if mine and other else None
            if other and gain:
                body.append([title(ours), title(other), interval_text(gain), str(gain.years), str(gain.units)])
    head = ["method", "other method", "difference in mean F1", "years", "site-years"]
    return TextTable(f"Mean F1 of MM-VSF minus that of others, {where}", head, body) if body else None


def best_of(rows: Sequence[Row], methods: Sequence[Method]) -> Method | None:
    """The method with the highest mean F1 over rows of one column."""
    scores = {method: f1 for method in methods if (f1 := _score(rows_of(rows, method))) is not None}
    return max(scores, key=lambda method: scores[method]) if scores else None


def _score(rows: Sequence[Row]) -> float | None:
    value = mean_f1(rows)
    return None if value is None else value.mean
