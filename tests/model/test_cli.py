"""The commands: what they print, and one clear line for what a user can get wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.windows import HELD_OUT, index_windows
from mmvsf.model.cli import app
from mmvsf.model.cli.options import pretrained_model
from mmvsf.model.mmvsf.checkpoint import new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig

from ..cubes import CubeBuilder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "140"})


@pytest.fixture(scope="module")
def recipe(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "grown.yaml"
    path.write_text(yaml.safe_dump(grown_cube.region.model_dump(mode="json")))
    return path


@pytest.mark.slow
def test_the_commands(
    grown_cube: Cube, recipe: Path, tmp_path: Path, wrong_modes: Callable[[Path], dict[str, str]]
) -> None:
    where = ("--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path)
    done = run("pretrain", recipe, *where, "--steps", "3", "--batch-size", "2")
    assert done.exit_code == 0, done.exception
    assert "climatology" in done.stdout and "model.safetensors" in done.stdout
    done = run("cropmap", recipe, *where, "--steps", "2", "--batch-size", "2")
    assert done.exit_code == 0, done.exception
    assert "random forest" in done.stdout and "crop_map.tif" in done.stdout
    done = run("forecast", recipe, *where, "--days", "2021-07-15", "--issued", "2021-07-03")
    assert done.exit_code == 0, done.exception
    assert "2021-07-03" in done.stdout
    folder = tmp_path / "grown/forecast/2021-07-03-for-2021-07-15-cube"
    assert all((folder / name).is_file() for name in ("forecast-2021-07-15.tif", "numbers.csv", "fan.png", "maps.png"))
    done = run("verify-forecast", folder)
    assert done.exit_code == 0, done.exception
    assert "persistence" in done.stdout and (folder / "verification.json").is_file()
    done = run("embed", recipe, *where)
    assert done.exit_code == 0, done.exception
    assert wrong_modes(tmp_path) == {}
    for wrong, message in (
        (("--day", "15 July"), "write YYYY-MM-DD"),
        (("--day", "2021-07-15", "--block", "one"), "not a block; write its name"),
        (("--day", "2021-07-15", "--block", "77,0"), "there is no block 77,0; the blocks are named x"),
        (("--day", "1999-07-15"), "no forecast can be issued on 1999-07-14"),
    ):
        error = run("forecast", recipe, *where, *wrong).exception
        assert isinstance(error, InputError) and message in str(error)


@pytest.mark.parametrize("command", ["pretrain", "cropmap", "forecast", "embed", "evaluate"])
def test_an_address_for_results_is_refused(grown_cube: Cube, recipe: Path, command: str) -> None:
    day = ("--day", "2021-07-15") if command == "forecast" else ()
    where = ("--data-dir", grown_cube.path.parent, "--runs-dir", "s3://bucket/runs")
    error = run(command, recipe, *where, *day).exception
    assert isinstance(error, InputError) and "--runs-dir s3://bucket/runs: results are written to local" in str(error)


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
@pytest.mark.parametrize("command", ["pretrain", "cropmap"])
def test_a_seed_that_no_generator_takes_is_refused(command: str, seed: str) -> None:
    refused = run(command, "anything", "--seed", seed)
    assert refused.exit_code == 2 and "--seed" in refused.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "cropmap",
            ("[default: (the region's own run)]", "[default: (the last held-out one with images, or the latest)]"),
        ),
        ("forecast", ("[default: (the whole cube)]", "[default: (cube; with --scenario years)]")),
        ("embed", ("[default: (one per season, its mean)]",)),
        ("evaluate", ("[default: (one per processor; with a GPU one)]",)),
    ],
)
def test_help_names_the_defaults(command: str, words: tuple[str, ...]) -> None:
    text = " ".join(run(command, "--help").stdout.replace("│", " ").split())
    assert all(word in text for word in words), text


def test_a_model_of_another_cube_of_that_name_is_reported(
    grown_cube: Cube, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    normal = Normalisation.of([grown_cube])
    config = NetworkConfig(normal.bands.names, normal.weather.names, width=32, heads=2)
    folder = tmp_path / "grown" / "pretrain"
    for cubes, noted in (([grown_cube], False), ([], True)):
        save_checkpoint(folder, new_network(config, normal), normal, cubes, {})
        capsys.readouterr()
        pretrained_model(None, tmp_path, grown_cube)
        assert ("was trained on another cube" in capsys.readouterr().err) == noted
        pretrained_model(str(folder), tmp_path, grown_cube)
        assert not capsys.readouterr().err
    far = replace(normal, bands=replace(normal.bands, mean=tuple(10 + mean for mean in normal.bands.mean)))
    for cubes, reported in (([], True), ([grown_cube], False)):
        save_checkpoint(folder, new_network(config, far), far, cubes, {})
        pretrained_model(str(folder), tmp_path, grown_cube)
        assert ("swir2 lies more than 3 deviations off" in capsys.readouterr().err) == reported


@pytest.mark.slow
def test_scores_of_a_model_that_saw_what_is_held_out_come_with_a_warning(tmp_path: Path) -> None:
    """In every command that scores, and in what it writes; not of a model that was trained on the
    places and years that the recipe leaves for training."""
    cube = CubeBuilder(yields=True, block=16).write(tmp_path / "data" / "yields.zarr")
    normal = Normalisation.of([cube])
    tiny = NetworkConfig(normal.bands.names, normal.weather.names, width=16, heads=2, mlp=16, temporal_layers=1)
    network, folder = new_network(tiny, normal), tmp_path / "model"
    new_year, held_out = (sum(len(index_windows(cube)[part]) for part in parts) for parts in (HELD_OUT[1:2], HELD_OUT))
    warning = f"was trained on {new_year} of the {held_out} windows that"
    quick = ("--steps", "1", "--batch-size", "1")
    for fold, learned in ((Fold.holding_out(cube, 2019), new_year), (None, 0)):
        save_checkpoint(folder, network, normal, [cube], {}, folds=fold and [fold])
        for arguments, written in (
            (("cropmap", *quick), "cropmap/metrics.json"),
            (("regress", "--target", "yield", *quick), "regress/yield/metrics.json"),
            (("answer", "--forecaster", "mmvsf"), "answer/answers.json"),
            (("forecast", "--days", "2021-07-15"), None),
        ):
            command, *options = arguments
            done = run(command, cube.path, *options, "--model", folder, "--runs-dir", tmp_path)
            assert done.exit_code == 0, done.exception
            assert (warning in " ".join(done.stderr.split())) == bool(learned), command
            if written:
                content = json.loads((tmp_path / "yields" / written).read_text())
                about = content["model"] if command == "answer" else content
                assert about["held_out"]["learned"] == {"new_place": 0, "new_year": learned, "both": 0}, command
    assert content["model"]["weights_sha256"] == json.loads((folder / "config.json").read_text())["weights_sha256"]


def test_random_weights_saw_nothing(grown_cube: Cube, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    normal, fold = Normalisation.of([grown_cube]), Fold.holding_out(grown_cube, 2019)
    config = NetworkConfig(normal.bands.names, normal.weather.names, width=32, heads=2)
    save_checkpoint(tmp_path, new_network(config, normal), normal, [grown_cube], {}, folds=[fold])
    for scratch in (True, False):
        pretrained_model(str(tmp_path), tmp_path, grown_cube, scratch=scratch)
        assert ("its scores there are not those of unseen data" in capsys.readouterr().err) != scratch


@pytest.mark.parametrize("command", [("forecast", "--days", "2021-07-15"), ("answer",)])
@pytest.mark.parametrize("objective", ["sm-mae", "mm-mae"])
def test_a_model_that_only_reconstructs_is_no_forecaster(
    grown_cube: Cube, tmp_path: Path, command: tuple[str, ...], objective: str
) -> None:
    normal = Normalisation.of([grown_cube])
    config = NetworkConfig(normal.bands.names, normal.weather.names, width=32, heads=2)
    save_checkpoint(tmp_path, new_network(config, normal), normal, [grown_cube], {"objective": objective})
    error = run(command[0], grown_cube.path, *command[1:], "--model", tmp_path).exception
    assert isinstance(error, InputError) and f"({objective}), not to forecast them; pretrain with" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [("forecast", "--days", "2021-07-15"), ("embed",), ("cropmap",), ("regress", "--target", "yield"), ("answer",)],
)
def test_a_cube_without_a_model_is_told_of_the_models_of_others(
    grown_cube: Cube, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    for model in ((), ("--model", "elsewhere")):
        error = run(command, grown_cube.path, *options, "--runs-dir", tmp_path, *model).exception
        assert isinstance(error, InputError) and "no trained model" in str(error)
        assert "--model REGION-OR-FOLDER" in str(error)
        assert str(error).startswith("--model elsewhere: ") == bool(model)


def test_missing_cubes_and_models_are_reported(grown_cube: Cube, recipe: Path, tmp_path: Path) -> None:
    error = run("pretrain", recipe, "--data-dir", tmp_path).exception
    assert isinstance(error, InputError) and "there is no cube" in str(error)
    error = run("cropmap", recipe, "--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path).exception
    assert isinstance(error, InputError) and "no trained model" in str(error)
    error = run("pretrain", "no-such-region", "--data-dir", tmp_path).exception
    assert isinstance(error, InputError) and "no recipe named" in str(error)


@pytest.mark.slow
def test_an_evaluation_that_may_take_no_time_says_so(grown_cube: Cube, recipe: Path, tmp_path: Path) -> None:
    where = ("--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path, "--document", tmp_path / "results.md")
    done = run("evaluate", recipe, *where, "--quick", "--minutes", "0", "--workers", "1")
    assert done.exit_code == 0, done.exception
    assert "What it cost" in done.stdout and "results.json" in done.stdout
    assert (tmp_path / "grown/evaluate-quick/results.json").is_file()
    assert grown_cube.digest[:16] in (tmp_path / "results.md").read_text()


def test_an_evaluation_needs_years_to_hold_out(
    grown_cube: Cube, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cube, "years", (2020,))
    error = run("evaluate", recipe, "--data-dir", grown_cube.path.parent, "--runs-dir", tmp_path).exception
    assert isinstance(error, InputError) and "holds out years" in str(error)
