"""A sample of what `python -m tests.hostile` tries more of: no traceback, nothing slow, nothing written elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from .run import run_files, run_recipes

pytestmark = pytest.mark.slow


def test_mutated_recipes(tmp_path: Path) -> None:
    table = run_recipes(tmp_path, count=200)
    assert not table.faults, table.text
    assert table.cases == 1800 and 0.3 < table.refused / table.cases < 1


def test_hostile_files(tmp_path: Path) -> None:
    table = run_files(tmp_path, count=300)
    assert not table.faults, table.text
    assert table.cases == 300 and table.refused > 100
