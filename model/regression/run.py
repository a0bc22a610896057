"""Regression of a cube's targets: teach the pretrained encoder numbers of pixels, and score it on held-out data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from rich.progress import track

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.ahead import SampleLoader
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import LabelledSamples, SamplePlan, season_sample
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SPLIT_NAMES, SplitName, Window, index_windows, spread
from mmvsf.model.blocks import window_size
from mmvsf.model.metrics import PairSums
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits, new_network
from mmvsf.model.mmvsf.learned import learned_held_out
from mmvsf.model.records import write_json
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.module import Training
from mmvsf.model.training.progress import console
from mmvsf.model.training.trainer import train

from .head import RegressionLoss, Regressor, no_classes
from .opponents import describe, train_trees
from .saved import save_regressor

BATCH = 8
"""Windows that are scored together."""
Windows = dict[SplitName, list[Window]]


@dataclass(frozen=True, slots=True)
class RegressionOptions:
    """The options of a run."""

    target: str
    until: tuple[int, int] | None = None
    """(month, day) of the last image that is used; None for the whole season"""
    steps: int = 250
    batch_size: int = 8
    images: int = 16
    """Images of a training sample, at most."""
    learning_rate: float = 1e-3
    freeze: bool = False
    """Train the head only."""
    scratch: bool = False
    """Start from random weights."""
    seed: int = 0
    tree_pixels: int = 20_000
    """Pixels that the trees learn from."""
    score_windows: int = 300
    """Windows of each held-out set that are scored, and of the training part that the trees learn from; 0 for all."""


def regress(
    cube: Cube, checkpoint: Checkpoint, folder: Path, options: RegressionOptions, where: Path
) -> dict[str, Any]:
    """Train a regressor of one of the cube's targets, and score it beside boosted trees and the mean of training.

    `where` is the folder of the checkpoint, for messages. Writes the regressor and metrics.json to `folder` and returns
    the content of the latter. Raises InputError where the cube has no such target or none for training, or carries
    other variables than the model, and IncompleteError where the training diverges.
    """
    check_fits(checkpoint.normalisation, cube, where)
    reader = WindowReader(cube, checkpoint.normalisation)
    windows = target_windows(reader, options)
    mean, std = _moments(reader, spread(windows["train"], options.score_windows), options.target)
    lightning.seed_everything(options.seed, verbose=False)
    network = checkpoint.network
    if options.scratch:
        network = new_network(network.config, checkpoint.normalisation)
    size = window_size([cube], network.config.patch)
    regressor = Regressor(network, mean, std, weather=checkpoint.weather, freeze=options.freeze)
    trained = _train(regressor, reader, windows["train"], size, options)
    regressor.to(choose_device()).eval()
    units = cube.region.targets[options.target].units
    save_regressor(folder, regressor, checkpoint.normalisation, cube, options.target, {"options": asdict(options)})
    metrics = {
        "region": cube.region.name,
        "cube": cube.digest,
        "options": asdict(options),
        "model": {"folder": str(where), "cubes": checkpoint.config["cubes"], "sees_weather": checkpoint.weather},
        "held_out": None if options.scratch else learned_held_out(checkpoint.config, cube),
        "target": {"name": options.target, "units": units, "mean": mean, "std": std},
        "scores": _score(regressor, reader, windows, size, options),
        "training": trained,
    }
    write_json(folder / "metrics.json", metrics)
    return metrics


def target_windows(reader: WindowReader, options: RegressionOptions) -> Windows:
    """The windows with a known number of the target, cut at `until`. Raises InputError where the cube has no such
    target, or no window is left for training."""
    cube, target = reader.cube, options.target
    if target not in cube.targets:
        raise InputError(
            f"--target {target}: {cube.path} has {', '.join(cube.targets) or 'no targets'}; see `targets` in"
            " docs/recipes.md"
        )
    years, index = set(cube.region.targets[target].years), index_windows(cube)
    windows: Windows = {}
    for part in SPLIT_NAMES:
        cut = _cut(cube, (window for window in index[part] if window.year in years), options.until)
        windows[part] = [window for window in cut if _has_numbers(reader, window, target)]
    if not windows["train"]:
        raise InputError(
            f"{cube.path}: no training window with images has a known number of the target {target}; widen its years,"
            " let `split` keep places with numbers for training, or choose a later --until"
        )
    return windows


def _has_numbers(reader: WindowReader, window: Window, target: str) -> bool:
    return bool(np.isfinite(reader.targets(window, [target])).any())


def _cut(cube: Cube, windows: Iterator[Window], until: tuple[int, int] | None) -> Iterator[Window]:
    for window in windows:
        if until is None:
            yield window
            continue
        first = cube.season.season(window.year).first
        last = date(first.year + ((first.month, first.day) > until), *until)
        days = window.days[window.days <= day_number(last)]
        if len(days):
            yield replace(window, days=days)


def _moments(reader: WindowReader, windows: Sequence[Window], target: str) -> tuple[float, float]:
    """Mean and deviation of the known numbers of windows that have some."""
    numbers = np.concatenate([reader.targets(window, [target]).ravel() for window in windows])
    numbers = numbers[np.isfinite(numbers)].astype(np.float64)
    return float(numbers.mean()), float(max(numbers.std(), 1e-6))


def _train(
    regressor: Regressor, reader: WindowReader, windows: Sequence[Window], size: int, options: RegressionOptions
) -> dict[str, Any]:
    plan = SamplePlan(size=size, images=options.images, seed=options.seed, targets=(options.target,))
    tiles = [tile for window in windows for tile in window.tiles(size) if _has_numbers(reader, tile, options.target)]
    samples = LabelledSamples(reader, tiles, no_classes, plan, options.steps * options.batch_size)
    module = Training(regressor, RegressionLoss(), options, new_part="mapper.head")
    trained = train(module, SampleLoader.of(samples, options.batch_size), title=f"learning {options.target}")
    return {"seconds": round(trained.seconds, 1), "steps": options.steps, "losses": module.losses}


def _score(
    regressor: Regressor, reader: WindowReader, windows: Windows, size: int, options: RegressionOptions
) -> list[dict[str, Any]]:
    """One row for every held-out set that has windows and every method, all on the same pixels."""
    console.print("training boosted trees")
    training = spread(windows["train"], options.score_windows)
    trees = train_trees(reader, training, options.target, options.tree_pixels, options.seed)
    mean, rows = float(regressor.mean), []
    for part in HELD_OUT:
        sums = {method: PairSums() for method in ("mmvsf", "trees", "mean")}
        tiles = [tile for window in spread(windows[part], options.score_windows) for tile in window.tiles(size)]
        batches = [tiles[first : first + BATCH] for first in range(0, len(tiles), BATCH)]
        for batch in track(batches, f"scoring {options.target}, {part}", console=console):
            measured = np.concatenate([reader.targets(tile, [options.target]).ravel() for tile in batch])
            known = np.isfinite(measured)
            if not known.any():
                continue
            drawn = np.concatenate([describe(reader, tile) for tile in batch])[known]
            sums["mmvsf"].add(predict(regressor, reader, batch).ravel()[known], measured[known])
            sums["trees"].add(trees.predict(drawn), measured[known])
            sums["mean"].add(np.full(known.sum(), mean), measured[known])
        if not sums["mean"].n:
            console.print(f"no numbers in {part}; not scored")
            continue
        for method, pairs in sums.items():
            scores = pairs.scores()
            rows.append({"set": part, "method": method, "rmse": scores["rmse"], "r2": scores["nse"], "n": scores["n"]})
    return rows


def predict(regressor: Regressor, reader: WindowReader, windows: Sequence[Window]) -> Floats:
    """Numbers (B, H, W) of windows of one size, in the units of the target."""
    device = next(regressor.parameters()).device
    precision = autocast_precision(device)
    batch = collate([season_sample(reader, window) for window in windows]).to(device)
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision is not None):
        return np.asarray(regressor(batch).float().cpu().numpy())
