"""The card of a pretrained model."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.pretraining.card import CARD, cube_licences

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
    root = json.loads((path / "zarr.json").read_text())
    terms = [{"source": "an archive"}, {"source": "a", "licence": "CC0"}, {"source": "b", "licence": "CC0"}]
    root["attributes"] |= {"sources": terms, "attribution": "made by hand"}
    (path / "zarr.json").write_text(json.dumps(root))
    assert cube_licences(Cube.open(path)) == ["made by hand", "CC0"]
    root["attributes"] |= {"sources": terms[:1], "attribution": ""}
    (path / "zarr.json").write_text(json.dumps(root))
    assert cube_licences(Cube.open(path)) == ["not stated"]
