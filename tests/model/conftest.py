"""What tests of the model share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.cropmap.run import CropmapOptions
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain

OPTIONS = PretrainOptions(steps=90, batch_size=6, images=8, score_windows=4)
QUICK_MAP = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=100, score_windows=2)

Pretrained = tuple[Path, dict[str, Any]]
"""The folder and the metrics of a pretraining."""


@pytest.fixture
def wrong_modes() -> Callable[[Path], dict[str, str]]:
    """The files below a folder whose mode is not that of any new file, with their modes."""
    umask = os.umask(0)
    os.umask(umask)

    def check(folder: Path) -> dict[str, str]:
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
        assert modes
        return {name: oct(mode) for name, mode in modes.items() if mode != 0o666 & ~umask}

    return check


@pytest.fixture(scope="session")
def pretrained(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    """The folder and the metrics of a short pretraining."""
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    return folder, pretrain([grown_cube], folder, OPTIONS)
