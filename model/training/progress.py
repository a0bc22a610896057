"""What a training shows on the console: one line with the step, the latest losses and the time left."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmvsf.datasets.console import plain_console

from .module import Training

console = plain_console(stderr=True)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's start-up messages and its advice on worker counts, but not its errors."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class Bar(Callback):
    """The progress bar of a training of `steps` steps, of which `first_step` are done."""

    def __init__(self, title: str, steps: int, first_step: int) -> None:
        self.bar = Progress(
            TextColumn(title, markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(), console=console, transient=False,
        )  # fmt: skip
        self.task = self.bar.add_task(title, total=steps, completed=first_step, loss="")

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any) -> None:
        losses = module.losses if isinstance(module, Training) else []
        train = next((row[1] for row in reversed(losses) if row[1] is not None), None)
        validation = next((row[2] for row in reversed(losses) if row[2] is not None), None)
        text = "" if train is None else f"loss {train:.3f}"
        text += "" if validation is None else f", validation {validation:.3f}"
        self.bar.update(self.task, completed=trainer.global_step, loss=text)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self.bar.stop()
