"""Shifts of the calendar of training samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.mmvsf.layers import year_phase
from mmvsf.model.mmvsf.objectives import Objective
from mmvsf.model.pretraining.augmentation import ShiftedCalendar, shifted
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain

from .test_network import make_batch, make_network


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_moves_but_the_calendar() -> None:
    batch = make_batch()
    moved = shifted(batch, 30.0, drawn(1))
    days = (moved.weather_start - batch.weather_start)[batch.weather_index]
    assert days.unique().numel() > 1 or len(batch.weather) == 1
    for name in ("image_days", "target_day"):
        before, after = getattr(batch, name), getattr(moved, name)
        assert torch.equal(after - before, days[:, None].expand(before.shape))
    for name in ("images", "valid", "weather", "weather_index", "origin", "target", "target_valid"):
        assert torch.equal(getattr(moved, name), getattr(batch, name))


def test_shifts_have_the_deviation_that_is_asked_for() -> None:
    batch = make_batch()
    many = replace(
        batch,
        weather=batch.weather[:1].expand(4000, -1, -1),
        weather_start=batch.weather_start[:1].expand(4000),
        weather_index=torch.zeros_like(batch.weather_index),
    )
    days = (shifted(many, 20.0, drawn(0)).weather_start - many.weather_start).float()
    assert abs(float(days.mean())) < 2 and float(days.std()) == pytest.approx(20, rel=0.05)


def test_only_the_date_tells_a_network_of_the_shift() -> None:
    """Four years on, the calendar is the same and so are the forecasts."""
    network, batch = make_network(), make_batch()
    cycle = {name: getattr(batch, name) + 1461 for name in ("weather_start", "image_days", "target_day")}
    torch.testing.assert_close(network(replace(batch, **cycle)), network(batch))
    moved = shifted(batch, 60.0, drawn(3))
    assert not torch.equal(year_phase(moved.target_day), year_phase(batch.target_day))
    loss, plain = (objective(network, batch, drawn(0), 0.5) for objective in (
        ShiftedCalendar(Objective(mask_ratio=0.0, agreement=0.0), 60.0), Objective(mask_ratio=0.0, agreement=0.0),
    ))  # fmt: skip
    assert loss.isfinite() and not torch.equal(loss, plain)


def test_a_training_takes_the_option(grown_cube: Cube, tmp_path: Path) -> None:
    options = PretrainOptions(steps=2, batch_size=2, window=8, images=4, score_windows=1)
    plain, again, moved = (
        pretrain([grown_cube], tmp_path / f"{number}", replace(options, calendar_shift=days))
        for number, days in enumerate((0.0, 0.0, 20.0))
    )
    assert plain["losses"] == again["losses"] != moved["losses"]
    assert moved["options"]["calendar_shift"] == 20.0
