"""The kit that asks forecasters how they answer to weather distinguishes planted ones, whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine
from odc.geo.geobox import GeoBox

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.sidecars.experiments import AS_IT_CAME
from mmvsf.model.answer.cases import Case
from mmvsf.model.answer.forecasters import TreeForecaster, UsualSeason, last_clear, load_object
from mmvsf.model.answer.pairs import OTHER_SEASON, matched_cases
from mmvsf.model.answer.planted import Simulator, copies_weather
from mmvsf.model.answer.protocol import Floats, ForecastInput
from mmvsf.model.answer.rivals import OPTIONS, RIVALS, Rival
from mmvsf.model.answer.run import ALL, Answers, answers_of
from mmvsf.model.answer.scores import AnswerSums, index, p_value
from mmvsf.model.baselines.forecast_trees import training_rows
from mmvsf.model.forecasting.weather_ahead import cube_weather
from mmvsf.pipeline.sandbox.branches import BranchingSeason
from mmvsf.pipeline.sandbox.reflectance import BANDS
from mmvsf.pipeline.sandbox.scenarios import other_weather
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.weather import VARIABLES
from mmvsf.pipeline.sandbox.world import SiteWorld, truth

from ..cubes import CubeBuilder

pytestmark = pytest.mark.slow

YEARS = (2020, 2021)
LEADS = np.array([20, 40, 60])
ASKED = ("drought", "heat", "two weeks early")


@pytest.fixture(scope="module")
def worlds() -> dict[str, SiteWorld]:
    """Six places of 16 pixels."""
    boxes = [Affine(30, 0, 240000 + 3000 * i, 0, -30, 4650000 - 30000 * i) for i in range(6)]
    sites = [Site(f"place {i}", GeoBox((16, 16), box, "EPSG:32615")) for i, box in enumerate(boxes)]
    return truth(WorldSpec(11, *YEARS), sites)


def case(world: SiteWorld, year: int) -> Case:
    """The units of a site as a strip of pixels, from the middle of June on."""
    origin = int(np.datetime64(f"{year}-06-15").astype(int))
    days, targets = np.array([origin - 30, origin - 10, origin]), origin + LEADS
    season = BranchingSeason(world, world.hidden(year), year, [*days, *targets], [origin])
    first = int(world.weather.days[0].astype(int))
    start, stop = origin - 60 - first, int(targets[-1]) - first
    weather, seen = [world.weather], [season.on(targets)]
    for name in ASKED:
        other = other_weather(name, world.weather, origin, int(LEADS[-1]))
        doses = (other.dosed(dose, world.weather) for dose in (world.spec.crop_dose, world.spec.soil_dose))
        seen.append(season.branch(origin, targets, *doses))
        weather.append(other)
    strips = [np.moveaxis(fields, -1, 1)[:, :, None] for fields in (season.on(days), *seen)]
    rows = [each.values[start:stop].astype(np.float32) for each in weather]
    valid = np.ones((3, *strips[0].shape[2:]), bool)
    return Case(
        f"{world.site.name} {year}", sum(map(ord, world.site.name)), year, strips[0], valid, days, LEADS,
        (AS_IT_CAME, *ASKED), np.stack(rows), origin - 60, np.stack(strips[1:]), BANDS, tuple(VARIABLES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cases(worlds: dict[str, SiteWorld]) -> list[Case]:
    return [case(world, year) for world in worlds.values() for year in YEARS]


@pytest.fixture(scope="module")
def answers(cases: list[Case]) -> Answers:
    planted = {"blind": last_clear, "copying": copies_weather, "true": Simulator(cases)}
    return answers_of(planted, cases)


def test_planted_forecasters_are_told_apart(answers: Answers) -> None:
    different = answers.differences()
    assert different["blind", "copying"]["size"] < 0.001
    assert different["blind", "true"]["slope"] < 0.001
    assert different["copying", "true"]["slope"] < 0.001
    assert different["copying", "true"]["agreement"] < 0.001


def test_scores_say_what_each_of_them_does(answers: Answers) -> None:
    blind, copying, true = (answers.scores(name) for name in answers.sums)
    assert blind["slope"].value == blind["size"].value == 0 and blind["direction"].value == 0.5
    assert abs(copying["slope"].value) < 0.2 and copying["size"].value > 0.1
    assert true["slope"].value == pytest.approx(1, abs=0.05) and true["agreement"].value > 0.8
    assert true["direction"].value > 0.8 and abs(true["timing"].value) < 5
    assert true["rmse"].value < blind["rmse"].value and true["crps"].value < blind["crps"].value
    assert answers.p_values("true")["slope is 0"] < 0.001 < 0.05 < answers.p_values("true")["slope is 1"]
    assert answers.p_values("blind") == {"slope is 0": 1.0, "slope is 1": pytest.approx(0.0005, abs=1e-4)}
    assert answers.blocks == 12
    for scenario in (ALL, *ASKED):
        assert answers.scores("true", scenario)["slope"].low > 0.8
    json = answers.as_json()
    assert json["forecasters"]["blind"]["answers"][ALL]["timing"][0] is None
    assert set(json["same"]) == {"blind / copying", "blind / true", "copying / true"}


def test_where_nothing_feels_the_weather_an_answer_is_false(worlds: dict[str, SiteWorld]) -> None:
    worlds = {
        name: replace(world, spec=replace(world.spec, crop_dose=0, soil_dose=0)) for name, world in worlds.items()
    }
    control = [case(world, 2021) for world in worlds.values()]
    assert not np.abs(control[0].truth[1:] - control[0].truth[:1]).any()
    result = answers_of({"blind": last_clear, "copying": copies_weather}, control)
    assert result.scores("blind")["false answer"].high == 0
    assert result.scores("copying")["false answer"].low > 0.01
    assert np.isnan(result.scores("copying")["slope"].value)


def test_an_ensemble_is_scored_by_its_distribution(cases: list[Case]) -> None:
    """For members that err as the truth does, the score is that of a normal distribution, .234 deviations; for the
    image in the middle, .798."""
    rng = np.random.default_rng(0)

    def series(given: ForecastInput) -> Floats:
        return rng.normal(0.3, 0.05, (40, *given.images.shape[1:])).astype(np.float32)

    first = replace(cases[0], bands=("gcc",), truth=cases[0].truth[:, :, :1], images=cases[0].images[:, :1])
    first = replace(first, truth=rng.normal(0.3, 0.05, first.truth.shape).astype(np.float32))
    scores = answers_of({"ensemble": series}, [first]).forecast_error("ensemble")
    assert scores["crps"].value == pytest.approx(0.05 * 0.564, rel=0.15)
    image = answers_of({"image": lambda given: np.full(given.images.shape[1:], 0.3, np.float32)}, [first])
    assert image.forecast_error("image")["crps"].value == pytest.approx(0.05 * 0.798, rel=0.15)


def test_an_input_holds_what_is_known_and_nothing_later(cases: list[Case]) -> None:
    for given in cases[0].inputs():
        assert given.weather_days[-1] == given.target - 1 and len(given.weather) == len(given.weather_days)
        assert given.origin == given.days[-1] < given.target
        assert len(given.gap("tmax")) == (given.target - given.origin).astype(int)
    came, drought = cases[0].inputs()[2], cases[0].inputs()[5]
    np.testing.assert_array_equal(came.weather[:60], drought.weather[:60])
    assert drought.gap("precipitation").sum() == 0 < came.gap("precipitation").sum()


def test_a_forecast_of_another_shape_is_refused(cases: list[Case]) -> None:
    with pytest.raises(InputError, match=r"--forecaster flat: a forecast has shape \(1,"):
        answers_of({"flat": lambda given: given.images[-1, 0]}, cases[:1])
    for name, part in (
        ("soothsayer", "MODULE:OBJECT"),
        ("no_such:thing", "No module"),
        ("math:pi", "cannot be called"),
    ):
        with pytest.raises(InputError, match=part):
            load_object(name)
    assert load_object("math:floor")(2.5) == 2  # type: ignore[arg-type]


def test_few_blocks_decide_nothing() -> None:
    draws = np.full(4000, 1.0)
    assert p_value(draws, 3) == 0.25 and p_value(draws, 30) < 0.001 and p_value(0 * draws, 30) == 1
    assert AnswerSums().table()[1].shape == (0, 14)


def test_networks_and_trees_answer_on_matched_seasons(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = matched_cases(grown_cube)
    assert {case.scenarios for case in cases} == {(AS_IT_CAME, OTHER_SEASON)}
    for each in cases:
        np.testing.assert_array_equal(*each.weather[:, : int(each.days[-1]) - each.weather_start])
        assert np.isfinite(each.truth).any() and each.images.shape[0] == len(each.days)
    short = replace(OPTIONS, steps=2, batch_size=2)
    monkeypatch.setattr("mmvsf.model.answer.rivals.OPTIONS", short)
    cpu = torch.device("cpu")
    kept = {name: Rival(name, grown_cube, tmp_path / name) for name in RIVALS}
    networks = {name: rival.forecaster(cpu) for name, rival in kept.items()}
    result = answers_of({**networks, "climatology": UsualSeason(grown_cube)}, cases[:2], simulated=False)
    assert result.scores("climatology")["size"].value == 0 < result.scores("convlstm")["size"].value
    again = kept["convlstm"].forecaster(cpu)
    given = cases[0].inputs()
    np.testing.assert_array_equal(again(given[0]), networks["convlstm"](given[0]))
    for one, many in zip(map(again, given[:3]), again.many(given[:3]), strict=True):
        np.testing.assert_allclose(one, many, atol=1e-5)
    reader = WindowReader(grown_cube, again.normalisation)
    windows = index_windows(grown_cube)["train"][:4]
    trees = TreeForecaster(training_rows(reader, windows, size=16, rows=400).train(past=True, gap=True), reader)
    assert trees(given[0]).shape == given[0].images.shape[1:]


def test_two_seasons_are_paired_on_the_same_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the cube's weather begins within the weather of the first season, which is the first of a pair, and
    the second, and is given no day that the cube lacks."""
    monkeypatch.setattr("mmvsf.model.answer.pairs.ALIKE", 1)
    years = (2021, 2022, 2023)
    builder = CubeBuilder(sites=1, test_sites=0, years=years, test_years=years[:2], weather_start="2021-01-01")
    cube = builder.write(tmp_path / "late.zarr")
    reader = WindowReader(cube, Normalisation.none(cube))
    [cell], found = [(int(y), int(x)) for y, x in np.argwhere(cube.grid.weather_mask())], set()
    for case in matched_cases(cube):
        origin = date_of(int(case.days[-1]))
        assert date_of(case.weather_start) == (date(2021, 1, 1) if origin.year == 2021 else date(2021, 10, 1))
        past = int(case.days[-1]) - case.weather_start
        ahead = case.weather.shape[1] - past
        for row, courses in enumerate(case.weather):
            dates = {year: day_number(origin.replace(year=year)) for year in years}
            came = {year: cube_weather(reader, cell, first, ahead) for year, first in dates.items()}
            [year] = [year for year in years if np.allclose(courses[past:], came[year], atol=1e-4)]
            found.add((origin.year, year, row))
    assert {(a, b) for a, b, row in found if row == 0} == {(2021, 2021), (2022, 2022)}
    assert {(a, b) for a, b, row in found if row == 1} == {(a, b) for a in years[:2] for b in years if b != a}


def test_pairs_of_the_same_seasons_are_drawn_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out places give each two seasons in both orders, whose true changes are each other's negatives."""
    monkeypatch.setattr("mmvsf.model.answer.pairs.ALIKE", 1)
    builder = CubeBuilder(sites=3, test_sites=2, years=(2018, 2019, 2020, 2021), block=16)
    cases = matched_cases(builder.write(tmp_path / "held.zarr"))
    changes = [(case, index(case.truth[1], case.bands) - index(case.truth[0], case.bands)) for case in cases]
    mirrored = [
        (one.block, other.block)
        for one, change in changes
        for other, back in changes
        if one.row == other.row and np.isfinite(change).any() and np.array_equal(change, -back, equal_nan=True)
    ]
    assert mirrored and all(one == other for one, other in mirrored)
    answers = answers_of({"blind": last_clear}, cases, simulated=False)
    assert answers.blocks == 3 and answers.p_values("blind")["slope is 1"] == 0.25
