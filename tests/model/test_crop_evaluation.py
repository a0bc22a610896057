"""The trials of crop mapping: what they learn from, what they may not see, and that their numbers add up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, Window, index_windows
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.model.baselines.random_forest import draw_pixels, features, interpolated
from mmvsf.model.cropmap.head import PIXELS, CropHead, CropMapper, MappingOptions, take
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.settings import QUICK, SEASON, CropOptions, HeadOptions
from mmvsf.model.evaluation.crops import seasons as frozen_seasons
from mmvsf.model.evaluation.crops.confusions import CONFIDENT, Confusions, crop_scores
from mmvsf.model.evaluation.crops.features import (
    PixelSeries,
    by_date,
    by_degree_days,
    degree_day_means,
    degree_days,
    monthly_means,
)
from mmvsf.model.evaluation.crops.fields import LabelMaps, draw_fields, split_pixels
from mmvsf.model.evaluation.crops.methods import finetuned, frozen, scratch
from mmvsf.model.evaluation.crops.opponents import opponent_rows
from mmvsf.model.evaluation.crops.plan import FULL, CropPieces
from mmvsf.model.evaluation.crops.rotation import learn_rotation, previous_year
from mmvsf.model.evaluation.crops.seasons import (
    course_of_head,
    encode_seasons,
    members,
    predict_classes,
    train_head,
    until,
    without_totals,
)
from mmvsf.model.evaluation.crops.trial import RANDOM, CropTrial, crop_trial, last_day
from mmvsf.model.evaluation.plan import Plan
from mmvsf.model.mmvsf.checkpoint import Checkpoint, new_network
from mmvsf.model.mmvsf.sizes import NetworkConfig
from tests.cubes import CubeBuilder
from tests.seal import change

TINY = CropOptions(
    train_windows=16,
    score_windows=4,
    images=10,
    fractions=(1.0, 0.1),
    dates=("07-01", SEASON),
    head=HeadOptions(steps=3, pixels=256),
    network=MappingOptions(steps=2, batch_size=2, images=4, early=0.5),
    pixels=1500,
    convolution=10,
)


def make_trial(cube: Cube, year: int = 2021, options: CropOptions = TINY) -> CropTrial:
    return crop_trial(hold_out(cube, year), options)


def make_checkpoint(cube: Cube, *, weather: bool = True) -> Checkpoint:
    torch.manual_seed(0)
    normal = Normalisation.of([cube], [Fold.holding_out(cube, 2021)])
    config = NetworkConfig(cube.bands, cube.weather, width=32, heads=2, mlp=32, weather_width=16, pixel_width=16)
    return Checkpoint(new_network(config, normal).eval(), normal, weather, {})


@pytest.fixture(scope="module")
def trial(grown_cube: Cube) -> CropTrial:
    return make_trial(grown_cube)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes in float32 on every machine."""
    monkeypatch.setattr(frozen_seasons, "autocast_precision", lambda _: None)


@pytest.fixture
def altered(grown_cube: Cube, tmp_path: Path) -> Callable[[dict[str, Any]], Cube]:
    """A copy of the cube with other values in some of its arrays: {name: function of the array}."""

    def copy(changes: dict[str, Callable[[Any], None]]) -> Cube:
        path = tmp_path / grown_cube.path.name
        shutil.copytree(grown_cube.path, path)
        arrays = {name: grown_cube.array(name) for name in changes}
        for name, alter in changes.items():
            alter(arrays[name])
        return change(path, arrays)

    return copy


def single_block(classes: np.ndarray) -> LabelMaps:
    """Label maps of one block."""
    return LabelMaps(lambda _: classes, len(classes))


def whole(side: int, year: int = 2020) -> Window:
    return Window(0, 0, side, year, (0, 0), np.empty(0, np.int32))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_a_field_is_drawn_whole_or_not_at_all(share: float) -> None:
    classes = np.random.default_rng(0).integers(-1, 2, (40, 40))
    drawn = draw_fields(single_block(classes), [whole(40)], share, seed=3)(whole(40))
    known = classes >= 0
    assert np.array_equal(drawn[drawn >= 0], classes[drawn >= 0])
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        together = (classes[a] == classes[b]) & known[a]
        assert np.array_equal(drawn[a][together], drawn[b][together])
    assert 0 < (drawn >= 0).sum() < known.sum()


