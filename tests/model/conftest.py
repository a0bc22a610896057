"""What tests of the model share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


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
