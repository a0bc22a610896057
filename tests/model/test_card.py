"""The card of a pretrained model."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.mmvsf.learned import cube_licences
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.pretraining.card import CARD
from tests.seal import seal

from .conftest import Pretrained


@pytest.mark.slow
def test_the_example_of_the_card_loads_the_model(pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (pretrained[0] / CARD).read_text(encoding="utf-8").partition("## How to load it")[2]
    monkeypatch.chdir(pretrained[0])
    names: dict[str, object] = {}
    exec(textwrap.dedent(text), names)
    assert isinstance(names["network"], MMVSF)


def test_licences_are_named_once_and_only_where_they_are_known(grown_cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "grown.zarr"
    shutil.copytree(grown_cube.path, path)
    terms = [{"source": "an archive"}, {"source": "a", "licence": "CC0"}, {"source": "b", "licence": "CC0"}]
    cube = seal(path, sources=terms, attribution="made by hand")
    assert cube_licences(cube) == ["made by hand", "CC0"]
    cube = seal(path, sources=terms[:1], attribution="")
    assert cube_licences(cube) == ["not stated"]