def test_shares_of_one_seed_lie_within_each_other_and_count_fields() -> None:
    classes = (np.add.outer(np.arange(4), np.arange(4)) % 2).repeat(2, 0).repeat(2, 1)  # 16 fields of 4 pixels
    maps = single_block(classes)
    few, many, other = (
        draw_fields(maps, [whole(8)], share, seed)(whole(8)) >= 0 for share, seed in ((0.25, 0), (0.5, 0), (0.5, 1))
    )
    assert (few.sum(), many.sum()) == (16, 32)
    assert many[few].all() and not np.array_equal(many, other)
    assert (draw_fields(maps, [whole(8)], 1.0, 0)(whole(8)) == classes).all()
    assert (draw_fields(maps, [whole(8)], 1e-9, 0)(whole(8)) >= 0).any()
    with pytest.raises(ValueError, match="no pixel"):
        draw_fields(single_block(np.full((8, 8), -1)), [whole(8)], 1.0, 0)


def test_fields_come_from_the_training_windows_only(trial: CropTrial) -> None:
    chosen = trial.classes(1.0, 0)
    places = {trial.maps.key(window) for window in trial.train}
    assert set(chosen.chosen) == places and not {place[2] for place in places} & {2021}  # type: ignore[attr-defined]
    assert not places & {trial.maps.key(window) for _, window in trial.scored}


def test_the_random_split_shares_no_pixel(trial: CropTrial) -> None:
    training, test = split_pixels(trial.maps, trial.train, 0.2, seed=0)
    learned, tested = (np.stack([part(window) >= 0 for window in trial.train]) for part in (training, test))
    assert not (learned & tested).any() and (learned | tested).all()
    assert 0.15 < tested.mean() < 0.25


def test_labels_of_the_held_out_year_teach_nothing(
    trial: CropTrial, altered: Callable[..., Cube], grown_cube: Cube
) -> None:
    def poison(labels: np.ndarray) -> None:
        labels[2] = np.where(labels[2] > 0, 10 + (labels[2] - 9) % 3, 0)

    poisoned = make_trial(altered({"labels/crop": poison}))
    part, window = trial.scored[-1]
    assert part == "both" and not np.array_equal(trial.maps(window), poisoned.maps(window))
    mapper = CropMapper(make_checkpoint(grown_cube).network, 3, freeze=True).eval()
    learned = []
    for data in (trial, poisoned):
        classes = data.classes(0.5, 0)
        season = encode_seasons(mapper, data.reader, data.train)
        torch.manual_seed(0)
        head = CropHead(mapper.network, 3)
        train_head(head, season, [classes(window) for window in data.train], data.options.head, 0)
        x, y = draw_pixels(lambda w, r=data.reader: features(r, w), data.train, classes, pixels=500, seed=0)
        rotation = learn_rotation(data.maps, data.train, data.train_years, 3, data.majority(classes))
        assert rotation is not None
        learned.append((season.tokens, *head.state_dict().values(), *map(torch.from_numpy, (x, y, rotation.successor))))
    assert all(torch.equal(a, b) for a, b in zip(*learned, strict=True))


def test_rotation_knows_what_followed_and_never_learns_across_the_held_out_year() -> None:
    years = {
        2018: np.array([[0, 0], [1, 2]]),
        2019: np.array([[1, 1], [0, -1]]),
        2020: np.array([[2, 0], [2, 2]]),
    }
    windows = [whole(2, year) for year in years]

    def classes(window: Window) -> np.ndarray:
        return years[window.year]

    rotation = learn_rotation(classes, windows, [2018, 2019], 3, otherwise=2)
    assert rotation is not None
    assert rotation.successor.tolist() == [1, 0, 2]  # the last was followed by nothing known
    assert rotation(np.array([[0, 1], [2, -1]])).tolist() == [[1, 0], [2, 2]]
    assert learn_rotation(classes, windows, [2018, 2020], 3, otherwise=2) is None
    assert previous_year(windows[1]).year == 2018


