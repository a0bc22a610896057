"""A cube that is built in a bucket is the one that is built on a disk, whoever runs the bucket."""

from __future__ import annotations

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, objects
from mmvsf.pipeline.build.executor import SerialExecutor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from tests.servers.services import place, services, settings

from .tiny_archive import TinyArchive

__all__ = ["place", "services", "settings"]
pytestmark = [pytest.mark.slow, pytest.mark.stand_in]


def test_a_cube_is_built_in_every_bucket_as_on_a_disk(
    place: Location, built: TinyArchive, request: pytest.FixtureRequest
) -> None:
    plan = build_plan(str(built.recipe), place)
    if "fauxqs" in request.node.name:
        with pytest.raises(InputError, match="conditional writes"):
            build(plan, SerialExecutor(), Progress(lambda *_: None))
        return
    build(plan, SerialExecutor(), Progress(lambda *_: None))
    assert Cube.open(plan.cube).digest == Cube.open(built.cube).digest
    assert verify_cube(plan.cube).damage == ()
    assert dict(objects(plan.cube)).keys() == dict(objects(built.cube)).keys()
    assert {name.partition("/")[0] for name, _ in objects(place)} == {"tiny.zarr", "tiny.zarr.ledger"}
