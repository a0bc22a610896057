"""Trains the networks of an evaluation: one encoder under each objective and in each variant, and their rivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.baselines.contextformer import PATCH, Contextformer
from mmvsf.model.baselines.convlstm import ConvLSTM
from mmvsf.model.blocks import window_size
from mmvsf.model.mmvsf.checkpoint import Checkpoint, DivergedError, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import masked_mean_square
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
from mmvsf.model.pretraining.fit import PretrainOptions, fit
from mmvsf.model.training.device import choose_device
from mmvsf.model.training.module import Network
from mmvsf.model.training.trainer import LAST

from .held_out import HeldOutYear
from .names import CONTEXTFORMER, RIVALS
from .settings import EvaluationSettings
from .variants import VARIANTS, Variant, objective_of


def pretrain(
    data: HeldOutYear, method: str, rate: float, seed: int, settings: EvaluationSettings, folder: Path
) -> dict[str, Any]:
    """Train an encoder and write its weights to `folder`; `method` is an objective or a variant. Seeds fix weights,
    samples and masks alike, so that two objectives of one seed start from the same weights and see the same images in
    the same order."""
    network, options, report = _trained(data, method, rate, seed, settings, folder)
    training = {**asdict(options), "held_out": data.year, "torch": torch.__version__}
    weather = options.chosen_objective().weather
    save_checkpoint(
        folder, network, data.reader.normalisation, [data.cube], training, weather=weather, folds=[data.fold]
    )
    return report


def train_variant(
    data: HeldOutYear, variant: str, rate: float, settings: EvaluationSettings, folder: Path
) -> tuple[MMVSF, dict[str, Any]]:
    """A variant of the network, trained with seed 0 and not kept, and a report of its training."""
    network, _, report = _trained(data, variant, rate, 0, settings, folder)
    return network, report


def train_rival(
    data: HeldOutYear, method: str, rate: float, settings: EvaluationSettings, folder: Path
) -> tuple[Callable[[Batch], Tensor], dict[str, Any]]:
    """One of RIVALS, trained with seed 0, and a report of its training."""
    lightning.seed_everything(0, verbose=False)
    network: nn.Module
    if method == CONTEXTFORMER:
        network = Contextformer(len(data.cube.bands), len(data.cube.weather), patch=min(PATCH, settings.size))
    else:
        network = ConvLSTM(len(data.cube.bands), len(data.cube.weather))
    report = _train(network, _forecast_loss, data, _options(settings, 0, "mm-vsf", rate), folder)
    return network, {**report, "parameters": _count(network)}


def try_rate(data: HeldOutYear, method: str, rate: float, settings: EvaluationSettings, folder: Path) -> dict[str, Any]:
    """A third of a training at a learning rate, under an objective or of a rival; `validation` in the result is the
    mean of the last three validation losses, at the places for validation in the training years, or of the training
    losses where there are no such places; None where the training diverged."""
    short = replace(settings, steps=max(1, settings.steps // 3))
    try:
        if method in RIVALS:
            report = train_rival(data, method, rate, short, folder)[1]
        else:
            report = _trained(data, method, rate, 0, short, folder)[2]
    except DivergedError:
        return {"rate": rate, "validation": None}
    losses = [row[2] for row in report["losses"] if row[2] is not None] or [row[1] for row in report["losses"]]
    return {**report, "rate": rate, "validation": float(np.mean(losses[-3:]))}


def best_rate(trials: Sequence[Mapping[str, Any]]) -> float:
    """The learning rate of the trial with the lowest validation loss. One that diverged is not taken, the lowest rate
    where all did."""

    def loss(trial: Mapping[str, Any]) -> float:
        """Records hold None where a loss is not finite."""
        validation = trial["validation"]
        return math.inf if validation is None or not math.isfinite(validation) else float(validation)

    return float(min(trials, key=lambda trial: (loss(trial), trial["rate"]))["rate"])


def _new(config: NetworkConfig, normalisation: Normalisation, seed: int) -> MMVSF:
    lightning.seed_everything(seed, verbose=False)
    return new_network(config, normalisation)


def random_encoder(cube: Cube, normalisation: Normalisation, seed: int, settings: EvaluationSettings) -> Checkpoint:
    """An encoder before pretraining, to compare with: it gives random features."""
    network = _new(network_config(cube, settings), normalisation, seed).to(choose_device()).eval()
    return Checkpoint(network, normalisation, weather=True, config={})


def network_config(cube: Cube, settings: EvaluationSettings, method: str = "") -> NetworkConfig:
    """The size that the settings ask for, or a variant of it, for the bands and the weather of a cube."""
    variant = VARIANTS.get(method, Variant())
    sizes = SIZES[variant.network or settings.network]
    static = cube.static_layers if variant.site else None
    return NetworkConfig(cube.bands, cube.weather, static=static, **{**sizes, **variant.changes})


def _forecast_loss(network: nn.Module, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
    """That of variable-step forecasting, with nothing hidden."""
    return masked_mean_square(network(batch), batch.target, batch.target_valid)


def check_windows(cube: Cube, settings: EvaluationSettings) -> None:
    """Raises InputError where the chunks of a cube cannot be cut into the windows of a network, of training or of
    scores."""
    for method in ("", *VARIANTS) if settings.scored > 1 else ("",):
        patch = network_config(cube, settings, method).patch
        for size in (VARIANTS.get(method, Variant()).window or settings.size, settings.scored):
            window_size([cube], patch, size)


def encoder_folder(folder: Path, year: int, objective: str, seed: int) -> Path:
    """The folder, in that of an evaluation, of an encoder pretrained with a year held out."""
    return folder / f"pretrain/{year}/{objective}/{seed}"


def load(folder: Path) -> Checkpoint:
    """A pretrained encoder on the best device there is."""
    checkpoint = load_checkpoint(folder)
    checkpoint.network.to(choose_device())
    return checkpoint


def _count(network: nn.Module) -> int:
    """Parameters of a network."""
    return sum(p.numel() for p in network.parameters())


def _trained(
    data: HeldOutYear, method: str, rate: float, seed: int, settings: EvaluationSettings, folder: Path
) -> tuple[MMVSF, PretrainOptions, dict[str, Any]]:
    """A network trained under an objective, or in a variant of MM-VSF, with the options and a report."""
    options = _options(settings, seed, method, rate)
    network = _new(network_config(data.cube, settings, method), data.reader.normalisation, seed)
    objective = replace(objective_of(method), mask_ratio=options.mask_ratio)
    report = _train(network, objective, data, options, folder)
    return network, options, {**report, "parameters": _count(network)}


def _options(settings: EvaluationSettings, seed: int, method: str, rate: float) -> PretrainOptions:
    variant = VARIANTS.get(method, Variant())
    return PretrainOptions(
        size=variant.network or settings.network,
        steps=max(1, round(variant.steps * settings.steps)),
        batch_size=variant.batch_size or settings.batch_size,
        images=settings.images,
        learning_rate=rate,
        window=variant.window or settings.size,
        mask_ratio=settings.mask_ratio if variant.mask_ratio is None else variant.mask_ratio,
        objective="mm-vsf" if method in VARIANTS else method,
        site=variant.site,
        seed=seed,
    )


def _train(
    network: Network,
    objective: Callable[[Network, Batch, torch.Generator, float], Tensor],
    data: HeldOutYear,
    options: PretrainOptions,
    folder: Path,
) -> dict[str, Any]:
    try:
        report = fit(network, objective, [data.reader], options, folder, folds=[data.fold], title=None)
    finally:
        (folder / LAST).unlink(missing_ok=True)
    if report is None:
        raise RuntimeError("an evaluation trains on one device")
    network.to(choose_device()).eval()
    return {"training": report.training, "losses": report.losses}