def test_degree_days_are_summed_from_new_year_to_the_day_before(altered: Callable[..., Cube], grown_cube: Cube) -> None:
    def fill(value: float) -> Callable[[np.ndarray], None]:
        return lambda values: values.fill(value)

    # 4 C counts as 10 and 40 C as 30: every day gives 10 degrees.
    cube = altered({"weather/tmin": fill(4), "weather/tmax": fill(40)})
    window = make_trial(grown_cube).train[0]
    reader = WindowReader(cube, Normalisation.of([grown_cube]))
    passed = window.days - np.datetime64(f"{window.year}-01-01", "D").astype(int)
    np.testing.assert_allclose(degree_days(reader, window), 10 * passed, rtol=1e-4)


def test_series_are_interpolated_along_any_axis() -> None:
    position = np.array([100, 200, 400], np.float32)
    images = np.broadcast_to(position[:, None, None, None] * 2, (3, 1, 1, 2)).copy()
    valid = np.ones((3, 1, 2), bool)
    valid[1, 0, 1] = False
    images[1, 0, 0, 1] = 999
    out = interpolated(images, valid, position, np.array([50, 150, 300, 500]))
    np.testing.assert_allclose(out, [[200, 300, 600, 800], [200, 300, 600, 800]], rtol=1e-6)
    assert not interpolated(images[:0], valid[:0], position[:0], np.array([50])).any()


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("weather", [True, False])
def test_frozen_features_give_the_maps_of_the_whole_network(trial: CropTrial, grown_cube: Cube, weather: bool) -> None:
    mapper = CropMapper(make_checkpoint(grown_cube).network, 3, weather=weather, head_weather=True, freeze=True).eval()
    torch.nn.init.normal_(mapper.head.drivers[-1].weight, std=0.1)
    short = replace(trial.train[0], days=trial.train[0].days[:4])
    windows = [*trial.train[:9], short]  # more than are encoded at once, and of several lengths
    season = encode_seasons(mapper, trial.reader, windows)
    maps = predict_classes(mapper.head, season, [day_number(date(2022, 12, 31))] * 10, 0)
    with torch.inference_mode():
        for place, window in enumerate(windows):
            alone = mapper(collate([season_sample(trial.reader, window)]))[0]
            torch.testing.assert_close(mapper.head(members(season, slice(place, place + 1)))[0], alone)
            assert np.array_equal(maps[place], alone.argmax(0).numpy())


@pytest.mark.slow
@pytest.mark.usefixtures("exact")
def test_a_map_of_a_date_knows_nothing_later(trial: CropTrial, altered: Callable[..., Cube], grown_cube: Cube) -> None:
    window = next(window for _, window in trial.scored if window.year == 2021)
    end = last_day(grown_cube.season.season(2021), "07-01")
    later = end + 1 - grown_cube.calendar.first_day
    assert (window.days <= end).sum() > 2 and (window.days > end).sum() > 2

    def poison(values: np.ndarray) -> None:
        values[later:] = values[later - 40 : later - 39]

    cube = altered({f"weather/{name}": poison for name in grown_cube.weather} | {"imagery/reflectance": poison})
    poisoned = WindowReader(cube, trial.reader.normalisation)
    mapper = CropMapper(make_checkpoint(grown_cube).network, 3, freeze=True).eval()
    torch.nn.init.normal_(mapper.head.drivers[-1].weight, std=0.1)
    both = [encode_seasons(mapper, reader, [window]) for reader in (trial.reader, poisoned)]
    with torch.inference_mode():
        early = [mapper.head(until(season, torch.tensor([end]))) for season in both]
        assert not torch.allclose(*(mapper.head(season) for season in both))
        seen = replace(window, days=window.days[window.days <= end])
        alone = mapper(collate([season_sample(trial.reader, seen)]))
    torch.testing.assert_close(*early)
    torch.testing.assert_close(early[0], alone)
    series = [PixelSeries.read(reader, window) for reader in (trial.reader, poisoned)]
    for describe in (by_date, by_degree_days, monthly_means, degree_day_means):
        assert np.array_equal(*(describe(each, "07-01") for each in series))
        assert not np.array_equal(*(describe(each, SEASON) for each in series))
    nothing = predict_classes(mapper.head, both[0], [int(both[0].days.min()) - 1], otherwise=2)
    assert (nothing == 2).all()


