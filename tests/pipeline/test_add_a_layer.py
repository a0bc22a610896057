"""The page on adding a layer: its class builds, resumes and opens, and the files it names exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mmvsf.datasets.cube import spec
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage.manifest import Record as StoredObject
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.storage.store import create_group, set_root_attributes
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.layers.layer import run_task
from mmvsf.pipeline.ledger import Ledger

from ..seal import seal
from .tiny_archive import TinyArchive

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/add-a-layer.md"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's code as a module."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("added_layer")
    monkeypatch.setitem(sys.modules, "added_layer", module)
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


def wells_group(grid: Grid) -> GroupSpec:
    """The arrays of the layer in a tile."""
    shape = ("distance", ("y", "x"), grid.shape, "float32", (grid.chunk, grid.chunk), "NaN", (grid.block, grid.block))
    return GroupSpec("wells", (ArraySpec(*shape),))


@pytest.mark.slow
def test_a_new_layer_is_built_once_and_opens(finished: TinyArchive, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "tile_layout", lambda cube, grid: (*tile_layout(cube, grid), wells_group(grid)))
    cube = Cube.open(finished.cube)
    grid, (tile,) = cube.grid, cube.grid.tiles
    create_group(cube.path / "tiles" / tile.name, wells_group(tile.grid))
    set_root_attributes(cube.path / "tiles" / tile.name, {})  # drops the metadata of all groups, which lack this one
    layer = page.WellLayer(cube.spec, cube.path, well=(grid.left, grid.top))
    plan, ledger = layer.plan(), Ledger.of_cube(cube.path)
    with pytest.raises(IncompleteError, match="no finished entry"):
        layer.collect(plan)
    with executor(1) as run:
        reports = list(run.run(run_task, plan.tasks(ledger.undone(plan.entries)), layer))
    assert sum(report.units for report in reports) == len(grid.blocks)
    assert not ledger.undone(plan.entries)
    shards = layer.collect(plan).shards[f"tiles/{tile.name}"]
    assert len(shards) == len(grid.blocks)
    for name, record in shards.items():
        assert record == StoredObject.of((cube.path / "tiles" / tile.name / name).read_bytes(), shard=True)
    moved = page.WellLayer(cube.spec, cube.path, well=(0.0, 0.0)).plan()
    assert ledger.undone(moved.entries) == set(plan.entries)  # another well, another digest
    seal(cube.path)
    distance: xr.DataArray = open_cube(cube.path)[f"tiles/{tile.name}/wells/distance"]
    y, x = grid.coordinates()
    wanted = np.hypot(y[:, None] - grid.top, x[None] - grid.left)
    covered = grid.block_mask().repeat(grid.block, 0).repeat(grid.block, 1)
    np.testing.assert_allclose(distance.values[covered], wanted[covered], rtol=1e-6)
    assert np.isnan(distance.values[~covered]).all()


def test_every_file_that_the_page_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`((?:datasets|pipeline)/[\w/.]+\.py)`", text)
    assert len(named) > 8 and not [name for name in named if not (ROOT / name).is_file()]
