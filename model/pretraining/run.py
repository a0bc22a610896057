"""Pretraining: learn from cubes by forecasting, compare with persistence and climatology, write it all down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from rich.progress import track

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, index_windows, spread
from mmvsf.model.card import write_model_card
from mmvsf.model.figures import forecast_figure, loss_figure, save
from mmvsf.model.forecast import draw_examples
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.checkpoint import new_network, save_checkpoint
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
from mmvsf.model.scoring import score_forecasts

from .device import autocast_precision, choose_device
from .fit import LAST, PretrainOptions, fit
from .training import console

OPTIONS = "last.json"


def pretrain(cubes: Sequence[Cube], folder: Path, options: PretrainOptions, *, restart: bool = False) -> dict[str, Any]:
    """Train MM-VSF on cubes and write weights, configuration, scores, pictures and a card to `folder`.

    An unfinished run of the same options goes on from its last checkpoint unless `restart`. Returns what
    metrics.json holds. Raises InputError where options and data don't fit, or the unfinished run is another.
    """
    if options.size not in SIZES:
        raise InputError(f"--size {options.size}: there is no such size; choose one of {', '.join(SIZES)}")
    objective = options.chosen_objective()
    normalisation = Normalisation.of(cubes)
    readers = [WindowReader(cube, normalisation) for cube in cubes]
    config = NetworkConfig(cubes[0].bands, cubes[0].weather, **SIZES[options.size])
    size = window_size(cubes, config.patch)
    options = replace(options, window=window_size(cubes, config.patch, options.window))
    folder.mkdir(parents=True, exist_ok=True)
    resumed = _find_unfinished(folder, options, cubes, restart)
    first_step = _step_of(folder / LAST) if resumed else 0

    lightning.seed_everything(options.seed, verbose=False)
    network = new_network(config, normalisation)
    fitted = fit(network, objective, readers, options, folder, first_step=first_step)
    if fitted is None:
        return {}
    device = choose_device()
    precision = autocast_precision(device)
    training = {
        **fitted.training,
        "parameters": sum(p.numel() for p in network.parameters()),
        "windows": [index_windows(cube).count for cube in cubes],
    }
    save_checkpoint(
        folder,
        network,
        normalisation,
        {cube.region.name: cube.digest for cube in cubes},
        {**asdict(options), "torch": torch.__version__, "precision": training["precision"]},
        weather=objective.weather,
    )
    save(loss_figure(fitted.losses), folder / "loss.png")
    network.to(device).eval()
    metrics = {
        "region": cubes[0].region.name,
        "cubes": {cube.region.name: cube.digest for cube in cubes},
        "options": asdict(options),
        "units": "reflectance as a fraction; 'mean' over bands in units of each band's training deviation",
        "forecast": score(network, readers, options, objective.weather, size, precision),
        "training": training,
        "losses": fitted.losses,
    }
    examples = draw_examples(network, readers[0], size, objective.weather, precision)
    if examples:
        save(forecast_figure(examples, cubes[0].bands), folder / "forecast.png")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    write_model_card(folder, cubes, config, metrics, weather=objective.weather)
    for name in (LAST, OPTIONS):
        (folder / name).unlink(missing_ok=True)
    return metrics


def window_size(cubes: Sequence[Cube], patch: int, most: int | None = None) -> int:
    """Pixels a side of windows: `most`, or as many as a forecast is made for at once (32, with large patches 128); or a
    smaller chunk. Raises InputError where patches don't fit."""
    size = min(most or (32 if patch < 8 else 128), *(cube.grid.chunk for cube in cubes))
    for cube in cubes:
        if size % patch or cube.grid.chunk % size:
            raise InputError(
                f"{cube.path}: its chunks of {cube.grid.chunk} pixels cannot be cut into windows of {size} pixels "
                f"of whole patches of {patch}; choose a chunk that is a power of two in its recipe, or another --window"
            )
    return size


def score(
    network: MMVSF,
    readers: Sequence[WindowReader],
    options: PretrainOptions,
    weather: bool,
    size: int,
    precision: torch.dtype | None,
) -> list[dict[str, Any]]:
    """Rows of scores on the held-out sets of all cubes together; sets without windows are left out."""
    normal = readers[0].normalisation
    mean, deviation = (np.asarray(x, np.float32) for x in (normal.bands.mean, normal.bands.std))
    scores = ForecastScores(normal.bands.names, mean, deviation)
    for reader in readers:
        index = index_windows(reader.cube)
        windows: dict[SplitName, Sequence[Window]] = {
            part: spread(index[part], options.score_windows) for part in HELD_OUT
        }
        empty = [part for part, members in windows.items() if not members]
        if empty:
            console.print(f"{reader.cube.region.name}: no windows in {', '.join(empty)}; not scored")
        steps = score_forecasts(network, reader, windows, scores, weather=weather, precision=precision, size=size)
        for _ in track(steps, "scoring forecasts", sum(map(len, windows.values())), console=console):
            pass
    return scores.rows()


def _step_of(path: Path) -> int:
    return int(torch.load(path, weights_only=True, map_location="cpu")["global_step"])


def _find_unfinished(folder: Path, options: PretrainOptions, cubes: Sequence[Cube], restart: bool) -> bool:
    """Whether there is a run to go on with; notes down what the run that starts now is."""
    run = {"options": asdict(options), "cubes": {cube.region.name: cube.digest for cube in cubes}}
    noted, last = folder / OPTIONS, folder / LAST
    if not restart and last.is_file() and noted.is_file():
        if json.loads(noted.read_text(encoding="utf-8")) == run:
            console.print(f"going on from step {_step_of(last)} of {options.steps} ({last})")
            return True
        raise InputError(
            f"{folder} holds an unfinished training with other options or another cube; go on with the same "
            "options, or add --restart to begin anew"
        )
    last.unlink(missing_ok=True)
    noted.write_text(json.dumps(run), encoding="utf-8")
    return False
