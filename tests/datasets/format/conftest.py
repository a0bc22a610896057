"""The conformance kit, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kit.damaged import Verdict
from tests.kit.write import write_kit


class Kit(NamedTuple):
    folder: Path
    verdicts: dict[str, Verdict]


@pytest.fixture(scope="package")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("kit")
    return Kit(folder, write_kit(folder))