def test_a_single_modal_encoder_sees_no_weather_and_its_head_only_on_request(
    trial: CropTrial, altered: Callable[..., Cube], grown_cube: Cube
) -> None:
    def warmer(values: np.ndarray) -> None:
        values += 5

    warm = WindowReader(altered({"weather/tmax": warmer}), trial.reader.normalisation)
    mapper = CropMapper(make_checkpoint(grown_cube).network, 3, weather=False, head_weather=True, freeze=True).eval()
    usual, other = (encode_seasons(mapper, reader, trial.train[:2]) for reader in (trial.reader, warm))
    assert torch.equal(usual.tokens, other.tokens) and not torch.equal(usual.totals, other.totals)
    assert not without_totals(usual).totals.any()


@pytest.mark.slow
def test_heads_learn(trial: CropTrial, grown_cube: Cube) -> None:
    """On features of a network that was never trained a head still tells these crops apart."""
    mapper = CropMapper(make_checkpoint(grown_cube).network, 3, freeze=True).eval()
    classes = [trial.maps(window) for window in trial.train]
    season = encode_seasons(mapper, trial.reader, trial.train)
    head = CropHead(mapper.network, 3)
    train_head(head, season, classes, HeadOptions(steps=60, pixels=512, learning_rate=5e-3, early=0.0), 0)
    maps = predict_classes(head, season, [day_number(date(2022, 12, 31))] * len(classes), 0)
    assert (maps == np.stack(classes)).mean() > 0.6
    with pytest.raises(ValueError, match="no pixel"):
        train_head(head, season, [np.full_like(labels, -1) for labels in classes], HeadOptions(), 0)


@pytest.mark.parametrize(
    "labelled, steps, rate",
    [(200_000, 400, 8e-3), (51_200, 400, 8e-3), (51_100, 400, 2e-3), (1_600, 100, 2e-3), (10, 1, 2e-3)],
)
def test_few_labelled_pixels_are_not_learned_by_heart(labelled: int, steps: int, rate: float) -> None:
    assert course_of_head(HeadOptions(), labelled) == (steps, rate)


def test_rows_add_up(trial: CropTrial) -> None:
    confusions = Confusions(trial.maps, 3)
    for part, window in trial.scored:
        labels = trial.maps(window)
        confusions.add(part, SEASON, window, labels, labels)
        confusions.add(part, SEASON, window, labels, np.zeros_like(labels))
    rows = confusions.rows({"method": "half right"})
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ("all", "interior", "edge")}
    total = {kind: sum(row["n"] for row in kind_rows) for kind, kind_rows in by_kind.items()}
    assert total["all"] == total["interior"] + total["edge"] == 2 * 16 * 16 * len(trial.scored)
    # Fields of 8 pixels: at most 6 x 6 of the 8 x 8 lie inside, more where neighbours are alike.
    assert 36 / 64 <= total["interior"] / total["all"] < 1
    assert {row["set"] for row in rows} == set(HELD_OUT) and {row["year"] for row in rows} == {2019, 2020, 2021}
    scores = crop_scores(by_kind["all"], trial.names)
    assert scores["per_class"]["late"]["recall"] == 0.5 and scores["per_class"]["early"]["recall"] == 1
    assert scores["accuracy"] == pytest.approx(sum(np.trace(row["confusion"]) for row in by_kind["all"]) / total["all"])


def test_pixels_are_told_apart_by_the_confidence_of_their_label() -> None:
    labels = np.array([[0, 0], [1, 1]])
    confidence = np.array([[CONFIDENT, CONFIDENT - 1], [100, CONFIDENCE_FILL]], np.uint8)
    counts = {}
    for given in (None, confidence):
        confusions = Confusions(LabelMaps(lambda _: labels, 2, lambda _, given=given: given), 2)
        confusions.add("both", SEASON, whole(2), labels, labels)
        counts[given is None] = {row["kind"]: row["n"] for row in confusions.rows({})}
    assert counts[True].keys() == {"all", "interior", "edge"}
    assert (counts[False]["confident"], counts[False]["doubtful"], counts[False]["all"]) == (2, 1, 4)


