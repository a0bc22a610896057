"""The tables of crop maps, and the answers that open the page, from rows as an evaluation stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mmvsf.datasets.samples.windows import HELD_OUT
from mmvsf.model.evaluation.core.settings import SEASON
from mmvsf.model.evaluation.results.crop_details import crop_details
from mmvsf.model.evaluation.results.crop_scores import f1_cell, f1_difference, f1_interval
from mmvsf.model.evaluation.results.crops import crop_sections
from mmvsf.model.evaluation.results.results_table import ResultsTable
from mmvsf.model.evaluation.results.takeaways import takeaways


def make_rows(method: str, year: int, right: int, objective: str = "", weather: str = "none") -> list[dict[str, Any]]:
    """As the evaluation stores them: of 100 labelled pixels of each of two classes `right` are mapped right, in every
    set, by every date, from every share of the fields."""
    counts = [[right, 100 - right], [100 - right, right]]
    return [
        {"piece": "crops", "method": method, "objective": objective, "weather": weather, "held_out": year, "seed": 0,
         "year": year, "block": "0,0", "set": part, "date": date, "kind": kind, "fraction": fraction, "n": 200,
         "confusion": counts}
        for part in HELD_OUT for date in ("07-01", SEASON) for kind in ("all", "interior", "edge")
        for fraction in (1.0, 0.1)
    ]  # fmt: skip


def test_methods_are_compared_in_the_years_that_have_them_all() -> None:
    """A year that only some methods mapped, better than any other, moves no figure of the year that all mapped."""
    both = [("frozen", "sm-vsf", "none"), ("frozen", "mm-vsf", "encoder")]
    few = make_rows("forest", 2020, 80)
    for place, (method, objective, weather) in enumerate(both):
        few += make_rows(method, 2020, 60 + 10 * place, objective, weather)
    more = [row for method, *how in both for row in make_rows(method, 2021, 95, *how)]
    with_more, alone = (
        {section.title: section for section in crop_sections(table_of(rows))} for rows in ([*few, *more], few)
    )
    assert list(alone) == list(with_more) == [f"Crop maps {letter}" for letter in LETTERS]
    (table, *_), (in_both, of_all, *_) = (each["Crop maps (c) a year never seen"].tables for each in (alone, with_more))
    assert (table.caption, in_both.caption) == ("Mean F1, year 2020", "Mean F1, years 2020, 2021")
    assert of_all == replace(table, caption="Mean F1 of all methods, year 2020")
    assert [row[0] for row in table.rows] == [
        "random forest by date", "SM-VSF frozen, no weather", "MM-VSF frozen, weather to encoder and head",
    ]  # fmt: skip
    assert [row[1][:5] for row in table.rows] == ["0.800", "0.600", "0.700"]
    assert [(row[0], row[1][:5]) for row in in_both.rows] == [
        ("SM-VSF frozen, no weather", "0.775"), ("MM-VSF frozen, weather to encoder and head", "0.825"),
    ]  # fmt: skip
    details = crop_details(table_of([*few, *more]))
    assert details is not None
    by_year = details.tables[-1]
    assert by_year.head == ["method", "2020", "2021"]
    assert [row[1:] for row in by_year.rows] == [["0.800", "–"], ["0.600", "0.950"], ["0.700", "0.950"]]


LETTERS = (
    "(a) a cooler climate", "(b) early in the season", "(c) a year never seen", "(d) few labelled fields",
    "(e) a place never seen", "(f) random pixels",
)  # fmt: skip


def table_of(rows: list[dict[str, Any]]) -> ResultsTable:
    """The results of one piece with these rows, of which 2020 has all methods."""
    return ResultsTable([{"kind": "crops", "year": 0, "seed": 0, "rows": rows}], (), (2020,), ("a", "b"))


def test_a_setting_that_a_cube_does_not_give_is_reported() -> None:
    sections = crop_sections(replace(table_of(make_rows("forest", 2020, 80)), climate="It has one place."))
    cooler = sections[0]
    assert not cooler.tables and "It has one place." in cooler.text and "no windows" in cooler.text
    assert sections[1].tables and crop_sections(ResultsTable([])) == []


def test_a_whole_season_is_not_early_and_all_fields_are_not_few() -> None:
    """As of a southern cube, whose season has none of the dates, and of an evaluation with all fields only."""
    early, few = "(b) early in the season", "(d) few labelled fields"
    methods = (("forest", "", "none", 60), (*OURS, 70), (*UNTRAINED, 50))
    every = [row for method, *how, right in methods for year in YEARS for row in make_rows(method, year, right, *how)]
    for missing, wanted in ((early, {"date": SEASON}), (few, {"fraction": 1.0})):
        rows = [row for row in every if row.items() >= wanted.items()]
        for given, reported in ((every, False), (rows, True)):
            section = next(each for each in crop_sections(table_of(given)) if missing in each.title)
            assert ("no windows for this setting" in section.text) == (not section.tables) == reported
            page = takeaways(table_of(given))
            assert page is not None
            assert any(missing in row[0] for row in page.tables[0].rows) != reported


def test_an_interval_is_over_places_and_seeds_are_averaged() -> None:
    one = make_rows("forest", 2020, 80)
    two = [{**row, "block": "0,1"} for row in make_rows("forest", 2020, 90)]
    rows = [row for row in (*one, *two) if (row["set"], row["kind"], row["date"], row["fraction"]) == (
        "both", "all", SEASON, 1.0)]  # fmt: skip
    spread = f1_interval(rows)
    assert spread is not None and spread.units == 2
    assert (spread.low, spread.value, spread.high) == pytest.approx((0.8, 0.85, 0.9))
    seeds = [{**row, "seed": seed} for row in rows for seed in (0, 1)]
    assert f1_interval(seeds) == spread and f1_cell(seeds) == "0.850 [0.800, 0.900]"


OURS, UNTRAINED = ("frozen", "mm-vsf", "encoder"), ("frozen", "untrained", "encoder")


YEARS = (2019, 2020, 2021, 2022)


def answers(years: Sequence[int], **right: int) -> dict[str, tuple[str, str]]:
    """The questions of the opening page about crop maps, with their answers and figures, where methods map so many of
    100 pixels right in each of some held-out years."""
    names = {"ours": OURS, "untrained": UNTRAINED, "forest": ("forest", "", "none"), "line": ("logistic", "", "none")}
    rows = [
        row
        for year in years
        for name, count in right.items()
        for row in make_rows(names[name][0], year, count, *names[name][1:])
    ]
    page = takeaways(table_of(rows))
    assert page is not None
    return {row[0].removeprefix("Crop maps, "): (row[1], row[2]) for row in page.tables[0].rows}


def test_the_page_compares_with_the_best_classifier_and_with_random_weights() -> None:
    found = answers(YEARS, ours=70, untrained=60, forest=80, line=75)
    early = "(b) early in the season: is MM-VSF better than the best classifier of pixels?"
    assert found[early][0] == "no: worse" and "random forest by date, until 07-01: -0.100" in found[early][1]
    few = "(d) few labelled fields: does pretraining help?"
    assert found[few][0] == "yes" and "less that of untrained encoder" in found[few][1] and "+0.100" in found[few][1]
    assert not any("(a)" in question for question in found)  # these rows have no cool places


def test_the_page_gives_no_answer_for_few_years_or_equal_methods() -> None:
    question = "(c) a year never seen: does pretraining help?"
    assert answers(YEARS[:3], ours=70, untrained=60)[question][0] == "not decided: 3 years"
    assert answers(YEARS[:1], ours=70, untrained=60)[question][0] == "not decided: 1 year"
    assert answers(YEARS, ours=70, untrained=70)[question][0] == "not decided"


def test_the_page_compares_methods_in_the_same_years() -> None:
    """A finetuned network of one easy year is not taken for the best of ours."""
    rows = [row for year, right in ((2020, 60), (2021, 80)) for row in make_rows(*OURS[:1], year, right, *OURS[1:])]
    rows += [row for year in (2020, 2021) for row in make_rows("forest", year, 50)]
    rows += make_rows("finetuned", 2021, 78, "mm-vsf", "encoder")
    page = takeaways(table_of(rows))
    assert page is not None
    figures = [row[2] for row in page.tables[0].rows if "classifier" in row[0]]
    assert figures and all("of MM-VSF frozen" in figure and "+0.200" in figure for figure in figures)


def counted(year: int, block: str, confusion: list[list[int]]) -> dict[str, Any]:
    """A row of a held-out year and a block."""
    return {"held_out": year, "year": year, "seed": 0, "block": block, "confusion": confusion}


def test_a_difference_is_that_of_the_means_over_years_in_the_table() -> None:
    """Also where one year has many more pixels than the other."""
    sure = [counted(2020, "0,0", [[9, 1], [1, 9]]), counted(2021, "0,0", [[200, 800], [800, 200]])]
    unsure = [counted(2020, "0,0", [[5, 5], [5, 5]]), counted(2021, "0,0", [[400, 600], [600, 400]])]
    cells, gain = [f1_interval(rows) for rows in (sure, unsure)], f1_difference(sure, unsure)
    assert cells[0] is not None and cells[1] is not None and gain is not None
    assert (cells[0].value, cells[1].value) == pytest.approx(((0.9 + 0.2) / 2, (0.5 + 0.4) / 2))
    assert gain.value == pytest.approx(cells[0].value - cells[1].value)
    assert (gain.years, gain.units) == (2, 2)


def test_a_place_without_labelled_pixels_of_a_kind_takes_no_part() -> None:
    rows = [counted(2020, f"0,{site}", [[17, 3], [3, 17]]) for site in range(2)]
    empty = [*rows, counted(2020, "0,2", [[0, 0], [0, 0]])]
    assert f1_interval(empty) == f1_interval(rows) and "nan" not in f1_cell(empty)
    worse = [counted(2020, f"0,{site}", [[10, 10], [10, 10]]) for site in range(3)]
    gain = f1_difference(empty, worse)
    assert gain is not None and gain.units == 2 and gain.excludes_zero
