"""Ending a training by a signal: after the step that runs, with a checkpoint from which it resumes exactly."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """A training was ended by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopAfterStep(Callback):
    """Ends a training with StoppedError after the step in which SIGINT or SIGTERM arrives. A second signal has its
    usual effect at once."""

    def __init__(self, checkpoint: Path | None) -> None:
        """`checkpoint` is written before, where given."""
        self.checkpoint = checkpoint
        self.received: int | None = None
        self.usual: dict[int, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self.usual = {number: signal.signal(number, self._remember) for number in SIGNALS}

    def _remember(self, number: int, frame: object) -> None:
        self.received = number
        self._restore()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if self.received is not None:
            if self.checkpoint is not None:
                trainer.save_checkpoint(self.checkpoint)
            raise StoppedError(self.received)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._restore()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.usual.items():
            signal.signal(number, handler)
        self.usual = {}
