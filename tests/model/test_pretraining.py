"""Pretraining on a small grown cube: what it writes, learns and refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
import zarr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.variables import DEFAULT_WEATHER
from mmvsf.model.answer.forecasters import TreeForecaster
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.run import embed
from mmvsf.model.evaluation.command import evaluate
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.settings import QUICK
from mmvsf.model.evaluation.crops.trial import crop_trial
from mmvsf.model.forecasting.scoring import ClimatologySource, score_forecasts
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits, load_checkpoint, new_network
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.pretraining.run import FORECASTS, LOSSES, pretrain
from mmvsf.model.regression.run import RegressionOptions, regress
from mmvsf.model.tables import show_pretrain
from tests.cubes import CubeBuilder
from tests.seal import seal

from .conftest import OPTIONS, QUICK_MAP, Pretrained

pytestmark = pytest.mark.slow


def test_pretraining_learns_and_writes_what_it_promises(pretrained: Pretrained, grown_cube: Cube) -> None:
    folder, metrics = pretrained
    assert metrics["pictures"] == [FORECASTS, LOSSES]
    assert {p.name for p in folder.iterdir()} == {
        "model.safetensors", "config.json", "metrics.json", "loss.png", "forecast.png", "README.md",
    }  # fmt: skip
    assert metrics == json.loads((folder / "metrics.json").read_text())
    error = {
        (r["set"], r["method"]): r["mse"] for r in metrics["forecast"] if (r["lead"], r["variable"]) == ("all", "mean")
    }
    for part in ("new_place", "new_year", "both"):
        assert error[part, "mmvsf"] < 0.8 * error[part, "persistence"], error
    assert {r["variable"] for r in metrics["forecast"]} >= {"blue", "nir", "ndvi", "mean"}
    # The three methods are scored on the same pixels.
    counts = {}
    for row in metrics["forecast"]:
        counts.setdefault((row["set"], row["lead"], row["variable"]), set()).add(row["n"])
    assert all(len(n) == 1 for n in counts.values())
    losses = [row[1] for row in metrics["losses"] if row[1] is not None]
    assert losses[-1] < 0.8 * losses[0]
    config = json.loads((folder / "config.json").read_text())
    assert config["cubes"] == metrics["cubes"] == {grown_cube.digest: "grown"}
    assert config["bands"]["names"] == ["blue", "green", "red", "nir", "swir1", "swir2"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["datasets"] == ["grown"]
    (model,) = front["model-index"]
    assert [result["dataset"]["split"] for result in model["results"]] == ["new_place", "new_year", "both"]
    for result in model["results"]:
        assert result["task"]["type"] and result["dataset"]["type"] == "mmvsf-cube" and result["dataset"]["name"]
        (metric,) = result["metrics"]
        assert metric["value"] == pytest.approx(error[result["dataset"]["split"], "mmvsf"], abs=1e-4)
    row = " | ".join(f"{error['both', method]:.3f}" for method in ("mmvsf", "persistence", "climatology"))
    assert f"| both | {row} |" in card and grown_cube.digest in card and "90 steps of 6 windows" in card


def test_a_cube_is_known_by_its_digest_not_by_its_name(grown_cube: Cube, tmp_path: Path) -> None:
    shutil.copytree(grown_cube.path, tmp_path / "other.zarr")
    zarr.open_group(next((tmp_path / "other.zarr").glob("tiles/x*")), mode="r+").attrs["note"] = "another cube"
    other = seal(tmp_path / "other.zarr")
    assert other.region.name == grown_cube.region.name
    options = replace(OPTIONS, steps=2, batch_size=2, images=3, score_windows=1)
    metrics = pretrain([grown_cube, other], tmp_path, options)
    both = {grown_cube.digest: "grown", other.digest: "grown"}
    assert metrics["cubes"] == both and load_checkpoint(tmp_path).config["cubes"] == both
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert len(both) == 2 and all(digest in card for digest in both)
    mapped = cropmap(other, load_checkpoint(tmp_path), tmp_path / "map", replace(QUICK_MAP, images=3), tmp_path)
    assert mapped["cube"] == other.digest and mapped["model"]["cubes"] == both
    with pytest.raises(InputError, match="are the same cube"):
        pretrain([grown_cube, replace(grown_cube)], tmp_path / "twice", options)


def test_a_cube_that_holds_nothing_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One block, one year: no score, but a model and a map."""
    builder = CubeBuilder(sites=1, years=(2020,), block=16, test_sites=0, test_years=())
    cube = builder.write(tmp_path / "one.zarr")
    options = replace(OPTIONS, steps=2, batch_size=2, images=3)
    metrics = pretrain([cube], tmp_path / "pretrain", options)
    assert metrics["forecast"] == [] and (tmp_path / "pretrain" / "forecast.png").is_file()
    assert "no windows in new_place, new_year, both; not scored" in " ".join(capsys.readouterr().err.split())
    checkpoint = load_checkpoint(tmp_path / "pretrain")
    few = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=100)
    metrics = cropmap(cube, checkpoint, tmp_path / "cropmap", few, tmp_path / "pretrain")
    assert metrics["scores"] == [] and metrics["map"]["year"] == 2020


