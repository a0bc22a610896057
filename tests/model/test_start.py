"""A pretraining that begins from a trained model: its weights, what it refuses, and what it tells of its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from pyproj import Transformer
from safetensors.torch import load_file
from typer.testing import CliRunner

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.windows import HELD_OUT, Window, index_windows
from mmvsf.datasets.variables import Split
from mmvsf.datasets.words import months_in_words
from mmvsf.model.cli import app
from mmvsf.model.cli.options import named_model
from mmvsf.model.mmvsf import learned
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.learned import LearnedCube, differences, generations
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.pretraining.start import Start
from mmvsf.model.training.module import Training
from tests.cubes import CubeBuilder

from .conftest import OPTIONS

SHORT = replace(OPTIONS, steps=10, batch_size=2, images=4, score_windows=1)
TINY = {"width": 16, "heads": 2, "mlp": 16, "weather_width": 16, "pixel_width": 16, "temporal_layers": 1}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """A cube of other places and years than `grown_cube`."""
    builder = CubeBuilder(sites=2, years=(2012, 2013), test_years=(2013,), labels=False, seed=1)
    return builder.write(tmp_path_factory.mktemp("cubes") / "elsewhere.zarr")


@pytest.fixture
def begin(grown_cube: Cube, elsewhere: Cube, tmp_path: Path) -> Callable[..., Start]:
    """Makes a small trained model; by default of `elsewhere`."""

    def make(cubes: list[Cube] | None = None, normal: Normalisation | None = None, **changes: Any) -> Start:
        cubes = [elsewhere] if cubes is None else cubes
        normal = normal or Normalisation.of(cubes or [grown_cube])
        torch.manual_seed(5)
        config = NetworkConfig(normal.bands.names, normal.weather.names, **{**TINY, **changes})
        save_checkpoint(tmp_path / "start", new_network(config, normal), normal, cubes, {})
        return Start(load_checkpoint(tmp_path / "start"), tmp_path / "start")

    return make


def held_out(cube: Cube) -> list[Window]:
    return [window for part in HELD_OUT for window in index_windows(cube)[part]]


@pytest.mark.slow
def test_a_training_begins_from_the_very_weights(
    grown_cube: Cube, begin: Callable[..., Start], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of its first step is that of the trained model on the same batch, in the model's own units."""
    start, losses = begin(), []
    step = Training.training_step

    def compared(self: Training[Any], batch: Any, number: int) -> Any:
        loss = step(self, batch, number)
        own = self.objective(start.checkpoint.network, batch, self._generator(self.global_step), 0.0)
        losses.append((loss.item(), own.item()))
        return loss

    monkeypatch.setattr(Training, "training_step", compared)
    metrics = pretrain([grown_cube], tmp_path / "run", replace(SHORT, steps=2, objective="sm-vsf"), start=start)
    assert losses[0][0] == losses[0][1] and losses[1][0] != losses[1][1]
    assert metrics["options"]["size"] == "custom"
    trained = load_checkpoint(tmp_path / "run")
    assert trained.normalisation == start.checkpoint.normalisation != Normalisation.of([grown_cube])
    assert trained.network.config == start.checkpoint.network.config and not trained.weather


