"""Fitting a network to the windows of cubes: the options of a pretraining, and the training itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.data_module import ForecastDataModule
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.loader import SamplePlan
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.module import Network, Training
from mmvsf.model.training.progress import console
from mmvsf.model.training.trainer import train


@dataclass(frozen=True, slots=True)
class PretrainOptions:
    """The options of a pretraining; two runs with equal options on equal cubes give the same weights."""

    size: str | None = None
    """One of SIZES; None for that of the model that the training begins from, or else for `compact`."""
    steps: int = 1500
    batch_size: int = 8
    images: int = 12
    """Context images of a training sample, at most."""
    learning_rate: float = 2e-3
    window: int = 16
    """Pixels a side of the training windows. Small ones show more places and seasons in the same time, also to a
    network that forecasts larger ones."""
    mask_ratio: float = 0.25
    objective: str = "mm-vsf"
    """One of OBJECTIVES."""
    agreement: float | None = None
    """Weight of the agreement of two halves of the images, 0 for none; None for that of the objective."""
    calendar_shift: float = 0.0
    """Deviation, in days, of a random shift of the calendar of each training sample."""
    site: bool = False
    """Whether the network is given the static layers that all cubes have, and the length of the day."""
    seed: int = 0
    devices: int = 1
    workers: int = 0
    """Loader processes, on which no sample depends; 0 reads in a thread of the training process, which is fastest on
    two cores."""
    score_windows: int = 72
    """Windows of each held-out set that are scored, spread evenly; 0 for all."""

    def chosen_objective(self) -> Objective:
        """Raises InputError where there is no such objective."""
        if self.objective not in OBJECTIVES:
            raise InputError(f"--objective {self.objective}: choose one of {', '.join(OBJECTIVES)}")
        objective = replace(OBJECTIVES[self.objective], mask_ratio=self.mask_ratio)
        return objective if self.agreement is None else replace(objective, agreement=self.agreement)

    def as_settings(self) -> dict[str, Any]:
        """The options that weights or scores depend on."""
        return {name: value for name, value in asdict(self).items() if name != "workers"}


@dataclass(frozen=True, slots=True)
class FitReport:
    """How a training went."""

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
    logger: Logger | None = None,
) -> FitReport | None:
    """Train a network in place on the training windows of cubes, and keep `last.ckpt` in `folder`, from which a
    training resumes where `first_step` is above 0. None on all but the first of several devices.

    `title` is that of the progress bar, None for none; `logger` records options and losses. Raises KeyboardInterrupt
    and IncompleteError as `train` does, and InputError where the training part of a cube is empty.
    """
    module = Training(network, objective, options)
    data = ForecastDataModule(
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
        console.print("no window is held out for validation: only the training loss is shown")
    if logger is not None:
        logger.log_hyperparams(asdict(options))
    trained = train(
        module,
        data,
        title=title,
        first_step=first_step,
        devices=options.devices,
        validate=data.has_validation,
        folder=folder,
        logger=logger,
    )
    if not trained.first_process:
        return None
    device = choose_device()
    windows = (options.steps - first_step) * options.batch_size * options.devices
    return FitReport(
        module.losses,
        {
            "seconds": round(trained.seconds, 1),
            "steps": options.steps,
            "resumed_from": first_step,
            "windows_per_second": round(windows / trained.seconds, 1),
            "precision": "bf16-mixed" if autocast_precision(device) else "float32",
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
        },
    )
