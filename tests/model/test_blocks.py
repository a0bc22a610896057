"""What the pictures say of the places that they show."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import Split
from mmvsf.model.blocks import by_novelty
from tests.seal import change


def test_only_places_of_training_are_known(grown_cube: Cube, tmp_path: Path) -> None:
    assert set(by_novelty(grown_cube).values()) == {"new place", "known place"}
    path = tmp_path / grown_cube.path.name
    shutil.copytree(grown_cube.path, path)
    split, n = grown_cube.array("chunks/split"), grown_cube.grid.chunks_per_block
    first, second, third = grown_cube.grid.blocks
    codes = {first: Split.VALIDATION, second: Split.NONE, third: np.array([[Split.TRAIN, Split.TEST]] * 2)}
    for (row, column), code in codes.items():
        split[row * n : row * n + n, column * n : column * n + n] = code
    words = by_novelty(change(path, {"chunks/split": split}))
    assert list(words.items()) == [(third, "partly new"), (first, "validation place"), (second, "buffer")]
