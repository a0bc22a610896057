"""Whole runs on a small grown cube: what is written, what is refused, and that a killed run resumes exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from safetensors.torch import load_file

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.variables import DEFAULT_WEATHER
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.forecast import forecast_block, write_image
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.checkpoint import check_fits, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.pretraining.fit import LAST, PretrainOptions
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.pretraining.training import Training
from mmvsf.model.scoring import ClimatologySource, score_forecasts

OPTIONS = PretrainOptions(steps=90, batch_size=6, images=8, score_windows=4)


@pytest.fixture(scope="module")
def run(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    return folder, pretrain([grown_cube], folder, OPTIONS)


def test_pretraining_learns_and_writes_what_it_promises(run: tuple[Path, dict[str, Any]]) -> None:
    folder, metrics = run
    assert {p.name for p in folder.iterdir()} == {
        "weights.safetensors", "config.json", "metrics.json", "loss.png", "forecast.png", "MODEL_CARD.md",
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
    assert config["cubes"] == {"grown": "grown-0"}
    assert config["bands"]["names"] == ["blue", "green", "red", "nir", "swir1", "swir2"]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["datasets"] == ["grown"]
    row = " | ".join(f"{error['both', method]:.3f}" for method in ("mmvsf", "persistence", "climatology"))
    assert f"| both | {row} |" in card and "grown-0" in card and "90 steps of 6 windows" in card


def test_a_killed_run_resumes_to_the_same_weights(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, steps=20, batch_size=2, images=4, score_windows=1, mask_ratio=0.5)
    pretrain([grown_cube], tmp_path / "whole", options)
    step = Training.training_step

    def killed(self: Training[Any], batch: Any, number: int) -> Any:
        if self.global_step == 13:
            raise RuntimeError("killed")
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain([grown_cube], tmp_path / "cut", options)
    assert (tmp_path / "cut" / LAST).is_file() and not (tmp_path / "cut" / "weights.safetensors").exists()
    with pytest.raises(InputError, match="unfinished training with other options"):
        pretrain([grown_cube], tmp_path / "cut", replace(options, seed=1))
    resumed = pretrain([grown_cube], tmp_path / "cut", options)
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "cut")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert [row[0] for row in resumed["losses"] if row[1]] == list(range(1, 21))
    assert not (tmp_path / "cut" / LAST).exists()


def test_several_cubes_train_one_model(grown_cube: Cube, tmp_path: Path) -> None:
    other = replace(grown_cube, region=grown_cube.region.model_copy(update={"name": "second"}))
    options = replace(OPTIONS, steps=2, batch_size=2, images=3, score_windows=1)
    metrics = pretrain([grown_cube, other], tmp_path, options)
    assert set(metrics["cubes"]) == {"grown", "second"}


def test_a_cube_that_holds_nothing_out(
    make_cube: Callable[..., Cube], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One block, one year: no score, but a model and a map."""
    cube = make_cube(tmp_path / "one.zarr", sites=1, years=(2020,), block=16, test_sites=0, test_years=())
    options = replace(OPTIONS, steps=2, batch_size=2, images=3)
    metrics = pretrain([cube], tmp_path / "pretrain", options)
    assert metrics["forecast"] == [] and (tmp_path / "pretrain" / "forecast.png").is_file()
    assert "no windows in new_place, new_year, both; not scored" in " ".join(capsys.readouterr().err.split())
    checkpoint = load_checkpoint(tmp_path / "pretrain")
    few = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=100)
    metrics = cropmap(cube, checkpoint, tmp_path / "cropmap", few, tmp_path / "pretrain")
    assert metrics["scores"] == [] and metrics["map"]["year"] == 2020


def test_bad_options_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such size"):
        pretrain([grown_cube], tmp_path, replace(OPTIONS, size="huge"))
    odd = replace(grown_cube, grid=replace(grown_cube.grid, chunk=10))
    with pytest.raises(InputError, match="power of two"):
        pretrain([odd], tmp_path, OPTIONS)


def test_scores_see_neither_targets_nor_their_weather(run: tuple[Path, dict[str, Any]], grown_cube: Cube) -> None:
    """A forecast of the evaluation changes with nothing that lies after its target."""
    checkpoint = load_checkpoint(run[0])
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
    left_out = source.of(days[2019])
    assert left_out is not None and len(left_out.phase) == len(days[2020].days)
    held_out = next(w for w in index["new_year"] if w.row == days[2019].row and w.column == days[2019].column)
    both = source.of(held_out)
    assert both is not None and len(both.phase) == len(days[2019].days) + len(days[2020].days)


def test_a_checkpoint_comes_back_as_it_was(run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run[0])
    assert checkpoint.normalisation == Normalisation.of([grown_cube])
    save_checkpoint(tmp_path, checkpoint.network, checkpoint.normalisation, {}, {}, weather=False)
    again = load_checkpoint(tmp_path)
    assert not again.weather
    for key, value in checkpoint.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key])


