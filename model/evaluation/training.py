"""Trains the networks of an evaluation: one encoder under each objective, and the ConvLSTM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.baselines.convlstm import ConvLSTM
from mmvsf.model.evaluation.forecasts.items import EvaluationSet
from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import masked_mean_square
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
from mmvsf.model.pretraining.device import choose_device
from mmvsf.model.pretraining.fit import LAST, PretrainOptions, fit
from mmvsf.model.pretraining.training import Network

from .settings import Settings

CONVLSTM = "convlstm"


def pretrain(
    data: EvaluationSet, objective: str, rate: float, seed: int, settings: Settings, folder: Path
) -> dict[str, Any]:
    """Train the encoder and write its weights to `folder`. Seeds fix weights, samples and masks alike, so that two
    objectives of one seed start from the same weights and see the same images in the same order."""
    options = _options(settings, seed, objective, rate)
    normalisation, cube = data.reader.normalisation, data.cube
    network = _new(network_config(cube, settings), normalisation, seed)
    chosen = options.chosen_objective()
    found = _train(network, chosen, data, options, folder)
    training = {**asdict(options), "held_out": data.year, "torch": torch.__version__}
    save_checkpoint(folder, network, normalisation, {cube.region.name: cube.digest}, training, weather=chosen.weather)
    return {**found, "parameters": sum(p.numel() for p in network.parameters())}


def try_rate(data: EvaluationSet, objective: str, rate: float, settings: Settings, folder: Path) -> dict[str, Any]:
    """A third of a training at a learning rate, under an objective or of the ConvLSTM; the result's `validation` is the
    loss at the validation place in the training years, the mean of the last three times it was taken."""
    short = replace(settings, steps=max(1, settings.steps // 3))
    if objective == CONVLSTM:
        found = train_convlstm(data, rate, 0, short, folder)[1]
    else:
        options = _options(short, 0, objective, rate)
        network = _new(network_config(data.cube, short), data.reader.normalisation, 0)
        found = _train(network, options.chosen_objective(), data, options, folder)
    losses = [row[2] for row in found["losses"] if row[2] is not None] or [row[1] for row in found["losses"]]
    return {**found, "rate": rate, "validation": float(np.mean(losses[-3:]))}


def best_rate(trials: Sequence[Mapping[str, Any]]) -> float:
    """The learning rate of the trial with the least validation loss. One that diverged has none and is never taken."""
    best = min(trials, key=lambda trial: float(np.nan_to_num(trial["validation"], nan=np.inf)))
    return float(best["rate"])


def _new(config: NetworkConfig, normalisation: Normalisation, seed: int) -> MMVSF:
    lightning.seed_everything(seed, verbose=False)
    return new_network(config, normalisation)


def random_encoder(cube: Cube, normalisation: Normalisation, seed: int, settings: Settings) -> Checkpoint:
    """An encoder as it is before pretraining: what a head makes of random features."""
    network = _new(network_config(cube, settings), normalisation, seed).to(choose_device()).eval()
    return Checkpoint(network, normalisation, weather=True, config={})


def network_config(cube: Cube, settings: Settings) -> NetworkConfig:
    """The size that the settings ask for, for the bands and the weather of a cube."""
    return NetworkConfig(cube.bands, cube.weather, **SIZES[settings.network])


def train_without_indices(
    data: EvaluationSet, rate: float, settings: Settings, folder: Path
) -> tuple[MMVSF, dict[str, Any]]:
    """MM-VSF that is told no antecedent indices, only states and sums of its own recurrence, and what is to be said of
    its training."""
    config = replace(network_config(data.cube, settings), recent=())
    options = _options(settings, 0, "mm-vsf", rate)
    network = _new(config, data.reader.normalisation, 0)
    found = _train(network, options.chosen_objective(), data, options, folder)
    return network, {**found, "parameters": sum(p.numel() for p in network.parameters())}


def train_convlstm(
    data: EvaluationSet, rate: float, seed: int, settings: Settings, folder: Path
) -> tuple[Callable[[Batch], Tensor], dict[str, Any]]:
    """The trained network, and what is to be said of its training."""
    lightning.seed_everything(seed, verbose=False)
    network = ConvLSTM(len(data.cube.bands), len(data.cube.weather))
    found = _train(network, _forecast_loss, data, _options(settings, seed, "mm-vsf", rate), folder)
    return network, {**found, "parameters": sum(p.numel() for p in network.parameters())}


def _forecast_loss(network: ConvLSTM, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
    """That of variable-step forecasting, with nothing hidden."""
    return masked_mean_square(network(batch), batch.target, batch.target_valid)


def load(folder: Path) -> Checkpoint:
    """A pretrained encoder on the best device there is."""
    checkpoint = load_checkpoint(folder)
    checkpoint.network.to(choose_device())
    return checkpoint


def _options(settings: Settings, seed: int, objective: str, rate: float) -> PretrainOptions:
    return PretrainOptions(
        size=settings.network,
        steps=settings.steps,
        batch_size=settings.batch_size,
        images=settings.images,
        learning_rate=rate,
        window=settings.size,
        mask_ratio=settings.mask_ratio,
        objective=objective,
        seed=seed,
    )


def _train(
    network: Network,
    objective: Callable[[Network, Batch, torch.Generator, float], Tensor],
    data: EvaluationSet,
    options: PretrainOptions,
    folder: Path,
) -> dict[str, Any]:
    fitted = fit(network, objective, [data.reader], options, folder, folds=[data.fold], title=None)
    (folder / LAST).unlink(missing_ok=True)
    if fitted is None:
        raise RuntimeError("an evaluation trains on one device")
    network.to(choose_device()).eval()
    return {"training": fitted.training, "losses": fitted.losses}
