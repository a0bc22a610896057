"""The card of a pretrained model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.pretraining.card import cube_licences


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