def test_a_picture_of_an_earlier_model_is_neither_kept_nor_named(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing can be drawn, as of a year with few images."""
    (tmp_path / FORECASTS).write_bytes(b"of an earlier model")
    monkeypatch.setattr("mmvsf.model.pretraining.run.draw_examples", lambda *arguments: [])
    options = replace(OPTIONS, steps=1, batch_size=2, images=3, score_windows=1)
    show_pretrain(pretrain([grown_cube], tmp_path, options), tmp_path)
    assert not (tmp_path / FORECASTS).exists()
    shown = capsys.readouterr().out
    assert FORECASTS not in shown and f"pictures  {tmp_path / LOSSES}" in shown


def test_bad_options_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such size"):
        pretrain([grown_cube], tmp_path, replace(OPTIONS, size="huge"))
    odd = CubeBuilder(sites=1, years=(2020,), block=20, chunk=10, test_sites=0, test_years=())
    with pytest.raises(InputError, match="power of two"):
        pretrain([odd.write(tmp_path / "odd.zarr")], tmp_path, replace(OPTIONS, size="paper"))


def test_windows_that_would_leave_their_chunk_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    """Beyond a chunk there may be a place of another split."""
    builder = CubeBuilder(sites=2, years=(2020, 2021), block=48, chunk=48, yields=True)
    cube = builder.write(tmp_path / "odd.zarr")
    normalisation = Normalisation.of([cube])
    network = new_network(NetworkConfig(cube.bands, cube.weather), normalisation)
    checkpoint = Checkpoint(network, normalisation, weather=True, config={})
    works: list[Callable[[], object]] = [
        lambda: pretrain([cube], tmp_path, OPTIONS),
        lambda: pretrain([cube], tmp_path, replace(OPTIONS, window=16)),
        lambda: cropmap(cube, checkpoint, tmp_path, QUICK_MAP, tmp_path),
        lambda: regress(cube, checkpoint, tmp_path, RegressionOptions("yield"), tmp_path),
        lambda: evaluate(cube, tmp_path, QUICK),
        lambda: crop_trial(hold_out(cube, 2021), QUICK.crops),
        lambda: TreeForecaster.of(cube),
        lambda: embed(cube, NetworkEncoder(network, True, None, WindowReader(cube, normalisation), {}), tmp_path),
    ]
    for work in works:
        with pytest.raises(InputError, match=r"48 pixels cannot be cut into windows of 32 pixels; choose a chunk"):
            work()
    with pytest.raises(InputError, match="16 pixels cannot be cut into windows of 12 pixels; choose another --window"):
        pretrain([grown_cube], tmp_path, replace(OPTIONS, window=12))
    with pytest.raises(InputError, match="16 pixels cannot be cut into windows of 12 pixels; choose a chunk"):
        evaluate(grown_cube, tmp_path, replace(QUICK, size=12))


def test_scores_see_neither_targets_nor_their_weather(pretrained: Pretrained, grown_cube: Cube) -> None:
    """A forecast of the evaluation changes with nothing that lies after its target."""
    checkpoint = load_checkpoint(pretrained[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    window = index_windows(grown_cube)["both"][0]
    whole = _scores(checkpoint.network, reader, {"both": [window]})
    # Without weather the same network does worse here: it was used.
    blind = _scores(checkpoint.network, reader, {"both": [window]}, weather=False)
    assert whole["mmvsf"] != blind["mmvsf"] and whole["persistence"] == blind["persistence"]


def _scores(network: Any, reader: WindowReader, windows: Any, **options: Any) -> dict[str, float]:
    normal = reader.normalisation.bands
    scores = ForecastScores(normal.names, np.float32(normal.mean), np.float32(normal.std))
    assert list(score_forecasts(network, reader, windows, scores, **options)) == list(windows)
    return {r["method"]: r["mse"] for r in scores.rows() if (r["lead"], r["variable"]) == ("all", "mean")}


def test_climatology_comes_from_other_training_years(grown_cube: Cube) -> None:
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    source = ClimatologySource(reader)
    assert source.years == (2019, 2020)
    index = index_windows(grown_cube)
    days = {year: next(w for w in index["train"] if w.year == year) for year in (2019, 2020)}
    left_out = source.for_window(days[2019])
    assert left_out is not None and len(left_out.phase) == len(days[2020].days)
    held_out = next(w for w in index["new_year"] if w.row == days[2019].row and w.column == days[2019].column)
    both = source.for_window(held_out)
    assert both is not None and len(both.phase) == len(days[2019].days) + len(days[2020].days)


def test_other_weather_variables_train_a_model_of_their_own(pretrained: Pretrained, tmp_path: Path) -> None:
    """One more variable is trained on by name; a model of the six refuses that cube in one line."""
    cube = CubeBuilder(variables=(*DEFAULT_WEATHER, "relative_humidity")).write(tmp_path / "humid.zarr")
    pretrain([cube], tmp_path / "pretrain", replace(OPTIONS, steps=2))
    names = load_checkpoint(tmp_path / "pretrain").normalisation.weather.names
    assert tuple(names) == (*DEFAULT_WEATHER, "relative_humidity")
    folder, _ = pretrained
    with pytest.raises(InputError, match=r"expects the weather variables .*wind, but .*wind, relative_humidity; pretr"):
        check_fits(load_checkpoint(folder).normalisation, cube, folder)