@pytest.mark.slow
def test_every_method_answers_for_the_same_pixels(trial: CropTrial, grown_cube: Cube) -> None:
    checkpoint, blind = make_checkpoint(grown_cube), make_checkpoint(grown_cube, weather=False)
    before = {name: tensor.clone() for name, tensor in checkpoint.network.state_dict().items()}
    rows = [
        *frozen(trial, checkpoint, "mm-vsf", seed=0),
        *frozen(trial, checkpoint, "mm-vsf", seed=1),
        *frozen(trial, blind, "sm-vsf", seed=0),
        *finetuned(trial, checkpoint, "mm-vsf"),
        *finetuned(trial, blind, "sm-vsf", head_weather=True, fraction=0.1),
        *scratch(trial, checkpoint.network.config, weather=False),
        *opponent_rows(trial),
    ]
    assert all(torch.equal(before[name], tensor) for name, tensor in checkpoint.network.state_dict().items())
    pixels: dict[tuple[Any, ...], int] = {}
    for row in rows:
        if row["kind"] == "all":
            key = tuple(row[k] for k in ("method", "objective", "weather", "seed", "fraction", "date", "set"))
            pixels[key] = pixels.get(key, 0) + row["n"]
    expected = {part: 256 * sum(name == part for name, _ in trial.scored) for part in HELD_OUT}
    for key, n in pixels.items():
        if key[0] != "rotation" and key[-1] != RANDOM:
            assert n == expected[key[-1]], key
    settings = {key[:3] for key in pixels}
    assert settings == {
        ("frozen", "mm-vsf", "encoder"), ("frozen", "sm-vsf", "head"), ("frozen", "sm-vsf", "none"),
        ("finetuned", "mm-vsf", "encoder"), ("finetuned", "sm-vsf", "head"), ("scratch", "", "none"),
        ("majority", "", "none"), ("rotation", "", "none"), ("convolution", "", "none"),
        *((method, "", weather) for method in ("logistic", "forest", "trees") for weather in ("none", "degree-days")),
    }  # fmt: skip
    assert {key[4:6] for key in pixels if key[0] == "forest"} == {(1.0, "07-01"), (1.0, SEASON), (0.1, SEASON)}
    single = {"logistic", "forest", "trees", "convolution"}
    assert {key[0] for key in pixels if key[-1] == RANDOM} == {"frozen", *single}
    # No map of the year before the first one.
    assert {row["year"] for row in rows if row["method"] == "rotation"} == {2020, 2021}


def with_label_years(cube: Cube, years: tuple[int, ...]) -> Cube:
    """The cube as its recipe would describe it with labels of these years."""
    labels = cube.region.labels
    assert labels is not None
    region = cube.region.model_copy(update={"labels": labels.model_copy(update={"years": years})})
    return replace(cube, spec=replace(cube.spec, region=region))


@pytest.mark.parametrize(
    "test_sites, years, full, cool",
    [(1, (2020, 2021), True, True), (1, (2021,), False, False), (1, (2020,), True, True), (0, (2020,), False, True)],
)
def test_a_year_without_labels_to_learn_from_or_to_score_has_no_maps(
    tmp_path: Path, test_sites: int, years: tuple[int, ...], full: bool, cool: bool
) -> None:
    """2021 is held out."""
    builder = CubeBuilder(years=(2020, 2021), block=16, test_sites=test_sites)
    cube = with_label_years(builder.write(tmp_path / "few.zarr"), years)
    plan = Plan(cube, tmp_path, replace(QUICK, years=1))
    assert plan.years == (2021,) and plan.unmapped == (() if full else (2021,))
    names = {piece.name for stage in plan.stages() for chain in stage for piece in chain}
    for folder, possible in (("crops", full), ("cool", cool)):
        assert {f"{folder}/2021/opponents/0", f"{folder}/2021/frozen/mm-vsf/0"} <= names or not possible
        assert possible or not any(name.startswith(f"{folder}/") for name in names)
    assert "forecast/2021/mm-vsf/0" in names


