"""Trainings recorded by Lightning's loggers."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.training.loggers import open_logger

from .conftest import OPTIONS


@pytest.mark.slow
def test_a_logger_records_losses_and_changes_no_weight(grown_cube: Cube, tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=3, batch_size=2, images=3, score_windows=1)
    for logger in ("csv", None):
        pretrain([grown_cube], tmp_path / str(logger), options, logger=logger)
    (table,) = tmp_path.glob("csv/lightning_logs/version_0/metrics.csv")
    rows = list(csv.DictReader(table.open()))
    losses = [float(row["loss"]) for row in rows if row.get("loss")]
    assert len(losses) == 3 and all(float(row["learning_rate"]) > 0 for row in rows if row.get("loss"))
    assert "batch_size: 2" in (table.parent / "hparams.yaml").read_text()
    first, second = (tmp_path / name / "model.safetensors" for name in ("csv", "None"))
    assert first.read_bytes() == second.read_bytes()


def test_a_logger_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--logger paper: Lightning has no such logger; choose one of comet, csv, "):
        open_logger("paper", tmp_path)
    assert type(open_logger("CSV", tmp_path)).__name__ == "CSVLogger"
    for name in ("tensorboard", "tensorboardX", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("lightning.fabric.loggers.tensorboard._TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr("lightning.fabric.loggers.tensorboard._TENSORBOARDX_AVAILABLE", False)
    with pytest.raises(InputError, match="--logger tensorboard needs a package that is not installed"):
        open_logger("tensorboard", tmp_path)
    assert not list(tmp_path.iterdir())
