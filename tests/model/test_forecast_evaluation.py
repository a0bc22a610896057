"""The forecasts of an evaluation: what is scored, changed and added up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import TrainingSample, collate
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.pairs import PAIRS, window_pairs
from mmvsf.datasets.samples.reader import Floats
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.sidecars.oracle import FORECASTS, Oracle, oracle_layout
from mmvsf.datasets.storage.store import create_group, open_pixels, write_values
from mmvsf.datasets.variables import REFLECTANCE_SCALE, Split
from mmvsf.model.baselines.contextformer import Contextformer
from mmvsf.model.baselines.convlstm import ConvLSTM
from mmvsf.model.baselines.forecast_trees import ForecastTrees, TrainingRows, describe_pairs, training_rows
from mmvsf.model.baselines.simple import interpolate, linear_trend
from mmvsf.model.evaluation.core.settings import FULL, QUICK, settings_for
from mmvsf.model.evaluation.forecasts.error_sums import QUARTERS, ErrorSums, GroupedErrorSums, Row
from mmvsf.model.evaluation.forecasts.eval_items import EvaluationSet, evaluation_set
from mmvsf.model.evaluation.forecasts.missing_images import missing_items, missing_rows
from mmvsf.model.evaluation.forecasts.run import ORACLES, forecast_sample, oracle_rows
from mmvsf.model.evaluation.forecasts.weather_ablations import (
    AS_IT_IS,
    OTHER_FUTURE,
    OTHER_GAPS,
    VARIANTS,
    UsualWeather,
    _other_since,
)
from mmvsf.model.evaluation.plan import Plan
from mmvsf.model.mmvsf.checkpoint import new_network
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.sizes import NetworkConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluated(grown_cube: Cube) -> EvaluationSet:
    return evaluation_set(grown_cube, 2020, windows=2, pairs=6)


@pytest.fixture(scope="module")
def network(grown_cube: Cube, evaluated: EvaluationSet) -> MMVSF:
    torch.manual_seed(0)
    config = NetworkConfig(grown_cube.bands, grown_cube.weather, width=32, heads=2, mlp=32, weather_width=16)
    small = new_network(config, evaluated.reader.normalisation)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return small.eval()


def test_a_fold_holds_out_one_year_and_keeps_the_places(grown_cube: Cube) -> None:
    fold = Fold.holding_out(grown_cube, grown_cube.years[0])
    assert fold.years_of(grown_cube, Split.TEST) == grown_cube.years[:1]
    assert fold.years_of(grown_cube, Split.TRAIN) == grown_cube.years[1:]
    assert np.array_equal(fold.places, Fold.of(grown_cube).places)
    index = index_windows(grown_cube, fold)
    assert {window.year for window in index["new_year"]} == set(grown_cube.years[:1])
    assert grown_cube.years[0] not in {window.year for window in (*index["train"], *index["validation"])}
    with pytest.raises(InputError, match="1900 cannot be held out"):
        Fold.holding_out(grown_cube, 1900)


def test_scored_pairs_lie_in_the_held_out_sets(evaluated: EvaluationSet) -> None:
    assert {item.part for item in evaluated.items} == {"new_place", "new_year", "both"}
    for item in evaluated.items:
        assert (item.window.year == 2020) == (item.part in ("new_year", "both"))
        assert (item.leads >= 5).all()
        assert not (item.scored & ~item.sample.clear[item.sample.target]).any()
        for forecast in item.baselines.values():
            assert np.isfinite(forecast.transpose(0, 2, 3, 1)[item.scored]).all()


def test_baselines_see_nothing_after_the_origin(grown_cube: Cube, evaluated: EvaluationSet) -> None:
    """Persistence and trend are the same for a series cut off at the origin."""
    sample = evaluated.items[0].sample
    for place, (origin, target) in enumerate(zip(sample.origin, sample.target, strict=True)):
        until = slice(0, origin + 1)
        series = sample.images[until], sample.days[until], sample.clear[until]
        trend = linear_trend(*series, int(sample.days[origin]), int(sample.days[target]))
        np.testing.assert_array_equal(trend, evaluated.items[0].baselines["linear trend"][place])


def test_a_line_is_forecast_by_the_linear_trend() -> None:
    days = np.array([0, 10, 20, 30])
    images = (0.01 * days[:, None, None, None] * np.ones((1, 2, 3, 3))).astype(np.float32)
    clear = np.ones((4, 3, 3), bool)
    clear[3, 0, 0] = False
    # The line would reach 0.4, but no pixel has yet been above what it was.
    np.testing.assert_allclose(linear_trend(images, days, clear, 30, 40)[:, 1, 1], 0.3)
    falling = images[::-1].copy()
    np.testing.assert_allclose(linear_trend(falling, days, clear, 20, 25)[:, 0, 0], 0.1, atol=1e-6)
    np.testing.assert_allclose(linear_trend(images, days, clear, 0, 40)[:, 1, 1], 0.0)


def test_interpolation_goes_straight_from_clear_day_to_clear_day() -> None:
    images = np.array([0, 9, 2, 4], np.float32)[:, None, None, None]
    clear = np.array([True, False, True, True])[:, None, None]
    at_days = interpolate(images, np.array([10, 15, 20, 40]), clear, np.array([0, 15, 20, 30, 99]))
    np.testing.assert_allclose(at_days.ravel(), [0, 1, 2, 3, 4])
    assert np.isnan(interpolate(images, np.array([10, 15, 20, 40]), clear & False, np.array([15]))).all()


def test_error_sums_agree_with_numpy(evaluated: EvaluationSet) -> None:
    item = evaluated.items[0]
    forecasts = item.observed + np.random.default_rng(0).normal(0.1, 0.5, item.observed.shape).astype(np.float32)
    sums = GroupedErrorSums(evaluated.reader.normalisation)
    sums.add(item, "noisy", forecasts)
    rows = [row for row in sums.rows(year=2020) if row["variable"] == "mean" and row["cover"] == "all"]
    scores = ErrorSums.from_rows(rows).scores()
    error = (forecasts - item.observed).transpose(0, 2, 3, 1)[item.scored]
    assert scores["mse"] == pytest.approx(float((error.astype(float) ** 2).mean()), rel=1e-5)
    assert scores["bias"] == pytest.approx(float(error.mean()), abs=1e-5)
    usual = (item.baselines["climatology"] - item.observed).transpose(0, 2, 3, 1)[item.scored]
    assert scores["better"] == pytest.approx(float((abs(error) < abs(usual)).mean()))
    sums.add(item, "sharp", item.observed)
    exact = ErrorSums.from_rows(
        row for row in sums.rows() if row["method"] == "sharp" and row["variable"] == "ndvi"
    ).scores()
    assert exact["sharpness"] == 1 and exact["mse"] == pytest.approx(0, abs=1e-9)


def test_covers_are_by_what_was_observed(evaluated: EvaluationSet) -> None:
    sums = GroupedErrorSums(evaluated.reader.normalisation)
    for item in evaluated.items:
        sums.add(item, "x", item.observed)
    rows = [row for row in sums.rows() if row["variable"] == "ndvi"]
    vegetated, bare, everything = (
        ErrorSums.from_rows(row for row in rows if row["cover"] == cover) for cover in ("vegetated", "bare", "all")
    )
    assert vegetated.n and bare.n and vegetated.n + bare.n <= everything.n
    assert vegetated.o / vegetated.n > 0.4 and bare.o / bare.n < 0.25


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {AS_IT_IS, OTHER_FUTURE}))
def test_every_variant_changes_the_forecast(name: str, evaluated: EvaluationSet, network: MMVSF) -> None:
    usual = UsualWeather(evaluated.reader, evaluated.fold.years_of(evaluated.cube, Split.TRAIN))
    item = next(each for each in evaluated.items if each.sample.earlier is not None)
    real = VARIANTS[AS_IT_IS](network, item, usual)
    assert VARIANTS[name](network, item, usual).shape == real.shape
    assert not np.allclose(VARIANTS[name](network, item, usual), real, atol=1e-4)


def test_with_the_usual_weather_everywhere_only_the_gap_could_differ(evaluated: EvaluationSet, network: MMVSF) -> None:
    """Where the weather up to the origin is usual already, replacing the gap is replacing it all."""
    usual = UsualWeather(evaluated.reader, evaluated.fold.years_of(evaluated.cube, Split.TRAIN))
    item = evaluated.items[0]
    changed = replace(item, sample=replace(item.sample, weather=usual.smooth(item)))
    in_gap = _other_since(network, changed, usual.smooth(item), item.sample.days[item.sample.origin])
    np.testing.assert_allclose(in_gap, VARIANTS["usual weather"](network, item, usual), atol=2e-2)


def test_the_gap_begins_on_the_day_of_the_origin(evaluated: EvaluationSet, network: MMVSF) -> None:
    """Weather of the gap is not seen by a forecast whose gap is replaced; weather before the origin is."""
    usual = UsualWeather(evaluated.reader, evaluated.fold.years_of(evaluated.cube, Split.TRAIN))
    item = evaluated.items[0]
    sample = replace(item.sample, origin=item.sample.origin[:1], target=item.sample.target[:1])
    origin = int(sample.days[sample.origin[0]]) - sample.weather_start
    variant = VARIANTS[OTHER_GAPS]
    base = variant(network, replace(item, sample=sample), usual)
    for day, seen in ((origin, False), (origin - 1, True)):
        weather = sample.weather.copy()
        weather[day] += 3
        # Only the gap's own series may matter: images up to the origin are encoded with the weather before them.
        changed = variant(network, replace(item, sample=replace(sample, weather=weather)), usual)
        assert (not np.allclose(changed, base, atol=1e-6)) == seen, day


def test_weather_from_the_target_on_changes_no_forecast(evaluated: EvaluationSet, network: MMVSF) -> None:
    usual = UsualWeather(evaluated.reader, evaluated.fold.years_of(evaluated.cube, Split.TRAIN))
    item = evaluated.items[0]
    later = VARIANTS[OTHER_FUTURE](network, item, usual)
    np.testing.assert_allclose(later, VARIANTS[AS_IT_IS](network, item, usual), atol=2e-2)
    # A day earlier is the last day that counts.
    day_before = item.sample.days[item.sample.target] - 1
    earlier = _other_since(network, item, usual.another(item), day_before)
    assert np.abs(earlier - later).max() > 10 * np.abs(later - VARIANTS[AS_IT_IS](network, item, usual)).max()


def test_usual_weather_is_of_the_training_years(evaluated: EvaluationSet) -> None:
    usual = UsualWeather(evaluated.reader, (2019,))
    item = next(item for item in evaluated.items if item.window.year == 2020)
    start, series = evaluated.reader.weather(item.window.cell, 2019)
    assert item.sample.weather_start - start in (365, 366)
    # 1 July lies as many days after 1 January, but for the leap day.
    new_year = (np.datetime64("2020-01-01") - np.datetime64("1970-01-01")).astype(int) - item.sample.weather_start + 150
    other = (np.datetime64("2019-01-01") - np.datetime64("1970-01-01")).astype(int) - start + 150
    np.testing.assert_array_equal(usual.mean(item)[new_year], series[other])


def make_oracle(path: Path, evaluated: EvaluationSet, years: Collection[int]) -> Oracle:
    """The forecasts of these years: what was observed, without the weather of the gap 0.01 more, and 0.005 more
    from the oracle that infers."""
    windows = [item.window for item in evaluated.items]
    create_group(
        path.parent, oracle_layout(path.name, windows, evaluated.cube.bands, PAIRS, 0, {"cube": evaluated.cube.digest})
    )
    stores = [open_pixels(path, name, write=True) for name in FORECASTS]
    for number, window in enumerate(windows):
        targets = [target for _, target in window_pairs(window)]
        images, _ = evaluated.reader.images(window, window.days[targets])
        stored = np.rint(evaluated.reader.normalisation.reflectance(images) / REFLECTANCE_SCALE).astype(np.int16)
        for store, more in zip(stores, (0, 100, 50, 150), strict=True):
            store[number, : len(targets)].write(stored + np.int16(more)).result()
    write_values(path, "done", np.array([window.year in years for window in windows], np.uint8))
    return Oracle.open(path)


def test_the_oracle_is_scored_in_the_held_out_year_or_refused(evaluated: EvaluationSet, tmp_path: Path) -> None:
    rows = oracle_rows(evaluated, make_oracle(tmp_path / "all.oracle.zarr", evaluated, evaluated.cube.years))
    assert {row["set"] for row in rows} == {"new_year", "both"} and {row["year"] for row in rows} == {2020}
    for method, bias in zip(ORACLES, (0, 0.01, 0.005, 0.015), strict=True):
        scores = ErrorSums.from_rows(
            row for row in rows if (row["method"], row["variable"]) == (method, "nir")
        ).scores()
        assert scores["bias"] == pytest.approx(bias, abs=1e-6) and scores["rmse"] == pytest.approx(bias, abs=1e-4)
    other = make_oracle(tmp_path / "other.oracle.zarr", evaluated, (2019, 2021))
    assert len(other) > 0 and other.years == {2019, 2021}
    with pytest.raises(InputError, match=r"lacks forecasts of 2020; make them with `mmvsf oracle .* --years 2020`"):
        Plan(evaluated.cube, tmp_path, replace(QUICK, full_years=9), other)  # refused before any piece
    with pytest.raises(InputError, match=r"other\.oracle\.zarr lacks forecasts of 2020; make them with .*--years 2020"):
        oracle_rows(evaluated, other)


def test_a_missing_image_is_never_seen(evaluated: EvaluationSet, network: MMVSF) -> None:
    """Other pixels in the missing image change the errors, but no forecast."""
    drawn: list[list[Row]] = []
    for item in missing_items(evaluated, 2)[:2]:
        assert (np.diff([item.sample.origin, item.sample.target], axis=0) == 1).all()
        sample = replace(item.sample, origin=item.sample.origin[:1], target=item.sample.target[:1])
        images = sample.images.copy()
        images[sample.target[0]] += 1
        batches = [collate([sample]), collate([replace(sample, images=images)])]
        first, second = (forecast_sample(network, batch) for batch in batches)
        np.testing.assert_array_equal(first, second)
    for masked in (True, False):
        drawn.append(missing_rows(network, evaluated, "net", 2, weather=True, masked=masked))
    assert {row["method"] for row in drawn[0]} == {"persistence", "line to the next image", "net"}
    assert "net, corrected by the next image" in {row["method"] for row in drawn[1]}


@pytest.mark.parametrize("rival", [ConvLSTM, Contextformer])
def test_rivals_look_forward_only(rival: type[ConvLSTM] | type[Contextformer], evaluated: EvaluationSet) -> None:
    torch.manual_seed(0)
    network = rival(len(evaluated.cube.bands), len(evaluated.cube.weather)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    sample = evaluated.items[0].sample
    batch = collate([replace(sample, origin=sample.origin[:1], target=sample.target[:1])])
    base = network(batch)
    origin, target = int(sample.origin[0]), int(sample.days[sample.target[0]]) - sample.weather_start

    def changed(image: int | None = None, day: int | None = None) -> bool:
        images, weather = batch.images.clone(), batch.weather.clone()
        if image is not None:
            images[:, image] += 1
        if day is not None:
            weather[:, day] += 3
        return not torch.allclose(network(replace(batch, images=images, weather=weather)), base, atol=1e-6)

    assert changed(image=origin) and not changed(image=origin + 1)
    assert changed(day=target - 1)
    if target < batch.weather.shape[1]:
        assert not changed(day=target)


def test_the_contextformer_forecasts_a_change_since_the_last_clear_value(evaluated: EvaluationSet) -> None:
    """Before training there is no change, and a pixel that was never clear is the mean."""
    network = Contextformer(len(evaluated.cube.bands), len(evaluated.cube.weather)).eval()
    item = evaluated.items[0]
    with torch.no_grad():
        forecasts = network(collate([item.sample]))[0].numpy()
    known = np.isfinite(item.baselines["persistence"])
    np.testing.assert_allclose(forecasts[known], item.baselines["persistence"][known], atol=1e-5)
    assert not forecasts[~known].any()


def test_the_contextformer_learns_what_a_warm_gap_does(evaluated: EvaluationSet) -> None:
    """Where every image rises by the mean of the first weather variable over the gap, it learns to."""
    torch.manual_seed(0)
    network = Contextformer(len(evaluated.cube.bands), len(evaluated.cube.weather), width=32, layers=1)
    batch = collate([item.sample for item in evaluated.items[:2]])
    start = batch.weather_start[batch.weather_index][:, None]
    origin = batch.image_days.gather(1, batch.origin)
    total = torch.nn.functional.pad(batch.weather[..., 0].cumsum(1), (1, 0))
    first, last = (total[batch.weather_index[:, None], day - start] for day in (origin, batch.target_day))
    warmth = ((last - first) / (batch.target_day - origin))[:, :, None, None, None]
    with torch.no_grad():
        base = network(batch)
    optimiser, losses = torch.optim.AdamW(network.parameters(), 5e-3), []
    for _ in range(40):
        loss = (network(batch) - base - warmth).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.fixture(scope="module")
def rows(grown_cube: Cube, evaluated: EvaluationSet) -> TrainingRows:
    train = index_windows(grown_cube, evaluated.fold)["train"]
    return training_rows(evaluated.reader, train, size=16, rows=4_000)


@pytest.fixture(scope="module")
def trees(rows: TrainingRows) -> ForecastTrees:
    return rows.train(past=True, gap=True)


def test_trees_forecast_better_than_persistence(evaluated: EvaluationSet, trees: ForecastTrees) -> None:
    errors = np.zeros(2)
    for item in evaluated.items:
        described = describe_pairs(evaluated.reader, item.sample)
        forecasts = trees.forecast(described, item.scored), item.baselines["persistence"]
        pixels = item.scored
        errors += [float(((each - item.observed) ** 2).mean(1)[pixels].sum()) for each in forecasts]
        everywhere = np.moveaxis(trees.forecast(described), 1, -1)
        np.testing.assert_array_equal(np.moveaxis(forecasts[0], 1, -1)[pixels], everywhere[pixels])
        assert np.isnan(forecasts[0]).all(1)[~pixels].all()
    assert errors[0] < 0.6 * errors[1]


def test_trees_see_nothing_after_the_origin_but_the_weather_to_the_target(
    evaluated: EvaluationSet, trees: ForecastTrees
) -> None:
    sample = evaluated.items[0].sample
    first = replace(sample, origin=sample.origin[:1], target=sample.target[:1])

    def forecast(sample: TrainingSample) -> Floats:
        return trees.forecast(describe_pairs(evaluated.reader, sample))

    day, origin = int(first.days[first.target[0]]), int(first.origin[0])
    images, weather = first.images.copy(), first.weather.copy()
    images[origin + 1 :] += 5
    weather[day - first.weather_start :] += 5
    changed = forecast(replace(first, images=images, weather=weather))
    np.testing.assert_array_equal(changed, forecast(first))
    weather[day - first.weather_start - 1] += 5
    assert (forecast(replace(first, weather=weather)) != forecast(first)).any()


@pytest.mark.parametrize("past, gap", [(False, False), (True, False), (False, True)])
def test_trees_without_some_of_the_weather_do_not_see_it(
    evaluated: EvaluationSet, rows: TrainingRows, past: bool, gap: bool
) -> None:
    sample, trees = evaluated.items[0].sample, rows.train(past=past, gap=gap)
    one = replace(sample, origin=sample.origin[:1], target=sample.target[:1])
    origin = int(one.days[one.origin[0]]) - one.weather_start

    def forecast(before: float, after: float) -> Floats:
        weather = one.weather.copy()
        weather[:origin] += before
        weather[origin:] += after
        return trees.forecast(describe_pairs(evaluated.reader, replace(one, weather=weather)))

    as_it_was = forecast(0, 0)
    # The end of the gap may reach back past the origin.
    assert (forecast(5, 0) != as_it_was).any() == (past or gap)
    assert (forecast(0, 5) != as_it_was).any() == gap


def test_errors_are_grouped_by_the_quarter_of_the_target_day(evaluated: EvaluationSet) -> None:
    sums = GroupedErrorSums(evaluated.reader.normalisation)
    for item in evaluated.items:
        sums.add(item, "persistence", item.baselines["persistence"])
    rows = [row for row in sums.rows() if row["variable"] == "mean"]
    by_quarter = {name: sum(row["n"] for row in rows if row["cover"] == name) for name in QUARTERS}
    assert sum(by_quarter.values()) == sum(row["n"] for row in rows if row["cover"] == "all")
    assert by_quarter["April to June"] and by_quarter["July to September"]


def test_single_pixels_are_evaluated_with_sizes_of_their_own(grown_cube: Cube) -> None:
    assert settings_for(grown_cube, FULL) == FULL
    point = replace(grown_cube, spec=replace(grown_cube.spec, grid=replace(grown_cube.grid, block=1, chunk=1)))
    settings = settings_for(point, FULL)
    assert (settings.size, settings.scored) == (1, 1)
    assert settings_for(point, QUICK).steps == QUICK.steps < settings.steps
