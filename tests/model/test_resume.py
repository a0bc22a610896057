"""A killed training resumes exactly; what does not belong to it, or is damaged, is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._utils import ExceptionWrapper

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.resume import RECORD, first_step
from mmvsf.model.pretraining.run import pretrain
from mmvsf.model.training.module import Training
from mmvsf.model.training.trainer import LAST, loader_errors

from .conftest import OPTIONS

pytestmark = pytest.mark.slow


def test_a_killed_run_resumes_to_the_same_weights(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, steps=20, batch_size=2, images=4, score_windows=1, mask_ratio=0.5)
    pretrain([grown_cube], tmp_path / "whole", options)
    step = Training.training_step

    def killed(self: Training[Any], batch: Any, number: int) -> Any:
        if self.global_step == 13:
            raise RuntimeError("killed")
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain([grown_cube], tmp_path / "cut", options)
    assert (tmp_path / "cut" / LAST).is_file() and not (tmp_path / "cut" / "model.safetensors").exists()
    with pytest.raises(InputError, match="unfinished training with other options"):
        pretrain([grown_cube], tmp_path / "cut", replace(options, seed=1))
    resumed = pretrain([grown_cube], tmp_path / "cut", options)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert [row[0] for row in resumed["losses"] if row[1]] == list(range(1, 21))
    assert not (tmp_path / "cut" / LAST).exists()


def unfinished(folder: Path, options: PretrainOptions) -> dict[str, Any]:
    """Leave an unfinished training with these options in a folder; returns its settings."""
    settings = {"options": options.as_settings(), "cubes": ["grown-0"]}
    assert first_step(folder, settings, steps=options.steps, restart=False) == 0
    torch.save({"global_step": 7}, folder / LAST)
    return settings


def test_resuming_depends_on_options_that_samples_depend_on(tmp_path: Path) -> None:
    settings = unfinished(tmp_path, OPTIONS)
    more_workers = {**settings, "options": replace(OPTIONS, workers=3).as_settings()}
    assert first_step(tmp_path, more_workers, steps=90, restart=False) == 7
    for other in (
        {**settings, "options": replace(OPTIONS, batch_size=7).as_settings()},
        {**settings, "cubes": ["grown-0", "grown-1"]},
        {**settings, "cubes": ["grown-1"]},
    ):
        with pytest.raises(InputError, match=r"other options or other cubes; resume it with .* --restart"):
            first_step(tmp_path, other, steps=90, restart=False)
    assert first_step(tmp_path, settings, steps=90, restart=True) == 0
    assert not (tmp_path / LAST).exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [(LAST, b""), (LAST, b"nonsense"), (LAST, b"PK\x03\x04 cut off"), (RECORD, b""), (RECORD, b"[1]"), (RECORD, None)],
)
def test_damaged_files_of_an_unfinished_training_are_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    settings = unfinished(tmp_path, OPTIONS)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is .*damaged.* add --restart"):
        first_step(tmp_path, settings, steps=90, restart=False)
    assert first_step(tmp_path, settings, steps=90, restart=True) == 0


def test_a_cut_off_checkpoint_is_refused(tmp_path: Path) -> None:
    settings = unfinished(tmp_path, OPTIONS)
    whole = (tmp_path / LAST).read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / LAST).write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            first_step(tmp_path, settings, steps=90, restart=False)


def test_a_dead_loader_process_is_one_line() -> None:
    for text in ("DataLoader worker (pid 41) is killed by signal: Killed. ", "DataLoader worker (pid(s) 41) exited"):
        with pytest.raises(IncompleteError, match=r"a loader process died.*fewer --workers"), loader_errors():
            raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="of another kind"), loader_errors():
        raise RuntimeError("of another kind")


def test_an_error_of_ours_in_a_loader_process_is_its_own_line() -> None:
    try:
        raise InputError("grown.zarr: weather of 2020-01-01 is missing; see `mmvsf check`")
    except InputError:
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    with pytest.raises(InputError) as caught, loader_errors():
        wrapped.reraise()
    assert str(caught.value) == "grown.zarr: weather of 2020-01-01 is missing; see `mmvsf check`"
