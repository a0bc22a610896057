"""Fitting a network to the windows of cubes: the options of a pretraining, and the training itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.loader import CubeDataModule, SamplePlan
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective

from .device import autocast_precision, choose_device
from .training import CLIP, Bar, Network, Training, console, quiet_lightning

LAST = "last.ckpt"


@dataclass(frozen=True, slots=True)
class PretrainOptions:
    """What a run is; two runs of equal options on equal cubes are the same run."""

    size: str = "compact"
    steps: int = 1500
    batch_size: int = 8
    images: int = 12
    """Context images of a training sample, at most."""
    learning_rate: float = 2e-3
    window: int = 16
    """Pixels a side of the windows that are trained on. Small ones show more places and seasons in the same time, also
    to a network that forecasts larger ones."""
    mask_ratio: float = 0.25
    objective: str = "mm-vsf"
    """One of OBJECTIVES."""
    seed: int = 0
    devices: int = 1
    workers: int = 0
    """Loader processes; 0 reads in the training process, which two cores have no use for more than."""
    score_windows: int = 72
    """Windows of each held-out set that are scored, spread evenly; 0 for all."""

    def chosen_objective(self) -> Objective:
        """Raises InputError where there is no such objective."""
        if self.objective not in OBJECTIVES:
            raise InputError(f"--objective {self.objective}: choose one of {', '.join(OBJECTIVES)}")
        return replace(OBJECTIVES[self.objective], mask_ratio=self.mask_ratio)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training left to say, beside the weights."""

    losses: list[list[float | None]]
    """[step, training loss or None, validation loss or None]"""
    training: dict[str, Any]
    """Seconds, steps, rate, precision and machine."""


def fit(
    network: Network,
    objective: Callable[[Network, Batch, torch.Generator, float], Tensor],
    readers: Sequence[WindowReader],
    options: PretrainOptions,
    folder: Path,
    *,
    folds: Sequence[Fold] | None = None,
    first_step: int = 0,
    title: str | None = "pretraining",
) -> Fitted | None:
    """Train a network in place on its windows, and keep `last.ckpt` in `folder`, from which a training
    goes on where `first_step` is above 0. None on all but the first of several devices. `title` is that of the
    progress bar, None for none. Raises KeyboardInterrupt."""
    module = Training(network, objective, learning_rate=options.learning_rate, steps=options.steps, seed=options.seed)
    data = CubeDataModule(
        readers,
        SamplePlan(size=options.window, images=options.images, seed=options.seed),
        batch_size=options.batch_size,
        steps=options.steps,
        first_step=first_step,
        processes=options.devices,
        workers=options.workers,
        folds=folds,
    )
    if not data.has_validation:
        console.print("no window is held out for validation: only the training loss is watched")
    device = choose_device()
    precision = autocast_precision(device)
    started = time.perf_counter()
    with quiet_lightning():
        trainer = lightning.Trainer(
            max_steps=options.steps,
            max_epochs=-1,
            accelerator="auto",
            devices=options.devices,
            strategy="ddp" if options.devices > 1 else "auto",
            precision="bf16-mixed" if precision else "32-true",
            gradient_clip_val=CLIP,
            callbacks=[
                *([Bar(title, options.steps, first_step)] if title else []),
                ModelCheckpoint(
                    folder,
                    filename="last",
                    every_n_train_steps=max(1, options.steps // 10),
                    enable_version_counter=False,
                ),
            ],
            val_check_interval=max(1, min(options.steps // 8, options.steps - first_step)),
            check_val_every_n_epoch=None,
            limit_val_batches=1.0 if data.has_validation else 0,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        last = str(folder / LAST) if first_step else None
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    seconds = time.perf_counter() - started
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        return None
    windows = (options.steps - first_step) * options.batch_size * options.devices
    return Fitted(
        module.losses,
        {
            "seconds": round(seconds, 1),
            "steps": options.steps,
            "resumed_from": first_step,
            "windows_per_second": round(windows / seconds, 1),
            "precision": "bf16-mixed" if precision else "float32",
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
        },
    )
