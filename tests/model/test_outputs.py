"""What the commands of the model write is whole or not there, and has one writer at a time."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import xarray as xr
import yaml
from typer.testing import CliRunner, Result

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.cli import app
from mmvsf.model.cli.options import lock
from mmvsf.model.cropmap import run as cropping
from mmvsf.model.cropmap.run import cropmap
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.run import embed
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.training.module import Training
from mmvsf.model.training.trainer import LAST
from tests.full_disk import full_disk

from .conftest import OPTIONS, QUICK_MAP, Pretrained


def small_model(cube: Cube, folder: Path) -> Path:
    """A small network with random weights."""
    normal = Normalisation.of([cube])
    config = NetworkConfig(cube.bands, cube.weather, width=16, heads=2, mlp=32, weather_width=16)
    save_checkpoint(folder, new_network(config, normal), normal, [cube], {"objective": "mm-vsf"})
    return folder


def drafts(folder: Path) -> list[Path]:
    return list(folder.rglob("*.tmp"))


# ---------------------------------------------------------------------- a full disk


@pytest.mark.slow
@pytest.mark.parametrize("limit", [4000, 5000])
def test_a_crop_map_on_a_full_disk_is_an_error_and_the_old_one_stays(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    draw = cropping._draw_map

    def draw_on_a_full_disk(*arguments: Any, **options: Any) -> Any:
        with full_disk(limit):
            return draw(*arguments, **options)

    monkeypatch.setattr(cropping, "_draw_map", draw_on_a_full_disk)
    for name in ("crop_map.tif", "confidence.tif"):
        (tmp_path / name).write_bytes(b"before")
    with pytest.raises(OSError, match="File too large") as caught:
        cropmap(grown_cube, load_checkpoint(pretrained[0]), tmp_path, QUICK_MAP, pretrained[0])
    assert str(caught.value.filename).startswith(str(tmp_path))  # a tile, or one of the maps
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".tif"} == {
        "crop_map.tif": b"before",
        "confidence.tif": b"before",
    }


@pytest.mark.slow
def test_a_training_on_a_full_disk_resumes_from_the_last_checkpoint(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, steps=20, batch_size=2, images=4, score_windows=1)
    step, before = Training.training_step, resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(self: Training[Any], batch: Any, number: int) -> Any:
        if self.global_step == 13:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", full)
        with pytest.raises(OSError, match="File too large") as caught:
            try:
                pretrain([grown_cube], tmp_path, options)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / LAST)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 12
    assert not drafts(tmp_path)
    assert pretrain([grown_cube], tmp_path, options)["training"]["resumed_from"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 700, 1500, 4000, 15_000])
def test_embeddings_on_a_full_disk_go_on_when_there_is_space(grown_cube: Cube, tmp_path: Path, limit: int) -> None:
    where = small_model(grown_cube, tmp_path / "model")
    path, encoder = tmp_path / "embeddings.zarr", NetworkEncoder.of(grown_cube, load_checkpoint(where), where)
    with pytest.raises(OSError), full_disk(limit):
        embed(grown_cube, encoder, path)
    resumed = xr.open_dataset(embed(grown_cube, encoder, path), engine="zarr")
    whole = xr.open_dataset(embed(grown_cube, encoder, tmp_path / "b.zarr"), engine="zarr")
    xr.testing.assert_identical(resumed.drop_attrs(), whole.drop_attrs())
    assert not drafts(tmp_path)


def test_weights_of_another_training_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    """A kill between the two files of a model leaves the weights of one training beside the statistics of another."""
    model = small_model(grown_cube, tmp_path / "a")
    load_checkpoint(model)
    torch.manual_seed(1)
    other = small_model(grown_cube, tmp_path / "b")
    (other / WEIGHTS).replace(model / WEIGHTS)
    with pytest.raises(InputError, match=r"damaged \(model\.safetensors is not the file that its configuration"):
        load_checkpoint(model)


# ---------------------------------------------------------------------- one writer

HOLD = """
import sys
from pathlib import Path
from mmvsf.datasets.storage.run_lock import run_lock
with run_lock(Path(sys.argv[1]), sys.argv[2]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def paused(*command: str | Path, ready: str) -> Iterator[subprocess.Popen[str]]:
    """A process that prints `ready` and is stopped then."""
    process = subprocess.Popen(
        [sys.executable, "-c", *map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == f"{ready}\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def recipe(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "grown.yaml"
    path.write_text(yaml.safe_dump(grown_cube.region.model_dump(mode="json")))
    return path


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (("pretrain",), "pretrain"),
        (("cropmap",), "cropmap"),
        (("forecast", "--day", "2021-07-15"), "forecast"),
        (("embed",), "embeddings.zarr"),
        (("evaluate", "--quick"), "evaluate-quick"),
    ],
)
def test_a_second_writer_is_refused(
    grown_cube: Cube, recipe: Path, tmp_path: Path, command: tuple[str, ...], output: str
) -> None:
    runs = tmp_path / "grown"
    small_model(grown_cube, runs / "pretrain")
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    where = ("--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path)
    with paused(HOLD, runs / output, f"mmvsf {command[0]}", ready="locked") as process:
        error = run(command[0], recipe, *where, *command[1:]).exception
        assert isinstance(error, IncompleteError)
        assert str(error).startswith(f"{runs / output} is being written by process {process.pid} on ")
        assert f"(mmvsf {command[0]}, since" in str(error) and "\n" not in str(error)
        after = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.suffix != ".lock"}
        assert {path: after[path] for path in before if path.is_file()} == {
            path: time for path, time in before.items() if path.is_file()
        }


PRETRAIN = """
import sys
from mmvsf.model.training.module import Training
step = Training.training_step
def announced(self, batch, number):
    if self.global_step == 2:
        print("training", flush=True)
        sys.stdin.read()
    return step(self, batch, number)
Training.training_step = announced
sys.argv = ["mmvsf", *sys.argv[1:]]
from mmvsf.datasets.command import main
main()
"""


@pytest.mark.slow
def test_two_trainings_on_one_folder(grown_cube: Cube, recipe: Path, tmp_path: Path) -> None:
    """A training that is paused keeps the second away, one that was killed does not."""
    folder = tmp_path / "grown" / "pretrain"
    command = ("pretrain", recipe, "--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path,
               "--steps", "4", "--batch-size", "2")  # fmt: skip
    with paused(PRETRAIN, *command, ready="training") as process:
        for extra in ((), ("--restart",)):
            error = run(*command, *extra).exception
            assert isinstance(error, IncompleteError) and f"process {process.pid}" in str(error)
        assert (folder / LAST).is_file()  # --restart dropped nothing
    done = run(*command)
    assert done.exit_code == 0, done.exception
    assert (folder / WEIGHTS).is_file() and not (tmp_path / "grown" / "pretrain.lock").exists()


def test_the_processes_of_one_training_do_not_refuse_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training on several devices starts its command again for each of the others."""
    with paused(HOLD, tmp_path / "pretrain", "mmvsf pretrain", ready="locked"):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with lock(tmp_path / "pretrain", "pretrain"):
            pass
        monkeypatch.setenv("LOCAL_RANK", "0")
        with pytest.raises(IncompleteError), lock(tmp_path / "pretrain", "pretrain"):
            pass
