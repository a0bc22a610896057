"""Blocks that no scene reaches are reported before the work: the check refuses a cube that has one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.unseen import describe_unseen, refuse_unseen

from .conftest import Command, Outcome
from .tiny_archive import LEFT, TOP, TinyArchive

Build = Callable[..., Outcome]
PLACES = [("near", LEFT + 1500, TOP - 600), ("far", LEFT + 30_000, TOP - 600), ("farther", LEFT + 60_000, TOP)]


def write_recipe(archive: TinyArchive, count: int) -> None:
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(*zip(*[p[1:] for p in PLACES], strict=True))
    sites = [{"name": name, "lon": lon[i], "lat": lat[i]} for i, (name, *_) in enumerate(PLACES[:count])]
    split = {"places": {"unit": "block", "test_share": 0.0, "validation_share": 0.0}, "years": {}}
    archive.write_recipe(area={"sites": sites}, labels=None, weather="none", split=split)


def test_blocks_that_no_scene_reaches_are_refused_before_the_work(
    tiny: TinyArchive, dataset: Build, mmvsf: Command
) -> None:
    write_recipe(tiny, 3)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "no scene of the period reaches 2 blocks of 3: x" in outcome.error, outcome.err
    assert "lon -" in outcome.error and "leave them out of `area`" in outcome.error
    assert not tiny.cube.exists()
    shown = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data, "--json")
    assert any("reaches 2 blocks of 3" in line for line in json.loads(shown.out)["warnings"])


def test_a_trial_of_blocks_that_are_reached_is_built(tiny: TinyArchive, dataset: Build) -> None:
    write_recipe(tiny, 1)
    assert dataset(tiny).code == 0


def test_what_is_not_known_is_not_refused(tiny: TinyArchive) -> None:
    write_recipe(tiny, 3)
    plan = build_plan(str(tiny.recipe), tiny.data, only_shown=True).imagery
    with pytest.raises(InputError, match="2 blocks of 3"):
        refuse_unseen(plan)
    with pytest.raises(IncompleteError, match="one is down"):
        refuse_unseen(replace(plan, unanswered=("one is down",)))
    assert describe_unseen(replace(plan, undated=("an item without a date",))) == ""
