"""A training that goes wrong, or is ended, never leaves less than there was: divergence, signals, gaps, forks."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from typer.testing import CliRunner

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.samples.loader import ForecastSamples, SamplePlan
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import clear_days, index_windows
from mmvsf.datasets.storage.run_lock import run_lock
from mmvsf.model.blocks import block_tiles
from mmvsf.model.cli import app
from mmvsf.model.evaluation.core.held_out import hold_out
from mmvsf.model.evaluation.core.names import METHODS
from mmvsf.model.evaluation.core.settings import EvaluationSettings
from mmvsf.model.evaluation.core.training import best_rate, try_rate
from mmvsf.model.evaluation.results.background import rates
from mmvsf.model.evaluation.results.results_table import ResultsTable
from mmvsf.model.forecasting.block import issue_sample
from mmvsf.model.mmvsf.checkpoint import DivergedError, load_checkpoint, new_network, save_weights, weights_digest
from mmvsf.model.mmvsf.objectives import Objective
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.pretraining.fit import fit
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.records import read_record, write_json, write_record
from mmvsf.model.training.module import Training
from mmvsf.model.training.trainer import LAST

from .conftest import OPTIONS, Pretrained

SHORT = replace(OPTIONS, steps=12, batch_size=2, images=4, window=16, score_windows=1)
TINY = {"width": 32, "heads": 2, "mlp": 32, "weather_width": 16, "pixel_width": 16}


@pytest.mark.slow
def test_a_diverged_training_is_an_error_and_leaves_the_earlier_model(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pretrained[0], tmp_path, dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    step = Training.training_step

    def diverging(self: Training[Any], batch: Any, number: int) -> Any:
        return step(self, batch, number) * (torch.inf if self.global_step == 3 else 1)

    monkeypatch.setattr(Training, "training_step", diverging)
    with pytest.raises(DivergedError, match=r"its loss is .* by step .* lower --learn"):
        pretrain([grown_cube], tmp_path, SHORT)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert issubclass(DivergedError, IncompleteError)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mm-vsf", "convlstm"])
def test_a_rate_that_diverges_does_not_end_an_evaluation(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    settings = EvaluationSettings(steps=12, batch_size=2, rates=(1e-3, 3e-3), size=16, images=4)
    data, step = hold_out(grown_cube, 2021), Training.training_step

    def diverging(self: Training[Any], batch: Any, number: int) -> Any:
        return step(self, batch, number) * torch.inf

    def tried(rate: float) -> dict[str, Any]:
        path = tmp_path / f"{rate:g}.json"
        write_record(path, {}, {"kind": "rate", "method": method, "year": 2021, "seed": 0,
                                **try_rate(data, method, rate, settings, tmp_path)})  # fmt: skip
        return read_record(path) or {}

    good = tried(1e-3)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", diverging)
        bad = tried(3e-3)
    assert good["validation"] > 0 and bad["validation"] is None and not (tmp_path / LAST).exists()
    assert best_rate([bad, good]) == best_rate([good, bad]) == 1e-3
    (table,) = rates(ResultsTable([bad, good])).tables
    assert table.head == ["objective", "training loss", "chosen"]  # the cube has no places for validation
    assert table.rows == [[METHODS[method], f"diverged at 0.003, {good['validation']:.4f} at 0.001", "0.001"]]


def test_learning_rates_are_chosen_by_validation_where_there_is_any() -> None:
    trial = {"kind": "rate", "method": "mm-vsf", "year": 2021, "seed": 0, "rate": 1e-3, "validation": 0.2}
    validated, trained = ({**trial, "losses": [[1, 0.3, None], [2, 0.2, loss]]} for loss in (0.25, None))
    for trials, words in (
        ([validated], "Validation loss"),
        ([trained], "Training loss"),
        ([validated, trained], "Validation loss"),
        ([{**trial, "validation": None}], "Validation loss"),
    ):
        section = rates(ResultsTable(trials))
        assert section.text.startswith(words) and section.tables[0].head[1] == words.lower()
    assert rates(ResultsTable([])).text.startswith("No trials were made") and not rates(ResultsTable([])).tables


@pytest.mark.parametrize("worst", [None, float("nan"), float("inf")])
def test_a_rate_without_a_finite_loss_is_not_taken(worst: float | None) -> None:
    trials = [{"rate": rate, "validation": loss} for rate, loss in ((1e-2, worst), (3e-3, 0.2), (1e-3, 0.3))]
    assert best_rate(trials) == best_rate(trials[::-1]) == 3e-3
    assert best_rate([{**trial, "validation": worst} for trial in trials]) == 1e-3


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(pretrained: Pretrained, tmp_path: Path) -> None:
    network = load_checkpoint(pretrained[0]).network
    with torch.no_grad():
        network.embed.bias[0] = torch.inf
    with pytest.raises(DivergedError, match=r"the weights embed\.bias are not finite"):
        save_weights(tmp_path / "model.safetensors", network)
    assert not list(tmp_path.iterdir())
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = json.loads((pretrained[0] / "config.json").read_text())
    config["weights_sha256"] = weights_digest(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"is damaged \(the weights embed.bias are not finite"):
        load_checkpoint(tmp_path)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as it does in a command."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, usual)


def trained(cube: Cube, folder: Path, first_step: int = 0) -> dict[str, torch.Tensor]:
    """The weights after a short training, which resumes where `first_step` is above 0."""
    normalisation = Normalisation.of([cube])
    lightning.seed_everything(0, verbose=False)
    network = new_network(NetworkConfig(cube.bands, cube.weather, **TINY), normalisation)
    fit(network, Objective(), [WindowReader(cube, normalisation)], SHORT, folder, first_step=first_step, title=None)
    return network.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_training_after_its_step_with_a_checkpoint(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruptible: None, number: int
) -> None:
    whole, step = trained(grown_cube, tmp_path / "whole"), Training.training_step
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    def ended(self: Training[Any], batch: Any, index: int) -> Any:
        if self.global_step == 6:
            signal.raise_signal(number)
        return step(self, batch, index)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "training_step", ended)
        trained(grown_cube, tmp_path / "cut")
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert torch.load(tmp_path / "cut" / LAST, weights_only=True)["global_step"] == 7
    resumed = trained(grown_cube, tmp_path / "cut", first_step=7)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_is_recorded_is_valid_json(tmp_path: Path) -> None:
    content = {"mse": float("nan"), "rows": [{"r2": float("inf")}, (1.5, -float("inf"))]}
    write_json(tmp_path / "metrics.json", content)
    write_record(tmp_path / "record.json", {"lead": float("nan")}, content)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    plain = {"mse": None, "rows": [{"r2": None}, [1.5, None]]}
    assert json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse) == plain
    assert read_record(tmp_path / "record.json") == {"settings": {"lead": None}, **plain}
    json.loads((tmp_path / "record.json").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("command", ["pretrain", "cropmap", "map", "embed"])
def test_two_runs_in_one_folder_are_refused(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "grown" / ("embeddings.zarr" if command == "embed" else command)
    arguments = [command, str(grown_cube.path), "--runs-dir", str(tmp_path)]
    if command in ("cropmap", "embed"):
        arguments += ["--model", str(pretrained[0])]
    with run_lock(folder, f"mmvsf {command}"):
        # In a context of its own, as another process has it: a lock may be taken again in the one that holds it.
        done = Context().run(CliRunner().invoke, app, arguments)
    assert isinstance(done.exception, IncompleteError), done.output
    assert str(folder) in str(done.exception) and not folder.exists()


def test_a_day_without_weather_refuses_only_what_needs_it(grown_cube: Cube) -> None:
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    day = int(index_windows(grown_cube)["train"][0].days[8])
    window = next(block_tiles(grown_cube, grown_cube.grid.blocks[0], 2019, clear_days(grown_cube), 16))
    whole = issue_sample(reader, window, day - 5, day)
    assert reader._weather is not None
    reader._weather[day - grown_cube.calendar.first_day] = np.nan  # the weather of the day itself comes too late
    sample = issue_sample(reader, window, day - 5, day)
    length = day - sample.weather_start
    np.testing.assert_array_equal(sample.weather, whole.weather[:length])
    with pytest.raises(InputError, match=r"weather of .* is missing"):
        issue_sample(reader, window, day - 5, day + 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_loader_worker_says_what_to_do(grown_cube: Cube) -> None:
    """Before, it waited for ever for threads that its parent has."""
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    samples = ForecastSamples([reader], [index_windows(grown_cube)["train"]], SamplePlan(size=16, images=3), 2)
    loader = DataLoader(samples, batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=20)
    assert samples[0].images.shape[0] == 3  # the parent has read
    with pytest.raises(InputError, match="multiprocessing_context='spawn'"):
        next(iter(loader))
