"""The page on adding an objective: its loss trains and has the listed properties, and the files it names exist."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.evaluation.core.settings import EvaluationSettings
from mmvsf.model.evaluation.plan import Plan
from mmvsf.model.mmvsf.checkpoint import load_checkpoint
from mmvsf.model.mmvsf.objectives import OBJECTIVES, visible_patches
from mmvsf.model.pretraining.card import CARD
from mmvsf.model.pretraining.run import pretrain

from .conftest import OPTIONS
from .test_network import make_batch, make_network

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/add-an-objective.md"
NAME = "mm-vsf-absolute"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's code as a module, and its objective in the table until the end of the test."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("added_objective")
    monkeypatch.setitem(sys.modules, "added_objective", module)
    monkeypatch.setitem(OBJECTIVES, NAME, OBJECTIVES["mm-vsf"])  # removed again when the test ends
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


def test_a_new_objective_trains(page: Any, grown_cube: Cube, tmp_path: Path) -> None:
    options = replace(OPTIONS, objective=NAME, steps=2, batch_size=2, images=3, score_windows=1)
    assert isinstance(options.chosen_objective(), page.AbsoluteForecast)
    metrics = pretrain([grown_cube], tmp_path, options)
    losses = [loss for _, *pair in metrics["losses"] for loss in pair if loss is not None]
    assert losses and all(0 < loss < 10 for loss in losses)
    assert metrics["options"]["objective"] == NAME and NAME in (tmp_path / CARD).read_text(encoding="utf-8")
    assert load_checkpoint(tmp_path).weather


def test_its_loss_has_the_properties_of_the_page(page: Any) -> None:
    network, batch, absolute = make_network(), make_batch(), OBJECTIVES[NAME]

    def loss(objective: Any = absolute, **changes: Any) -> torch.Tensor:
        return objective(network, replace(batch, **changes), torch.Generator().manual_seed(3), 0.0)

    keep = visible_patches(batch, network.config.patch, absolute.mask_ratio, torch.Generator().manual_seed(3))
    error = (network(batch, keep) - batch.target).abs().mean(2)[batch.target_valid].mean()
    torch.testing.assert_close(loss(), error)
    unseen = torch.where(batch.target_valid[:, :, None], batch.target, torch.nan)
    assert torch.equal(loss(target=unseen), loss())
    cloud = torch.where(torch.arange(16) < 2, 40.0, batch.target)
    squares = replace(OBJECTIVES["mm-vsf"], robust=0.0)
    assert loss(target=cloud) / loss() < loss(squares, target=cloud) / loss(squares)
    nothing = loss(target_valid=torch.zeros_like(batch.target_valid))
    nothing.backward()
    assert nothing == 0 and all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_the_evaluation_trains_it(page: Any, grown_cube: Cube, tmp_path: Path) -> None:
    plan = Plan(grown_cube, tmp_path, EvaluationSettings(steps=3, rates=(1e-3,), years=1, full_years=1, seeds=1))
    names = [piece.name for stage in plan.stages() for chain in stage for piece in chain]
    year = plan.full_years[0]
    assert {f"pretrain/{year}/{NAME}/0", f"forecast/{year}/{NAME}/0", f"missing/{year}/{NAME}/0"} <= set(names)


def test_every_file_that_the_page_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:datasets|model|tests)/[\w/.]+\.py)`", text)
    assert len(paths) > 6 and not [path for path in paths if not (ROOT / path).is_file()]
    for path, name in re.findall(r"^\| `([\w/.]+\.py)` \| `(\w+)`", text, re.MULTILINE):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), (path, name)
