"""What a build writes is what the specification says, in the eyes of a validator that knows no code of the build."""

from __future__ import annotations

import pytest

from mmvsf.datasets.format.objects import Stored
from mmvsf.datasets.format.validate import validate

from .tiny_archive import TinyArchive

pytestmark = pytest.mark.slow


def test_a_built_cube_is_valid(built: TinyArchive) -> None:
    (cube,) = built.data.glob("*.zarr")
    assert not validate(Stored(cube))
