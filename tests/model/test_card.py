"""The card of a pretrained model."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, load_checkpoint
from mmvsf.model.mmvsf.learned import cube_licences
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import OBJECTIVES
from mmvsf.model.pretraining.card import CARD, hidden_shares, write_model_card
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain
from tests.seal import seal

from .conftest import OPTIONS, Pretrained


@pytest.mark.slow
def test_the_example_of_the_card_loads_the_model(pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (pretrained[0] / CARD).read_text(encoding="utf-8").partition("## How to load it")[2]
    monkeypatch.chdir(pretrained[0])
    names: dict[str, object] = {}
    exec(textwrap.dedent(text), names)
    assert isinstance(names["network"], MMVSF)


@pytest.mark.slow
def test_the_card_of_a_reconstruction_says_so(
    grown_cube: Cube, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = replace(OPTIONS, objective="mm-mae", steps=1, batch_size=2, images=3, score_windows=1)
    pretrain([grown_cube], tmp_path, options)
    hidden = "75 % of the patches and 25 % of the days of weather hidden"
    card = (tmp_path / CARD).read_text(encoding="utf-8")
    assert f"learning rate 0.002, {hidden} |" in card and "reconstructs hidden parts of images." in card
    assert (
        "Forecasts of images" not in card
        and "80 days" not in card
        and "series-forecasting" not in card.split("model-index")[0]
    )
    assert "It was not trained to forecast" in card and "It was not trained on climates or crops" in card
    assert f"mm-mae reconstructs images, with {hidden}; it does not learn to forecast" in capsys.readouterr().err


@pytest.mark.slow
def test_the_card_tells_the_cost_of_what_was_trained(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    """Windows of all devices, and of a resumed training which part the seconds are of."""
    folder, metrics = pretrained
    shutil.copy(folder / WEIGHTS, tmp_path)
    config, objective = load_checkpoint(folder).network.config, OBJECTIVES["mm-vsf"]
    assert "resumed" not in (folder / CARD).read_text(encoding="utf-8")
    training = {**metrics["training"], "seconds": 40.0, "resumed_from": 60, "device": "gpu"}
    run = {**metrics, "options": {**metrics["options"], "devices": 2}, "training": training}
    card = write_model_card(tmp_path, [grown_cube], config, run, objective).read_text(encoding="utf-8")
    assert "| training | 90 steps of 12 windows, seed 0" in card
    assert "| cost | 40 s after step 60, from which it was resumed, " in card and "on gpu (2 of them) |" in card


def test_the_card_of_a_forecaster_says_what_was_hidden() -> None:
    shown = {name: hidden_shares(PretrainOptions(objective=name).chosen_objective()) for name in OBJECTIVES}
    assert shown["mm-vsf"] == shown["sm-vsf"] == "25 % of the patches hidden"
    assert shown["kg-vsf"] == "75 % of the patches hidden at first, then 25 % of the patches hidden"
    assert shown["sm-mae"] == "75 % of the patches hidden"


@pytest.mark.parametrize("options", [{"mask_ratio": 0.5}, {"agreement": 0.3}])
@pytest.mark.parametrize("objective", ["sm-mae", "mm-mae"])
def test_options_of_forecasting_are_refused_for_a_reconstruction(
    grown_cube: Cube, tmp_path: Path, options: dict[str, float], objective: str
) -> None:
    option = "--" + next(iter(options)).replace("_", "-")
    with pytest.raises(InputError, match=f"{option} is for objectives that forecast, and {objective} only reconstr"):
        pretrain([grown_cube], tmp_path, replace(OPTIONS, objective=objective, **options))
    assert not list(tmp_path.iterdir())


def test_licences_are_named_once_and_only_where_they_are_known(grown_cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "grown.zarr"
    shutil.copytree(grown_cube.path, path)
    terms = [{"source": "an archive"}, {"source": "a", "licence": "CC0"}, {"source": "b", "licence": "CC0"}]
    cube = seal(path, sources=terms, attribution="made by hand")
    assert cube_licences(cube) == ["made by hand", "CC0"]
    cube = seal(path, sources=terms[:1], attribution="")
    assert cube_licences(cube) == ["not stated"]
