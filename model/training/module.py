"""The Lightning module of a training: its steps, its losses, its optimizer and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import lightning
import torch
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.checkpoint import DivergedError

Network = TypeVar("Network", bound=nn.Module)


NEW_PART = 8.0
"""How many times as fast a new head learns as the trained encoder below it. With 1 in its place the map of `make demo`
had a mean F1 of .497 in a new year, with this .579; where all learned three times as fast it was in between."""


class TrainingOptions(Protocol):
    """What the options of every training have."""

    @property
    def learning_rate(self) -> float:
        """The peak."""
        ...

    @property
    def steps(self) -> int: ...

    @property
    def seed(self) -> int:
        """Of masks and pixels that are drawn."""
        ...


def rate(step: int, steps: int, warmup: int) -> float:
    """Learning rate as a share of its peak: a linear rise, then half a cosine down to nearly nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def scheduled_optimizer(
    network: nn.Module, learning_rate: float, steps: int, new_part: str | None = None
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW over the parameters that are not frozen, without weight decay of biases and norms, and the schedule of its
    learning rate over `steps` steps, which is NEW_PART times as high in the module named `new_part`."""
    trained = [p for p in network.parameters() if p.requires_grad]
    new = set() if new_part is None else set(network.get_submodule(new_part).parameters())
    groups = [
        {
            "params": [p for p in trained if (p.ndim > 1) == weights and (p in new) == is_new],
            "weight_decay": 0.02 if weights else 0.0,
            "lr": learning_rate * (NEW_PART if is_new else 1.0),
        }
        for is_new in ((False, True) if new else (False,))
        for weights in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98))
    warmup = max(1, min(100, steps // 10))
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, warmup))


class Training(lightning.LightningModule, Generic[Network]):
    """One network under one objective. `losses` holds [step, training or None, validation or None].

    A step raises DivergedError where the loss is not finite; it is looked at 60 times in a training, since a GPU waits
    each time.
    """

    def __init__(
        self,
        network: Network,
        objective: Callable[[Network, Batch, torch.Generator, float], Tensor],
        options: TrainingOptions,
        *,
        new_part: str | None = None,
    ) -> None:
        """`new_part` names a module of the network that begins from random weights above trained ones."""
        super().__init__()
        self.new_part = new_part
        self.network, self.objective = network, objective
        self.learning_rate, self.steps, self.seed = options.learning_rate, options.steps, options.seed
        self.every = max(1, self.steps // 60)
        """Steps from one record of the training loss to the next"""
        self.losses: list[list[float | None]] = []
        self._recent: list[Tensor] = []
        self._validation: list[Tensor] = []

    def _generator(self, step: int) -> torch.Generator:
        """Masks depend on seed, step and process alone, so that a resumed run draws the same."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + self.global_rank)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        progress = self.global_step / self.steps
        loss = self.objective(self.network, batch, self._generator(self.global_step), progress)
        self._recent.append(loss.detach())
        if self.trainer.loggers:
            self.log_dict({"loss": loss.detach(), "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"]})
        step = self.global_step + 1
        if step % self.every == 0:
            mean = float(torch.stack(self._recent).mean())
            if not math.isfinite(mean):
                raise DivergedError(
                    f"the training diverged: its loss is {mean} by step {step}. What was trained before is left as it"
                    " was; train again with a lower --learning-rate"
                )
            self.losses.append([step, mean, None])
            self._recent.clear()
        return loss

    def validation_step(self, batch: Batch, number: int) -> None:
        self._validation.append(self.objective(self.network, batch, self._generator(-1 - number), 1 - 1 / self.steps))

    def on_validation_epoch_end(self) -> None:
        mean = self.trainer.strategy.reduce(torch.stack(self._validation).mean(), reduce_op="mean")
        self._validation.clear()
        if self.trainer.loggers:
            self.log("validation_loss", mean)
        self.losses.append([self.global_step, None, float(mean)])

    def configure_optimizers(self) -> Any:
        optimizer, schedule = scheduled_optimizer(self.network, self.learning_rate, self.steps, self.new_part)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["losses"] = self.losses

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses = checkpoint["losses"]
