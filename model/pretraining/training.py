"""Training with Lightning: one module, its schedule, its losses, its progress bar, its checkpoints."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch

console = Console(stderr=True)
Network = TypeVar("Network", bound=nn.Module)


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


CLIP = 1.0
"""Greatest norm of a step's gradient."""


def rate(step: int, steps: int, warmup: int) -> float:
    """Learning rate as a share of its peak: a linear rise, then half a cosine down to nearly nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def scheduled_optimizer(
    network: nn.Module, learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW over what is not frozen, without decay of biases and norms, and its rate over so many steps."""
    trained = [p for p in network.parameters() if p.requires_grad]
    decay, rest = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98))
    warmup = max(1, min(100, steps // 10))
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, warmup))


class Training(lightning.LightningModule, Generic[Network]):
    """One network under one objective. `losses` holds [step, training or None, validation or None]."""

    def __init__(
        self,
        network: Network,
        objective: Callable[[Network, Batch, torch.Generator, float], Tensor],
        *,
        learning_rate: float,
        steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.learning_rate, self.steps, self.seed = learning_rate, steps, seed
        self.losses: list[list[float | None]] = []
        self._recent: list[Tensor] = []
        self._held_out: list[Tensor] = []

    def _generator(self, step: int) -> torch.Generator:
        """Masks depend on seed, step and process alone, so that a resumed run draws the same."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + self.global_rank)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        progress = self.global_step / self.steps
        loss = self.objective(self.network, batch, self._generator(self.global_step), progress)
        self._recent.append(loss.detach())
        step = self.global_step + 1
        if step % max(1, self.steps // 60) == 0:
            self.losses.append([step, float(torch.stack(self._recent).mean()), None])
            self._recent.clear()
        return loss

    def validation_step(self, batch: Batch, number: int) -> None:
        self._held_out.append(self.objective(self.network, batch, self._generator(-1 - number), 1 - 1 / self.steps))

    def on_validation_epoch_end(self) -> None:
        mean = self.trainer.strategy.reduce(torch.stack(self._held_out).mean(), reduce_op="mean")
        self._held_out.clear()
        self.losses.append([self.global_step, None, float(mean)])

    def configure_optimizers(self) -> Any:
        optimizer, schedule = scheduled_optimizer(self.network, self.learning_rate, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["losses"] = self.losses

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses = checkpoint["losses"]


class Bar(Callback):
    """One line: how far, the latest losses, the time left."""

    def __init__(self, what: str, steps: int, first: int) -> None:
        self.bar = Progress(
            TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(), console=console, transient=False,
        )  # fmt: skip
        self.task = self.bar.add_task(what, total=steps, completed=first, loss="")

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any) -> None:
        losses = module.losses if isinstance(module, Training) else []
        train = next((x[1] for x in reversed(losses) if x[1] is not None), None)
        held_out = next((x[2] for x in reversed(losses) if x[2] is not None), None)
        text = "" if train is None else f"loss {train:.3f}"
        text += "" if held_out is None else f", validation {held_out:.3f}"
        self.bar.update(self.task, completed=trainer.global_step, loss=text)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self.bar.stop()