@pytest.mark.slow
def test_an_interrupted_training_resumes_to_the_same_weights(
    grown_cube: Cube, begin: Callable[..., Start], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = begin()
    pretrain([grown_cube], tmp_path / "whole", SHORT, start=start)
    step = Training.training_step

    def killed(self: Training[Any], batch: Any, number: int) -> Any:
        if self.global_step == 6:
            raise RuntimeError("killed")
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain([grown_cube], tmp_path / "cut", SHORT, start=start)
    for other in (None, begin([grown_cube])):
        with pytest.raises(InputError, match="unfinished training with other options"):
            pretrain([grown_cube], tmp_path / "cut", replace(SHORT, size="compact" if other is None else None),
                     start=other)  # fmt: skip
    pretrain([grown_cube], tmp_path / "cut", SHORT, start=begin())
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    weights = load_file(tmp_path / "start/model.safetensors")
    assert any(
        not torch.equal(weights[key], value) for key, value in load_file(tmp_path / "cut/model.safetensors").items()
    )


TRAIN = """
import sys
from dataclasses import replace
from pathlib import Path
from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.mmvsf.checkpoint import load_checkpoint
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.pretraining.start import Start
from tests.model.test_start import SHORT
cube, start, folder = map(Path, sys.argv[1:])
options = replace(SHORT, steps=2, batch_size=1, devices=2)
pretrain([Cube.open(cube)], folder, options, start=Start(load_checkpoint(start), start))
"""


@pytest.mark.slow
def test_two_processes_begin_from_one_model(grown_cube: Cube, begin: Callable[..., Start], tmp_path: Path) -> None:
    """Also where the objective leaves parameters out, such as those that reconstruct weather."""
    start, script = begin(), tmp_path / "train.py"
    script.write_text(TRAIN)
    command = [sys.executable, script, grown_cube.path, start.folder, tmp_path / "run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    trained = load_checkpoint(tmp_path / "run")
    assert [generation.weights_sha256 for generation in generations(trained.config)][1:] == [start.digest]
    assert not torch.equal(trained.network.embed.weight, start.checkpoint.network.embed.weight)


@pytest.mark.slow
def test_a_model_names_all_that_it_has_seen(
    grown_cube: Cube, elsewhere: Cube, begin: Callable[..., Start], tmp_path: Path
) -> None:
    """Two generations: `elsewhere`, then `grown`, then `elsewhere` again."""
    first, short = begin(), replace(SHORT, steps=1)
    metrics = pretrain([grown_cube], tmp_path / "second", short, start=first)
    assert metrics["start"]["weights_sha256"] == first.digest and metrics["start"]["cubes"] == {
        elsewhere.digest: "elsewhere"
    }
    second = Start(load_checkpoint(tmp_path / "second"), tmp_path / "second")
    metrics = pretrain([elsewhere], tmp_path / "third", short, start=second)
    line = generations(load_checkpoint(tmp_path / "third").config)
    assert [set(generation.cubes.values()) for generation in line] == [{"elsewhere"}, {"grown"}, {"elsewhere"}]
    assert [generation.weights_sha256 for generation in line[1:]] == [second.digest, first.digest]
    assert metrics["start"]["cubes"] == {elsewhere.digest: "elsewhere", grown_cube.digest: "grown"}
    assert metrics["start"]["held_out"][elsewhere.digest]["same_cube"]
    card = " ".join((tmp_path / "third/README.md").read_text().split())
    assert f"The training began from the weights SHA-256 {second.digest}" in card
    assert f"That model began from the weights SHA-256 {first.digest}" in card
    assert card.count(grown_cube.digest) == 1 and "- elsewhere: not stated - grown: not stated" in card
    assert "datasets: - elsewhere - grown" in card and "held-out windows are among" not in card
    assert "start" in json.loads((tmp_path / "third/metrics.json").read_text())


def test_a_model_that_saw_what_is_held_out_is_reported(
    grown_cube: Cube, begin: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = begin()
    assert list(start.notes([grown_cube])) == []
    with monkeypatch.context() as patch:
        patch.setattr(learned, "MOST", 1)  # a cube of many places, which are recorded coarsely
        assert not any(begin([grown_cube]).about([grown_cube])["held_out"][grown_cube.digest]["learned"].values())
    same = begin([grown_cube])
    assert not any(same.about([grown_cube])["held_out"][grown_cube.digest]["learned"].values())
    (note,) = same.notes([grown_cube])
    assert "was trained on" in note and "with the same places and years held out" in note
    fold = Fold.holding_out(grown_cube, 2019)
    save_checkpoint(same.folder, same.checkpoint.network, same.checkpoint.normalisation, [grown_cube], {}, folds=[fold])
    other = Start(load_checkpoint(same.folder), same.folder)
    windows = index_windows(grown_cube)
    told = other.about([grown_cube])["held_out"][grown_cube.digest]
    assert told["learned"] == {"new_place": 0, "new_year": len(windows["new_year"]), "both": 0}
    (note,) = other.notes([grown_cube])
    assert (
        note.startswith("warning") and f"on {len(windows['new_year'])} of the {len(held_out(grown_cube))} win" in note
    )
    config = json.loads((same.folder / "config.json").read_text())
    (same.folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "learned"}))
    earlier = Start(load_checkpoint(same.folder), same.folder)
    assert earlier.about([grown_cube])["held_out"][grown_cube.digest]["not_recorded"] == [grown_cube.digest]
    assert "does not record which places and years" in next(iter(earlier.notes([grown_cube])))


def test_places_are_compared_across_grids_and_seasons(grown_cube: Cube) -> None:
    """What was learned in another CRS covers the same ground; a neighbour, another season or another world does not."""
    of_cube = LearnedCube.of(grown_cube, Fold.of(grown_cube))
    windows = held_out(grown_cube)
    one = next(window for window in windows if window.year == 2021)
    left, top = grown_cube.grid.left + 30 * one.column, grown_cube.grid.top - 30 * one.row
    side = 30 * one.size
    corners = shapely.box(left, top - side, left + side, top)
    moved = Transformer.from_crs(grown_cube.grid.crs, "EPSG:5070", always_xy=True)
    shape = shapely.transform(corners, moved.transform, interleaved=False)
    inner = shapely.box(*shape.bounds).intersection(shape.buffer(-side / 8)).bounds
    here = of_cube.model_copy(
        update={"crs": "EPSG:5070", "places": (inner,), "seasons": ((one_day := _day(2021),) * 2,)}
    )
    assert here.windows_in(grown_cube, windows) == {(one.row, one.column, 2021)} and one_day.year == 2021
    assert not here.model_copy(update={"seasons": ((_day(2018),) * 2,)}).windows_in(grown_cube, windows)
    assert not here.model_copy(update={"world": {"seed": 1}}).windows_in(grown_cube, windows)
    beside = (left + side, top - side, left + 2 * side, top)
    touching = here.model_copy(update={"crs": grown_cube.grid.crs, "places": (beside,)})
    assert (one.row, one.column, 2021) not in touching.windows_in(grown_cube, windows)
    antipodes = here.model_copy(update={"crs": "EPSG:32755", "places": ((0, 0, 1e6, 1e7),)})
    assert not antipodes.windows_in(grown_cube, windows)


def _day(year: int) -> Any:
    return np.datetime64(f"{year}-07-01", "D").item()


@pytest.mark.parametrize("most", [1000, 9, 1])
def test_rectangles_cover_the_places_for_training(grown_cube: Cube, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "MOST", most)
    rng, shape = np.random.default_rng(most), grown_cube.grid.chunk_shape
    places = np.where(rng.random(shape) < 0.4, Split.TRAIN, Split.TEST).astype(np.uint8)
    facts = LearnedCube.of(grown_cube, replace(Fold.of(grown_cube), places=places))
    assert len(facts.places) <= most
    grid, size = grown_cube.grid, grown_cube.grid.chunk
    windows = [Window(y * size, x * size, size, 2019, (0, 0), np.empty(0, np.int32)) for y, x in np.ndindex(shape)]
    inside = facts.windows_in(grown_cube, windows)
    training = {(w.row, w.column, 2019) for w in windows if places[w.row // size, w.column // size] == Split.TRAIN}
    assert inside >= training and (inside == training or most < 1000)
    if most == 1000:
        area = sum((right - left) * (top - bottom) for left, bottom, right, top in facts.places)
        assert area == len(training) * (size * grid.resolution) ** 2


def test_a_cube_unlike_what_was_learned_is_reported(grown_cube: Cube, begin: Callable[..., Start]) -> None:
    normal = Normalisation.of([grown_cube])
    bands = replace(normal.bands, mean=tuple(10000 * value for value in normal.bands.mean))
    (note,) = begin([], replace(normal, bands=bands)).notes([grown_cube])
    assert "is unlike what" in note and note.endswith(
        "blue, green, red, nir, swir1, swir2 lies more than 3 deviations off"
    )
    facts = LearnedCube.of(grown_cube, Fold.of(grown_cube))
    assert differences([facts], grown_cube) == differences([], grown_cube) == []
    months = grown_cube.region.period.months
    others = [facts.model_copy(update={"resolution": 10.0, "products": ("hls-s30",), "months": months[2:]})]
    assert differences(others, grown_cube) == [
        "pixels of 30 m, and 10 m in training", "images of hls-l30, which were not in training",
        f"images from {months_in_words(months[:2])}, and none from then in training",
    ]  # fmt: skip
    assert differences([facts.model_copy(update={"months": ()})], grown_cube) == []  # of an earlier release


def test_a_start_that_does_not_fit_is_refused_before_the_work(
    grown_cube: Cube, begin: Callable[..., Start], tmp_path: Path
) -> None:
    start = begin()
    for size, message in (("compact", "has the size custom, which is kept; omit --size"), ("huge", "no such size")):
        with pytest.raises(InputError, match=message):
            pretrain([grown_cube], tmp_path / "run", replace(SHORT, size=size), start=start)
    with pytest.raises(InputError, match="would replace the model"):
        pretrain([grown_cube], tmp_path / "start", SHORT, start=start)
    normal = start.checkpoint.normalisation
    for kind in ("bands", "weather"):
        moments = getattr(normal, kind)
        names = replace(normal, **{kind: replace(moments, names=(*moments.names[:-1], "other"))})
        with pytest.raises(InputError, match=r"expects the (bands|weather variables) .*other, but"):
            pretrain([grown_cube], tmp_path / "run", SHORT, start=begin([], names))
    assert not (tmp_path / "run").exists()


def test_the_command_names_a_model_by_its_folder_or_its_region(
    grown_cube: Cube, elsewhere: Cube, begin: Callable[..., Start], tmp_path: Path
) -> None:
    begin().folder.rename(tmp_path / "pretrain")
    (tmp_path / "runs/elsewhere").mkdir(parents=True)
    folder = (tmp_path / "pretrain").rename(tmp_path / "runs/elsewhere/pretrain")
    for name in ("elsewhere", str(folder), str(folder.parent)):
        assert named_model("--start", name, tmp_path / "runs") == folder
    common = ("--data-dir", str(tmp_path), "--runs-dir", str(tmp_path / "runs"))
    run = CliRunner().invoke
    for cube, start, message in (
        (elsewhere, "elsewhere", "would replace the model"),
        (grown_cube, "nowhere", "there is no trained model in nowhere"),
        (grown_cube, "s3://bucket/model", "--start s3://bucket/model"),
    ):
        error = run(app, ["pretrain", str(cube.path), "--start", start, *common]).exception
        assert isinstance(error, InputError) and message in str(error)
    error = run(app, ["pretrain", str(grown_cube.path), "--start", "elsewhere", "--size", "large", *common]).exception
    assert isinstance(error, InputError) and "--size large: the model in" in str(error)
