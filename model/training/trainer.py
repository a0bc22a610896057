"""One way to run a training with Lightning, for pretraining and for crop mapping."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader

from mmvsf.datasets.errors import IncompleteError, MmvsfError, one_line

from .checkpoints import VerifiedCheckpoints
from .device import autocast_precision, choose_device
from .module import Training
from .progress import Bar, quiet_lightning
from .stop import StopAfterStep, StoppedError

LAST = "last.ckpt"
"""The state of an unfinished training: weights, optimizer, losses."""
CLIP = 1.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went."""

    seconds: float
    first_process: bool
    """False on all but the first of several devices."""


def train(
    module: Training[Any],
    data: lightning.LightningDataModule | DataLoader[Any],
    *,
    title: str | None,
    first_step: int = 0,
    devices: int = 1,
    validate: bool = False,
    folder: Path | None = None,
    logger: Logger | None = None,
) -> Trained:
    """Train `module` in place until its last step, with a progress bar of that `title` (None for none).

    `folder`, where given, holds `last.ckpt`, written ten times in a training, from which it resumes where `first_step`
    is above 0; it is also written where SIGINT or SIGTERM ends the training, on one device. `validate` takes the
    validation loss eight times; `logger` records losses and the learning rate. Raises KeyboardInterrupt where it is
    interrupted, DivergedError where the loss is not finite, and IncompleteError where a loader process dies.
    """
    steps = module.steps
    callbacks: list[Callback] = [Bar(title, steps, first_step)] if title else []
    if folder is not None:
        every = max(1, steps // 10)
        callbacks.append(
            ModelCheckpoint(folder, filename="last", every_n_train_steps=every, enable_version_counter=False)
        )
    if devices == 1:
        callbacks.append(StopAfterStep(folder / LAST if folder is not None else None))
    started = time.perf_counter()
    with quiet_lightning(), loader_errors(), _signals():
        trainer = lightning.Trainer(
            max_steps=steps,
            max_epochs=-1,
            accelerator="auto",
            devices=devices,
            strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",  # objectives leave some out
            precision="bf16-mixed" if autocast_precision(choose_device()) else "32-true",
            gradient_clip_val=CLIP,
            callbacks=callbacks,
            plugins=VerifiedCheckpoints(),
            enable_checkpointing=folder is not None,
            val_check_interval=max(1, min(steps // 8, steps - first_step)),
            check_val_every_n_epoch=None,
            limit_val_batches=1.0 if validate else 0,
            num_sanity_val_steps=0,
            logger=logger or False,
            log_every_n_steps=module.every,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        checkpoint = str(folder / LAST) if folder is not None and first_step else None
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    return Trained(time.perf_counter() - started, trainer.is_global_zero)


@contextmanager
def _signals() -> Iterator[None]:
    """The signal that ended a training, once Lightning has ended it: by default SIGINT raises KeyboardInterrupt."""
    try:
        yield
    except StoppedError as stopped:
        signal.raise_signal(stopped.number)
        raise KeyboardInterrupt from stopped


@contextmanager
def loader_errors() -> Iterator[None]:
    """Turn the errors of loader processes into one line each.

    Raises IncompleteError where such a process died, and an error of ours that one raised without the traceback that
    torch puts before its message.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise IncompleteError(
            f"a loader process died, perhaps for lack of memory ({one_line(error)}); run the same command again with"
            " fewer --workers; it resumes from the last checkpoint, if there is one"
        ) from error
    except MmvsfError as error:
        text = str(error)
        if "in DataLoader worker process" not in text:
            raise
        message = text.strip().splitlines()[-1].partition(": ")[2]
        raise type(error)(message or text) from error
