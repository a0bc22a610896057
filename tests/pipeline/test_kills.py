"""A build or an extension that is killed at any moment is finished by the next run, to the same cube.

More moments: `python -m tests.kills 100`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills import Kills, kill_at_random
from tests.servers.s3 import S3

pytestmark = pytest.mark.slow


def test_on_a_disk(tmp_path: Path) -> None:
    assert kill_at_random(Kills(tmp_path), 4, seed=1) == []


@pytest.mark.stand_in
def test_in_a_bucket(tmp_path: Path, s3: S3) -> None:
    kills = Kills(tmp_path, f"s3://cubes/kills/{tmp_path.name}", s3.environment())
    assert kill_at_random(kills, 4, seed=2) == []
