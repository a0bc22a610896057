"""Whether a pretraining continues an unfinished one, and from which step."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.model.records import has_settings, read_record, write_record
from mmvsf.model.training.progress import console
from mmvsf.model.training.trainer import LAST

RECORD = "last.json"


def first_step(folder: Path, settings: Mapping[str, Any], *, steps: int, restart: bool) -> int:
    """The step after which an unfinished training in `folder` is continued; 0 for a new one, which is recorded.

    `settings` is all that the weights depend on. Raises InputError where the unfinished training had other settings,
    or its files are damaged; `restart` drops it.
    """
    last, record = folder / LAST, folder / RECORD
    if not last.is_file() or restart:
        last.unlink(missing_ok=True)
        write_record(record, settings, {})
        return 0
    unfinished = read_record(record)
    if unfinished is None:
        raise InputError(
            f"{record} is missing or damaged, so {LAST} beside it cannot be continued; add --restart to drop it and"
            " start again"
        )
    if not has_settings(unfinished, settings):
        raise InputError(
            f"{folder} holds an unfinished training with other options or other cubes; resume it with the same options,"
            " or add --restart to drop it and start again"
        )
    step = _step(last)
    console.print(f"resuming at step {step} of {steps} ({last})")
    return step


def remove_checkpoint(folder: Path) -> None:
    """Remove what a finished training no longer needs."""
    for name in (LAST, RECORD):
        (folder / name).unlink(missing_ok=True)


def _step(path: Path) -> int:
    """The steps that a checkpoint holds. Raises InputError for a damaged one."""
    try:
        return int(torch.load(path, weights_only=True, map_location="cpu")["global_step"])
    except (
        RuntimeError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise InputError(
            f"{path} is damaged ({one_line(error, 120)}); add --restart to drop it and start again"
        ) from error