def test_damaged_checkpoints_are_said(run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model"):
        load_checkpoint(tmp_path)
    checkpoint = load_checkpoint(run[0])
    save_checkpoint(tmp_path, checkpoint.network, checkpoint.normalisation, {}, {})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format_version": 9}))
    with pytest.raises(InputError, match="format version 9"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)


def test_a_model_of_other_bands_is_refused(grown_cube: Cube, tmp_path: Path) -> None:
    normal = Normalisation.of([grown_cube])
    bands = replace(normal.bands, names=(*normal.bands.names[:5], "thermal"))
    other = replace(normal, bands=bands)
    network = new_network(NetworkConfig(bands.names, normal.weather.names, width=32, heads=2), other)
    save_checkpoint(tmp_path, network, other, {}, {})
    with pytest.raises(InputError, match=r"expects the bands .*thermal, but .*grown\.zarr carries .*swir2; pretrain"):
        cropmap(grown_cube, load_checkpoint(tmp_path), tmp_path, CropmapOptions(), tmp_path)


def test_other_weather_variables_train_a_model_of_their_own(
    run: tuple[Path, dict[str, Any]], make_cube: Callable[..., Cube], tmp_path: Path
) -> None:
    """One more variable is trained on by name; a model of the six refuses that cube in one line."""
    cube = make_cube(tmp_path / "humid.zarr", variables=(*DEFAULT_WEATHER, "relative_humidity"))
    pretrain([cube], tmp_path / "pretrain", replace(OPTIONS, steps=2))
    names = load_checkpoint(tmp_path / "pretrain").normalisation.weather.names
    assert tuple(names) == (*DEFAULT_WEATHER, "relative_humidity")
    folder, _ = run
    with pytest.raises(InputError, match=r"expects the weather variables .*wind, but .*wind, relative_humidity; pretr"):
        check_fits(load_checkpoint(folder), cube, folder)


def test_a_crop_map_is_made(run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path) -> None:
    options = CropmapOptions(steps=60, images=10, forest_pixels=600, learning_rate=2e-3)
    metrics = cropmap(grown_cube, load_checkpoint(run[0]), tmp_path, options, run[0])
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    scores = {(row["set"], row["method"]): row for row in metrics["scores"]}
    assert len(scores) == 9
    assert scores["new_year", "mmvsf"]["mean_f1"] > scores["new_year", "majority"]["mean_f1"] + 0.2
    assert scores["new_year", "random_forest"]["accuracy"] > 0.8
    for row in scores.values():
        assert np.sum(row["confusion"]) == sum(c["support"] for c in row["per_class"].values())
    assert metrics["map"]["year"] == 2021
    with rasterio.open(tmp_path / "crop_map.tif") as source:
        values = source.read(1)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.transform == grown_cube.grid.geobox.affine and source.crs.to_epsg() == 32615
        assert source.colormap(1)[10] == (0xE0, 0xC0, 0x20, 255)
        assert source.tags()["class_12"] == "meadow"
    covered = np.zeros(values.shape, bool)
    for block in grown_cube.grid.blocks:
        covered[grown_cube.grid.block_slices(block)] = True
    assert set(np.unique(values[covered])) <= {10, 11, 12} and not values[~covered].any()
    # The map of the held-out year agrees with its score.
    labels = grown_cube.array("labels/crop")[2]
    test = np.zeros_like(covered)
    for window in index_windows(grown_cube)["new_year"]:
        test[window.slices] = True
    assert (values == labels)[test].mean() == pytest.approx(scores["new_year", "mmvsf"]["accuracy"], abs=1e-6)
    with rasterio.open(tmp_path / "confidence.tif") as source:
        percent = source.read(1)
        assert (percent[covered] <= 100).all() and (percent[~covered] == 255).all()


def test_frozen_means_frozen(run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run[0])
    before = {key: value.clone() for key, value in checkpoint.network.state_dict().items()}
    options = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=200, freeze=True, year=2020)
    metrics = cropmap(grown_cube, checkpoint, tmp_path, options, run[0])
    assert all(torch.equal(value, before[key]) for key, value in checkpoint.network.state_dict().items())
    assert metrics["map"]["year"] == 2020


def test_without_labels_there_is_no_crop_map(
    run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path
) -> None:
    bare = replace(grown_cube, legend=None, label_years=())
    with pytest.raises(InputError, match="has no labels; add `labels`"):
        cropmap(bare, load_checkpoint(run[0]), tmp_path, CropmapOptions(), run[0])
    late = replace(grown_cube, label_years=(2021,))
    with pytest.raises(InputError, match="no labels in its training years"):
        cropmap(late, load_checkpoint(run[0]), tmp_path, CropmapOptions(), run[0])


def test_a_block_is_forecast(run: tuple[Path, dict[str, Any]], grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    day = int(index_windows(grown_cube)["both"][0].days[20])
    block = grown_cube.grid.blocks[0]
    result = forecast_block(checkpoint.network, reader, block, day, lead=10, size=16)
    assert result.issued == day - 10 and result.forecast.shape == (6, 32, 32)
    assert np.isfinite(result.forecast).all() and result.forecast.mean() == pytest.approx(0.15, abs=0.1)
    assert np.isfinite(result.observed).any()
    write_image(tmp_path / "x.tif", result.forecast, grown_cube, block, {"day": "2021-06-01"})
    with rasterio.open(tmp_path / "x.tif") as source:
        assert source.descriptions == grown_cube.bands
        assert source.transform == grown_cube.grid.block_geobox(block).affine
        np.testing.assert_array_equal(source.read(), result.forecast)
    with pytest.raises(InputError, match="block 5,5 is not in this cube"):
        forecast_block(checkpoint.network, reader, (5, 5), day)
    with pytest.raises(InputError, match="cannot forecast 2030"):
        forecast_block(checkpoint.network, reader, block, day + 3300)