@pytest.mark.parametrize("place", ["training", "held out"])
def test_labels_that_lie_in_windows_of_one_use_give_no_rows(
    altered: Callable[..., Cube], grown_cube: Cube, tmp_path: Path, place: str
) -> None:
    test, train = grown_cube.grid.blocks[:2]
    rows, columns = grown_cube.grid.block_slices(train if place == "training" else test)

    def keep(labels: np.ndarray) -> None:
        kept = labels[:2, rows, columns].copy()
        labels[...] = 0
        labels[:2, rows, columns] = kept

    cube = altered({"labels/crop": keep})
    trial = make_trial(cube)
    assert not trial.possible and bool(trial.train) == (place == "training") and bool(trial.scored) != bool(trial.train)
    pieces = CropPieces(cube, tmp_path, QUICK, lambda _: 1e-3, None)
    assert pieces.possible(FULL, 2021)
    assert [piece.work(tmp_path) for chain in pieces.opponents(FULL, 2021) for piece in chain] == [{"rows": []}] * 2


def test_one_labelled_field_is_enough(altered: Callable[..., Cube], grown_cube: Cube) -> None:
    """A single class is learned by all methods, from the only window that has labels."""
    rows, columns = (part.start for part in grown_cube.grid.block_slices(grown_cube.grid.blocks[1]))

    def keep(labels: np.ndarray) -> None:
        field = labels[0, rows : rows + 8, columns : columns + 8].copy()
        labels[:2] = 0
        labels[0, rows : rows + 8, columns : columns + 8] = field

    trial = make_trial(altered({"labels/crop": keep}))
    assert [(window.row, window.column, window.year) for window in trial.train] == [(rows, columns, 2019)]
    assert trial.possible and {part for part, _ in trial.scored} == {"new_year", "both"}
    rows_of_all = [*opponent_rows(trial), *frozen(trial, make_checkpoint(grown_cube), "mm-vsf")]
    assert {row["method"] for row in rows_of_all} >= {"logistic", "forest", "trees", "convolution", "frozen"}
    learned = int(trial.maps(trial.train[0]).max())
    for row in rows_of_all:
        if row["method"] in ("logistic", "forest", "trees"):
            assert not np.delete(np.array(row["confusion"]), learned, axis=1).any()
    # Without a pixel to learn from there is no random split, not an error.
    assert RANDOM in {row["set"] for row in rows_of_all} and trial.random_split(0) is not None
    assert replace(trial, options=replace(TINY, random_pixels=1.0)).random_split(0) is None


@pytest.mark.slow
def test_a_cube_without_labels_is_refused(tmp_path: Path) -> None:
    builder = CubeBuilder(sites=2, years=(2019, 2020), block=16, labels=False, test_years=(2020,))
    cube = builder.write(tmp_path / "bare.zarr")
    with pytest.raises(InputError, match="no labels"):
        make_trial(cube, 2020)


def test_a_step_learns_from_drawn_pixels_as_from_all(grown_cube: Cube) -> None:
    """Scores of drawn pixels are those of the same pixels of the whole window; labelled ones are drawn first."""
    checkpoint = make_checkpoint(grown_cube)
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    window = next(w for w in index_windows(grown_cube)["train"] if len(w.earlier))
    batch = collate([season_sample(reader, window)])
    known = torch.zeros(1, window.size, window.size, dtype=torch.bool)
    known[0, :3] = True
    mapper = CropMapper(checkpoint.network, 3).eval()
    chosen = mapper.draw(known, torch.Generator().manual_seed(0))
    assert chosen is not None and chosen.shape == (1, PIXELS) and len(set(chosen[0].tolist())) == PIXELS
    assert int(take(known, chosen).sum()) == min(PIXELS, 3 * window.size)
    with torch.inference_mode():
        whole, some = mapper(batch), mapper(batch, chosen)
    torch.testing.assert_close(some[0, :, :, 0], whole[0].flatten(1)[:, chosen[0]], atol=1e-4, rtol=1e-4)
    coarse = CropMapper(new_network(replace(checkpoint.network.config, patch=4), checkpoint.normalisation), 3)
    assert coarse.draw(known, torch.Generator()) is None
